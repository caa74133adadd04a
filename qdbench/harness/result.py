"""What a trial leaves behind: its record, its trace and its final archive."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from qdbench.spec import TaskSpec

TRACE_COLUMNS = (
    "fraction",
    "iteration",
    "evaluations",
    "gradient_evaluations",
    "qd_score",
    "coverage",
    "best_objective",
)

TEST_COLUMN = "test_score"
"""A further column of the trace of a task that has a test."""

TARGET_COLUMNS = ("target", "evaluations", "precision")

FORMAT = 1


def trace_columns(names: Collection[str]) -> tuple[str, ...]:
    """The columns of a stored trace: :data:`TRACE_COLUMNS`, and :data:`TEST_COLUMN` if it is among the names."""
    return (*TRACE_COLUMNS, TEST_COLUMN) if TEST_COLUMN in names else TRACE_COLUMNS


def canonical(model: BaseModel) -> str:
    """The model as JSON, the same text for the same content; hashes and files are made of it."""
    return json.dumps(model.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


class TrialConfig(BaseModel):
    """Everything that decides a trial's result; its hash names the result.

    Attributes:
        task: The task's spec.
        fingerprint: Hash over rounded golden evaluations of the task.
        optimizer: The optimizer's id (or ``module:Class``).
        hyperparameters: Its hyperparameters, resolved.
        repetition: 0, 1, 2, ...
        budget: Evaluations at most.
        version: The result format and seed rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: TaskSpec
    fingerprint: str
    optimizer: str
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    repetition: int = Field(ge=0)
    budget: int = Field(ge=1)
    version: int = FORMAT

    def digest(self) -> str:
        """The first 20 hexadecimal digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(canonical(self).encode()).hexdigest()[:20]


class TrialRecord(BaseModel):
    """A trial's record: what was run, how it ended, the final metrics and where it ran.

    Attributes:
        config: What decided the result.
        status: ``"finished"`` or ``"failed"``.
        error: The error of a failed trial, else an empty string.
        metrics: Final metrics: qd_score, coverage, best_objective, evaluations, gradient_evaluations,
            iterations, compile_seconds, run_seconds; for a task that ranks by precision also precision and
            targets_reached; for one with a test test_score, and if it is stochastic and has measures
            corrected_qd_score and corrected_coverage.
        provenance: Package versions, platform, device, precision, driver, and when it was recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: TrialConfig
    status: Literal["finished", "failed"]
    error: str = ""
    metrics: dict[str, int | float] = Field(default_factory=dict)
    provenance: dict[str, str] = Field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class FinalArchive:
    """The elites that the harness scored, one row for each occupied cell, by cell.

    Attributes:
        cells: ``(size,)`` int32, row-major cell indices.
        objective: ``(size,)``.
        measures: ``(size, k)``.
        solutions: ``(size, dim)``, or None if they were not kept.
        shape: Cells along each measure.
    """

    cells: np.ndarray
    objective: np.ndarray
    measures: np.ndarray
    solutions: np.ndarray | None
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of occupied cells."""
        return len(self.cells)

    def grid(self) -> np.ndarray:
        """The objective laid out over the grid, NaN where a cell is empty."""
        grid = np.full(int(np.prod(self.shape, dtype=int)), np.nan)
        grid[self.cells] = self.objective
        return grid.reshape(self.shape)


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """A finished trial.

    Attributes:
        record: What was run and how it ended.
        trace: The metrics at 1/100, 2/100, ... of the budget.
        archive: The elites; None where they were not stored.
        targets: One row for each of :data:`qdbench.harness.targets.TARGETS`: target, evaluations (when it was first
            met; 0: never) and the best precision at that moment. None for a task that does not rank by precision.
    """

    record: TrialRecord
    trace: pd.DataFrame
    archive: FinalArchive | None
    targets: pd.DataFrame | None = None

    @property
    def metrics(self) -> dict[str, int | float]:
        """The final metrics."""
        return self.record.metrics
