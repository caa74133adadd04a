"""CMA-ME with an improvement emitter (Fontaine et al. 2020)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines.evolution import emitter
from qdbench.archive import Archive, empty, insert, sample_solutions
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The archive and the search distribution."""

    archive: Archive
    emitter: emitter.Emitter


class CmaMe(Optimizer):
    r"""Covariance Matrix Adaptation MAP-Elites: CMA-ES whose ranking is the improvement of the archive.

    Every iteration samples solutions from :math:`N(m, \sigma^2 C)`, inserts them, ranks them by improvement (new cells
    first) and updates m, sigma and C by CMA-ES. If no solution entered the archive, or CMA-ES has collapsed, it starts
    again from a random elite with the initial sigma and C = I.

    Source: fontaine2020cmame; settings: fontaine2021dqd. As in the authors' code, and unlike the text's "standard
    CMA-ES update rules", the parents are all solutions that entered the archive ("filter" selection), so weights and
    learning rates change from iteration to iteration; the start is the task's start mean without an initial
    population. The covariance is decomposed every ``gap`` iterations, pyribs' lazy rule for half the batch as parents.
    The rank-one update is the textbook's (see :mod:`baselines.evolution.cma_core`).

    Hyperparameters: ``sigma`` 0.5, ``batch_size`` 36.
    """

    sigma: Float[Array, ""]
    gap: int = eqx.field(static=True, metadata={"derived": True})
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """An empty archive and the distribution at the task's start mean."""
        mean = jnp.full(self.spec.dim, self.spec.start.mean, self.spec.precision)
        return State(empty(self.spec), emitter.start(mean, self.sigma, self.iteration[0].size, self.gap))

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """Samples the search distribution."""
        normals = normal(key, (batch.size, self.spec.dim), self.spec.precision)
        return emitter.sample(state.emitter, normals), state

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Inserts the batch, then adapts the distribution or starts it again."""
        archive, insertion = insert(state.archive, solutions, evaluation.objective, evaluation.measures)
        entered = (insertion.status > 0).sum(dtype=jnp.int32)
        adapted = emitter.adapt(
            state.emitter,
            self.sigma,
            solutions,
            insertion,
            num_parents=entered,
            elite=lambda: sample_solutions(key, archive, 1)[0],
            stuck=entered == 0,
        )
        return State(archive, adapted)


def make(spec: TaskSpec, sigma: float = 0.5, batch_size: int = 36) -> CmaMe:
    """Makes CMA-ME; see :class:`CmaMe`."""
    return CmaMe(
        sigma=jnp.asarray(sigma, spec.precision),
        gap=emitter.decomposition_gap(spec.dim, batch_size),
        id="cma-me",
        spec=spec.structure(),
        initial=(),
        iteration=(Batch("samples", batch_size),),
    )
