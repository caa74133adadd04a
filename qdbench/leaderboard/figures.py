"""Figures of a board: curves over evaluations and archive heatmaps, as SVG of the same bytes every time."""

from __future__ import annotations

import base64
import dataclasses
import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from qdbench.harness.result import FinalArchive
from qdbench.harness.targets import LOWER_IS_BETTER
from qdbench.leaderboard.aggregate import METRIC_NAMES
from qdbench.spec import Measure, TaskSpec

INK, MUTED, RULE, PAPER = "#1b2431", "#5c6675", "#dde1e7", "#fffffe"
EMPTY = "#e4e6ea"
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours that stay apart in colour-blind sight."""

_DARK = {INK: "#e7eaef", MUTED: "#a3acb9", RULE: "#39414d", PAPER: "#171b21"}
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "qdbench",
    "svg.fonttype": "none",
    # The font that comes with matplotlib measures the text alike on every machine; the reader's own font shows it.
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": PAPER,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}
_LONGEST_DIRECT_LABEL, _MOST_DIRECT_LABELS = 22, 14
_MAPS_IN_A_ROW = 5
_TITLE_WIDTH = 24


@dataclasses.dataclass(frozen=True)
class Style:
    """The colour and the dashes of an optimizer."""

    color: str
    dashes: str = "-"


# Okabe and Ito's colours, which stay apart in colour-blind sight; line operators are dashed.
_KNOWN = {
    "random-search": Style("#8a919c", ":"),
    "map-elites": Style("#e69f00"),
    "map-elites-line": Style("#d55e00", "--"),
    "cma-me": Style("#009e73"),
    "og-map-elites": Style("#56b4e9"),
    "og-map-elites-line": Style("#0072b2", "--"),
    "omg-mega": Style("#cc79a7"),
    "cma-mega": Style(INK),
    "cma-mega-adam": Style("#b8a500", "--"),
}
_OTHERS = ("#8c564b", "#7b61c4", "#3d8f8f", "#b5495b", "#6b8e23", "#4f6d9b")
_OTHER_DASHES = ("-.", ":", "--", "-")


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """A style for every optimizer: fixed for the reference optimizers, by alphabetical place for all others."""
    others = sorted(set(labels) - set(_KNOWN))
    named = {
        label: Style(_OTHERS[i % len(_OTHERS)], _OTHER_DASHES[i // len(_OTHERS) % len(_OTHER_DASHES)])
        for i, label in enumerate(others)
    }
    return {**_KNOWN, **named}


def curves_figure(curves: Mapping[str, Mapping[str, pd.DataFrame]], look: Mapping[str, Style]) -> Figure:
    """Metrics over evaluations: the mean of each optimizer with the band of its 95 % interval.

    A metric of which lower is better, a precision, has a logarithmic axis.

    Args:
        curves: For each metric (one panel each) and each optimizer, a curve of
            :func:`qdbench.leaderboard.aggregate.mean_curve`.
        look: From :func:`styles`.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(10.6, 4.1))
        names = list(dict.fromkeys(name for panel in curves.values() for name in panel))
        direct = len(names) <= _MOST_DIRECT_LABELS and max(map(len, names)) <= _LONGEST_DIRECT_LABEL
        width = 0.295 if direct else 0.40
        bottom = 0.145 if direct else 0.145 + 0.055 * ((len(names) + 1) // 2)
        for position, (metric, panel) in enumerate(curves.items()):
            axes = figure.add_axes((0.05 + 0.5 * position, bottom, width, 0.93 - bottom))
            draw_panel(axes, metric, panel, look, ticks=5)
            axes.set_xlabel("evaluations")
            axes.set_title(METRIC_NAMES.get(metric, metric), loc="left", fontsize=10, fontweight="bold")
            if direct:
                _label_ends(axes, {name: float(curve["mean"].iloc[-1]) for name, curve in panel.items()}, look)
        if not direct:
            handles, texts = figure.axes[0].get_legend_handles_labels()
            figure.legend(handles, texts, loc="lower center", ncols=2, frameon=False, fontsize=8)
        return figure


def heatmaps_figure(spec: TaskSpec, archives: Mapping[str, FinalArchive]) -> Figure | None:
    """One small heatmap of the final archive for each optimizer, on one colour scale.

    The colours span ``spec.objective_range``; objectives beyond it take the end colours. Empty cells are light grey.

    Args:
        spec: The task, with one measure (a strip) or two (a map).
        archives: The archive of each optimizer.

    Returns:
        None for a task with another number of measures.
    """
    if spec.num_measures not in (1, 2) or not archives:
        return None
    with mpl.rc_context({**SETTINGS, "axes.grid": False, "axes.facecolor": EMPTY}):
        if spec.num_measures == 1:
            figure, panels = _strips(spec, list(archives))
        else:
            figure, panels = _maps(spec, list(archives))
        for axes, archive in zip(panels, archives.values(), strict=True):
            _draw_archive(axes, spec, archive)
        return figure


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG, with dark colours for readers who prefer them; no date, no version, stable ids."""
    stream = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue().decode().replace("'DejaVu Sans'", _FONTS)
    rules = "".join(
        f'[style*="{name}: {light}"]{{{name}:{dark}!important}}'
        for light, dark in _DARK.items()
        for name in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    head, separator, rest = text.partition("<defs>")
    return (head + style + separator + rest).encode()


def png_bytes(figure: Figure, dpi: int = 160) -> bytes:
    """The figure as PNG in the light colours."""
    stream = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        FigureCanvasAgg(figure)
        figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def data_uri(svg: bytes) -> str:
    """An SVG as the source of an ``<img>`` that loads nothing."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _any_positive(panel: Iterable[pd.DataFrame]) -> bool:
    return any((curve["mean"] > 0).any() for curve in panel)


def draw_panel(
    axes: Axes, metric: str, panel: Mapping[str, pd.DataFrame], look: Mapping[str, Style], ticks: int
) -> None:
    """Curves of :func:`qdbench.leaderboard.aggregate.mean_curve` with their bands and axes; at least one.

    A metric of which lower is better has a logarithmic axis, unless it is zero everywhere.
    """
    for name, curve in panel.items():
        _draw_curve(axes, curve, name, look[name])
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_major_locator(MaxNLocator(ticks))
    if metric in LOWER_IS_BETTER and _any_positive(panel.values()):
        axes.set_yscale("log", nonpositive="clip")
    axes.set_xlim(0, max(float(curve["evaluations"].max()) for curve in panel.values()))


def _draw_curve(axes: Axes, curve: pd.DataFrame, name: str, style: Style) -> None:
    x = curve["evaluations"].to_numpy()
    # Broken lines lie on top, so that a solid one of the same course does not hide them.
    look: dict[str, Any] = {
        "color": style.color,
        "linestyle": style.dashes,
        "zorder": 2.0 if style.dashes == "-" else 2.5,
    }
    axes.plot(x, curve["mean"].to_numpy(), label=name, linewidth=1.6, **look)
    if np.isfinite(curve["low"]).any():
        low, high = curve["low"].to_numpy(), curve["high"].to_numpy()
        axes.fill_between(x, low, high, color=style.color, alpha=0.18, linewidth=0)


def _label_ends(axes: Axes, ends: Mapping[str, float], look: Mapping[str, Style]) -> None:
    """Names the curves at their right ends, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    names = sorted((name for name in ends if np.isfinite(ends[name])), key=lambda name: (ends[name], name))
    if axes.get_yscale() == "log":
        low, high = math.log10(low), math.log10(high)
        ends = {name: math.log10(ends[name]) if ends[name] > 0 else low for name in names}
    heights = [(ends[name] - low) / (high - low) for name in names]
    for name, height, place in zip(names, heights, spread(heights, gap=0.062), strict=True):
        style = look[name]
        shape: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        axes.plot([1.005, 1.035], [height, place], color=RULE, linewidth=0.8, **shape)
        axes.plot([1.04, 1.10], [place, place], color=style.color, linestyle=style.dashes, linewidth=2.0, **shape)
        axes.text(1.115, place, name, va="center", fontsize=8.5, transform=axes.transAxes)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Moves ascending positions apart to at least ``gap``, each group of neighbours about its own middle."""
    clusters: list[list[float]] = []
    for height in heights:
        clusters.append([height])
        while len(clusters) > 1 and _bottom(clusters[-1], gap) < _bottom(clusters[-2], gap) + gap * len(clusters[-2]):
            last = clusters.pop()
            clusters[-1] += last
    return [_bottom(cluster, gap) + gap * place for cluster in clusters for place in range(len(cluster))]


def _bottom(cluster: Sequence[float], gap: float) -> float:
    return max(0.0, sum(cluster) / len(cluster) - gap * (len(cluster) - 1) / 2)


def _maps(spec: TaskSpec, names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    rows = -(-len(names) // _MAPS_IN_A_ROW)
    columns = -(-len(names) // rows)
    titles = [textwrap.fill(name, _TITLE_WIDTH) for name in names]
    height = 2.35 + 0.15 * (1 + max(title.count("\n") for title in titles))
    wide, tall = 2.35 * columns + 1.75, height * rows + 0.7
    figure = Figure(figsize=(wide, tall))
    panels = []
    for place, title in enumerate(titles):
        row, column = divmod(place, columns)
        box = (0.75 + 2.35 * column, tall - height * (row + 1) + 0.05, 2.05, 2.05)
        axes = figure.add_axes((box[0] / wide, box[1] / tall, box[2] / wide, box[3] / tall))
        axes.set_title(title, fontsize=8.5, fontweight="bold")
        _ticks(axes, labels_x=place + columns >= len(names), labels_y=column == 0)
        panels.append(axes)
    figure.supxlabel(_axis_label(spec.measures[0]), fontsize=9, x=(0.75 + 2.35 * columns / 2) / wide, y=0.09 / tall)
    figure.supylabel(_axis_label(spec.measures[1]), fontsize=9, x=0.06 / wide, y=0.5)
    _color_scale(figure, spec, (1 - 0.82 / wide, 1 - (height - 0.05) / tall, 0.14 / wide, 2.05 / tall))
    return figure, panels


def _strips(spec: TaskSpec, names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    wide, tall = 10.6, 0.55 * len(names) + 1.0
    figure = Figure(figsize=(wide, tall))
    panels = []
    for place, name in enumerate(names):
        axes = figure.add_axes((2.2 / wide, (tall - 0.55 * (place + 1)) / tall, 7.2 / wide, 0.4 / tall))
        axes.set_ylabel(textwrap.fill(name, _TITLE_WIDTH), fontsize=8.5, rotation=0, ha="right", va="center")
        _ticks(axes, labels_x=place == len(names) - 1, labels_y=False)
        axes.set_yticks([])
        panels.append(axes)
    panels[-1].set_xlabel(_axis_label(spec.measures[0]))
    _color_scale(figure, spec, (1 - 0.75 / wide, 0.2, 0.14 / wide, 0.7))
    return figure, panels


def _draw_archive(axes: Axes, spec: TaskSpec, archive: FinalArchive) -> None:
    grid = archive.grid()
    image = grid[None, :] if spec.num_measures == 1 else grid.T
    second = spec.measures[1] if spec.num_measures == 2 else Measure(name="", low=0, high=1)
    first = spec.measures[0]
    low, high = spec.objective_range
    axes.imshow(
        np.ma.masked_invalid(image),
        origin="lower",
        extent=(first.low, first.high, second.low, second.high),
        vmin=low,
        vmax=high,
        cmap="viridis",
        aspect="auto",
        interpolation="none",
    )


def _color_scale(figure: Figure, spec: TaskSpec, box: tuple[float, float, float, float]) -> None:
    # An image instead of a colorbar, whose 256 separate rectangles would outweigh the heatmaps.
    axes = figure.add_axes(box)
    low, high = spec.objective_range
    axes.imshow(
        np.linspace(low, high, 256)[:, None], origin="lower", extent=(0, 1, low, high), aspect="auto", cmap="viridis"
    )
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.tick_params(labelsize=8, length=2)
    axes.set_title("objective", fontsize=8, pad=6)
    axes.spines[:].set_visible(False)


def _ticks(axes: Axes, labels_x: bool, labels_y: bool) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=7.5, length=2, labelbottom=labels_x, labelleft=labels_y)
    axes.spines[:].set_visible(False)


def _axis_label(measure: Measure) -> str:
    unit = f" {measure.unit}" if measure.unit else ""
    return f"{measure.name}, {measure.low:g} to {measure.high:g}{unit}"
