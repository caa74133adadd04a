"""The archive of quality diversity optimization, as pure functions on arrays.

A partition divides the measures' intervals into cells: the task's grid, or another one that an optimizer brings.
Insertion follows pyribs' batch rule: every solution of a batch is compared with the archive as it was before the
batch, and a cell that several of them would take gets the best one (the first among equals).
"""

from __future__ import annotations

import abc
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from qdbench.numerics import materialize
from qdbench.random import integers
from qdbench.spec import TaskSpec

NOT_ADDED, IMPROVED, NEW = 0, 1, 2


class Archive(eqx.Module):
    """The best solution found in each cell of a partition of the measures' intervals.

    Attributes:
        objective: ``(cells,)``, minus infinity where a cell is empty.
        measures: ``(cells, k)``.
        solutions: ``(cells, dim)``, or ``(0, dim)`` for an archive that only scores.
        occupied: ``(cells,)``: the indices of the occupied cells in the order in which they were first filled.
        size: Number of occupied cells.
        spec: The structure of the task.
    """

    objective: Float[Array, " cells"]
    measures: Float[Array, "cells k"]
    solutions: Float[Array, "rows dim"]
    occupied: Int[Array, " cells"]
    size: Int[Array, ""]
    spec: TaskSpec = eqx.field(static=True)


class Insertion(NamedTuple):
    """What became of a batch: ``status`` NEW = 2, IMPROVED = 1 or NOT_ADDED = 0, and the improvement ``value``.

    The value is the objective for a new cell and the difference to the cell's elite otherwise.
    """

    status: Int[Array, " batch"]
    value: Float[Array, " batch"]

    def by_value(self) -> Insertion:
        """The same values with one status for all, so that a ranking goes by the value alone."""
        return Insertion(jnp.zeros_like(self.status), self.value)


class Partition(eqx.Module):
    """How the measures' intervals are divided into cells."""

    @abc.abstractmethod
    def num_cells(self, spec: TaskSpec) -> int:
        """The number of cells."""

    @abc.abstractmethod
    def index(self, spec: TaskSpec, measures: Float[Array, "batch k"]) -> Int[Array, " batch"]:
        """The cell of each row."""


class Grid(Partition):
    """The task's own grid."""

    def num_cells(self, spec: TaskSpec) -> int:
        """The number of cells."""
        return spec.cells

    def index(self, spec: TaskSpec, measures: Float[Array, "batch k"]) -> Int[Array, " batch"]:
        """The cell of each row; see :func:`cell_index`."""
        return cell_index(spec, measures)


_GRID = Grid()


def empty(spec: TaskSpec, keep_solutions: bool = True, partition: Partition = _GRID) -> Archive:
    """An archive without elites."""
    cells = partition.num_cells(spec)
    rows = cells if keep_solutions else 0
    return Archive(
        objective=jnp.full(cells, -jnp.inf, spec.precision),
        measures=jnp.zeros((cells, spec.num_measures), spec.precision),
        solutions=jnp.zeros((rows, spec.dim), spec.precision),
        occupied=jnp.zeros(cells, jnp.int32),
        size=jnp.zeros((), jnp.int32),
        spec=spec.structure(),
    )


def cell_index(spec: TaskSpec, measures: Float[Array, "batch k"]) -> Int[Array, " batch"]:
    """The cell of each row, ``floor(shape (m - low) / (high - low))`` clipped to the grid, in row-major order."""
    index = jnp.zeros(measures.shape[0], jnp.int32)
    for column, (measure, size) in enumerate(zip(spec.measures, spec.archive_shape, strict=True)):
        position = (measures[:, column] - measure.low) * (size / (measure.high - measure.low))
        # Clipped before the conversion, because a float beyond the integers' range converts to an undefined value.
        index = index * size + jnp.clip(jnp.floor(position), 0, size - 1).astype(jnp.int32)
    return index


def insert(
    archive: Archive,
    solutions: Float[Array, "batch dim"],
    objective: Float[Array, " batch"],
    measures: Float[Array, "batch k"],
    partition: Partition = _GRID,
) -> tuple[Archive, Insertion]:
    """Inserts a batch; a cell's elite is replaced only by a strictly better solution.

    Solutions whose objective or measures are not finite are not added.
    """
    cells, objective = locate(archive.spec, objective, measures, partition)
    incumbent = archive.objective[cells]
    inserted, status = place(archive, cells, objective > incumbent, solutions, objective, measures)
    value = jnp.where(incumbent == -jnp.inf, objective, objective - incumbent)
    return inserted, Insertion(status, value)


def locate(
    spec: TaskSpec, objective: Float[Array, " batch"], measures: Float[Array, "batch k"], partition: Partition = _GRID
) -> tuple[Int[Array, " batch"], Float[Array, " batch"]]:
    """The cell of each solution, and its objective: minus infinity where that or a measure is not finite."""
    valid = jnp.isfinite(objective) & jnp.isfinite(measures).all(axis=1)
    return partition.index(spec, jnp.where(valid[:, None], measures, 0)), jnp.where(valid, objective, -jnp.inf)


