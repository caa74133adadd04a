"""Targets: the precisions for which a trial says after how many evaluations it first had them.

Runtimes to targets are what the field compares (COCO's runtime distributions). They are kept for tasks that rank by
precision, f - f_opt, of which the objective is the negative. This module is plain data; :mod:`qdbench.harness.hits` is
the counting.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from qdbench.harness.result import TARGET_COLUMNS

TARGETS = tuple(10.0 ** (2 - step / 5) for step in range(51))
"""The 51 precisions 10^(2 - k/5), k = 0 .. 50, from easy to hard."""

METRIC = "precision"

LOWER_IS_BETTER = frozenset({METRIC, "regret"})
"""Metrics that are what the best objective lacks to the best of the task's range."""
"""The metric of a spec that has targets."""


def table(evaluations: np.ndarray, precision: np.ndarray) -> pd.DataFrame:
    """The targets as a labelled table.

    Args:
        evaluations: ``(51,)``, the number within the trial, from 1, of the evaluation that first met each target; 0
            where none did.
        precision: ``(51,)``, the best precision at that moment; NaN where there is none.

    Raises:
        ValueError: If the shapes are others.
    """
    shape = (len(TARGETS),)
    if evaluations.shape != shape or precision.shape != shape:
        raise ValueError(f"the targets are of shapes {evaluations.shape} and {precision.shape}, not {shape}")
    columns = np.array(TARGETS), evaluations.astype(np.int64), precision.astype(np.float64)
    return pd.DataFrame(dict(zip(TARGET_COLUMNS, columns, strict=True)))
