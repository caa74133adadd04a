"""The gradient arborescence: the part of CMA-MEGA and CMA-MAEGA that branches, adapts, moves and restarts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from baselines.evolution import cma_core
from baselines.evolution.ascent import Ascent
from baselines.mega.gradients import branch
from qdbench.archive import Insertion, improvement_rank
from qdbench.spec import TaskSpec


class Emitter(eqx.Module):
    """The search position with its gradients, and the distribution of the gradient coefficients."""

    position: Float[Array, " dim"]
    gradients: Float[Array, "rows dim"]
    coefficients: Float[Array, "batch rows"]
    paths: cma_core.Paths
    covariance: Float[Array, "rows rows"]
    factors: cma_core.Factors
    ascent: Any
    restarts: Int[Array, ""]


def start(spec: TaskSpec, sigma_g: Float[Array, ""], ascent: Ascent, batch_size: int) -> Emitter:
    """The search position at the start distribution's mean."""
    rows, precision = 1 + spec.num_measures, spec.precision
    position = jnp.full(spec.dim, spec.start.mean, precision)
    paths, covariance, factors = _fresh(rows, sigma_g)
    return Emitter(
        position=position,
        gradients=jnp.zeros((rows, spec.dim), precision),
        coefficients=jnp.zeros((batch_size, rows), precision),
        paths=paths,
        covariance=covariance,
        factors=factors,
        ascent=ascent.init(position),
        restarts=jnp.zeros((), jnp.int32),
    )


def branches(emitter: Emitter, normals: Float[Array, "batch rows"]) -> tuple[Float[Array, "batch dim"], Emitter]:
    """Branches the position along combinations of the gradients, drawn with N(0, I) rows."""
    coefficients = emitter.paths.mean + emitter.paths.sigma * cma_core.transform(emitter.factors, normals)
    solutions = branch(emitter.position[None], emitter.gradients[None], coefficients)
    return solutions, eqx.tree_at(lambda e: e.coefficients, emitter, coefficients)


def adapt(
    emitter: Emitter,
    sigma_g: Float[Array, ""],
    ascent: Ascent,
    insertion: Insertion,
    elite: Callable[[], Float[Array, " dim"]],
    stuck: Bool[Array, ""] | bool = False,
) -> Emitter:
    """Updates the distribution by the best half of the branches and moves the position, or starts both again.

    Args:
        emitter: What the branches came from.
        sigma_g: The step size of a start.
        ascent: How the position follows a step.
        insertion: What became of the branches.
        elite: Draws the position of a new start.
        stuck: Whether to start again though CMA-ES has not collapsed.
    """
    batch, rows = emitter.coefficients.shape
    rank = improvement_rank(insertion)
    weights = cma_core.weights_by_rank(rank, batch // 2, str(emitter.position.dtype))
    rate = cma_core.rates(weights, rows)
    steps = (emitter.coefficients - emitter.paths.mean) / emitter.paths.sigma
    mean_step = weights @ steps
    whitened = cma_core.whiten(emitter.factors, mean_step)
    paths, h_sigma = cma_core.update_paths(emitter.paths, rate, mean_step, whitened)
    covariance = cma_core.update_covariance(emitter.covariance, rate, h_sigma, paths.p_c, weights, steps)
    factors = cma_core.decompose(covariance)
    # The weights sum to 1, so the weighted branches less theta are the mean coefficients times the gradients.
    step = branch(jnp.zeros_like(emitter.position)[None], emitter.gradients[None], paths.mean[None])[0]
    position, moved = ascent.move(emitter.ascent, emitter.position, step)

    restart = stuck | cma_core.should_stop(paths.sigma, factors.scales, *insertion, rank)
    position = lax.cond(restart, elite, lambda: position)
    adapted = (paths, covariance, factors, moved)
    fresh = (*_fresh(rows, sigma_g), ascent.init(position))
    paths, covariance, factors, moved = jax.tree.map(lambda a, b: jnp.where(restart, a, b), fresh, adapted)
    return Emitter(
        position=position,
        gradients=emitter.gradients,
        coefficients=emitter.coefficients,
        paths=paths,
        covariance=covariance,
        factors=factors,
        ascent=moved,
        restarts=emitter.restarts + restart,
    )


def _fresh(rows: int, sigma_g: Float[Array, ""]) -> tuple[cma_core.Paths, Array, cma_core.Factors]:
    """The coefficient distribution at a start: N(0, sigma_g^2 I)."""
    identity = jnp.eye(rows, dtype=sigma_g.dtype)
    paths = cma_core.start_paths(jnp.zeros(rows, sigma_g.dtype), sigma_g)
    return paths, identity, cma_core.Factors(identity, jnp.ones(rows, sigma_g.dtype))
