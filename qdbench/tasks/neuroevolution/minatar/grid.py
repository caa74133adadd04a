"""What the games share: a grid of 10 x 10 cells, whose rows are integers with one bit a column."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

SIZE = 10

Rows = Int[Array, "10"]
"""A row a number: bit x is the cell in column x."""


def rows_of(*numbers: int) -> Rows:
    """The first rows as given, the others empty."""
    return jnp.asarray(np.array([*numbers, *[0] * (SIZE - len(numbers))], np.int32))


def cells(rows: Rows) -> Bool[Array, "10 10"]:
    """The grid's cells, row by row."""
    return (rows[:, None] >> jnp.arange(SIZE, dtype=jnp.int32)) & 1 == 1


def at(row: Int[Array, ""] | int, column: Int[Array, ""]) -> Bool[Array, "10 10"]:
    """A grid with one cell."""
    index = jnp.arange(SIZE, dtype=jnp.int32)
    return (index == row)[:, None] & (index == column)


def bit(rows: Rows, row: int, column: Int[Array, ""]) -> Bool[Array, ""]:
    """Whether a cell is set."""
    return (rows[row] >> column) & 1 == 1


def only(row: Int[Array, ""] | int, column: Int[Array, ""], wanted: Bool[Array, ""]) -> Rows:
    """Rows with one cell, or without any if it is not wanted."""
    index = jnp.arange(SIZE, dtype=jnp.int32)
    return jnp.where(index == row, jnp.where(wanted, jnp.int32(1) << column, 0), 0)


def channels(*grids: Bool[Array, "10 10"]) -> Float[Array, "10 10 channels"]:
    """An observation: grids side by side along the last axis."""
    return jnp.stack(grids, axis=-1).astype(jnp.float32)


def moved(position: Int[Array, ""], step: Int[Array, ""], low: int = 0, high: int = SIZE - 1) -> Int[Array, ""]:
    """A position after a step, within the borders."""
    return jnp.clip(position + step, low, high)
