"""What a board shows, as plain data: sections of words, tables and figures."""

from __future__ import annotations

import dataclasses

import pandas as pd

from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.tables import Table


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page; the tables in ``folded`` are shown when they are asked for."""

    title: str
    words: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    folded: tuple[Table, ...] = ()


@dataclasses.dataclass(frozen=True)
class Content:
    """The ranking for a terminal, the sections of the pages and the rows of the CSV."""

    brief: Table
    sections: tuple[Section, ...]
    values: pd.DataFrame
