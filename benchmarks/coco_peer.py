"""COCO's side: the functions of coco-experiment, called from Python row by row, as COCO's experiments do."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import cocoex
import numpy as np

from benchmarks import stopwatch


def time_function(
    function: int, dim: int, precision: str, situations: Sequence[tuple[str, int]], seconds: float
) -> dict[str, Any]:
    """Evaluations a second of a BBOB function, instance 1: a loop over the rows of the largest batch."""
    suite = cocoex.Suite("bbob", "instances: 1", f"dimensions: {dim} function_indices: {function}")
    problem = suite[0]
    if len(suite) != 1 or (problem.id_function, problem.id_instance, problem.dimension) != (function, 1, dim):
        raise RuntimeError(f"COCO made {problem.id} in place of f{function} in {dim} dimensions")
    rows = list(stopwatch.solutions(max(batch for _, batch in situations), dim).astype(precision))

    def call() -> None:
        for row in rows:
            problem(row)

    call()
    rate = len(rows) / stopwatch.fastest(call, seconds)
    return {
        "version": version("coco-experiment"),
        "records": [stopwatch.record("row by row", 1, rate, None)],
        "mean_value": float(np.mean([problem(row) for row in rows])),
    }
