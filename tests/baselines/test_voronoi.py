"""Voronoi cells against SciPy's KD-tree and scikit-learn's k-means, and CVT-MAP-Elites against what it evaluated."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

import baselines
import qdbench
from baselines import voronoi
from qdbench.protocols import precision_of
from qdbench.spec import Measure, TaskSpec
from tests.baselines.oracle_driving import drive


def make_spec(num_measures: int, precision: str = "float64") -> TaskSpec:
    # Intervals of very different lengths: distances are those of the scaled box.
    intervals = [(-1.0, 1.0), (0.0, 300.0), (5.0, 5.5), (-8.0, 8.0)][:num_measures]
    return TaskSpec(
        id="Box-v0",
        family="box",
        dim=2,
        measures=tuple(Measure(name=f"m{i}", low=low, high=high) for i, (low, high) in enumerate(intervals)),
        archive_shape=(4,) * num_measures,
        objective_range=(0.0, 1.0),
        budget=100,
        precision=precision,
    )


def points_of(spec: TaskSpec, count: int, beyond: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Measures inside and outside, on centroids' side of the box too, and the same scaled and clipped."""
    rng = np.random.default_rng(0)
    unit = rng.uniform(-beyond, 1 + beyond, (count, spec.num_measures))
    low = np.array([measure.low for measure in spec.measures])
    high = np.array([measure.high for measure in spec.measures])
    return low + unit * (high - low), np.clip(unit, 0, 1)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("num_measures", "cells"), [(1, 7), (2, 1), (2, 2), (2, 300), (2, 2500), (3, 200), (4, 50)])
def test_the_nearest_centroid_is_that_of_a_kd_tree(num_measures: int, cells: int, precision: str) -> None:
    spec = make_spec(num_measures, precision)
    measures, unit = points_of(spec, 5000)
    with precision_of(spec):
        tessellation = voronoi.make("cvt", spec, cells, 5000, 0)
        index = np.asarray(jax.jit(lambda rows: tessellation.index(spec, rows))(measures.astype(precision)))
    assert index.dtype == np.int32
    centroids = np.asarray(tessellation.centroids, np.float64)
    nearest, expected = cKDTree(centroids).query(unit)
    # Rounding may decide between two centroids, but only where they are equally near.
    tolerance = 1e-6 if precision == "float32" else 1e-12
    np.testing.assert_allclose(np.linalg.norm(centroids[index] - unit, axis=1), nearest, rtol=0, atol=tolerance)
    assert (index != expected).mean() < 1e-3


@given(st.integers(1, 3), st.integers(1, 60), st.integers(0, 2**31 - 1))
def test_every_bucket_lists_what_can_be_nearest(num_measures: int, cells: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Clustered, so that some buckets are far from all and some hold many.
    centroids = rng.random((cells, num_measures)) ** 3
    per_side, nearby = voronoi.bucket_lists(centroids)
    assert nearby.shape[0] == per_side**num_measures
    points = np.concatenate(
        [rng.random((200, num_measures)), np.round(rng.random((50, num_measures)) * per_side) / per_side]
    )
    place = np.clip(np.floor(points * per_side).astype(int), 0, per_side - 1)
    bucket = np.ravel_multi_index(tuple(place.T), (per_side,) * num_measures)
    _, nearest = cKDTree(centroids).query(points)
    assert all(index in nearby[row] for index, row in zip(nearest, bucket, strict=True))


def test_long_lists_have_fewer_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    centroids = np.random.default_rng(0).random((200, 3))
    usual, _ = voronoi.bucket_lists(centroids)
    monkeypatch.setattr(voronoi, "_MOST_ENTRIES", 1000)
    per_side, nearby = voronoi.bucket_lists(centroids)
    assert per_side < usual
    assert nearby.size <= 1000


def test_centroids_are_those_of_scikit_learn() -> None:
    cluster = pytest.importorskip("sklearn.cluster", reason="scikit-learn is an optional peer")
    points = np.random.default_rng(3).random((4000, 2))
    theirs = cluster.KMeans(50, init=points[:50], n_init=1, max_iter=100, tol=0, algorithm="lloyd").fit(points)
    np.testing.assert_allclose(voronoi.k_means(points, 50), theirs.cluster_centers_, rtol=0, atol=1e-10)


def test_centroids_are_the_middles_of_their_samples_and_spread_evenly() -> None:
    made = voronoi.tables(64, 2, 20_000, 1)
    points = np.random.default_rng(1).random((20_000, 2))
    _, nearest = cKDTree(made.centroids).query(points)
    middles = np.array([points[nearest == cell].mean(axis=0) for cell in range(64)])
    np.testing.assert_allclose(made.centroids, middles, atol=2e-3)
    # Even areas: of 312 samples a cell, the first samples themselves would have had a standard deviation of half that.
    assert np.bincount(nearest, minlength=64).std() < 60


def test_the_seed_decides() -> None:
    spec = make_spec(2)
    with precision_of(spec):
        one, same, other = (voronoi.make("cvt", spec, 20, 500, seed).centroids for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cells": 0}, "cells must be an integer of at least 1, but it is 0"),
        ({"cells": -3}, "cells must be an integer of at least 1, but it is -3"),
        ({"samples": 10}, "samples must be an integer of at least 10000, but it is 10"),
        ({"cells_seed": -1}, "cells_seed must be an integer of at least 0, but it is -1"),
    ],
)
def test_tessellations_that_are_not_possible(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"optimizer 'cvt-map-elites': {message}"):
        baselines.make("cvt-map-elites", qdbench.make("Arm-v0", dim=4).spec, **settings)


@pytest.mark.parametrize("id", ["cvt-map-elites", "cvt-map-elites-line"])
def test_cvt_map_elites_keeps_the_best_of_every_voronoi_cell(id: str) -> None:
    task = qdbench.make("Arm-v0", dim=6, precision="float64")
    with precision_of(task.spec):
        optimizer = baselines.make(id, task.spec, cells=40, samples=2000)
        steps = list(drive(task, optimizer, iterations=20))
        solutions = np.concatenate([step.solutions for step in steps])
        evaluation = task.evaluate(None, solutions)
    unit = np.clip((np.asarray(evaluation.measures) + 6) / 12, 0, 1)
    _, cells = cKDTree(np.asarray(optimizer.partition.centroids)).query(unit)
    best = np.full(40, -np.inf)
    np.maximum.at(best, cells, np.asarray(evaluation.objective))
    archive = steps[-1].state
    np.testing.assert_allclose(archive.objective, best, rtol=1e-12)
    assert int(archive.size) == len(set(cells)) > 10


def test_by_default_there_are_as_many_cells_as_in_the_grid() -> None:
    spec = make_spec(2)
    with precision_of(spec):
        optimizer = baselines.make("cvt-map-elites", spec, samples=100)
        archive = optimizer.init(jax.random.key(0))
    assert optimizer.partition.num_cells(spec) == spec.cells == 16
    assert archive.objective.shape == (16,)
