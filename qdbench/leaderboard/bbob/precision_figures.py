"""Figures of precision within a fixed budget: scores by function, curves over the budget, heat maps of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from qdbench.leaderboard.bbob.data import Setting
from qdbench.leaderboard.bbob.functions import HOLD_OUT, TRAINING, title
from qdbench.leaderboard.figures import INK, MUTED, SETTINGS
from qdbench.leaderboard.sectioned import style
from qdbench.leaderboard.sectioned.style import Mark
from qdbench.leaderboard.tables import scientific

Curve = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""The points on the axis, the mean and the ends of its band (NaN: none), each ``(points,)``."""

WIDTH = 10.6
_LIMITS = (1e-3, 1e3)


def scores_figure(
    functions: pd.DataFrame, order: Sequence[str], look: Mapping[str, Mark], baseline: str = "Gaussian GA"
) -> Figure:
    """Each optimizer's precision as a multiple of the baseline's on each function, training and hold-out apart.

    Args:
        functions: From :func:`qdbench.leaderboard.bbob.normalised.functions_table`.
        order: The optimizers to show.
        look: From :func:`qdbench.leaderboard.sectioned.style.marks`.
        baseline: What the baseline is called.
    """
    present = set(functions["function"])
    splits = [("Training functions", TRAINING), ("Hold-out functions", HOLD_OUT)]
    shown = [(name, [function for function in members if function in present]) for name, members in splits]
    shown = [(name, members) for name, members in shown if members]
    row_height = 0.18 + 0.036 * len(order)
    rows = max(len(members) for _, members in shown)
    head, foot = style.legend_height(order) + 0.35, 0.5
    tall = head + rows * row_height + foot
    finite = functions.loc[functions["optimizer"].isin(order), "ratio"].dropna()
    low, high = _ratio_limits(finite)
    with mpl.rc_context({**SETTINGS, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH, tall))
        style.legend(figure, order, look, markers=True, top=0.02)
        for place, (name, members) in enumerate(shown):
            height = len(members) * row_height
            box = (0.165 + 0.5 * place, (tall - head - height) / tall, 0.3, height / tall)
            axes = figure.add_axes(box)
            axes.set_title(name, loc="left", fontsize=10, fontweight="bold")
            axes.set_xscale("log")
            axes.set_xlim(low, high)
            axes.set_ylim(len(members) - 0.5, -0.5)
            axes.set_yticks(range(len(members)), [title(function) for function in members], fontsize=8.5)
            axes.tick_params(axis="y", length=0, labelcolor=INK)
            for boundary in range(1, len(members), 2):
                axes.axhspan(boundary - 0.5, boundary + 0.5, color=MUTED, alpha=0.08, linewidth=0)
            axes.axvline(1.0, color=MUTED, linewidth=1.0)
            axes.set_xlabel(f"precision / {baseline}'s (lower is better)")
            _draw_scores(axes, functions, members, order, look, (low, high))
        return figure


def function_curves_figure(
    curves: Mapping[int, Mapping[str, Curve]], order: Sequence[str], look: Mapping[str, Mark], x_label: str
) -> Figure:
    """One small panel for each function: the mean precision over the budget with its band, on a logarithmic axis."""
    columns = min(6, len(curves))
    panels = {title(function): panel for function, panel in curves.items()}
    return _small_multiples(panels, columns, order, look, x_label, "precision f − f_opt")


def setting_curves_figure(
    curves: Mapping[Setting, Mapping[str, Curve]], order: Sequence[str], look: Mapping[str, Mark], x_label: str
) -> Figure:
    """One panel for each setting: the score over the budget, as multiples of the Gaussian GA's final precision."""
    columns = min(max(len([s for s in curves if s.dim == setting.dim]) for setting in curves), 4)
    panels = {setting.short: panel for setting, panel in curves.items()}
    return _small_multiples(panels, columns, order, look, x_label, "score")


