"""Entries of tables that boards of sections show alike."""

from __future__ import annotations

import math

import pandas as pd

from qdbench.leaderboard.tables import MISSING, Cell, number, scientific


def best_cell(value: float, column: pd.Series) -> Cell:
    """A number with three digits, pointed out if it is the least of its column."""
    return Cell(scientific(value), value, "best" if value == column.min() else "")


def rank_cell(value: float, column: pd.Series, low: float = math.nan, high: float = math.nan) -> Cell:
    """A mean rank with the interval in brackets if there is one, pointed out if it is the least of its column."""
    interval = f" [{number(low)}, {number(high)}]" if math.isfinite(low) and math.isfinite(high) else ""
    return Cell(number(value) + interval, value, "best" if value == column.min() else "")


def place_text(value: float) -> str:
    """A place; a dash where there is none."""
    return f"{value:.0f}" if math.isfinite(value) else MISSING
