"""Entries of tables that several boards of BBOB show alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from qdbench.leaderboard.bbob.functions import split_of, title
from qdbench.leaderboard.tables import MISSING, Cell, Column, Table, scientific

Row = Mapping[str, Any]


def score_cell(row: Row) -> Cell:
    """The ratio on one function, pointed out if its rank is the best, alone or with one other."""
    return Cell(scientific(row["ratio"]), row["ratio"], "best" if row["rank"] < 2 else "")


def mean_cell(row: Row) -> Cell:
    """The mean on one function with its standard error, pointed out as in :func:`score_cell`."""
    error = f" ± {scientific(row['sem'], 2)}" if math.isfinite(row["sem"]) else ""
    return Cell(scientific(row["mean"]) + error, row["mean"], "best" if row["rank"] < 2 else "")


def by_function(caption: str, functions: pd.DataFrame, order: Sequence[str], cell: Callable[[Row], Cell]) -> Table:
    """A table with one row a function and one column an optimizer.

    Args:
        caption: Of the table.
        functions: From :func:`qdbench.leaderboard.bbob.normalised.compared`.
        order: The optimizers to show.
        cell: What to show of a row of ``functions``.
    """
    columns = (Column("Function", numeric=False), Column("Split", numeric=False), *(Column(name) for name in order))
    found = {(row["function"], row["optimizer"]): row for row in functions.to_dict("records")}
    rows = []
    for function in sorted(set(functions["function"])):
        cells = [
            cell(found[function, name]) if (function, name) in found else Cell(MISSING, math.nan) for name in order
        ]
        rows.append((Cell(title(function), function), Cell(split_of(function)), *cells))
    return Table(caption, columns, tuple(rows))