def heatmaps_figure(
    scores: Mapping[str, Mapping[Setting, float]],
    columns: Sequence[str],
    dims: Sequence[int],
    place: Mapping[Setting, tuple[int, int]],
) -> Figure:
    """One heat map for each optimizer: dimensions down, batch sizes (or budgets) across, the score as the colour.

    Args:
        scores: The geometric mean ratio of each optimizer in each setting.
        columns: The heads of the columns.
        dims: The dimension of each row.
        place: The row and the column of each setting.
    """
    in_a_row = min(4, len(scores))
    rows = -(-len(scores) // in_a_row)
    cell = 0.36
    panel_wide, panel_tall = WIDTH / in_a_row, 0.62 + cell * len(dims)
    tall = rows * panel_tall + 0.45
    with mpl.rc_context({**SETTINGS, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH, tall))
        for number, (optimizer, found) in enumerate(scores.items()):
            row, column = divmod(number, in_a_row)
            box = (
                (panel_wide * column + 0.5) / WIDTH,
                (tall - panel_tall * (row + 1) + 0.25) / tall,
                (panel_wide - 0.65) / WIDTH,
                cell * len(dims) / tall,
            )
            grid = np.full((len(dims), len(columns)), np.nan)
            for setting, score in found.items():
                grid[place[setting]] = score
            heads = [f"D = {dim}" if column == 0 else str(dim) for dim in dims]
            draw_heatmap(figure.add_axes(box), optimizer, grid, columns, heads)
        return figure


def _ratio_limits(ratios: pd.Series) -> tuple[float, float]:
    if ratios.empty:
        return 0.1, 10.0
    low, high = float(ratios.min()), float(ratios.max())
    return max(_LIMITS[0], min(0.5, low / 1.4)), min(_LIMITS[1], max(2.0, high * 1.4))


def _draw_scores(
    axes: Axes,
    functions: pd.DataFrame,
    members: Sequence[int],
    order: Sequence[str],
    look: Mapping[str, Mark],
    limits: tuple[float, float],
) -> None:
    offsets = np.linspace(-0.36, 0.36, len(order)) if len(order) > 1 else np.zeros(1)
    places = {function: row for row, function in enumerate(members)}
    for name, offset in zip(order, offsets, strict=True):
        own = functions[(functions["optimizer"] == name) & functions["function"].isin(members)].dropna(subset=["ratio"])
        y = own["function"].map(places).to_numpy(np.float64) + offset
        x = np.clip(own["ratio"].to_numpy(), *limits)
        mark = look[name]
        low, high = (np.clip(own[f"ratio_{side}"].to_numpy(), *limits) for side in ("low", "high"))
        known = np.isfinite(low) & np.isfinite(high)
        axes.hlines(y[known], low[known], high[known], color=mark.color, linewidth=1.1)
        hollow = mark.dashes == "--"
        face = "none" if hollow else mark.color
        if mark.marker == "x":
            axes.scatter(x, y, s=20, marker=mark.marker, c=mark.color, linewidths=1.2, zorder=3)
        else:
            axes.scatter(x, y, s=20, marker=mark.marker, facecolors=face, edgecolors=mark.color, linewidths=1, zorder=3)


def _small_multiples(
    panels: Mapping[str, Mapping[str, Curve]],
    columns: int,
    order: Sequence[str],
    look: Mapping[str, Mark],
    x_label: str,
    y_label: str,
) -> Figure:
    rows = -(-len(panels) // columns)
    head, foot, panel_tall = style.legend_height(order) + 0.3, 0.45, 1.55
    tall = head + panel_tall * rows + foot
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, tall))
        style.legend(figure, order, look, markers=False, top=0.02)
        left, right = 0.062, 0.012
        wide = (1 - left - right) / columns
        for number, (name, panel) in enumerate(panels.items()):
            row, column = divmod(number, columns)
            bottom = tall - head - panel_tall * (row + 1) + 0.3
            axes = figure.add_axes((left + wide * column, bottom / tall, wide - 0.034, (panel_tall - 0.5) / tall))
            axes.set_title(name, loc="left", fontsize=7.5, fontweight="bold", pad=3)
            _draw_panel(axes, panel, order, look)
        figure.text(left + (1 - left - right) / 2, 0.1 / tall, x_label, ha="center", va="bottom", fontsize=9)
        figure.text(0.006, (tall - head) / 2 / tall, y_label, rotation=90, ha="left", va="center", fontsize=9)
        return figure


def _draw_panel(axes: Axes, panel: Mapping[str, Curve], order: Sequence[str], look: Mapping[str, Mark]) -> None:
    for name in order:
        if name not in panel:
            continue
        x, mean, low, high = panel[name]
        # The axis is logarithmic: a band that reaches zero is cut at a tenth of the mean.
        axes.plot(x, mean, linewidth=1.3, **style.line(look[name]))
        if np.isfinite(low).any():
            axes.fill_between(x, np.maximum(low, mean / 10), high, color=look[name].color, alpha=0.18, linewidth=0)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_power))
    _keep_ticks(axes)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_xlim(left=0)
    axes.tick_params(labelsize=7, length=2, pad=2)


def _keep_ticks(axes: Axes) -> None:
    """Widens an axis that lies within one power of ten, which would have no tick."""
    low, high = axes.get_ylim()
    if np.log10(high / low) < 1:
        middle = np.sqrt(low * high)
        axes.set_ylim(min(low, middle / 10**0.55), max(high, middle * 10**0.55))


def draw_heatmap(axes: Axes, optimizer: str, grid: np.ndarray, columns: Sequence[str], rows: Sequence[str]) -> None:
    """A map of scores with the numbers in it, on a scale that is the same for all: 1 in the middle, 0.1 to 10.

    Args:
        axes: Where to draw.
        optimizer: The heading.
        grid: ``(rows, columns)``; NaN stays empty.
        columns: Their heads.
        rows: Their heads.
    """
    norm = LogNorm(0.1, 10.0, clip=True)
    axes.imshow(np.ma.masked_invalid(grid), cmap="PuOr_r", norm=norm, aspect="auto", interpolation="none")
    axes.set_title(optimizer, loc="left", fontsize=8.5, fontweight="bold", pad=3)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(labelsize=7, length=0)
    axes.spines[:].set_visible(False)
    for (row, column), entry in np.ndenumerate(grid):
        value = float(entry)
        strong = np.isfinite(value) and abs(np.log10(max(value, 1e-12))) > 0.62
        text = scientific(value, 2)
        # The colours of the map stay in the dark scheme, so the text on them is given in a colour that stays too.
        axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color="#ffffff" if strong else "#1a1a1a")


def _power(value: float, _: object = None) -> str:
    exponent = round(np.log10(value)) if value > 0 else 0
    return f"1e{exponent}" if abs(exponent) > 2 else f"{10.0**exponent:g}"
