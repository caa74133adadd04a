"""The algorithms of fontaine2021dqd against the plain NumPy versions in tests/reference, given the same numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from qdbench.protocols import Batch, precision_of
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
from tests.reference.archive import Grid


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
