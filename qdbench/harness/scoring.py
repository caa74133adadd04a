"""The score that the harness keeps itself, from everything that was evaluated. Both drivers use this code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from qdbench import archive
from qdbench.harness.hits import Hits, count, none_yet
from qdbench.numerics import row_sum
from qdbench.protocols import Evaluation
from qdbench.spec import TaskSpec


class Score(eqx.Module):
    """The scoring archive, the best objective, how many rows were not finite, and when targets were met (or None)."""

    archive: archive.Archive
    best_objective: Float[Array, ""]
    invalid: Int[Array, ""]
    hits: Hits | None


class Metrics(NamedTuple):
    """The score at one moment; ``size`` is the number of occupied cells."""

    qd_score: Array
    size: Array
    best_objective: Array
    invalid: Array


def start(spec: TaskSpec, keep_solutions: bool) -> Score:
    """The score before anything was evaluated."""
    return Score(
        archive.empty(spec, keep_solutions),
        jnp.full((), -jnp.inf, spec.precision),
        jnp.zeros((), jnp.int32),
        none_yet(spec),
    )


def record(score: Score, batches: Sequence[tuple[Float[Array, "_ dim"], Evaluation]]) -> Score:
    """Inserts what was evaluated and counts the rows with a solution, objective or measure that is not finite.

    Several batches are inserted as one: the archive is the same as after one insertion each, since either way a cell
    keeps its best solution and the earliest among equals.
    """
    objective = jnp.concatenate([evaluation.objective for _, evaluation in batches])
    measures = jnp.concatenate([evaluation.measures for _, evaluation in batches])
    keeps = score.archive.solutions.shape[0] > 0
    solutions = jnp.concatenate([rows for rows, _ in batches]) if keeps else jnp.zeros((len(objective), 0))
    updated, _ = archive.insert(score.archive, solutions, objective, measures)
    # Zero times a row is NaN exactly if a parameter is not finite, and the product costs one pass over the batch.
    zeros = jnp.concatenate([row_sum(rows * 0) for rows, _ in batches])
    finite = jnp.isfinite(objective) & jnp.isfinite(measures).all(axis=1) & (zeros == 0)
    counted = jnp.where(finite, objective, -jnp.inf)
    return Score(
        updated,
        jnp.maximum(score.best_objective, counted.max()),
        score.invalid + (~finite).sum(dtype=jnp.int32),
        None if score.hits is None else count(score.hits, counted),
    )


def measure(score: Score) -> Metrics:
    """The metrics of a score."""
    return Metrics(archive.qd_score(score.archive), score.archive.size, score.best_objective, score.invalid)
