"""Folders of made-up results for the tests of the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qdbench.harness import store
from qdbench.harness.result import FinalArchive, TrialConfig, TrialRecord, TrialResult
from qdbench.spec import Measure, TaskSpec

POINTS = 11


def make_spec(id: str = "LP-Sphere-v0", dim: int = 1000, measures: int = 2, **changes: Any) -> TaskSpec:
    reach = 2.56 * dim
    names = ("sum of the first half", "sum of the second half", "third")
    fields: dict[str, Any] = {
        "id": id,
        "arguments": {"dim": dim},
        "family": "synthetic",
        "summary": f"{id}, {dim} parameters",
        "dim": dim,
        "measures": tuple(Measure(name=names[i], low=-reach, high=reach) for i in range(measures)),
        "archive_shape": (100,) * min(measures, 2) + (4,) * (measures - 2),
        "objective_range": (0.0, 100.0),
        "budget": 360_100,
        "citations": ("fontaine2021dqd",),
    }
    return TaskSpec(**(fields | changes))


def make_config(
    spec: TaskSpec | None = None, optimizer: str = "cma-mega", repetition: int = 0, **changes: Any
) -> TrialConfig:
    spec = spec or make_spec()
    fields: dict[str, Any] = {
        "task": spec,
        "fingerprint": "f" * 16,
        "optimizer": optimizer,
        "repetition": repetition,
        "budget": spec.budget,
    }
    return TrialConfig(**(fields | changes))


def make_result(
    config: TrialConfig, qd_score: float, coverage: float, best_objective: float = 99.5, with_archive: bool = True
) -> TrialResult:
    fraction = np.linspace(0, 1, POINTS)
    growth = 1 - np.exp(-5 * fraction)
    growth /= growth[-1]
    trace = pd.DataFrame(
        {
            "fraction": fraction,
            "iteration": (fraction * 10_000).astype(np.int64),
            "evaluations": (fraction * config.budget).astype(np.int64),
            "gradient_evaluations": (fraction * 10_000).astype(np.int64),
            "qd_score": qd_score * growth,
            "coverage": coverage * growth,
            "best_objective": best_objective * growth,
        }
    )
    metrics = {
        "qd_score": qd_score,
        "coverage": coverage,
        "best_objective": best_objective,
        "evaluations": float(config.budget),
        "gradient_evaluations": 10_000.0,
        "iterations": 10_000.0,
        "compile_seconds": 2.5,
        "run_seconds": 10.0 + config.repetition,
    }
    provenance = {
        "qdbench": "0.1.0",
        "jax": "0.10.1",
        "device": "cpu",
        "recorded": f"2026-01-0{config.repetition % 9 + 1}T00:00:00+00:00",
    }
    record = TrialRecord(config=config, status="finished", metrics=metrics, provenance=provenance)
    return TrialResult(record, trace, make_archive(config.task, coverage) if with_archive else None)


def make_archive(spec: TaskSpec, coverage: float) -> FinalArchive:
    """The cells nearest to the middle are occupied, best in the middle."""
    index = np.indices(spec.archive_shape).reshape(spec.num_measures, -1).T
    middle = (np.asarray(spec.archive_shape) - 1) / 2
    distance = np.linalg.norm((index - middle) / np.maximum(middle, 1), axis=1)
    count = round(spec.cells * coverage / 100)
    cells = np.sort(np.argsort(distance, kind="stable")[:count]).astype(np.int32)
    objective = 100 - 70 * distance[cells]
    measures = np.zeros((count, spec.num_measures))
    return FinalArchive(cells, objective, measures, np.zeros((count, 3)), spec.archive_shape)


def save(directory: Path, config: TrialConfig, qd_score: float, coverage: float = 50.0, **options: Any) -> Path:
    return store.save_result(directory, make_result(config, qd_score, coverage, **options))


def save_failed(directory: Path, config: TrialConfig, error: str = "ValueError: out of <b>memory</b>") -> Path:
    return store.save_failure(directory, TrialRecord(config=config, status="failed", error=error))


def fill(
    directory: Path,
    scores: dict[tuple[str, str], tuple[float, float, float]],
    repetitions: int = 3,
    seed: int = 0,
    **changes: Any,
) -> None:
    """Stores trials of the standard specs: {(task id, optimizer): (QD-score, standard deviation, coverage)}."""
    rng = np.random.default_rng(seed)
    for (task, optimizer), (score, spread, coverage) in scores.items():
        spec = make_spec(task, **changes)
        for repetition in range(repetitions):
            config = make_config(spec, optimizer, repetition)
            save(directory, config, score + spread * rng.standard_normal(), coverage, with_archive=repetition == 0)
