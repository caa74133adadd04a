"""Host optimizers for the tests: one that works, and one for each way of not working."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from qdbench import Evaluation, TaskSpec


class Sampler:
    """Samples from N(0, I) and remembers what it was told."""

    def __init__(self, spec: TaskSpec, seed: int, batch: int = 20) -> None:
        self.generator = np.random.default_rng(seed)
        self.shape = (batch, spec.dim)
        self.told: list[tuple[np.ndarray, Evaluation]] = []

    def ask(self) -> Any:
        return self.generator.standard_normal(self.shape)

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        self.told.append((solutions, evaluation))


class WantsGradients(Sampler):
    def ask(self) -> Any:
        return self.generator.standard_normal(self.shape), True


class GrowingBatches(Sampler):
    """Asks for 1, 2, 3, ... solutions."""

    def ask(self) -> Any:
        self.shape = (len(self.told) + 1, self.shape[1])
        return self.generator.standard_normal(self.shape)


class RaisesInAsk(Sampler):
    def ask(self) -> Any:
        raise RuntimeError("my ask is broken")


class RaisesInTell(Sampler):
    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        raise RuntimeError("my tell is broken")


class AsksNaN(Sampler):
    def ask(self) -> Any:
        solutions = self.generator.standard_normal(self.shape)
        solutions[3, 1] = np.nan
        return solutions


class AsksInfinity(Sampler):
    def ask(self) -> Any:
        return np.full(self.shape, np.inf)


class AsksWrongShape(Sampler):
    def ask(self) -> Any:
        return np.zeros((4, self.shape[1] + 1))


class AsksText(Sampler):
    def ask(self) -> Any:
        return np.full(self.shape, "one")


class Overwrites(Sampler):
    """Overwrites what it asked for, which is its own, after the fact."""

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        solutions[:] = 0


class Mutates(Sampler):
    """Overwrites what it is told."""

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        evaluation.objective[:] = 1e9


class AsksForNothing(Sampler):
    def ask(self) -> Any:
        return np.zeros((0, self.shape[1]))


class Hangs(Sampler):
    """Asks twice, and never again."""

    def ask(self) -> Any:
        if len(self.told) == 2:
            time.sleep(3600)
        return super().ask()


class Dies(Sampler):
    """Takes its process with it."""

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        os._exit(1)
