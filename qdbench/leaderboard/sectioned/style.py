"""How the figures of these boards look: colours, dashes and markers of the optimizers, and small helpers for axes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qdbench.leaderboard.figures import INK, RULE, spread

RESTARTS = "-restarts"


@dataclasses.dataclass(frozen=True)
class Mark:
    """The colour, the dashes and the marker of an optimizer."""

    color: str
    dashes: str = "-"
    marker: str = "o"


# Okabe and Ito's colours, which stay apart in colour-blind sight. With restarts an optimizer looks the same, or dashed
# beside the one without.
_KNOWN = {
    "random-search": Mark("#8a919c", ":", "x"),
    "gaussian-ga": Mark("#e69f00", "-", "s"),
    "mr15-ga": Mark("#d55e00", "-", "^"),
    "samr-ga": Mark("#cc79a7", "-", "v"),
    "gesmr-ga": Mark("#9a8a00", "-", "D"),
    "lga": Mark("#7b2fbe", "-", "*"),
    "openai-es": Mark("#56b4e9", "-", "P"),
    "sep-cma-es": Mark("#0072b2", "-", "X"),
    "cma-es": Mark(INK, "-", "o"),
}
_OTHERS = ("#009e73", "#8c564b", "#3d8f8f", "#b5495b", "#6b8e23", "#4f6d9b")
_OTHER_DASHES = ("-.", "-", "--")
_OTHER_MARKERS = ("p", "h", "<", ">", "d", "8")


def marks(labels: Iterable[str]) -> dict[str, Mark]:
    """A mark for every optimizer: fixed for those that come with qdbench, by alphabetical place for all others."""
    found: dict[str, Mark] = {}
    others: list[str] = []
    given = set(labels)
    for label in sorted(given):
        plain = label.removesuffix(RESTARTS)
        if label in _KNOWN:
            found[label] = _KNOWN[label]
        elif plain in _KNOWN:
            found[label] = dataclasses.replace(_KNOWN[plain], dashes="--") if plain in given else _KNOWN[plain]
        else:
            others.append(label)
    for place, label in enumerate(others):
        color = _OTHERS[place % len(_OTHERS)]
        dashes = _OTHER_DASHES[place // len(_OTHERS) % len(_OTHER_DASHES)]
        found[label] = Mark(color, dashes, _OTHER_MARKERS[place % len(_OTHER_MARKERS)])
    return found


def line(mark: Mark) -> dict[str, Any]:
    """The look of a curve; broken lines lie on top, so that a solid one of the same course does not hide them."""
    return {"color": mark.color, "linestyle": mark.dashes, "zorder": 2.0 if mark.dashes == "-" else 2.5}


def name_ends(axes: Axes, heights: Mapping[str, float], look: Mapping[str, Mark], gap: float) -> None:
    """Names the curves at their right ends, moved apart where they would overlap.

    Args:
        axes: The panel; there must be room at its right.
        heights: Where each curve ends, as a share of the panel's height.
        look: From :func:`marks`.
        gap: The least distance of two names, as a share of the panel's height.
    """
    names = sorted((name for name in heights if math.isfinite(heights[name])), key=lambda name: (heights[name], name))
    ends = [min(1.0, max(0.0, heights[name])) for name in names]
    places = spread(ends, gap)
    if places and places[-1] > 1:
        places = [1 - place for place in reversed(spread([1 - end for end in reversed(ends)], gap))]
    for name, end, place in zip(names, ends, places, strict=True):
        shape: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        axes.plot([1.005, 1.04], [end, place], color=RULE, linewidth=0.8, **shape)
        axes.plot([1.045, 1.115], [place, place], linewidth=2.0, **line(look[name]), **shape)
        axes.text(1.13, place, name, va="center", fontsize=8, transform=axes.transAxes)


def legend(figure: Figure, names: Sequence[str], look: Mapping[str, Mark], markers: bool, top: float) -> None:
    """A legend in one or two rows at the top of a figure, ``top`` inches from its upper edge."""
    handles = [
        Line2D(
            [],
            [],
            marker=look[name].marker if markers else "none",
            markersize=6,
            **({"linestyle": "none", "color": look[name].color} if markers else line(look[name]) | {"linewidth": 2.0}),
        )
        for name in names
    ]
    figure.legend(
        handles,
        list(names),
        loc="upper left",
        bbox_to_anchor=(0.01, 1 - top / figure.get_figheight()),
        ncols=legend_columns(names),
        frameon=False,
        fontsize=8.5,
        handletextpad=0.5,
        columnspacing=1.4,
    )


def legend_columns(names: Sequence[str]) -> int:
    """As many names in a row as fit the width of a page."""
    return max(1, min(len(names), 110 // (max(map(len, names)) + 6)))


def legend_height(names: Sequence[str]) -> float:
    """The height of the legend in inches."""
    return 0.2 + 0.19 * -(-len(names) // legend_columns(names))
