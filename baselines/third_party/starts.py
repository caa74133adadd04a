"""Where searches in NumPy start."""

from __future__ import annotations

import numpy as np

from qdbench.spec import TaskSpec


def sample(generator: np.random.Generator, spec: TaskSpec, count: int) -> np.ndarray:
    """Samples of the task's start distribution, ``(count, dim)``."""
    start = spec.start
    if start.kind == "uniform":
        return generator.uniform(start.low, start.high, (count, spec.dim))
    return generator.normal(start.mean, start.scale, (count, spec.dim))


def centre(spec: TaskSpec) -> np.ndarray:
    """The middle of the task's start distribution, ``(dim,)``."""
    start = spec.start
    return np.full(spec.dim, (start.low + start.high) / 2 if start.kind == "uniform" else start.mean)
