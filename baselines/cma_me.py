"""CMA-ME with an improvement emitter (Fontaine et al. 2020)."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from baselines.evolution import cma_core, lazy_covariance
from qdbench.archive import Archive, empty, improvement_rank, insert, sample_solutions
from qdbench.numerics import weighted_sum
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The archive and the search distribution."""

    archive: Archive
    paths: cma_core.Paths
    covariance: lazy_covariance.LazyCovariance
    restarts: Array


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
        """An empty archive and N(start mean, sigma^2 I)."""
        spec = self.spec
        mean = jnp.full(spec.dim, spec.start.mean, spec.precision)
        return State(
            archive=empty(spec),
            paths=cma_core.start_paths(mean, self.sigma),
            covariance=lazy_covariance.identity(spec.dim, self.iteration[0].size, self.gap, spec.precision),
            restarts=jnp.zeros((), jnp.int32),
        )

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """Samples the search distribution."""
        normals = normal(key, (batch.size, self.spec.dim), self.spec.precision)
        steps = lazy_covariance.sample(state.covariance, normals)
        return state.paths.mean + state.paths.sigma * steps, state

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Inserts the batch, then adapts the distribution or starts it again."""
        archive, insertion = insert(state.archive, solutions, evaluation.objective, evaluation.measures)
        rank = improvement_rank(insertion)
        entered = (insertion.status > 0).sum(dtype=jnp.int32)
        weights = cma_core.weights_by_rank(rank, entered, self.spec.precision)
        rate = cma_core.rates(weights, self.spec.dim)
        steps = (solutions - state.paths.mean) / state.paths.sigma
        mean_step = weighted_sum(weights, steps)
        whitened = lazy_covariance.whitened(state.covariance, mean_step)
        paths, h_sigma = cma_core.update_paths(state.paths, rate, mean_step, whitened)

        scales = lazy_covariance.scales(state.covariance)
        restart = (entered == 0) | cma_core.should_stop(paths.sigma, scales, *insertion, rank)
        mean = lax.cond(restart, lambda: sample_solutions(key, archive, 1)[0], lambda: paths.mean)
        fresh = cma_core.start_paths(mean, self.sigma)
        covariance = lazy_covariance.update(state.covariance, rate, h_sigma, paths.p_c, weights, steps)
        covariance = lazy_covariance.decompose_if_due(lazy_covariance.reset(covariance, restart))
        paths = jax.tree.map(lambda a, b: jnp.where(restart, a, b), fresh, paths)
        return State(archive, paths, covariance, state.restarts + restart)


def decomposition_gap(dim: int, batch_size: int) -> int:
    """Iterations between two decompositions: pyribs' ``n lambda / (2 (c_1 + c_mu) n^2)`` evaluations, rounded up."""
    ranks = jnp.arange(batch_size)
    rate = cma_core.rates(cma_core.weights_by_rank(ranks, batch_size // 2, "float32"), dim)
    evaluations = 0.5 * batch_size / (float(rate.c_1 + rate.c_mu) * dim)
    return math.floor(evaluations / batch_size) + 1


def make(spec: TaskSpec, sigma: float = 0.5, batch_size: int = 36) -> CmaMe:
    """Makes CMA-ME; see :class:`CmaMe`."""
    return CmaMe(
        sigma=jnp.asarray(sigma, spec.precision),
        gap=decomposition_gap(spec.dim, batch_size),
        id="cma-me",
        spec=spec.structure(),
        initial=(),
        iteration=(Batch("samples", batch_size),),
    )
