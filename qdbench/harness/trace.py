"""The trace: the metrics at fixed fractions of the budget, so that traces of different optimizers line up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qdbench.harness.result import TEST_COLUMN, TRACE_COLUMNS

POINTS = 100

NOTHING = (0.0, 0.0, float("nan"))
"""The numbers of a trial in which nothing was evaluated yet."""

Numbers = tuple[float, float, float]
"""QD-score, coverage and best objective."""

Row = tuple[int | float, ...]
"""The values of :data:`qdbench.harness.result.TRACE_COLUMNS`, and the test score of a task that has a test."""


def marks(budget: int) -> list[int]:
    """The evaluations at which the trace is read: 1/100, 2/100, ... of the budget, rounded down."""
    return [budget * point // POINTS for point in range(1, POINTS + 1)]


def numbers(metrics: Any, cells: int) -> Numbers:
    """QD-score, coverage in percent and best objective (NaN before there is one).

    Args:
        metrics: :class:`qdbench.harness.scoring.Metrics`.
        cells: Number of cells of the archive.
    """
    best = shortest(metrics.best_objective)
    return shortest(metrics.qd_score), 100 * int(metrics.size) / cells, best if np.isfinite(best) else float("nan")


def row(
    point: int, iteration: int, evaluations: int, gradient_evaluations: int, values: Numbers, test: float | None
) -> Row:
    """One row, after the last whole iteration within the point's share of the budget.

    Args:
        point: 1 .. 100.
        iteration: Iterations so far.
        evaluations: Evaluations so far.
        gradient_evaluations: How many of them were with gradients.
        values: What :func:`numbers` returns.
        test: The latest test score; None for a task without a test.
    """
    tested = () if test is None else (test,)
    return (point / POINTS, iteration, evaluations, gradient_evaluations, *values, *tested)


def frame(rows: list[Row]) -> pd.DataFrame:
    """The rows as a labelled table."""
    columns = (*TRACE_COLUMNS, TEST_COLUMN)[: len(rows[0])]
    return pd.DataFrame(rows, columns=list(columns))


def shortest(number: Any) -> float:
    """The number with the shortest text in its own precision: 0.2 for float32's 0.200000003."""
    return float(str(np.asarray(number)))
