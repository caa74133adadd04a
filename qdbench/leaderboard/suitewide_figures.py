"""Figures over a suite: performance profiles and the critical difference diagram."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from qdbench.leaderboard import figures, robust
from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.robust import Scores

_POINTS = np.linspace(0.0, 1.0, 101)
_WIDTH = 7.2


@runtime_checkable
class Styled(Protocol):
    """A style with a colour and dashes."""

    @property
    def color(self) -> str:
        """The colour."""

    @property
    def dashes(self) -> str:
        """The dashes."""


def profiles_plot(scores: Scores, order: Sequence[str], look: Mapping[str, Styled], prefix: str) -> Plot:
    """Performance profiles of optimizers that are on every task."""
    with mpl.rc_context(figures.SETTINGS):
        figure = Figure(figsize=(_WIDTH, 4.1 + 0.19 * math.ceil(len(order) / 3)))
        axes = figure.add_axes(
            (0.1, 0.16 + 0.03 * math.ceil(len(order) / 3), 0.87, 0.8 - 0.03 * math.ceil(len(order) / 3))
        )
        for name in order:
            profile, style = robust.performance_profile(scores, name, _POINTS), look[name]
            axes.plot(_POINTS, profile["value"], color=style.color, linestyle=style.dashes, linewidth=1.6, label=name)
            axes.fill_between(_POINTS, profile["low"], profile["high"], color=style.color, alpha=0.15, linewidth=0)
        axes.set_xlabel("normalised score τ")
        axes.set_ylabel("share of trials above τ")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.01)
        handles, texts = axes.get_legend_handles_labels()
        figure.legend(handles, texts, loc="lower center", ncols=3, frameon=False, fontsize=8)
    return Plot(
        f"{prefix}profiles",
        figure,
        f"Performance profiles: the share of trials above each normalised score, for {', '.join(order)}",
        "Performance profiles: the share of trials above each normalised score, averaged over the tasks, with 95 % "
        "bootstrap bands. A curve above another is better.",
    )


def differences_plot(mean: Mapping[str, float], tasks: int, prefix: str) -> Plot:
    """A critical difference diagram (demsar2006statistical)."""
    order = sorted(mean, key=lambda name: (mean[name], name))
    difference = robust.critical_difference(len(order), tasks)
    sets = robust.cliques(mean, difference)
    with mpl.rc_context({**figures.SETTINGS, "axes.grid": False}):
        rows = math.ceil(len(order) / 2)
        tall = 0.9 + 0.24 * rows + 0.14 * len(sets)
        figure = Figure(figsize=(_WIDTH, tall))
        axes = figure.add_axes((0.27, 0.03, 0.46, 0.94))
        axes.set_xlim(1, len(order))
        axes.set_ylim(tall, 0)
        axes.axis("off")
        top = 0.55
        axes.plot([1, len(order)], [top, top], color=figures.INK, linewidth=1)
        for rank in range(1, len(order) + 1):
            axes.plot([rank, rank], [top - 0.06, top], color=figures.INK, linewidth=1)
            axes.text(rank, top - 0.1, str(rank), ha="center", va="bottom", fontsize=8)
        axes.plot([1, 1 + difference], [0.12, 0.12], color=figures.MUTED, linewidth=2, clip_on=False)
        axes.text(1, 0.08, f"critical difference {difference:.2f}", fontsize=8, color=figures.MUTED, va="bottom")
        for level, members in enumerate(sets):
            ends = [mean[members[0]] - 0.04, mean[members[-1]] + 0.04]
            height = top + 0.1 + 0.14 * level
            axes.plot(ends, [height, height], color=figures.OKABE_ITO[1], linewidth=3, solid_capstyle="round")
        for place, name in enumerate(order):
            left = place < rows
            row = place if left else len(order) - 1 - place
            height = top + 0.2 + 0.14 * len(sets) + 0.24 * row
            edge = 1 - 0.02 * len(order) if left else len(order) * 1.02
            axes.plot(
                [mean[name], mean[name], edge], [top, height, height], color=figures.MUTED, linewidth=0.8, clip_on=False
            )
            text = f"{name}  {mean[name]:.2f}" if left else f"{mean[name]:.2f}  {name}"
            axes.text(edge, height, text, ha="right" if left else "left", va="center", fontsize=8.5, clip_on=False)
    listed = ", ".join(f"{name} {mean[name]:.2f}" for name in order)
    joined = "; ".join(", ".join(members) for members in sets) or "none"
    return Plot(
        f"{prefix}critical-difference",
        figure,
        f"Critical difference diagram. Mean ranks: {listed}. Critical difference {difference:.2f}. Not significantly "
        f"different: {joined}",
        "Mean ranks over the tasks (1 is best). Optimizers joined by a bar do not differ significantly (Nemenyi).",
    )
