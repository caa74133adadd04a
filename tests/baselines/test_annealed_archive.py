"""The annealed archive against a dictionary in NumPy, against pyribs, and by its properties."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines import annealed_archive
from qdbench import archive as elitist
from qdbench.protocols import precision_of
from qdbench.spec import Measure, TaskSpec
from tests.reference.archive import AnnealedGrid

BATCH, DIM = 12, 2
SPEC = TaskSpec(
    id="Grid-v0",
    family="grid",
    dim=DIM,
    measures=(Measure(name="a", low=-1, high=1), Measure(name="b", low=0, high=3)),
    archive_shape=(4, 3),
    objective_range=(0.0, 1.0),
    budget=100,
    precision="float64",
)
INSERT = jax.jit(annealed_archive.insert)
OBJECTIVES = st.sampled_from([-3.0, -1.0, 0.0, 0.5, 0.5, 1.0, 2.0, 2.0, 7.25, np.nan, np.inf, -np.inf])
FIRST = st.sampled_from([-1.0, -0.5, 0.3, 0.9, 5.0, np.nan, -np.inf])
SECOND = st.sampled_from([0.0, 1.5, 2.9, -7.0, np.inf])
Batches = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


@st.composite
def batches(draw: st.DrawFn) -> Batches:
    result = []
    for number in range(draw(st.integers(1, 4))):
        rows = draw(st.lists(st.tuples(OBJECTIVES, FIRST, SECOND), min_size=BATCH, max_size=BATCH))
        values = np.array(rows)
        solutions = np.stack([np.full(BATCH, float(number)), np.arange(float(BATCH))], axis=1)
        result.append((solutions, values[:, 0], values[:, 1:]))
    return result


def empty(threshold_min: float) -> annealed_archive.AnnealedArchive:
    return annealed_archive.empty(SPEC, annealed_archive.least_threshold(SPEC, threshold_min))


@given(batches(), st.sampled_from([0.0, 0.01, 0.3, 1.0]), st.sampled_from([-2.0, 0.0, 0.5]))
def test_insert_against_numpy(history: Batches, learning_rate: float, threshold_min: float) -> None:
    grid = AnnealedGrid([-1, 0], [1, 3], (4, 3), learning_rate, threshold_min)
    with precision_of(SPEC):
        archive = empty(threshold_min)
        for solutions, objective, measures in history:
            before = np.asarray(archive.threshold)
            archive, (status, value) = INSERT(archive, learning_rate, solutions, objective, measures)
            expected_status, expected_value = grid.add(solutions, objective, measures)
            np.testing.assert_array_equal(status, expected_status)
            np.testing.assert_allclose(value, expected_value, rtol=1e-14, atol=1e-14)
            elites = archive.elites
            assert np.asarray(elites.occupied)[: int(elites.size)].tolist() == list(grid.elites)
            for cell, elite in grid.elites.items():
                assert elites.objective[cell] == elite.objective
                np.testing.assert_array_equal(elites.measures[cell], elite.measures)
                np.testing.assert_array_equal(elites.solutions[cell], elite.solution)
                assert float(archive.threshold[cell]) == pytest.approx(grid.thresholds[cell], rel=1e-13, abs=1e-13)
            # Thresholds rise, and stay below the best that was accepted.
            after = np.asarray(archive.threshold)
            assert (after >= before - 1e-13).all()
            best = objective[np.isfinite(objective)].max(initial=threshold_min)
            assert (after <= np.maximum(before, best) + 1e-13).all()


@given(batches())
def test_one_at_a_time_with_learning_rate_1_is_the_elitist_archive(history: Batches) -> None:
    with precision_of(SPEC):
        annealed, plain = empty(-1e9), elitist.empty(SPEC)
        insert = jax.jit(elitist.insert)
        for solutions, objective, measures in history[:2]:
            for row in range(BATCH):
                batch = solutions[row : row + 1], objective[row : row + 1], measures[row : row + 1]
                annealed, one = INSERT(annealed, 1.0, *batch)
                plain, other = insert(plain, *batch)
                np.testing.assert_array_equal(one.status, other.status)
        np.testing.assert_array_equal(annealed.elites.objective, plain.objective)
        np.testing.assert_array_equal(annealed.elites.solutions, plain.solutions)


def test_a_worse_solution_replaces_a_better_elite() -> None:
    with precision_of(SPEC):
        archive = empty(0.0)
        spot = np.zeros((1, 2))
        for objective, threshold, status in ((10.0, 1.0, 2), (5.0, 1.4, 1), (1.3, 1.4, 0)):
            archive, insertion = INSERT(archive, 0.1, spot, np.array([objective]), spot)
            assert insertion.status.tolist() == [status]
            assert float(archive.threshold.max()) == pytest.approx(threshold)
        assert float(archive.elites.objective.max()) == 5


@pytest.mark.parametrize(("learning_rate", "threshold_min"), [(0.01, 0.0), (0.3, -1.0), (1.0, -5.0), (0.0, 0.2)])
def test_insert_against_pyribs(learning_rate: float, threshold_min: float) -> None:
    ribs = pytest.importorskip("ribs.archives", reason="pyribs is an optional peer: pip install qdbench[ribs]")
    ranges = [(measure.low, measure.high) for measure in SPEC.measures]
    settings: dict[str, Any] = {"learning_rate": learning_rate, "threshold_min": threshold_min}
    theirs = ribs.GridArchive(solution_dim=DIM, dims=(4, 3), ranges=ranges, epsilon=0, dtype=np.float64, **settings)
    rng = np.random.default_rng(5)
    with precision_of(SPEC):
        archive = empty(threshold_min)
        for _ in range(30):
            solutions = rng.normal(size=(36, DIM))
            objective = rng.normal(size=36).round(1)  # with ties
            measures = np.stack([rng.uniform(low - 0.3, high + 0.3, 36) for low, high in ranges], axis=1)
            info = theirs.add(solutions, objective, measures)
            archive, insertion = INSERT(archive, learning_rate, solutions, objective, measures)
            np.testing.assert_array_equal(insertion.status, info["status"])
            np.testing.assert_allclose(insertion.value, info["value"], rtol=1e-12, atol=1e-12)
        data = theirs.data(["index", "objective", "measures", "solution", "threshold"])
        cells = data["index"]
        assert int(archive.elites.size) == len(cells)
        np.testing.assert_array_equal(np.asarray(archive.elites.objective)[cells], data["objective"])
        np.testing.assert_array_equal(np.asarray(archive.elites.solutions)[cells], data["solution"])
        np.testing.assert_allclose(np.asarray(archive.threshold)[cells], data["threshold"], rtol=1e-12, atol=1e-12)


def test_shapes_and_dtypes_stay_in_float32() -> None:
    spec = SPEC.model_copy(update={"precision": "float32"})
    before = annealed_archive.empty(spec, jnp.float32(0))
    ones = np.ones((3, 2), np.float32)
    after, _ = INSERT(before, jnp.float32(0.1), ones, ones[:, 0], ones)
    assert jax.tree.structure(before) == jax.tree.structure(after)
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        assert (old.shape, old.dtype) == (new.shape, new.dtype)
