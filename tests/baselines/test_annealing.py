"""CMA-MAE and CMA-MAEGA against the plain NumPy versions in tests/reference, given the same numbers, and pyribs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import baselines
import qdbench
from qdbench.protocols import precision_of
from qdbench.spec import Start
from tests.baselines.oracle_driving import (
    DIM,
    TASKS,
    assert_archive,
    assert_close,
    drive,
    normals,
    part_key,
    picks,
    sampler,
    setup,
)
from tests.reference import mega
from tests.reference.archive import AnnealedGrid

# Not 0, where cells meet and the last bit decides; and the mean of such numbers is exact, so that the gradient of their
# variance is 0 and not a rounding error over its norm.
START = 0.25


def start_elsewhere(id: str, optimizer_id: str, **settings: Any) -> tuple[qdbench.Task, Any, mega.Evaluate]:
    task, _, _, evaluate = setup(id, optimizer_id, **settings)
    spec = task.spec.model_copy(update={"start": Start(mean=START)})
    return dataclasses.replace(task, spec=spec), baselines.make(optimizer_id, spec, **settings), evaluate


def annealed(task: qdbench.Task, optimizer: Any) -> AnnealedGrid:
    spec = task.spec
    low, high = [m.low for m in spec.measures], [m.high for m in spec.measures]
    rate, least = float(optimizer.archive_learning_rate), float(optimizer.threshold_min)
    return AnnealedGrid(low, high, spec.archive_shape, rate, least)


def assert_annealed(archive: Any, grid: AnnealedGrid) -> None:
    assert_archive(archive.elites, grid)
    expected = np.full(len(archive.threshold), grid.threshold_min)
    expected[list(grid.thresholds)] = list(grid.thresholds.values())
    assert_close(archive.threshold, expected)


def one(tree: Any, number: int) -> Any:
    return jax.tree.map(lambda array: array[number], tree)


def judge(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Only the value counts, not whether a cell is new."""
    return np.zeros(len(value), int), value


