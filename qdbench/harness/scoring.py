"""The score that the harness keeps itself, from everything that was evaluated. Both drivers use this code."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from qdbench import archive
from qdbench.numerics import row_sum
from qdbench.protocols import Evaluation
from qdbench.spec import TaskSpec


class Score(eqx.Module):
    """The scoring archive, the best objective, and how many rows were not finite."""

    archive: archive.Archive
    best_objective: Float[Array, ""]
    invalid: Int[Array, ""]


class Metrics(NamedTuple):
    """The score at one moment; ``size`` is the number of occupied cells."""

    qd_score: Array
    size: Array
    best_objective: Array
    invalid: Array


def start(spec: TaskSpec, keep_solutions: bool) -> Score:
    """The score before anything was evaluated."""
    return Score(archive.empty(spec, keep_solutions), jnp.full((), -jnp.inf, spec.precision), jnp.zeros((), jnp.int32))


def record(score: Score, solutions: Float[Array, "batch dim"], evaluation: Evaluation) -> Score:
    """Inserts what was evaluated and counts the rows with a solution, objective or measure that is not finite."""
    objective, measures = evaluation.objective, evaluation.measures
    # The same call as an optimizer's own insertion, so that the compiler shares what both compute.
    updated, _ = archive.insert(score.archive, solutions, objective, measures)
    # Zero times a row is NaN exactly if a parameter is not finite, and the product costs one pass over the batch.
    finite = jnp.isfinite(objective) & jnp.isfinite(measures).all(axis=1) & (row_sum(solutions * 0) == 0)
    return Score(
        updated,
        jnp.maximum(score.best_objective, jnp.where(finite, objective, -jnp.inf).max()),
        score.invalid + (~finite).sum(dtype=jnp.int32),
    )


def measure(score: Score) -> Metrics:
    """The metrics of a score."""
    return Metrics(archive.qd_score(score.archive), score.archive.size, score.best_objective, score.invalid)
