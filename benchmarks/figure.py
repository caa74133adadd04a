"""The figure of the scaling benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt

from benchmarks.measurement import PEER_ALGORITHMS
from benchmarks.scaling import AXES, LABELS, select

# Okabe and Ito's colours, which colour-blind readers can tell apart; markers tell them apart in grey.
_STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"))
_GREY = "#777777"


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws a panel an axis and saves ``path.svg`` and ``path.png``."""
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "qdbench", "font.size": 9})
    figure, panels = plt.subplots(1, len(AXES), figsize=(9.5, 3.2), sharey=True, layout="constrained")
    for panel, axis in zip(panels, AXES, strict=True):
        for algorithm, (color, marker) in zip(PEER_ALGORITHMS.values(), _STYLES, strict=True):
            _curve(panel, select(rows, algorithm, axis), axis, algorithm, color, marker)
        _proportional(panel, rows, axis)
        _decorate(panel, axis)
    panels[0].set_ylabel("microseconds an iteration")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=160)
    plt.close(figure)


def _position(row: dict[str, Any], axis: str) -> int:
    return int(row[axis]) ** 2 if axis == "side" else int(row[axis])


def _curve(panel: Any, rows: Sequence[dict[str, Any]], axis: str, label: str, color: str, marker: str) -> None:
    x = [_position(row, axis) for row in rows]
    y = [row["microseconds"] for row in rows]
    below = [row["microseconds"] - row["microseconds_low"] for row in rows]
    above = [row["microseconds_high"] - row["microseconds"] for row in rows]
    panel.errorbar(x, y, (below, above), color=color, marker=marker, markersize=5, capsize=2, label=label)


def _proportional(panel: Any, rows: Sequence[dict[str, Any]], axis: str) -> None:
    """A dashed line of slope 1 through the first point of the cheapest algorithm."""
    starts = [found[0] for algorithm in PEER_ALGORITHMS.values() if (found := select(rows, algorithm, axis))]
    if not starts:
        return
    start = min(starts, key=lambda row: float(row["microseconds"]))
    ends = [_position({axis: value}, axis) for value in AXES[axis]]
    first = _position(start, axis)
    heights = [start["microseconds"] * end / first for end in ends]
    panel.plot(ends, heights, color=_GREY, linestyle="--", linewidth=1, label="proportional")


def _decorate(panel: Any, axis: str) -> None:
    panel.margins(x=0.12)
    panel.set_xscale("log")
    panel.set_yscale("log")
    ends = [_position({axis: value}, axis) for value in AXES[axis]]
    panel.set_xticks(ends, [f"{end:,}" for end in ends])
    panel.set_xticks([], minor=True)
    panel.set_xlabel(LABELS[axis])
    panel.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
