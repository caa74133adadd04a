"""The learned GA at work on the sphere, as figure 8 of lange2023lga: selection, improvements, mutation rates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy import stats

import qdbench
from baselines.learned_ga.lga import Operators, make_with
from baselines.learned_ga.parameters import load_operators
from qdbench.leaderboard.figures import INK, MUTED, RULE, SETTINGS, svg_bytes
from qdbench.leaderboard.tables import scientific
from qdbench.metabbo.operators_trace import Generation, trace
from qdbench.protocols import Task

TASK = "BBOB-F01-v0"
_WIDTH, _ROW, _HEAD, _FOOT = 10.6, 2.35, 0.95, 0.45
_BOXES = ((1.35, 2.2), (4.2, 2.07), (7.05, 3.4))
_TITLES = ("Child takes the parent's place", "Child is better than the parent", "Mutation rates of the children")
_IMPROVED, _OTHER, _STAYS = "#d55e00", "#56b4e9", MUTED
_NOTHING, _STAY = -1, 2
_MOST_LABELS = 24


def files(
    parameters: Path, shown: Sequence[int], dim: int, batch_size: int, sigma: float, seed: int
) -> dict[str, bytes]:
    """``operators.svg`` and ``operators.csv`` of a file of parameters, the same bytes every time.

    Args:
        parameters: A file of the learned GA's parameters.
        shown: Generations to draw, ascending, from 1; the table has all up to the last.
        dim: Dimensions of the sphere.
        batch_size: Children, and as many parents.
        sigma: Initial mutation rate.
        seed: Of all randomness.

    Raises:
        ParameterError: If the file is missing, broken, or of another optimizer.
    """
    generations = run(load_operators(parameters), shown[-1], dim, batch_size, sigma, seed)
    table = summary(generations)
    return {
        "operators.svg": svg_bytes(figure([generations[number - 1] for number in shown], dim)),
        "operators.csv": table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode(),
    }


def run(operators: Operators, count: int, dim: int, batch_size: int, sigma: float, seed: int) -> list[Generation]:
    """The first generations of the learned GA on the sphere."""
    task = qdbench.make(TASK, dim=dim, precision="float32", measures=False)
    assert isinstance(task, Task)
    optimizer = make_with(operators, "lga", task.spec, sigma, 1.0, batch_size)
    return trace(optimizer, task, count, seed)


def summary(generations: Sequence[Generation]) -> pd.DataFrame:
    """One row a generation: the best precision, mutation rates, and how many parents and children change places.

    ``rate_rank_correlation`` is Pearson's of the logarithm of a child's mutation rate and its parent's rank (1 is the
    best, equals share the mean of theirs): above 0 if the children of worse parents have higher rates. It is missing
    if either is constant.
    """
    return pd.DataFrame(
        [
            {
                "generation": one.number,
                "best_precision": one.precision,
                "rate_mean": float(one.rates.mean(dtype=np.float64)),
                "rate_median": float(np.median(one.rates)),
                "rate_min": float(one.rates.min()),
                "rate_max": float(one.rates.max()),
                "children_improved": int(one.improved.sum()),
                "parents_replaced": int((~one.stays).sum()),
                "children_taken_over": len(np.unique(one.taken[~one.stays])),
                "rate_rank_correlation": _correlation(np.log(one.rates.astype(np.float64)), ranks(one)[one.origins]),
            }
            for one in generations
        ]
    )


def ranks(generation: Generation) -> Float[np.ndarray, " parents"]:
    """Of the parents: 1 is the best, equals share the mean of theirs."""
    return stats.rankdata(-generation.parents)


def sorted_selection(generation: Generation) -> Int[np.ndarray, "parents choices"]:
    """The sampled selection matrix with parents as rows and children as columns, the best first.

    An entry is 1 if the child, which is better than all solutions before, takes the parent's place; 0 if another child
    does; -1 if not. In the last column 2 is for a parent that stays.
    """
    rows, columns = _order(generation.parents), _order(generation.children)
    size = len(rows)
    matrix = np.full((size, size + 1), _NOTHING)
    matrix[np.arange(size), generation.taken] = np.append(generation.improved.astype(int), _STAY)[generation.taken]
    return matrix[rows][:, np.append(columns, size)]


def sorted_improvements(generation: Generation) -> Int[np.ndarray, "parents children"]:
    """Which child is better than which parent, sorted and coded as :func:`sorted_selection`."""
    parents, columns = generation.parents[_order(generation.parents)], _order(generation.children)
    better: Bool[np.ndarray, "parents children"] = generation.children[columns] > parents[:, None]
    return np.where(better, generation.improved[columns].astype(int), _NOTHING)


def figure(generations: Sequence[Generation], dim: int) -> Figure:
    """One row a generation: who takes whose place, which child is better than which parent, mutation rates."""
    tall = _HEAD + _ROW * len(generations) + _FOOT
    with mpl.rc_context({**SETTINGS, "axes.grid": False}):
        drawing = Figure(figsize=(_WIDTH, tall))
        _legend(drawing, dim, len(generations[0].children))
        for place, one in enumerate(generations):
            panels = _row(drawing, place, one)
            if place == 0:
                for axes, title in zip(panels, _TITLES, strict=True):
                    axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold")
        for axes in panels:
            axes.set_xlabel("children, the best first", fontsize=8.5)
        # As far down as beside it, where there is a tick label in between.
        panels[1].xaxis.labelpad = 14
        if len(generations[0].children) <= _MOST_LABELS:
            panels[2].set_xlabel("children, the best first; below each the rank of its parent", fontsize=8.5)
        return drawing


def _row(drawing: Figure, place: int, generation: Generation) -> list[Axes]:
    tall = drawing.get_figheight()
    bottom, height = tall - _HEAD - _ROW * (place + 1) + 0.3, _ROW - 0.3
    panels = [drawing.add_axes((x / _WIDTH, bottom / tall, wide / _WIDTH, height / tall)) for x, wide in _BOXES]
    words = f"generation {generation.number}\n\nbest precision\n{scientific(generation.precision, 2)}"
    drawing.text(0.1 / _WIDTH, (bottom + height / 2) / tall, words, va="center", fontsize=8.5)
    _draw_matrix(panels[0], sorted_selection(generation), len(generation.parents))
    _draw_matrix(panels[1], sorted_improvements(generation), len(generation.parents))
    _draw_rates(panels[2], generation)
    return panels


def _legend(drawing: Figure, dim: int, size: int) -> None:
    tall = drawing.get_figheight()
    title = f"Learned genetic algorithm on the sphere in {dim} dimensions: {size} parents, {size} children"
    drawing.text(0.1 / _WIDTH, 1 - 0.12 / tall, title, va="top", fontsize=11, fontweight="bold")
    entries = {
        "child better than all solutions before": _IMPROVED,
        "other child": _OTHER,
        "parent stays": _STAYS,
    }
    drawing.legend(
        [Patch(color=color) for color in entries.values()],
        list(entries),
        loc="upper left",
        bbox_to_anchor=(0.0, 1 - 0.3 / tall),
        ncols=3,
        frameon=False,
        fontsize=8.5,
    )


def _draw_matrix(axes: Axes, matrix: Int[np.ndarray, "parents columns"], size: int) -> None:
    colors = ListedColormap([_OTHER, _IMPROVED, _STAYS])
    shown = np.ma.masked_equal(matrix, _NOTHING)
    axes.imshow(shown, cmap=colors, vmin=-0.5, vmax=2.5, aspect="auto", interpolation="none")
    for edge in range(1, size):
        axes.axhline(edge - 0.5, color=RULE, linewidth=0.4)
        axes.axvline(edge - 0.5, color=RULE, linewidth=0.4)
    if matrix.shape[1] > size:
        axes.axvline(size - 0.5, color=MUTED, linewidth=1.0)
    axes.set_ylabel("parents, the best first", fontsize=8.5)
    axes.set_xticks([size] if matrix.shape[1] > size else [], ["stays"] if matrix.shape[1] > size else [])
    axes.set_yticks([])
    axes.tick_params(labelsize=7.5, length=0, pad=2)
    axes.spines[["top", "right"]].set_visible(True)


def _draw_rates(axes: Axes, generation: Generation) -> None:
    columns = _order(generation.children)
    size = len(columns)
    colors = np.where(generation.improved[columns], _IMPROVED, _OTHER)
    axes.bar(range(size), generation.rates[columns], width=0.8, color=list(colors))
    axes.set_xlim(-0.6, size - 0.4)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: scientific(value)))
    labels = [f"{rank:g}" for rank in _places(generation.parents)[generation.origins[columns]]]
    axes.set_xticks(range(size) if size <= _MOST_LABELS else [], labels if size <= _MOST_LABELS else [])
    axes.tick_params(labelsize=7.5, length=0, pad=2)
    axes.tick_params(axis="x", labelcolor=INK)


def _order(objective: Float[np.ndarray, " count"]) -> Int[np.ndarray, " count"]:
    """The best first; equals in the order in which they are."""
    return np.argsort(-objective, kind="stable")


def _places(objective: Float[np.ndarray, " count"]) -> Int[np.ndarray, " count"]:
    """The row of each parent in the matrices, from 1."""
    order = _order(objective)
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(1, len(order) + 1)
    return places


def _correlation(first: Float[np.ndarray, " count"], second: Float[np.ndarray, " count"]) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
