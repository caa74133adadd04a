"""The figure of robustness: each optimizer's scores over its whole grid, as in Figure 11 of the learned GA's paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from qdbench.leaderboard.bbob.precision_figures import WIDTH, draw_heatmap
from qdbench.leaderboard.figures import SETTINGS
from qdbench.leaderboard.tuned.data import Tuning
from qdbench.spec import JsonScalar

_ACROSS, _DOWN = "sigma", "elite_ratio"
_IN_A_ROW = 4
_CELL, _HEAD, _FOOT, _LEFT = 0.3, 0.3, 0.46, 0.6


@dataclasses.dataclass(frozen=True)
class Map:
    """Scores over two hyperparameters.

    Attributes:
        optimizer: The heading.
        across: The name of the hyperparameter on the horizontal axis.
        down: That on the vertical axis; empty if there is one alone.
        columns: The values of ``across``.
        rows: The values of ``down``.
        scores: ``(rows, columns)``, the least over all other hyperparameters.
        chosen: The row and the column of the chosen setting.
    """

    optimizer: str
    across: str
    down: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    scores: np.ndarray
    chosen: tuple[int, int]


def map_of(tuning: Tuning, scores: np.ndarray, chosen: int) -> Map:
    """Arranges the scores of an optimizer's cells: elite ratio down and sigma across if it has them.

    Args:
        tuning: Of the optimizer.
        scores: ``(cells,)``.
        chosen: The row of the chosen cell.
    """
    names = list(tuning.grid)
    across = _ACROSS if _ACROSS in names else names[-1]
    others = [name for name in names if name != across]
    down = _DOWN if _DOWN in others else (others[0] if others else "")
    shape = [len(values) for values in tuning.grid.values()]
    axes = [names.index(name) for name in (*([down] if down else []), across)]
    rest = tuple(axis for axis in range(len(names)) if axis not in axes)
    grid = np.transpose(np.asarray(scores).reshape(shape), (*rest, *axes))
    grid = grid.min(axis=tuple(range(len(rest)))) if rest else grid
    place = np.unravel_index(chosen, shape)
    rows = tuple(map(value_text, tuning.grid[down])) if down else ("",)
    return Map(
        optimizer=tuning.optimizer,
        across=across,
        down=down,
        columns=tuple(map(value_text, tuning.grid[across])),
        rows=rows,
        scores=np.atleast_2d(grid),
        chosen=(int(place[axes[0]]) if down else 0, int(place[axes[-1]])),
    )


def robustness_figure(maps: Sequence[Map]) -> Figure:
    """One heat map an optimizer, all on one scale of colours with 1 in its middle; the chosen cell has a frame."""
    rows = [maps[first : first + _IN_A_ROW] for first in range(0, len(maps), _IN_A_ROW)]
    heights = [_HEAD + _FOOT + _CELL * max(len(panel.rows) for panel in row) for row in rows]
    tall, wide = sum(heights), WIDTH / min(_IN_A_ROW, max(len(maps), 2))
    with mpl.rc_context({**SETTINGS, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH, tall))
        top = tall
        for row, height in zip(rows, heights, strict=True):
            for place, panel in enumerate(row):
                inches = _CELL * len(panel.rows)
                box = (wide * place + _LEFT, top - _HEAD - inches, wide - _LEFT - 0.12, inches)
                axes = figure.add_axes((box[0] / WIDTH, box[1] / tall, box[2] / WIDTH, box[3] / tall))
                draw_heatmap(axes, panel.optimizer, panel.scores, panel.columns, panel.rows)
                axes.set_xlabel(panel.across, fontsize=7.5, labelpad=3)
                axes.set_ylabel(panel.down, fontsize=7.5)
                # At one place, clear of the numbers also in a reader's font that is wider than the one measured here.
                axes.yaxis.set_label_coords(-0.4 / box[2], 0.5)
                frame = (panel.chosen[1] - 0.5, panel.chosen[0] - 0.5)
                # The colours of the map stay in the dark scheme, and so does the frame on them.
                axes.add_patch(Rectangle(frame, 1, 1, fill=False, edgecolor="#1a1a1a", linewidth=1.6, clip_on=False))
            top -= height
        return figure


def value_text(value: JsonScalar) -> str:
    """A hyperparameter's value, numbers as short as they can be."""
    return f"{value:g}" if isinstance(value, float) else str(value)
