"""Folders of made-up BBOB results: optimizers whose precision falls as a power of the evaluations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qdbench.harness import store
from qdbench.harness.result import TrialConfig, TrialRecord, TrialResult
from qdbench.harness.targets import TARGETS
from qdbench.leaderboard.aggregate import Results, StoredTrial
from qdbench.spec import JsonScalar, TaskSpec

POINTS = 100


def make_spec(function: int = 1, dim: int = 5, instance: int = 1, **changes: Any) -> TaskSpec:
    fields: dict[str, Any] = {
        "id": "BBOB-v0",
        "arguments": {"function": function, "dim": dim, "instance": instance},
        "family": "bbob",
        "dim": dim,
        "objective_range": (-1e8, 0.0),
        "budget": 10_000 * dim,
        "metric": "precision",
        "f_opt": 79.48 + instance,
        "target": 1e-8,
        "precision": "float64",
        "solution_bounds": (-5.0, 5.0),
    }
    return TaskSpec(**(fields | changes))


def make_config(spec: TaskSpec, optimizer: str, repetition: int = 0, **changes: Any) -> TrialConfig:
    fields: dict[str, Any] = {
        "task": spec,
        "fingerprint": f"{spec.arguments['function']}-{spec.arguments['instance']}",
        "optimizer": optimizer,
        "repetition": repetition,
        "budget": spec.budget,
    }
    return TrialConfig(**(fields | changes))


def make_result(config: TrialConfig, start: float, power: float, end: float = 1e-8) -> TrialResult:
    """A trial whose precision after t evaluations is start * (t / dim) ** -power, and which stops at ``end``.

    With ``power`` 0 it never improves on ``start``.
    """
    dim, budget = config.task.dim, config.budget
    scale = start * dim**power

    def evaluations_until(precision: float) -> int:
        if start <= precision:
            return 1
        needed = np.inf if power == 0 else 10 ** min(18.0, np.log10(scale / precision) / power)
        return int(np.ceil(needed)) if needed <= budget else 0

    spent = evaluations_until(end) or budget
    hits = np.array([evaluations_until(target) for target in TARGETS], dtype=np.int64)
    hits[hits > spent] = 0
    at = lambda t: min(start, scale * float(max(t, 1)) ** -power)  # noqa: E731
    fractions = np.arange(1, POINTS + 1) / POINTS
    evaluations = np.minimum((fractions * budget).astype(np.int64), spent)
    precision = np.array([at(t) for t in evaluations])
    trace = pd.DataFrame(
        {
            "fraction": fractions,
            "iteration": evaluations // 32,
            "evaluations": evaluations,
            "gradient_evaluations": np.zeros(POINTS, dtype=np.int64),
            "qd_score": -precision,
            "coverage": np.full(POINTS, 100.0),
            "best_objective": -precision,
        }
    )
    targets = pd.DataFrame(
        {"target": TARGETS, "evaluations": hits, "precision": [at(t) if t else np.nan for t in hits]}
    )
    metrics: dict[str, int | float] = {
        "qd_score": -precision[-1],
        "coverage": 100.0,
        "best_objective": -precision[-1],
        "precision": precision[-1],
        "targets_reached": int((hits > 0).sum()),
        "evaluations": int(spent),
        "gradient_evaluations": 0,
        "iterations": int(spent // 32),
        "compile_seconds": 1.0,
        "run_seconds": 2.0,
    }
    provenance = {"qdbench": "0.1.0", "jax": "0.10.1", "recorded": f"2026-01-01T00:00:{config.repetition:02d}+00:00"}
    record = TrialRecord(config=config, status="finished", metrics=metrics, provenance=provenance)
    return TrialResult(record, trace, None, targets)


def draw(optimizers: dict[str, float], configs: Iterable[TrialConfig], seed: int = 0) -> list[TrialResult]:
    """Results of configurations, optimizers given by their mean power."""
    rng = np.random.default_rng(seed)
    results = []
    for config in configs:
        function = int(config.task.arguments["function"])
        power = optimizers[config.optimizer] * float(np.exp(0.25 * rng.standard_normal())) * (1.3 - function / 24)
        if function % 3 == 0 and rng.random() < 0.4:
            power *= 0.3
        start = 10 ** (2 + function % 4) * float(np.exp(0.3 * rng.standard_normal()))
        results.append(make_result(config, start, power))
    return results


def save_all(directory: Path, results: Iterable[TrialResult]) -> None:
    for result in results:
        store.save_result(directory, result)


def in_memory(results: Iterable[TrialResult], failures: Iterable[TrialRecord] = ()) -> Results:
    """What :func:`qdbench.leaderboard.aggregate.read_results` gives, without files."""
    trials = {}
    for result in results:
        trial = StoredTrial(Path("unused"), result.record, result.trace, False)
        if getattr(trial, "targets", None) is None:
            object.__setattr__(trial, "targets", result.targets)
        trials[result.record.config.digest()] = trial
    return Results(Path("unused"), trials, {record.config.digest(): record for record in failures}, ())


def coco_configs(
    optimizers: Iterable[str], functions: Iterable[int], dims: Iterable[int], instances: int = 15
) -> list[TrialConfig]:
    return [
        make_config(make_spec(function, dim, instance), optimizer)
        for optimizer in optimizers
        for dim in dims
        for function in functions
        for instance in range(1, instances + 1)
    ]


def batches(size: int) -> dict[str, JsonScalar]:
    """The part of the recorded hyperparameters that says how large the batches are."""
    return {"batch.initial": size, "batch.children": size}


def lga_configs(
    optimizers: Iterable[str],
    functions: Iterable[int],
    dims: Iterable[int] = (20,),
    sizes: Iterable[int] = (32,),
    repetitions: int = 10,
) -> list[TrialConfig]:
    return [
        make_config(make_spec(function, dim), optimizer, repetition, budget=50 * size, hyperparameters=batches(size))
        for optimizer in optimizers
        for dim in dims
        for size in sizes
        for function in functions
        for repetition in range(repetitions)
    ]
