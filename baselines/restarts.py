"""Independent restarts of an optimizer that has got stuck."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from baselines import ranking
from baselines.evolution import cma_es, openai_es, sep_cma_es
from baselines.genetic import gaussian_ga, gesmr_ga, mr15_ga, samr_ga
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import derive
from qdbench.spec import TaskSpec

TOLERANCE = 1e-12
# A part of tell's key that no optimizer uses: until its first restart a run is the inner optimizer's own.
_RESTART = 2**31


class State(eqx.Module):
    """The inner optimizer's state and what decides about a restart.

    Attributes:
        inner: The state of the current run.
        best: The current run's best objective when it last improved.
        since: Iterations since then.
        starting: Whether the next batch is the initial one of a new run.
        restarts: Number of restarts.
    """

    inner: Any
    best: Float[Array, ""]
    since: Int[Array, ""]
    starting: Bool[Array, ""]
    restarts: Int[Array, ""]


class Restarts(Optimizer):
    r"""Runs an optimizer, and starts it again from a new start with a new key when its run has come to nothing.

    A run of the inner optimizer ends, and the next begins with the next iteration, if after an iteration

    1. the best objective b of the run has not grown by more than :math:`10^{-12} (1 + |b|)` in ``patience`` iterations;
    2. or the batch has become a point: no two of its solutions differ in any parameter by more than 1e-12 and a few
       units in the last place;
    3. or the inner optimizer says so itself: CMA-ES and its separable form have a condition number over 1e14 or
       no deviation over 1e-11.

    Nothing is handed from one run to the next, and the budget is not a part of the rule. Until its first restart a run
    is the inner optimizer's, number for number. An optimizer with an initial batch, which must be as large as an
    iteration's, makes it again, in the place of an iteration's.

    Source: the restarts of hansen2009benchmarking with a constant population. ``patience`` is the window of its
    stagnation criterion, 120 + 30 n / lambda iterations, over the best objective instead of medians (a run's best can
    be kept at no cost; it grows within that window in all but lost runs). The tolerance is its TolFun, 1e-12, in a
    form that is also relative: differences that are rounding errors of a large objective are no progress. Criteria 2
    and 3 are its TolX, ConditionCov and pycma's tolx.

    Hyperparameters: ``patience``, and those of the inner optimizer.
    """

    inner: Optimizer
    patience: Float[Array, ""]
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """The first run's start."""
        zero = jnp.zeros((), jnp.int32)
        worst = jnp.full((), -jnp.inf, self.spec.precision)
        return State(self.inner.init(key), worst, zero, jnp.zeros((), bool), zero)

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """What the inner optimizer asks for: its initial batch after a restart, if it has one."""
        if batch in self.initial or not self.initial:
            solutions, inner = self.inner.ask(key, state.inner, batch)
        else:
            solutions, inner = lax.cond(
                state.starting,
                lambda: self.inner.ask(key, state.inner, self.initial[0]),
                lambda: self.inner.ask(key, state.inner, batch),
            )
        return solutions, State(inner, state.best, state.since, state.starting, state.restarts)

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Tells the inner optimizer and starts it again if its run has come to nothing."""
        if batch in self.initial or not self.initial:
            inner = self.inner.tell(key, state.inner, batch, solutions, evaluation)
        else:
            inner = lax.cond(
                state.starting,
                lambda: self.inner.tell(key, state.inner, self.initial[0], solutions, evaluation),
                lambda: self.inner.tell(key, state.inner, batch, solutions, evaluation),
            )
        best = ranking.finite(evaluation.objective).max()
        # An infinite best would make the sum NaN.
        improved = best > jnp.where(
            jnp.isfinite(state.best), state.best + TOLERANCE * (1 + jnp.abs(state.best)), -jnp.inf
        )
        since = jnp.where(improved, 0, state.since + 1)
        stuck = (since >= self.patience) | _is_a_point(solutions)
        if hasattr(self.inner, "collapsed"):
            stuck = stuck | self.inner.collapsed(inner)

        # A loop of no or one turn works in place, where a select would copy matrices every iteration.
        fresh = derive(key, _RESTART)
        inner = lax.fori_loop(0, stuck.astype(jnp.int32), lambda _, __: self.inner.init(fresh), inner)
        return State(
            inner=inner,
            best=jnp.where(stuck, -jnp.inf, jnp.where(improved, best, state.best)),
            since=jnp.where(stuck, 0, since),
            starting=stuck,
            restarts=state.restarts + stuck,
        )


def _is_a_point(solutions: Float[Array, "batch dim"]) -> Bool[Array, ""]:
    """Whether the solutions are all the same but for rounding."""
    if solutions.shape[0] == 1:
        return jnp.zeros((), bool)
    first = solutions[0]
    rounding = np.asarray(4 * np.finfo(solutions.dtype).eps, solutions.dtype)
    return (jnp.abs(solutions - first) <= TOLERANCE + rounding * jnp.abs(first)).all()


def default_patience(dim: int, batch_size: int) -> float:
    """``120 + 30 n / lambda`` iterations."""
    return 120 + 30 * dim / batch_size


def restarting(id: str, factory: Callable[..., Optimizer]) -> Callable[..., Restarts]:
    """The factory of an optimizer with restarts; it takes the hyperparameters of the inner one and ``patience``.

    Raises:
        ValueError: By the factory, if the optimizer's iteration is not one batch, or its initial batch, which an
            iteration makes place for, has another size.
    """

    def make(spec: TaskSpec, patience: float | None = None, **hyperparameters: Any) -> Restarts:
        inner = factory(spec, **hyperparameters)
        sizes = [batch.size for batch in inner.initial]
        if len(inner.iteration) != 1 or sizes not in ([], [inner.iteration[0].size]):
            raise ValueError(
                f"{inner.id!r} cannot restart: it needs one batch an iteration, and a start as large or none"
            )
        size = inner.iteration[0].size
        return Restarts(
            inner=inner,
            patience=jnp.asarray(default_patience(spec.dim, size) if patience is None else patience, spec.precision),
            id=id,
            spec=inner.spec,
            initial=inner.initial,
            iteration=inner.iteration,
        )

    own = list(inspect.signature(make).parameters.values())[1:2]
    spec, *inherited = inspect.signature(factory).parameters.values()
    keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in inherited + own]
    make.__signature__ = inspect.Signature([spec, *keyword])  # type: ignore[attr-defined]
    make.__doc__ = f"Makes {id}; see :class:`Restarts`."
    return make


make_gaussian_ga = restarting("gaussian-ga-restarts", gaussian_ga.make)
make_mr15_ga = restarting("mr15-ga-restarts", mr15_ga.make)
make_samr_ga = restarting("samr-ga-restarts", samr_ga.make)
make_gesmr_ga = restarting("gesmr-ga-restarts", gesmr_ga.make)
make_sep_cma_es = restarting("sep-cma-es-restarts", sep_cma_es.make)
make_cma_es = restarting("cma-es-restarts", cma_es.make)
make_openai_es = restarting("openai-es-restarts", openai_es.make)
