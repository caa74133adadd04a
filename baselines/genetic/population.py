"""What the genetic algorithms share: a sorted population, its parents and truncation selection."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from baselines import ranking
from qdbench.protocols import Batch
from qdbench.random import integers
from qdbench.spec import TaskSpec

SIGMA_LOW, SIGMA_HIGH = 1e-20, 1e6
_UNIFORM_STEPS = 2**24


class Population(eqx.Module):
    """Solutions in descending order of their objective.

    Attributes:
        solutions: ``(size, dim)``.
        objective: ``(size,)``, minus infinity for a solution without a finite objective and where there is none yet.
    """

    solutions: Float[Array, "size dim"]
    objective: Float[Array, " size"]


def settings(id: str, spec: TaskSpec, sigma: float, elite_ratio: float, batch_size: int) -> dict[str, Any]:
    """The fields that all of the genetic algorithms have: an initial population as large as a batch of children."""
    return {
        "sigma": jnp.asarray(sigma, spec.precision),
        "elite_ratio": jnp.asarray(elite_ratio, spec.precision),
        "id": id,
        "spec": spec.structure(),
        "initial": (Batch("initial", batch_size),),
        "iteration": (Batch("children", batch_size),),
    }


def empty(spec: TaskSpec, size: int) -> Population:
    """A population before anything was evaluated."""
    return Population(jnp.zeros((size, spec.dim), spec.precision), jnp.full(size, -jnp.inf, spec.precision))


def survivors(population: Population, objective: Float[Array, " batch"]) -> Int[Array, " size"]:
    """The indices of the best of population and batch, counted through both: truncation, "plus" selection."""
    return ranking.merge(population.objective, objective)


def take(
    population: Population,
    chosen: Int[Array, " size"],
    solutions: Float[Array, "batch dim"],
    objective: Float[Array, " batch"],
) -> Population:
    """The population of the chosen, indices counted through the population and a batch."""
    return Population(
        rows(jnp.concatenate([population.solutions, solutions]), chosen),
        rows(jnp.concatenate([population.objective, ranking.finite(objective)]), chosen),
    )


def rows(array: Float[Array, "size ..."], index: Int[Array, " count"]) -> Float[Array, "count ..."]:
    """``array[index]`` of indices that are known to exist."""
    return array.at[index].get(mode="promise_in_bounds")


def elites(ratio: Float[Array, ""], size: int) -> Int[Array, ""]:
    """``max(1, ceil(ratio size))``, at most the size; what rounding adds to a whole number does not count."""
    return jnp.clip(jnp.ceil(ratio * size - 1e-4), 1, size).astype(jnp.int32)


def doubling(key: Key[Array, ""], count: int, dtype: str) -> Float[Array, " count"]:
    """``2^u`` with u uniform in [-1, 1)."""
    whole = integers(key, count, jnp.int32(_UNIFORM_STEPS))
    return jnp.exp2(whole.astype(dtype) * (2 / _UNIFORM_STEPS) - 1)


def limited(sigma: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The step size within limits that keep it and what it is added to finite, far from where it is of any use."""
    return jnp.clip(sigma, np.asarray(SIGMA_LOW, sigma.dtype), np.asarray(SIGMA_HIGH, sigma.dtype))
