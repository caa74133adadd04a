"""When each target was first met; both drivers count by this code."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from qdbench.harness.targets import METRIC, TARGETS
from qdbench.spec import TaskSpec


class Hits(eqx.Module):
    """When each target was first met.

    Attributes:
        evaluations: ``(51,)``, the number within the trial, from 1, of the evaluation that first met each target; 0
            where none did.
        precision: ``(51,)``, the best precision at that moment, which is that evaluation's; NaN where none did.
        evaluated: Evaluations so far.
    """

    evaluations: Int[Array, " targets"]
    precision: Float[Array, " targets"]
    evaluated: Int[Array, ""]


def none_yet(spec: TaskSpec) -> Hits | None:
    """Before anything was evaluated; None for a task that does not rank by precision."""
    if spec.metric != METRIC:
        return None
    return Hits(
        jnp.zeros(len(TARGETS), jnp.int32),
        jnp.full(len(TARGETS), jnp.nan, spec.precision),
        jnp.zeros((), jnp.int32),
    )


def count(hits: Hits, objective: Float[Array, " batch"]) -> Hits:
    """Counts a batch, in the order of its rows.

    Args:
        hits: The record so far.
        objective: Minus the precision of every row; minus infinity or NaN where the row does not count.
    """
    batch = objective.shape[0]
    precision = -objective
    # An evaluation that is the first to meet a target is the best so far, so no running minimum is needed. Targets are
    # the last axis, along which the compiler turns the comparisons into vector instructions.
    met = precision[:, None] <= _values(hits)[None, :]
    first = jnp.min(jnp.where(met, np.arange(batch, dtype=np.int32)[:, None], jnp.int32(batch)), axis=0)
    new = (first < batch) & (hits.evaluations == 0)
    return Hits(
        jnp.where(new, hits.evaluated + first + 1, hits.evaluations),
        jnp.where(new, precision[jnp.minimum(first, batch - 1)], hits.precision),
        hits.evaluated + batch,
    )


def solved(spec: TaskSpec, best_objective: Any) -> Any:
    """Whether the precision is at most the task's target, where a trial ends (False for a task without one).

    Args:
        spec: The task's spec.
        best_objective: NumPy or JAX number or array in the task's precision.
    """
    if spec.metric != METRIC or spec.target is None:
        return best_objective != best_objective
    return -best_objective <= np.dtype(spec.precision).type(spec.target)


def _values(hits: Hits) -> np.ndarray:
    return np.asarray(TARGETS, hits.precision.dtype)
