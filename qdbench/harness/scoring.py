"""The score that the harness keeps itself, from everything that was evaluated. Both drivers use this code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from qdbench import archive
from qdbench.harness import incumbent
from qdbench.harness.hits import Hits, count, none_yet
from qdbench.numerics import row_sum
from qdbench.protocols import Evaluation
from qdbench.spec import TaskSpec


class Score(eqx.Module):
    """What a trial is judged by.

    Attributes:
        archive: The scoring archive.
        best_objective: The best objective.
        invalid: How many rows were not finite.
        hits: When targets were met; None for a task that does not rank by precision.
        incumbent: The solution with the best objective; None for a task without a test.
    """

    archive: archive.Archive
    best_objective: Float[Array, ""]
    invalid: Int[Array, ""]
    hits: Hits | None
    incumbent: Float[Array, " dim"] | None


class Metrics(NamedTuple):
    """The score at one moment; ``size`` is the number of occupied cells."""

    qd_score: Array
    size: Array
    best_objective: Array
    invalid: Array


def start(spec: TaskSpec, keep_solutions: bool) -> Score:
    """The score before anything was evaluated."""
    return Score(
        archive.empty(spec, keep_solutions or is_corrected(spec)),
        jnp.full((), -jnp.inf, spec.precision),
        jnp.zeros((), jnp.int32),
        none_yet(spec),
        incumbent.none_yet(spec),
    )


def is_corrected(spec: TaskSpec) -> bool:
    """Whether the score of a task is corrected in the end, for which a trial keeps the elites' solutions.

    So it is if the task is stochastic and has measures and a test; see :mod:`qdbench.harness.corrected`.
    """
    return not spec.deterministic and spec.num_measures > 0 and spec.test_episodes is not None


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
    best = score.incumbent
    if best is not None:
        rows = jnp.concatenate([rows for rows, _ in batches])
        best = incumbent.better(best, score.best_objective, rows, counted)
    return Score(
        updated,
        jnp.maximum(score.best_objective, counted.max()),
        score.invalid + (~finite).sum(dtype=jnp.int32),
        None if score.hits is None else count(score.hits, counted),
        best,
    )


def measure(score: Score) -> Metrics:
    """The metrics of a score."""
    return Metrics(archive.qd_score(score.archive), score.archive.size, score.best_objective, score.invalid)
