"""CMA-ES (Hansen & Ostermeier 2001; Hansen 2016)."""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from baselines import ranking
from baselines.evolution import cma_core, lazy_covariance
from baselines.random_search import sample_start
from qdbench.numerics import row_sum, weighted_sum
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The search distribution, and the last batch's steps ``(x - mean) / sigma`` with their squared lengths in it.

    The steps are kept because ``x - mean`` loses its digits as the search converges. ``lengths`` is
    :math:`|C^{-1/2} y_i|^2`, the squared length of the normal numbers that made a step.
    """

    paths: cma_core.Paths
    covariance: lazy_covariance.LazyCovariance
    steps: Float[Array, "batch dim"]
    lengths: Float[Array, " batch"]


class CmaEs(Optimizer):
    r"""Covariance matrix adaptation with weighted recombination of the best half, and active (negative) weights.

    The rule is that of :mod:`baselines.evolution.cma_core` with the tutorial's step size; with ``active``, the worse
    half takes variance out of its directions (:func:`baselines.evolution.cma_core.negative_weights`). The start is a
    sample of the task's start distribution with C = I. The covariance is decomposed every ``gap`` iterations by
    purecma's lazy rule, the first whole number above :math:`1 / (2 n (c_1 + c_\mu))`: with default batches 2 in up to
    20 dimensions and 4 in 40.

    Source: hansen2016tutorial. Differences: an odd batch has the whole part of its half as parents and
    :math:`\ln(\mu + 1/2)` in their weights, where the tutorial has :math:`\ln((\lambda + 1) / 2)`; like pycma, the step
    size grows by no more than a factor e in an iteration, and decompositions are purecma's. evosax 0.3.2's CMA_ES
    decomposes in every iteration and adds 1e-8 to the covariance's diagonal each time, so that it cannot follow badly
    scaled functions to the end; with ``active`` False the two are the same to statistics. The step size stays within
    [1e-30, 1e8].

    Hyperparameters: ``sigma`` 0.5, ``batch_size`` 4 + floor(3 ln n), ``active`` True.
    """

    sigma: Float[Array, ""]
    gap: int = eqx.field(static=True, metadata={"derived": True})
    active: bool = eqx.field(static=True)
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """N(x, sigma^2 I) with x from the task's start distribution."""
        size, dim, precision = self.iteration[0].size, self.spec.dim, self.spec.precision
        mean = sample_start(key, self.spec, 1)[0]
        return State(
            paths=cma_core.start_paths(mean, self.sigma),
            covariance=lazy_covariance.identity(dim, size, self.gap, precision),
            steps=jnp.zeros((size, dim), precision),
            lengths=jnp.ones(size, precision),
        )

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """Samples the search distribution."""
        normals = normal(key, (batch.size, self.spec.dim), self.spec.precision)
        steps = lazy_covariance.sample(state.covariance, normals)
        solutions = state.paths.mean + state.paths.sigma * steps
        return solutions, State(state.paths, state.covariance, steps, row_sum(normals * normals))

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Adapts the distribution."""
        dim, precision = self.spec.dim, self.spec.precision
        rank = ranking.rank(evaluation.objective)
        places = jnp.arange(batch.size)
        table = cma_core.weights_by_rank(places, batch.size // 2, precision)
        rate = cma_core.rates(table, dim)
        weights = table[rank]
        mean_step = weighted_sum(weights, state.steps)
        whitened = lazy_covariance.whitened(state.covariance, mean_step)
        paths, h_sigma = cma_core.update_paths(state.paths, rate, mean_step, whitened, squared=False)

        factor = cma_core.decay(rate, h_sigma)
        if self.active:
            negative, bound = cma_core.negative_weights(rate, places, dim, precision)
            weights = weights + negative[rank] * dim / state.lengths
            factor = factor + rate.c_mu * bound
        covariance = lazy_covariance.log_update(state.covariance, factor, rate, paths.p_c, weights, state.steps)
        if self.gap == 1:
            covariance = lazy_covariance.decompose_now(covariance)
        else:
            covariance = lazy_covariance.decompose_if_due(covariance)
        return State(cma_core.limit_sigma(paths), covariance, state.steps, state.lengths)

    def collapsed(self, state: State) -> Bool[Array, ""]:
        """Whether a run is at its end: see :func:`baselines.evolution.cma_core.is_degenerate`."""
        return cma_core.is_degenerate(state.paths.sigma, lazy_covariance.scales(state.covariance))


def decomposition_gap(dim: int, batch_size: int) -> int:
    """Iterations between two decompositions: purecma's ``n lambda / (2 (c_1 + c_mu) n^2)`` evaluations, rounded up."""
    rate = cma_core.rates(cma_core.weights_by_rank(jnp.arange(batch_size), batch_size // 2, "float32"), dim)
    return math.floor(0.5 / (float(rate.c_1 + rate.c_mu) * dim)) + 1


def make(spec: TaskSpec, sigma: float = 0.5, batch_size: int | None = None, active: bool = True) -> CmaEs:
    """Makes the optimizer; see :class:`CmaEs`."""
    size = cma_core.checked_batch_size("cma-es", spec.dim, batch_size)
    return CmaEs(
        sigma=jnp.asarray(sigma, spec.precision),
        gap=decomposition_gap(spec.dim, size),
        active=bool(active),
        id="cma-es",
        spec=spec.structure(),
        initial=(),
        iteration=(Batch("samples", size),),
    )
