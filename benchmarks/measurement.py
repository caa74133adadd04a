"""What is measured and what comes back: plain data that crosses from a parent process to its child and back."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

PEER_ALGORITHMS = {"cma-mega": "CMA-MEGA", "map-elites-line": "MAP-Elites (line)", "cma-me": "CMA-ME"}
"""The algorithms that are compared and whose cost is studied further, by qdbench's id."""

ANNEALED_ALGORITHMS = {"cma-maega": "CMA-MAEGA", "cma-mae": "CMA-MAE"}
"""Algorithms that are compared only."""

DIMS = {"cma-mae": 100}
"""Parameters where they are not 1,000: CMA-MAE without restarts decomposes its covariance too often for that."""


class Contestant(NamedTuple):
    """A package at a precision."""

    package: str
    precision: str

    @property
    def label(self) -> str:
        """The name in tables."""
        return f"{self.package} ({self.precision})"


@dataclasses.dataclass(frozen=True)
class Setting:
    """One search on LP-Sphere.

    Attributes:
        algorithm: qdbench's id of it.
        dim: Number of parameters.
        batch: Evaluations of an iteration.
        side: The archive has side x side cells.
        iterations: Iterations after the initial population, if there is one.
        precision: ``"float32"`` or ``"float64"``.
    """

    algorithm: str
    dim: int = 1000
    batch: int = 36
    side: int = 100
    iterations: int = 10_000
    precision: str = "float32"

    def replace(self, **changes: Any) -> Setting:
        """The same setting with other values."""
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass(frozen=True)
class Timing:
    """What a child process measured.

    Attributes:
        implementation: Package and precision.
        version: Of the package.
        compile_seconds: Compilation; for pyribs, a warm-up search in which Numba compiles.
        run_seconds: The search itself, from an empty archive.
        iterations: Iterations of the search.
        evaluations: Solutions that it evaluated.
        qd_score: At the end; the same work gives about the same score.
        coverage: At the end, in percent.
    """

    implementation: str
    version: str
    compile_seconds: float
    run_seconds: float
    iterations: int
    evaluations: int
    qd_score: float
    coverage: float

    @property
    def microseconds(self) -> float:
        """Microseconds an iteration."""
        return 1e6 * self.run_seconds / self.iterations
