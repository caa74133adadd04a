"""Figures of runtimes: distributions over targets, for all functions by dimension and for each group of functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from qdbench.leaderboard.figures import MUTED, SETTINGS
from qdbench.leaderboard.sectioned import style
from qdbench.leaderboard.sectioned.style import Mark

WIDTH = 10.6
_COLUMNS = 3


def distributions_figure(
    panels: Mapping[str, Mapping[str, np.ndarray]],
    log_points: np.ndarray,
    budget: float,
    order: Sequence[str],
    look: Mapping[str, Mark],
) -> Figure:
    """Empirical distributions of runtimes: the share of targets reached over the evaluations divided by the dimension.

    A line marks the budget; beyond it only simulated restarts reach targets.

    Args:
        panels: For each title and optimizer the shares at the points.
        log_points: log10 of evaluations / dimension.
        budget: log10 of the budget / dimension.
        order: The optimizers to show.
        look: From :func:`qdbench.leaderboard.sectioned.style.marks`.
    """
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    named = max(map(len, order)) <= 22 and len(order) <= 18
    head = 0.08 if named else style.legend_height(order) + 0.08
    panel_tall, foot = 2.75, 0.35
    tall = head + rows * panel_tall + foot
    margin = 1.55 if named else 0.1
    wide = (WIDTH - 0.55 - margin) / columns
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, tall))
        if not named:
            style.legend(figure, order, look, markers=False, top=0.02)
        for number, (title, panel) in enumerate(panels.items()):
            row, column = divmod(number, columns)
            bottom = tall - head - panel_tall * (row + 1) + 0.25
            box = ((0.55 + wide * column) / WIDTH, bottom / tall, (wide - 0.3) / WIDTH, (panel_tall - 0.55) / tall)
            axes = figure.add_axes(box)
            axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold")
            axes.tick_params(labelleft=column == 0)
            _draw(axes, panel, log_points, budget, order, look)
            last = column == columns - 1 or number == len(panels) - 1
            if named and last:
                style.name_ends(axes, {name: float(panel[name][-1]) for name in order if name in panel}, look, 0.068)
        middle = (0.55 + (WIDTH - 0.55 - margin) / 2) / WIDTH
        figure.text(middle, 0.08 / tall, "log10(evaluations / D)", ha="center", va="bottom", fontsize=9)
        figure.text(
            0.1 / WIDTH, (tall - head + foot) / 2 / tall, "share of targets", rotation=90, va="center", fontsize=9
        )
        return figure


def _draw(
    axes: Axes,
    panel: Mapping[str, np.ndarray],
    log_points: np.ndarray,
    budget: float,
    order: Sequence[str],
    look: Mapping[str, Mark],
) -> None:
    axes.axvline(budget, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    for name in order:
        if name in panel:
            axes.plot(log_points, panel[name], linewidth=1.6, **style.line(look[name]))
    axes.set_ylim(0, 1)
    axes.set_xlim(float(log_points[0]), float(log_points[-1]))
    axes.xaxis.set_major_locator(MultipleLocator(1))
    axes.yaxis.set_major_locator(MultipleLocator(0.25))
    axes.tick_params(labelsize=7.5, length=2)
