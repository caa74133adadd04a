"""A CMA-ES that fills an archive: the part of CMA-ME and CMA-MAE that samples, adapts and restarts."""

from __future__ import annotations

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from baselines.evolution import cma_core, lazy_covariance
from qdbench.archive import Insertion, improvement_rank
from qdbench.numerics import weighted_sum


class Emitter(eqx.Module):
    """The search distribution, and how often it started again."""

    paths: cma_core.Paths
    covariance: lazy_covariance.LazyCovariance
    restarts: Int[Array, ""]


def start(mean: Float[Array, " n"], sigma: Float[Array, ""], batch_size: int, gap: int) -> Emitter:
    """The distribution N(mean, sigma^2 I)."""
    covariance = lazy_covariance.identity(mean.shape[0], batch_size, gap, str(mean.dtype))
    return Emitter(cma_core.start_paths(mean, sigma), covariance, jnp.zeros((), jnp.int32))


def sample(emitter: Emitter, normals: Float[Array, "batch n"]) -> Float[Array, "batch n"]:
    """Turns N(0, I) rows into samples of the distribution."""
    return emitter.paths.mean + emitter.paths.sigma * lazy_covariance.sample(emitter.covariance, normals)


def adapt(
    emitter: Emitter,
    sigma: Float[Array, ""],
    solutions: Float[Array, "batch n"],
    insertion: Insertion,
    num_parents: Int[Array, ""] | int,
    elite: Callable[[], Float[Array, " n"]],
    stuck: Bool[Array, ""] | bool = False,
) -> Emitter:
    """Updates the distribution by the samples that improved the archive most, or starts it again.

    Args:
        emitter: The distribution that was sampled.
        sigma: The step size of a start.
        solutions: The samples.
        insertion: What became of them.
        num_parents: How many of the best are parents.
        elite: Draws the mean of a new start.
        stuck: Whether to start again though CMA-ES has not collapsed.
    """
    dim = solutions.shape[1]
    rank = improvement_rank(insertion)
    weights = cma_core.weights_by_rank(rank, num_parents, str(solutions.dtype))
    rate = cma_core.rates(weights, dim)
    steps = (solutions - emitter.paths.mean) / emitter.paths.sigma
    mean_step = weighted_sum(weights, steps)
    whitened = lazy_covariance.whitened(emitter.covariance, mean_step)
    paths, h_sigma = cma_core.update_paths(emitter.paths, rate, mean_step, whitened)

    scales = lazy_covariance.scales(emitter.covariance)
    restart = stuck | cma_core.should_stop(paths.sigma, scales, *insertion, rank)
    mean = lax.cond(restart, elite, lambda: paths.mean)
    fresh = cma_core.start_paths(mean, sigma)
    covariance = lazy_covariance.update(emitter.covariance, rate, h_sigma, paths.p_c, weights, steps)
    covariance = lazy_covariance.decompose_if_due(lazy_covariance.reset(covariance, restart))
    paths = jax.tree.map(lambda a, b: jnp.where(restart, a, b), fresh, paths)
    return Emitter(paths, covariance, emitter.restarts + restart)


def decomposition_gap(dim: int, batch_size: int) -> int:
    """Iterations between two decompositions: pyribs' ``n lambda / (2 (c_1 + c_mu) n^2)`` evaluations, rounded up."""
    ranks = jnp.arange(batch_size)
    rate = cma_core.rates(cma_core.weights_by_rank(ranks, batch_size // 2, "float32"), dim)
    evaluations = 0.5 * batch_size / (float(rate.c_1 + rate.c_mu) * dim)
    return math.floor(evaluations / batch_size) + 1
