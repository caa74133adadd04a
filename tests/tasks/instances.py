"""Instances of BBOB functions as batches, and points at which to compare them."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from qdbench.protocols import Task


def anonymous(task: Task) -> Task:
    """The task without what names its instance: what the harness compiles."""
    return dataclasses.replace(task, spec=task.spec.structure())


def stacked(tasks: list[Task]) -> Task:
    """The instances as one batch."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *map(anonymous, tasks))


def points(x_opt: np.ndarray, seed: int) -> np.ndarray:
    """Rows in the box, outside, on its corners and faces, near x_opt, zero and x_opt itself, which is the last."""
    dim, rng = len(x_opt), np.random.default_rng(seed)
    faces = rng.uniform(-5, 5, (2, dim))
    faces[:, rng.integers(dim)] = rng.choice([-5, 5], 2)
    return np.concatenate(
        [
            rng.uniform(-5, 5, (4, dim)),
            rng.uniform(-9, 9, (4, dim)),
            rng.choice([-5.0, 5.0], (2, dim)),
            faces,
            x_opt + np.array([[1e-1], [1e-3], [1e-6]]) * rng.normal(0, 1, (3, dim)),
            np.zeros((1, dim)),
            x_opt[None],
        ]
    )
