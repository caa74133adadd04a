r"""Centroidal Voronoi tessellations of the measures' intervals: k-means centroids, and the nearest one to a point.

Lengths are measured after all intervals are scaled to [0, 1]. The centroids are those of Lloyd's k-means on uniform
samples, started at the first samples; they are a function of the sizes and the seed alone. Measures outside their
intervals belong to the cell of the nearest point inside, as in the task's grid.

To compare a point with all centroids is slow, so the box is divided into equal buckets, each with the list of the
centroids that can be the nearest one to a point in it: those that are no farther from the bucket than the least, over
all centroids, of the largest distance to a point in it. With four buckets a cell and two measures, lists have up to 12
entries. The result is that of comparing with all; a batch of 36 takes microseconds where that takes a millisecond.

Source: vassiliades2018cvt.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.spatial import cKDTree

from qdbench.archive import Partition
from qdbench.spec import TaskSpec

SAMPLES = 100_000
"""The default number of samples, as in pyribs."""

_BUCKETS_PER_CELL = 4
_MOST_ENTRIES = 2**22
_MOST_ITERATIONS = 100
# Buckets are taken a little larger, as rounding may put a point on a boundary into the bucket beside its own.
_MARGIN = 1e-6


class Voronoi(Partition):
    """A partition into the points that are nearest to each of some centroids.

    Attributes:
        centroids: ``(cells, k)``, in [0, 1].
        nearby: ``(buckets, entries)``: the indices of the centroids that can be nearest in each bucket of a grid with
            ``per_side`` buckets along each measure, in ascending order; rows are filled up with their last entry.
        per_side: Buckets along each measure.
        cells: The number of centroids.
        samples: Samples that the centroids were made of.
        cells_seed: Their seed.
    """

    centroids: Float[Array, "cells k"]
    nearby: Int[Array, "buckets entries"]
    per_side: int = eqx.field(static=True, metadata={"derived": True})
    cells: int = eqx.field(static=True)
    samples: int = eqx.field(static=True)
    cells_seed: int = eqx.field(static=True)

    def num_cells(self, spec: TaskSpec) -> int:
        """The number of centroids."""
        return self.cells

    def index(self, spec: TaskSpec, measures: Float[Array, "batch k"]) -> Int[Array, " batch"]:
        """The index of the nearest centroid, the first among equals."""
        low = np.array([measure.low for measure in spec.measures], spec.precision)
        high = np.array([measure.high for measure in spec.measures], spec.precision)
        points = jnp.clip((measures - low) / (high - low), 0, 1)
        bucket = jnp.zeros(points.shape[0], jnp.int32)
        for column in range(points.shape[1]):
            place = jnp.clip(jnp.floor(points[:, column] * self.per_side), 0, self.per_side - 1)
            bucket = bucket * self.per_side + place.astype(jnp.int32)
        candidates = self.nearby[bucket]
        offsets = self.centroids[candidates] - points[:, None, :]
        nearest = jnp.argmin((offsets * offsets).sum(axis=-1), axis=1)
        return jnp.take_along_axis(candidates, nearest[:, None], axis=1)[:, 0]


class Tables(NamedTuple):
    """Centroids and the lists of a :class:`Voronoi`, as NumPy arrays."""

    centroids: np.ndarray
    nearby: np.ndarray
    per_side: int


def make(id: str, spec: TaskSpec, cells: int | None, samples: int, seed: int) -> Voronoi:
    """The tessellation of an optimizer for a task; by default it has as many cells as the task's grid.

    Raises:
        ValueError: If a size is not a positive integer, the seed is negative, or there are fewer samples than cells.
    """
    count = spec.cells if cells is None else cells
    for name, value, least in (("cells", count, 1), ("cells_seed", seed, 0), ("samples", samples, count)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"optimizer {id!r}: {name} must be an integer of at least {least}, but it is {value!r}")
    made = tables(count, spec.num_measures, samples, seed)
    return Voronoi(
        centroids=jnp.asarray(made.centroids, spec.precision),
        nearby=jnp.asarray(made.nearby),
        per_side=made.per_side,
        cells=count,
        samples=samples,
        cells_seed=seed,
    )


@functools.lru_cache(maxsize=8)
def tables(cells: int, num_measures: int, samples: int, seed: int) -> Tables:
    """Makes centroids and lists on the host; a process makes the same ones once."""
    points = np.random.default_rng(seed).random((samples, num_measures))
    centroids = k_means(points, cells)
    per_side, nearby = bucket_lists(centroids)
    for array in (centroids, nearby):
        array.flags.writeable = False
    return Tables(centroids, nearby, per_side)


def k_means(points: np.ndarray, cells: int) -> np.ndarray:
    """Lloyd's algorithm from the first points: until nothing changes, or for 100 iterations.

    A centroid that is nearest to no point stays where it is.

    Args:
        points: ``(samples, k)``.
        cells: Number of centroids.

    Returns:
        ``(cells, k)``.
    """
    centroids, assigned = points[:cells].copy(), None
    for _ in range(_MOST_ITERATIONS if points.shape[1] else 0):
        _, nearest = cKDTree(centroids).query(points)
        if assigned is not None and (nearest == assigned).all():
            break
        assigned = nearest
        count = np.bincount(nearest, minlength=cells)
        total = np.stack([np.bincount(nearest, column, minlength=cells) for column in points.T], axis=1)
        centroids = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], centroids)
    return centroids


def bucket_lists(centroids: np.ndarray) -> tuple[int, np.ndarray]:
    """The number of buckets along each measure, and for each bucket the centroids that can be nearest in it.

    There are about four buckets a centroid, and fewer where the lists, long in many dimensions, would not fit.

    Args:
        centroids: ``(cells, k)``, in [0, 1].

    Returns:
        Buckets along each measure, and ``(buckets, entries)`` int32 in row-major order of the buckets.
    """
    cells, num_measures = centroids.shape
    per_side = max(1, round((_BUCKETS_PER_CELL * cells) ** (1 / max(num_measures, 1))))
    while (lists := _lists(centroids, per_side)) is None:
        per_side = max(1, per_side // 2)
    entries = max(map(len, lists))
    rows = [np.pad(row, (0, entries - len(row)), mode="edge") for row in lists]
    return per_side, np.array(rows, np.int32)


def _lists(centroids: np.ndarray, per_side: int) -> list[np.ndarray] | None:
    """The lists of all buckets, or None if they are too long to be kept."""
    num_measures = centroids.shape[1]
    if per_side == 1 or num_measures == 0:
        return [np.arange(len(centroids))]
    half = 0.5 / per_side + _MARGIN
    axis = (np.arange(per_side) + 0.5) / per_side
    middles = np.stack(np.meshgrid(*[axis] * num_measures, indexing="ij"), axis=-1).reshape(-1, num_measures)
    tree = cKDTree(centroids)
    # No point of a bucket is farther from its middle than half its diagonal.
    reach = tree.query(middles)[0] + 2 * math.sqrt(num_measures) * half
    counts = tree.query_ball_point(middles, reach, return_length=True)
    if len(middles) * int(counts.max()) > _MOST_ENTRIES:
        return None
    found = tree.query_ball_point(middles, reach, return_sorted=True)
    return [_possible(centroids, np.array(row), middle, half) for row, middle in zip(found, middles, strict=True)]


def _possible(centroids: np.ndarray, candidates: np.ndarray, middle: np.ndarray, half: float) -> np.ndarray:
    """Those of the candidates that can be the nearest one to a point of a bucket."""
    offset = np.abs(centroids[candidates] - middle)
    least = (np.maximum(offset - half, 0) ** 2).sum(axis=1)
    most = ((offset + half) ** 2).sum(axis=1)
    return candidates[least <= most.min()]
