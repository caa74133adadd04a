"""Drives optimizers beside the plain NumPy versions in tests/reference, given the same numbers, and compares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import baselines
import qdbench
from baselines.evolution import cma_core
from qdbench.archive import Archive
from qdbench.protocols import Batch
from qdbench.random import derive, integers, normal
from tests.reference import mega
from tests.reference import tasks as reference
from tests.reference.archive import Grid
from tests.reference.cma import Sampler

DIM, ITERATIONS = 20, 50
TASKS = ("LP-Sphere-v0", "Arm-v0")
# The same operations in another order; differences of 1e-15 grow a little over 50 iterations.
TOLERANCE = 1e-8
# Compiled, because these are hundreds of small operations.
draw_integers = jax.jit(integers, static_argnums=1)
draw_normal = jax.jit(normal, static_argnums=(1, 2))
part_key = jax.jit(derive)


class Step(NamedTuple):
    """One ask and tell: what was asked with which keys, and the state after the tell."""

    batch: Batch
    ask_key: jax.Array
    tell_key: jax.Array
    solutions: np.ndarray
    state: Any


SEED = 2000


def drive(task: qdbench.Task, optimizer: qdbench.Optimizer, iterations: int = ITERATIONS) -> Iterator[Step]:
    """Runs an optimizer with a key of its own for every call; with this seed the searches below do restart."""

    @eqx.filter_jit
    def step(ask_key: jax.Array, tell_key: jax.Array, state: Any, batch: Batch) -> tuple[jax.Array, Any]:
        solutions, state = optimizer.ask(ask_key, state, batch)
        evaluation = task.evaluate(None, solutions, gradients=batch.gradients)
        return solutions, optimizer.tell(tell_key, state, batch, solutions, evaluation)

    state = optimizer.init(jax.random.key(0))
    for number, batch in enumerate(optimizer.initial + optimizer.iteration * iterations):
        ask_key, tell_key = jax.random.split(jax.random.key(SEED + number), 2)
        solutions, state = step(ask_key, tell_key, state, batch)
        yield Step(batch, ask_key, tell_key, np.asarray(solutions), state)


def make_grid(task: qdbench.Task) -> Grid:
    spec = task.spec
    return Grid([m.low for m in spec.measures], [m.high for m in spec.measures], spec.archive_shape)


def setup(id: str, optimizer_id: str, **hyperparameters: Any) -> tuple[Any, Any, Grid, mega.Evaluate]:
    task = qdbench.make(id, dim=DIM, precision="float64")
    optimizer = baselines.make(optimizer_id, task.spec, **hyperparameters)
    return task, optimizer, make_grid(task), lambda theta: reference.evaluate(id, theta)


def picks(key: jax.Array, count: int, grid: Grid) -> np.ndarray:
    return np.asarray(draw_integers(key, count, jnp.int32(len(grid.elites))))


def normals(key: jax.Array, *shape: int) -> np.ndarray:
    return np.array(draw_normal(key, shape, "float64"))


def assert_close(actual: object, expected: object) -> None:
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=TOLERANCE, atol=TOLERANCE)


def assert_archive(archive: Archive, grid: Grid) -> None:
    """The same cells in the same order with the same elites."""
    cells = list(grid.elites)
    assert np.asarray(archive.occupied)[: int(archive.size)].tolist() == cells
    assert int((np.asarray(archive.objective) > -np.inf).sum()) == len(cells)
    assert_close(np.asarray(archive.objective)[cells], [elite.objective for elite in grid.elites.values()])
    assert_close(np.asarray(archive.measures)[cells], [elite.measures for elite in grid.elites.values()])
    assert_close(np.asarray(archive.solutions)[cells], [elite.solution for elite in grid.elites.values()])


def sampler(factors: cma_core.Factors | None) -> Sampler:
    """Samples as the package does, after a check that its factors are those of the oracle's covariance.

    Eigenvectors have no sign, and those of equal eigenvalues are any basis, so an oracle cannot find them by itself.
    """

    def sample(covariance: np.ndarray, noise: np.ndarray) -> np.ndarray:
        if (covariance == np.eye(len(covariance))).all():
            return noise
        axes, scales = np.asarray(factors.axes), np.asarray(factors.scales)
        assert_close((axes.T * scales**2) @ axes, covariance)
        assert_close(axes @ axes.T, np.eye(len(axes)))
        return noise * scales @ axes

    return sample
