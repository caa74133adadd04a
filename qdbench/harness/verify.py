"""Checking stored archives: every elite, evaluated again, must give what is stored."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from qdbench.api import make
from qdbench.harness import store
from qdbench.harness.result import TrialResult
from qdbench.protocols import Evaluation

# Of the range of a measure or an objective; rounding differs with the batch size, by far less than this.
_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
_CHUNK = 1024


@dataclasses.dataclass(frozen=True)
class ArchiveReport:
    """One archive's check; ``difference`` is the largest one, in units of the objective's and the measures' ranges."""

    task: str
    optimizer: str
    repetition: int
    elites: int
    difference: float
    agrees: bool


def verify_archives(directory: Path) -> list[ArchiveReport]:
    """Evaluates again the elites of every stored archive that has its solutions, unless its task is noisy.

    Raises:
        StoreError: If a result cannot be read.
    """
    results = (store.load(path) for path in store.result_paths(directory))
    return [verify(result) for result in results if _can_be_verified(result)]


def _can_be_verified(result: TrialResult) -> bool:
    has_solutions = result.archive is not None and result.archive.solutions is not None
    return has_solutions and result.record.config.task.deterministic


def verify(result: TrialResult) -> ArchiveReport:
    """Evaluates the elites of one result again.

    Raises:
        ValueError: If the result holds no solutions, or the task is noisy.
    """
    archive, spec = result.archive, result.record.config.task
    if archive is None or archive.solutions is None:
        raise ValueError("the result holds no solutions: run the trial with keep_solutions")
    if not spec.deterministic:
        raise ValueError(f"{spec.id} is noisy: the same solution gives another value, so there is nothing to compare")
    task = make(spec.id, **spec.arguments)
    parts: list[Evaluation] = [
        task.evaluate(None, archive.solutions[first : first + _CHUNK]) for first in range(0, archive.size, _CHUNK)
    ]
    objective = np.concatenate([np.asarray(part.objective) for part in parts])
    measures = np.concatenate([np.asarray(part.measures) for part in parts])
    low, high = spec.objective_range
    widths = np.array([measure.high - measure.low for measure in spec.measures])
    difference = max(
        float(np.max(np.abs(objective - archive.objective))) / (high - low),
        float(np.max(np.abs(measures - archive.measures) / widths, initial=0)),
    )
    config = result.record.config
    return ArchiveReport(
        task=spec.id,
        optimizer=config.optimizer,
        repetition=config.repetition,
        elites=archive.size,
        difference=difference,
        agrees=difference <= _TOLERANCE[spec.precision],
    )