@pytest.mark.parametrize("id", TASKS)
@pytest.mark.parametrize(
    "settings",
    [
        {"emitters": 2, "batch_size": 8},
        {"emitters": 1, "batch_size": 6, "archive_learning_rate": 1.0, "threshold_min": -50.0},
        # A step size that is collapsed from the start: every iteration restarts.
        {"emitters": 3, "batch_size": 4, "sigma": 1e-12},
    ],
)
def test_cma_mae(settings: dict[str, Any], id: str) -> None:
    task, optimizer, evaluate = start_elsewhere(id, "cma-mae", **settings)
    grid, count = annealed(task, optimizer), settings["emitters"]
    oracles = [mega.CmaMe(DIM, float(optimizer.sigma), optimizer.gap, START) for _ in range(count)]
    factors: list[Any] = [None] * count
    with precision_of(task.spec):
        for batch, ask_key, tell_key, solutions, state in drive(task, optimizer, iterations=25):
            noise = np.split(normals(ask_key, batch.size, DIM), count)
            proposed = [
                oracle.propose(rows, sampler(factor))
                for oracle, rows, factor in zip(oracles, noise, factors, strict=True)
            ]
            assert_close(solutions, np.concatenate(proposed))
            _, _, value = mega.add(grid, evaluate, np.concatenate(proposed))
            for number, (oracle, rows, values) in enumerate(
                zip(oracles, proposed, np.split(value, count), strict=True)
            ):
                pick = functools.partial(picks, part_key(tell_key, number), 1, grid)
                oracle.adapt(grid, rows, *judge(values), pick, parents=len(rows) // 2)
                emitter = one(state.emitters, number)
                factors[number] = emitter.covariance.factors
                assert_close(emitter.paths.mean, oracle.cma.mean)
                assert_close(emitter.paths.sigma, oracle.cma.sigma)
                assert int(emitter.restarts) == oracle.restarts
            assert_annealed(state.archive, grid)
    assert (min(oracle.restarts for oracle in oracles) > 1) == ("sigma" in settings)


@pytest.mark.parametrize(
    ("optimizer_id", "settings", "id"),
    [
        *(("cma-maega", {"emitters": 2, "batch_size": 8}, id) for id in TASKS),
        *(("cma-maega-adam", {"emitters": 1, "batch_size": 36}, id) for id in TASKS),
        # Restarts every iteration. Not on the arm, where joints that are all but equal have a gradient of rounding.
        ("cma-maega", {"emitters": 2, "batch_size": 4, "sigma_g": 1e-12}, "LP-Sphere-v0"),
    ],
)
def test_cma_maega(optimizer_id: str, settings: dict[str, Any], id: str) -> None:
    task, optimizer, evaluate = start_elsewhere(id, optimizer_id, **settings)
    grid, count = annealed(task, optimizer), settings["emitters"]
    rate = float(optimizer.ascent.learning_rate)
    make_ascent: Callable[[], mega.Plain | mega.Adam]
    make_ascent = (lambda: mega.Adam(rate)) if optimizer_id.endswith("adam") else (lambda: mega.Plain(rate))
    oracles = [mega.CmaMega(DIM, float(optimizer.sigma_g), make_ascent, start=START) for _ in range(count)]
    factors: list[Any] = [None] * count
    with precision_of(task.spec):
        for batch, ask_key, tell_key, solutions, state in drive(task, optimizer, iterations=25):
            if batch.gradients:
                positions = np.array([oracle.theta for oracle in oracles])
                assert_close(solutions, positions)
                values, _, _ = mega.add(grid, evaluate, positions)
                for number, oracle in enumerate(oracles):
                    oracle.gradients = mega.gradient_rows(values, number)
                assert_close(state.emitters.gradients, [oracle.gradients for oracle in oracles])
                assert_annealed(state.archive, grid)
                continue
            noise = np.split(normals(ask_key, batch.size, 3), count)
            proposed = [
                oracle.propose(rows, sampler(factor))
                for oracle, rows, factor in zip(oracles, noise, factors, strict=True)
            ]
            assert_close(solutions, np.concatenate(proposed))
            _, _, value = mega.add(grid, evaluate, np.concatenate(proposed))
            for number, (oracle, rows, values) in enumerate(
                zip(oracles, proposed, np.split(value, count), strict=True)
            ):
                pick = functools.partial(picks, part_key(tell_key, number), 1, grid)
                oracle.adapt(grid, rows, *judge(values), pick, stuck=False)
                emitter = one(state.emitters, number)
                factors[number] = emitter.factors
                assert_close(emitter.position, oracle.theta)
                assert_close(emitter.paths.sigma, oracle.cma.sigma)
                assert_close(emitter.covariance, oracle.cma.C)
                assert int(emitter.restarts) == oracle.restarts
            assert_annealed(state.archive, grid)
    assert (min(oracle.restarts for oracle in oracles) > 1) == ("sigma_g" in settings)


def test_a_restart_without_any_elite_is_from_the_start_mean() -> None:
    # No objective exceeds the threshold, so nothing enters the archive.
    task = qdbench.make("LP-Sphere-v0", dim=4)
    optimizer = baselines.make("cma-mae", task.spec, threshold_min=1e6, sigma=1e-12, batch_size=4)
    *_, last = drive(task, optimizer, iterations=3)
    assert int(last.state.archive.elites.size) == 0
    assert int(last.state.emitters.restarts[0]) == 3
    np.testing.assert_array_equal(last.state.emitters.paths.mean[0], np.zeros(4))


@pytest.mark.parametrize("id", ["LP-Sphere-v0", "BBOB-F08-v0"])
def test_thresholds_start_at_the_objective_ranges_lower_end(id: str) -> None:
    spec = qdbench.make(id, dim=4).spec
    assert float(baselines.make("cma-maega", spec).threshold_min) == spec.objective_range[0]


@pytest.mark.parametrize(
    ("id", "settings", "message"),
    [
        ("cma-mae", {"emitters": -2}, "at least 1, but emitters is -2"),
        ("cma-mae", {"batch_size": 1}, "at least 2, but batch_size is 1"),
        ("cma-maega-adam", {"batch_size": 2}, "at least 3, but batch_size is 2"),
    ],
)
def test_sizes_that_are_not_possible(id: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"optimizer '{id}': the size must be an integer of {message}"):
        baselines.make(id, qdbench.make("LP-Sphere-v0", dim=4).spec, **settings)
