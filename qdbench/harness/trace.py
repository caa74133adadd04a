"""The trace: the metrics at fixed fractions of the budget, so that traces of different optimizers line up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qdbench.harness.result import TRACE_COLUMNS

POINTS = 100

Row = tuple[float, int, int, int, float, float, float]


def marks(budget: int) -> list[int]:
    """The evaluations at which the trace is read: 1/100, 2/100, ... of the budget, rounded down."""
    return [budget * point // POINTS for point in range(1, POINTS + 1)]


def row(point: int, iteration: int, evaluations: int, gradient_evaluations: int, metrics: Any) -> Row:
    """One row, after the last whole iteration within the point's share of the budget.

    Args:
        point: 1 .. 100.
        iteration: Iterations so far.
        evaluations: Evaluations so far.
        gradient_evaluations: How many of them were with gradients.
        metrics: :class:`qdbench.harness.scoring.Metrics`.
    """
    best = shortest(metrics.best_objective)
    return (
        point / POINTS,
        iteration,
        evaluations,
        gradient_evaluations,
        shortest(metrics.qd_score),
        shortest(metrics.coverage),
        best if np.isfinite(best) else float("nan"),
    )


def frame(rows: list[Row]) -> pd.DataFrame:
    """The rows as a labelled table."""
    return pd.DataFrame(rows, columns=list(TRACE_COLUMNS))


def shortest(number: Any) -> float:
    """The number with the shortest text in its own precision: 0.2 for float32's 0.200000003."""
    return float(str(np.asarray(number)))
