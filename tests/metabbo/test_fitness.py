"""From results to a meta-fitness, against definitions in NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from qdbench.metabbo.fitness import centred_ranks, meta_fitness, z_scores
from tests.metabbo import tiny

RESULTS = np.array([[1.0, 50, 7], [2, 40, 7], [3, 90, 7], [6, 60, 7]], np.float32)
NORMALISATIONS = ("z-score", "rank")
AGGREGATES = ("median", "mean")


def test_z_scores_by_hand() -> None:
    expected = np.array([[-2, -1, 0, 3] / np.sqrt(3.5), [-10, -20, 30, 0] / np.sqrt(350), [0] * 4]).T
    np.testing.assert_allclose(z_scores(RESULTS), expected, rtol=1e-12)
    np.testing.assert_allclose(z_scores(RESULTS)[:, :2], stats.zscore(RESULTS[:, :2].astype(float), axis=0))


def test_ranks_by_hand() -> None:
    expected = np.array([[-1 / 2, -1 / 6, 1 / 6, 1 / 2], [-1 / 6, -1 / 2, 1 / 2, 1 / 6], [0] * 4]).T
    np.testing.assert_allclose(centred_ranks(RESULTS), expected, atol=1e-15)
    np.testing.assert_allclose(centred_ranks(np.array([[1.0], [2], [2], [0]]))[:, 0], [-1 / 6, 1 / 3, 1 / 3, -1 / 2])


def fitness(results: np.ndarray, normalisation: str, aggregate: str) -> np.ndarray:
    return meta_fitness(results, tiny.config(normalisation=normalisation, aggregate=aggregate))


def test_median_and_mean() -> None:
    scores = z_scores(RESULTS)
    np.testing.assert_array_equal(fitness(RESULTS, "z-score", "median"), [sorted(row)[1] for row in scores])
    np.testing.assert_allclose(fitness(RESULTS, "z-score", "mean"), scores.sum(axis=1) / 3)
    np.testing.assert_allclose(fitness(RESULTS, "rank", "mean"), [-2 / 9, -2 / 9, 2 / 9, 2 / 9])
    np.testing.assert_allclose(fitness(RESULTS, "rank", "median"), [-1 / 6, -1 / 6, 1 / 6, 1 / 6])
    # Of an even number, the mean of the two in the middle.
    np.testing.assert_allclose(fitness(RESULTS[:, :2], "rank", "median"), [-1 / 3, -1 / 3, 1 / 3, 1 / 3])


def test_a_median_ignores_one_task_where_a_member_diverged() -> None:
    results = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    results[2] += 3
    results[2, 1] = -1e10
    assert fitness(results, "z-score", "median").argmax() == 2
    assert np.isfinite(fitness(results, "z-score", "mean")).all()


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, -1e10, 1e-30, 0.0])
def test_members_that_are_all_equal(value: float, dtype: Any, normalisation: str, aggregate: str) -> None:
    # In double precision the mean of equals may differ from them in the last bit.
    np.testing.assert_array_equal(fitness(np.full((6, 3), value, dtype), normalisation, aggregate), np.zeros(6))


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@given(
    results=arrays.arrays(np.float64, (6, 4), elements=st.integers(-50, 50).map(float), unique=True),
    scales=st.lists(st.floats(0.01, 100), min_size=4, max_size=4),
    shifts=st.lists(st.integers(-100, 100), min_size=4, max_size=4),
)
def test_the_scale_of_a_task_does_not_matter(
    normalisation: str, results: np.ndarray, scales: list[float], shifts: list[int]
) -> None:
    changed = results * scales + shifts
    for aggregate in AGGREGATES:
        plain, other = fitness(results, normalisation, aggregate), fitness(changed, normalisation, aggregate)
        np.testing.assert_allclose(other, plain, rtol=1e-7, atol=1e-7)


def test_ranks_ignore_any_monotone_change() -> None:
    results = np.random.default_rng(1).normal(size=(8, 5))
    np.testing.assert_array_equal(fitness(np.exp(results), "rank", "mean"), fitness(results, "rank", "mean"))
