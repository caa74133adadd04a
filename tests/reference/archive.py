"""The grid archive as a dictionary from cells to elites, with pyribs' batch rule spelled out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Elite(NamedTuple):
    """What a cell holds."""

    objective: float
    measures: np.ndarray
    solution: np.ndarray


class Grid:
    """A grid over measures; ``elites`` maps a cell to its elite, in the order in which the cells were first filled."""

    def __init__(self, low: list[float], high: list[float], shape: tuple[int, ...]) -> None:
        self.low, self.high, self.shape = low, high, shape
        self.elites: dict[int, Elite] = {}

    def cell(self, measures: np.ndarray) -> int:
        """The row-major index of the measures' cell; values beyond the grid count in the edge cells."""
        index = 0
        for value, low, high, size in zip(measures, self.low, self.high, self.shape, strict=True):
            position = (
                math.floor(size * (value - low) / (high - low)) if abs(value) < 1e15 else math.copysign(1e15, value)
            )
            index = index * size + int(min(max(position, 0), size - 1))
        return index

    def add(self, solutions: np.ndarray, objective: np.ndarray, measures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adds a batch; returns each solution's status (2 new, 1 improved, 0 neither) and improvement value."""
        before = dict(self.elites)
        status, value = np.zeros(len(objective), int), np.full(len(objective), -np.inf)
        best: dict[int, int] = {}  # the solution of the batch that each cell takes
        for i, f in enumerate(objective):
            finite = np.isfinite(f) and np.isfinite(measures[i]).all()
            if not finite:
                continue
            cell = self.cell(measures[i])
            if cell not in before:
                status[i], value[i] = 2, f
            else:
                value[i] = f - before[cell].objective
                status[i] = int(f > before[cell].objective)
            if status[i] > 0 and (cell not in best or f > objective[best[cell]]):
                best[cell] = i
        for cell, i in sorted(best.items(), key=lambda item: item[1]):
            self.elites[cell] = Elite(objective[i], measures[i].copy(), solutions[i].copy())
        return status, value

    def pick(self, number: int) -> np.ndarray:
        """The solution of the elite whose cell was filled as the number-th."""
        return list(self.elites.values())[number].solution.copy()


class AnnealedGrid(Grid):
    """The grid with the acceptance thresholds of fontaine2023cmamae, and pyribs' batch rule spelled out."""

    def __init__(
        self, low: list[float], high: list[float], shape: tuple[int, ...], learning_rate: float, threshold_min: float
    ) -> None:
        super().__init__(low, high, shape)
        self.learning_rate, self.threshold_min = learning_rate, threshold_min
        self.thresholds: dict[int, float] = {}

    def threshold(self, cell: int) -> float:
        """What a solution must exceed in a cell."""
        return self.thresholds.get(cell, self.threshold_min)

    def add(self, solutions: np.ndarray, objective: np.ndarray, measures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adds a batch; values are differences to the thresholds before it."""
        status, value = np.zeros(len(objective), int), np.full(len(objective), -np.inf)
        accepted: dict[int, list[int]] = {}
        for i, f in enumerate(objective):
            if not (np.isfinite(f) and np.isfinite(measures[i]).all()):
                continue
            cell = self.cell(measures[i])
            value[i] = f - self.threshold(cell)
            if f > self.threshold(cell):
                status[i] = 1 if cell in self.elites else 2
                accepted.setdefault(cell, []).append(i)
        # Cells are filled in the order of their elites in the batch.
        elites = {cell: max(rows, key=lambda i: (objective[i], -i)) for cell, rows in accepted.items()}
        for cell, i in sorted(elites.items(), key=lambda item: item[1]):
            rows = accepted[cell]
            keep = (1 - self.learning_rate) ** len(rows)
            mean = sum(objective[row] for row in rows) / len(rows)
            self.thresholds[cell] = keep * self.threshold(cell) + (1 - keep) * mean
            self.elites[cell] = Elite(objective[i], measures[i].copy(), solutions[i].copy())
        return status, value


def improvement_order(status: np.ndarray, value: np.ndarray) -> list[int]:
    """Indices of the solutions from best to worst: sorted ascending by (status, value, index), then reversed."""
    return sorted(range(len(status)), key=lambda i: (status[i], value[i], i))[::-1]
