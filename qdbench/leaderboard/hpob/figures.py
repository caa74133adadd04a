"""The figure of HPO boards: regrets and ranks over evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from qdbench.leaderboard.figures import SETTINGS
from qdbench.leaderboard.hpob import curves
from qdbench.leaderboard.hpob.data import Setting
from qdbench.leaderboard.sectioned import style
from qdbench.leaderboard.sectioned.style import Mark

WIDTH = 10.6


def curves_figure(table: pd.DataFrame, order: Sequence[str], look: Mapping[str, Mark], setting: Setting) -> Figure:
    """The mean regret, on a logarithmic axis, and the mean rank, both over evaluations.

    There are no bands: those over tasks are as wide for all, because tasks differ more than optimizers.

    Args:
        table: Curves of all methods; see :mod:`qdbench.leaderboard.hpob.curves`.
        order: The methods, the best first.
        look: From :func:`qdbench.leaderboard.sectioned.style.marks`.
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
            regret.plot(means.columns.to_numpy(), means.mean().to_numpy(), linewidth=1.5, **style.line(look[method]))
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