def place(
    archive: Archive,
    cells: Int[Array, " batch"],
    accepted: Bool[Array, " batch"],
    solutions: Float[Array, "batch dim"],
    objective: Float[Array, " batch"],
    measures: Float[Array, "batch k"],
) -> tuple[Archive, Int[Array, " batch"]]:
    """Puts the best of the accepted solutions of each cell there, whatever the cell held.

    Args:
        archive: The archive before the batch.
        cells: The cell of each solution.
        accepted: Whether a solution may enter; of two in one cell, the better one may if the other may.
        solutions: The batch.
        objective: Its objectives.
        measures: Its measures.

    Returns:
        The archive after the batch, and each solution's status.
    """
    new = accepted & (archive.objective[cells] == -jnp.inf)
    winner = accepted & ~_beaten(cells, objective)

    # One index beyond the archive drops a row from the scatter.
    beyond = archive.objective.shape[0]
    target = jnp.where(winner, cells, beyond)
    first = winner & new
    slot = jnp.where(first, archive.size + jnp.cumsum(first, dtype=jnp.int32) - 1, beyond)
    kept = archive.solutions
    if kept.shape[0] > 0:
        kept = _write_rows(kept, solutions, cells, winner)
    placed = Archive(
        objective=archive.objective.at[target].set(objective, mode="drop"),
        measures=archive.measures.at[target].set(measures, mode="drop"),
        solutions=kept,
        occupied=archive.occupied.at[slot].set(cells, mode="drop"),
        size=archive.size + first.sum(dtype=jnp.int32),
        spec=archive.spec,
    )
    return placed, jnp.where(accepted, jnp.where(new, NEW, IMPROVED), NOT_ADDED)


def sample_cells(key: Key[Array, ""], archive: Archive, count: int) -> Int[Array, " count"]:
    """Uniformly random occupied cells, with replacement."""
    cells = archive.occupied[integers(key, count, jnp.maximum(archive.size, 1))]
    # The compiler would fuse the draw into what reads the rows, and draw again for every number of a row.
    return materialize(cells)[0]


def sample_solutions(key: Key[Array, ""], archive: Archive, count: int) -> Float[Array, "count dim"]:
    """The solutions of uniformly random elites, with replacement."""
    return archive.solutions[sample_cells(key, archive, count)]


def qd_score(archive: Archive) -> Float[Array, ""]:
    """The sum of the elites' objectives (less the spec's offset) divided by the number of cells, as in the paper."""
    filled = archive.objective > -jnp.inf
    total = jnp.sum(jnp.where(filled, archive.objective - archive.spec.qd_score_offset, 0))
    return total / archive.objective.shape[0]


def coverage(archive: Archive) -> Float[Array, ""]:
    """Occupied cells in percent."""
    return 100 * archive.size / archive.objective.shape[0]


def improvement_rank(insertion: Insertion) -> Int[Array, " batch"]:
    """The place of every solution in the two-stage improvement ranking, 0 for the best.

    New cells come first, by objective, then improvements, then the rest, by difference to the cell's elite. Among
    equals the later one leads, as when the authors sort ascending and reverse.
    """
    status, value = insertion
    later = np.arange(status.shape[0])[None, :] > np.arange(status.shape[0])[:, None]
    same_status = status[None, :] == status[:, None]
    above = status[None, :] > status[:, None]
    larger = value[None, :] > value[:, None]
    equal = value[None, :] == value[:, None]
    ahead = above | (same_status & (larger | (equal & later)))
    return ahead.sum(axis=1, dtype=jnp.int32)


def _write_rows(
    kept: Float[Array, "rows dim"],
    solutions: Float[Array, "batch dim"],
    cells: Int[Array, " batch"],
    winner: Bool[Array, " batch"],
) -> Float[Array, "rows dim"]:
    """Writes the winners' solutions to their cells."""
    # Row by row and winners only: a scatter goes through every number of the batch even if it drops most rows.
    order = jnp.argsort(~winner)

    def write(place: Array, kept: Array) -> Array:
        row = lax.dynamic_index_in_dim(solutions, order[place], keepdims=False)
        return lax.dynamic_update_index_in_dim(kept, row, cells[order[place]], 0)

    result: Array = lax.fori_loop(0, winner.sum(dtype=jnp.int32), write, kept)
    return result


def _beaten(cells: Int[Array, " batch"], objective: Float[Array, " batch"]) -> Bool[Array, " batch"]:
    """Whether another solution of the batch goes to the same cell and is better, or as good and earlier."""
    # Comparing all pairs beats sorting at the batch sizes of evolutionary search.
    earlier = np.arange(cells.shape[0])[None, :] < np.arange(cells.shape[0])[:, None]
    same = cells[None, :] == cells[:, None]
    stronger = (objective[None, :] > objective[:, None]) | ((objective[None, :] == objective[:, None]) & earlier)
    return (same & stronger).any(axis=1)
