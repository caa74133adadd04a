"""The algorithms of fontaine2021dqd against the plain NumPy versions in tests/reference, given the same numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import baselines
import qdbench
from baselines.evolution import cma_core
from qdbench.archive import Archive
from qdbench.protocols import Batch, precision_of
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


@pytest.mark.parametrize(("optimizer_id", "id"), [("map-elites", "LP-Sphere-v0"), ("map-elites-line", "Arm-v0")])
def test_map_elites(optimizer_id: str, id: str) -> None:
    task, optimizer, grid, evaluate = setup(id, optimizer_id, batch_size=8, initial_size=10)
    with precision_of(task.spec):
        for batch, ask_key, _, solutions, archive in drive(task, optimizer):
            expected = _offspring(optimizer.variation, grid, batch, ask_key, initial=batch in optimizer.initial)
            assert_close(solutions, expected)
            mega.add(grid, evaluate, expected)
            assert_archive(archive, grid)


def _offspring(variation: Any, grid: Grid, batch: Batch, key: jax.Array, initial: bool) -> np.ndarray:
    shape = (batch.size, DIM)
    if initial:
        return normals(key, *shape)
    if hasattr(variation, "sigma"):
        parent_key, noise_key = part_key(key, 0), part_key(key, 1)
        return mega.gaussian(
            grid, float(variation.sigma), picks(parent_key, batch.size, grid), normals(noise_key, *shape)
        )
    parent_key, iso_key, line_key = (part_key(key, part) for part in range(3))
    pairs = picks(parent_key, 2 * batch.size, grid)
    sigmas = float(variation.iso_sigma), float(variation.line_sigma)
    return mega.iso_line(grid, *sigmas, pairs, normals(iso_key, *shape), normals(line_key, batch.size, 1))


@pytest.mark.parametrize(("optimizer_id", "id"), [("og-map-elites", "Arm-v0"), ("og-map-elites-line", "LP-Sphere-v0")])
def test_objective_gradient_map_elites(optimizer_id: str, id: str) -> None:
    # Not the published learning rate: on the sphere it leads to the optimum in one step, which lies on the corner of
    # four cells, where the last bit decides.
    task, optimizer, grid, evaluate = setup(id, optimizer_id, batch_size=6, initial_size=10, learning_rate=0.7)
    with precision_of(task.spec):
        for batch, ask_key, _, solutions, state in drive(task, optimizer):
            if batch.name == "climbed":
                expected = mega.climb(offspring, values, float(optimizer.learning_rate))  # noqa: F821
            else:
                expected = _offspring(optimizer.variation, grid, batch, ask_key, initial=batch in optimizer.initial)
            assert_close(solutions, expected)
            offspring, (values, _, _) = expected, mega.add(grid, evaluate, expected)  # noqa: F841
            assert_archive(state.archive, grid)


@pytest.mark.parametrize("id", TASKS)
def test_omg_mega(id: str) -> None:
    task, optimizer, grid, evaluate = setup(id, "omg-mega", batch_size=6, initial_size=10)
    with precision_of(task.spec):
        for batch, ask_key, _, solutions, state in drive(task, optimizer):
            if batch.name == "initial":
                expected = normals(ask_key, batch.size, DIM)
            elif batch.gradients:
                expected = np.array([grid.pick(pick) for pick in picks(ask_key, batch.size, grid)])
            else:
                noise = normals(ask_key, batch.size, 3)
                expected = mega.omg_branches(parents, values, float(optimizer.sigma_g), noise)  # noqa: F821
            assert_close(solutions, expected)
            parents, (values, _, _) = expected, mega.add(grid, evaluate, expected)  # noqa: F841
            assert_archive(state.archive, grid)


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


# Small steps away from what improved: soon no branch enters the archive, and the search restarts.
RESTARTING = {
    "cma-mega": {"sigma_g": 0.01, "learning_rate": -1.0, "batch_size": 8},
    "cma-mega-adam": {"sigma_g": 0.001, "learning_rate": -0.02, "batch_size": 4},
}


@pytest.mark.parametrize("id", TASKS)
@pytest.mark.parametrize(
    ("optimizer_id", "restarting"), [("cma-mega", True), ("cma-mega-adam", True), ("cma-mega", False)]
)
def test_cma_mega(optimizer_id: str, id: str, restarting: bool) -> None:
    task, optimizer, grid, evaluate = setup(id, optimizer_id, **(RESTARTING[optimizer_id] if restarting else {}))
    rate = float(optimizer.ascent.learning_rate)
    make_ascent: Callable[[], mega.Plain | mega.Adam]
    make_ascent = (lambda: mega.Adam(rate)) if optimizer_id.endswith("adam") else (lambda: mega.Plain(rate))
    oracle, factors = mega.CmaMega(DIM, float(optimizer.sigma_g), make_ascent), None
    with precision_of(task.spec):
        for batch, ask_key, tell_key, solutions, state in drive(task, optimizer):
            if batch.gradients:
                assert_close(solutions, oracle.theta[None])
                oracle.position(grid, evaluate)
                assert_close(state.emitter.gradients, oracle.gradients)
            else:
                noise = normals(ask_key, batch.size, 3)
                pick = functools.partial(picks, tell_key, 1, grid)
                assert_close(solutions, oracle.branches(grid, evaluate, noise, sampler(factors), pick))
                factors = state.emitter.factors
                assert_close(state.emitter.position, oracle.theta)
                assert_close(state.emitter.paths.mean, oracle.cma.mean)
                assert_close(state.emitter.paths.sigma, oracle.cma.sigma)
                assert_close(state.emitter.covariance, oracle.cma.C)
                assert int(state.emitter.restarts) == oracle.restarts
            assert_archive(state.archive, grid)
    if restarting:
        assert oracle.restarts > 1


@pytest.mark.parametrize("id", TASKS)
@pytest.mark.parametrize("restarting", [True, False])
def test_cma_me(restarting: bool, id: str) -> None:
    # Two solutions near an elite are often both worse; few also means decompositions many iterations apart.
    task, optimizer, grid, evaluate = setup(id, "cma-me", **({"batch_size": 2, "sigma": 0.001} if restarting else {}))
    assert (optimizer.gap > 1) == restarting
    oracle, factors = mega.CmaMe(DIM, float(optimizer.sigma), optimizer.gap), None
    with precision_of(task.spec):
        for batch, ask_key, tell_key, solutions, state in drive(task, optimizer):
            pick = functools.partial(picks, tell_key, 1, grid)
            noise = normals(ask_key, batch.size, DIM)
            assert_close(solutions, oracle.iterate(grid, evaluate, noise, sampler(factors), pick))
            factors = state.emitter.covariance.factors
            assert_close(state.emitter.paths.mean, oracle.cma.mean)
            assert_close(state.emitter.paths.sigma, oracle.cma.sigma)
            assert_close(state.emitter.paths.p_c, oracle.cma.p_c)
            assert int(state.emitter.restarts) == oracle.restarts
            assert_archive(state.archive, grid)
    if restarting:
        assert oracle.restarts > 1
