"""Figures of HPO boards: regrets and ranks over evaluations, and the critical-difference diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from qdbench.leaderboard.bbob import style
from qdbench.leaderboard.bbob.style import Mark
from qdbench.leaderboard.figures import INK, MUTED, SETTINGS
from qdbench.leaderboard.hpob import curves
from qdbench.leaderboard.hpob.data import Setting

WIDTH = 10.6
_Z = 1.96


def curves_figure(table: pd.DataFrame, order: Sequence[str], look: Mapping[str, Mark], setting: Setting) -> Figure:
    """The mean regret with its band, on a logarithmic axis, and the mean rank, both over evaluations.

    Args:
        table: Curves of all methods; see :mod:`qdbench.leaderboard.hpob.curves`.
        order: The methods, the best first.
        look: From :func:`qdbench.leaderboard.bbob.style.marks`.
        setting: For the labels.
    """
    head, tall = style.legend_height(order) + 0.2, 3.9
    common = curves.common_series(table).dropna(axis=1)
    ranked = curves.mean_rank(common, common.columns) if common.size else None
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, tall))
        style.legend(figure, order, look, markers=False, top=0.02)
        bottom, high = 0.55 / tall, (tall - head - 0.55) / tall
        regret = figure.add_axes((0.07, bottom, 0.42, high))
        rank = figure.add_axes((0.56, bottom, 0.42, high))
        for method in order:
            means = (1 - table.xs(method, level="method")).groupby(level=list(curves.TASK)).mean()
            x, mean = means.columns.to_numpy(), means.mean().to_numpy()
            error = _Z * means.std(ddof=1).to_numpy() / np.sqrt(len(means))
            regret.plot(x, mean, linewidth=1.5, **style.line(look[method]))
            if len(means) > 1:
                low = np.maximum(mean - error, mean / 10)
                regret.fill_between(x, low, mean + error, color=look[method].color, alpha=0.1, linewidth=0)
            if ranked is not None:
                rank.plot(ranked.columns, ranked.loc[method], linewidth=1.5, **style.line(look[method]))
        regret.set_yscale("log")
        regret.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        regret.yaxis.set_minor_formatter(NullFormatter())
        regret.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        for axes, label in ((regret, "mean regret"), (rank, "mean rank")):
            axes.set_title(label, loc="left", fontsize=10, fontweight="bold")
            axes.set_xlabel(f"evaluations{' after the design' if setting.offset else ''}")
            axes.set_xlim(0, setting.budget - setting.offset)
        rank.invert_yaxis()
        return figure


def critical_difference_figure(means: pd.Series, critical: float, look: Mapping[str, Mark]) -> Figure:
    """Mean ranks on a line, with bars that join what does not differ (Demsar 2006, Figure 1).

    Args:
        means: The mean rank of each method.
        critical: From :func:`qdbench.leaderboard.hpob.curves.critical_difference`.
        look: From :func:`qdbench.leaderboard.bbob.style.marks`.
    """
    ordered = means.sort_values(kind="stable")
    count = len(ordered)
    left, right = ordered.index[: (count + 1) // 2], ordered.index[(count + 1) // 2 :]
    joined = cliques(ordered.to_numpy(), critical)
    rows = len(left)
    tall = 0.9 + 0.16 * len(joined) + 0.24 * rows
    with mpl.rc_context({**SETTINGS, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH, tall))
        axes = figure.add_axes((0.2, 0.0, 0.6, 1.0))
        axes.set_axis_off()
        axes.set_xlim(1, count)
        axes.set_ylim(-(tall - 0.55), 0.55)
        axes.plot([1, count], [0, 0], color=INK, linewidth=1.2)
        for place in range(1, count + 1):
            axes.plot([place, place], [0, 0.08], color=INK, linewidth=1.0)
            axes.text(place, 0.12, str(place), ha="center", va="bottom", fontsize=8)
        axes.plot([1, min(1 + critical, count)], [0.38, 0.38], color=MUTED, linewidth=2.0)
        axes.text(1, 0.42, f"critical difference {critical:.2f}", color=MUTED, fontsize=8, va="bottom")
        for number, (first, last) in enumerate(joined):
            height = -0.12 - 0.16 * number
            ends = [ordered.iloc[first] - 0.03, ordered.iloc[last] + 0.03]
            axes.plot(ends, [height, height], color=INK, linewidth=3.0, solid_capstyle="round")
        base = -0.2 - 0.16 * len(joined)
        outer: Any = {"clip_on": False, "linewidth": 1.0}
        for names, edge, side in ((left, 1.0, "right"), (right[::-1], float(count), "left")):
            for row, name in enumerate(names):
                height = base - 0.24 * (row + 0.5)
                color = look[name].color
                axes.plot([ordered[name], ordered[name], edge], [0, height, height], color=color, **outer)
                text = f"{name}  {ordered[name]:.2f}" if side == "right" else f"{ordered[name]:.2f}  {name}"
                shift = -0.01 * count if side == "right" else 0.01 * count
                axes.text(edge + shift, height, text, ha=side, va="center", fontsize=8.5, clip_on=False)
        return figure


def cliques(ordered: np.ndarray, critical: float) -> list[tuple[int, int]]:
    """The longest runs of two or more mean ranks, in ascending order, that do not differ: their first and last."""
    found: list[tuple[int, int]] = []
    for first in range(len(ordered)):
        last = int(np.searchsorted(ordered, ordered[first] + critical, side="right")) - 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
