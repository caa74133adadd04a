"""What a comparison of meta-evolutions shows: curves of the splits, curves of single tasks, and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from qdbench.leaderboard import render
from qdbench.leaderboard.bbob.normalised import LARGEST_RATIO
from qdbench.leaderboard.figures import INK, MUTED, OKABE_ITO, SETTINGS, svg_bytes
from qdbench.leaderboard.sectioned import style
from qdbench.leaderboard.sectioned.style import Mark
from qdbench.leaderboard.tables import MISSING, Cell, Column, Table, number, records_table, scientific
from qdbench.metabbo import compare
from qdbench.metabbo.compare import SPLITS, Band, CompareError, Group, TaskName
from qdbench.wording import count

WIDTH = 10.6
_TITLES = {
    "seen": "Tasks of the kinds that it was evolved on (seen)",
    "unseen": "Tasks of other kinds (unseen)",
    "networks": "Weights of networks",
}
_COLORS = (*OKABE_ITO, INK)
_DASHES = ("-", "--", ":")
_TASKS_OF_A_SPLIT = 2
_IN_A_ROW = 4
# Ticks within a power of ten, for axes that span at most such a factor.
_STEPS = {10: (1.0, 2.0, 5.0), 1000: (1.0, 3.0)}


def files(groups: Sequence[Group], labels: Sequence[str] = ()) -> dict[str, bytes]:
    """The files of a comparison by their names, the same bytes for the same runs.

    Args:
        groups: From :func:`qdbench.metabbo.compare.read_groups`.
        labels: Of the single tasks to show; none: the first two of each split.

    Raises:
        CompareError: If there is no such task.
    """
    table = compare.summary(groups)
    return {
        "curves.svg": svg_bytes(curves_figure(groups)),
        "tasks.svg": svg_bytes(tasks_figure(groups, chosen_tasks(groups[0].tasks, labels))),
        "table.md": markdown(groups, table).encode(),
        "table.csv": table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode(),
    }


def chosen_tasks(tasks: Sequence[TaskName], labels: Sequence[str]) -> list[TaskName]:
    """The tasks of some labels, in their order; without labels the first two of each split.

    Raises:
        CompareError: If there is no such task.
    """
    known = list(dict.fromkeys(tasks))
    if not labels:
        return [task for split in SPLITS for task in [task for task in known if task[0] == split][:_TASKS_OF_A_SPLIT]]
    for label in labels:
        if label not in {name for _, name in known}:
            raise CompareError(f"there is no task {label!r}; the tasks are {'; '.join(name for _, name in known)}")
    return [task for label in dict.fromkeys(labels) for task in known if task[1] == label]


def group_marks(groups: Sequence[Group]) -> dict[str, Mark]:
    """A colour for each group in the order given, and other dashes once the colours are used up."""
    return {
        group.name: Mark(_COLORS[place % len(_COLORS)], _DASHES[place // len(_COLORS) % len(_DASHES)])
        for place, group in enumerate(groups)
    }


def curves_figure(groups: Sequence[Group]) -> Figure:
    """One panel a split: the geometric mean of the ratio over its tasks, over meta-generations, with its bands."""
    splits = [split for split in SPLITS if groups[0].of_split(split)]
    panels = {}
    for split in splits:
        places = groups[0].of_split(split)
        bands = {group.name: compare.band(group, places) for group in groups}
        panels[f"{_TITLES[split]}: {count(len(places), 'task')}"] = bands
    return _panels(groups, panels, columns=2, panel_tall=3.0, title_size=9.5)


def tasks_figure(groups: Sequence[Group], tasks: Sequence[TaskName]) -> Figure:
    """One small panel a task: its ratio over meta-generations, with the bands."""
    panels = {}
    for task in tasks:
        places = [place for place, known in enumerate(groups[0].tasks) if known == task]
        panels[f"{task[1]}\n{task[0]}"] = {group.name: compare.band(group, places) for group in groups}
    return _panels(groups, panels, columns=_IN_A_ROW, panel_tall=2.0, title_size=7.5)


def markdown(groups: Sequence[Group], table: pd.DataFrame) -> str:
    """The table with how to read it, and what the configurations of the groups differ in.

    Args:
        groups: The groups.
        table: From :func:`qdbench.metabbo.compare.summary`.
    """
    reference = groups[0].config["evaluation"]["reference"]
    repetitions = groups[0].config["evaluation"]["repetitions"]
    limits = f"{1 / LARGEST_RATIO:g} to {LARGEST_RATIO:g}"
    words = (
        f"The ratio is the precision that the mean of a meta-evolution reaches on a task (mean of {repetitions} "
        f"repetitions), divided by that of {reference} and limited to {limits}; lower is better, and "
        f"below 1 is better than {reference}. Given are the geometric mean over tasks and runs after the last "
        "meta-generation, the standard error over runs of its natural logarithm, the interval of 1.96 standard errors "
        "about it, and the number of tasks whose geometric mean over runs is below 1. Seconds are the mean over runs."
    )
    parts = ["# Comparison of meta-evolutions", render.escaped(words), render.markdown_table(_summary_table(table))]
    if differences := compare.differing(groups):
        rows = [{"entry": name, **dict(enumerate(values))} for name, values in differences.items()]
        differs = records_table("", ["Entry", *(group.name for group in groups)], rows)
        parts += ["## What the configurations differ in", render.markdown_table(differs)]
    return "\n\n".join(parts) + "\n"


def _summary_table(table: pd.DataFrame) -> Table:
    columns = [Column("Group", numeric=False)]
    columns += [Column(title) for title in ("Runs", "Meta-generations", "Members", "Tasks per generation", "Seconds")]
    splits = [split for split in SPLITS if table[f"{split}_tasks"].iloc[0]]
    for split in splits:
        columns += [Column(title, f"{split}:") for title in ("ratio", "log s.e.", "interval", "better")]
    rows = []
    for entry in table.to_dict("records"):
        row = [Cell(entry["group"])]
        row += [Cell(f"{entry[name]:,}") for name in ("runs", "meta_generations", "members", "tasks_per_generation")]
        row += [Cell(number(entry["seconds"], 0))]
        row += [cell for split in splits for cell in _split_cells(entry, split)]
        rows.append(tuple(row))
    return Table("", tuple(columns), tuple(rows))


def _split_cells(entry: Mapping[str, Any], split: str) -> list[Cell]:
    low, high = (scientific(entry[f"{split}_{end}"]) for end in ("low", "high"))
    return [
        Cell(scientific(entry[f"{split}_mean"])),
        Cell(scientific(entry[f"{split}_log_error"], 2)),
        Cell(MISSING if MISSING in (low, high) else f"{low} to {high}"),
        Cell(f"{entry[f'{split}_better']} of {entry[f'{split}_tasks']}"),
    ]


def _panels(
    groups: Sequence[Group],
    panels: Mapping[str, Mapping[str, Band]],
    columns: int,
    panel_tall: float,
    title_size: float,
) -> Figure:
    reference = groups[0].config["evaluation"]["reference"]
    look = group_marks(groups) | {f"1: as good as {reference}": Mark(MUTED)}
    names = list(look)
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    title_tall = 0.2 + 0.14 * max(title.count("\n") for title in panels)
    head, foot = style.legend_height(names) + 0.05, 0.22
    tall = head + rows * panel_tall + foot
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, tall))
        style.legend(figure, names, look, markers=False, top=0.02)
        left, gap = 0.75, 0.5
        wide = (WIDTH - left - 0.15 - gap * (columns - 1)) / columns
        for place, (title, bands) in enumerate(panels.items()):
            row, column = divmod(place, columns)
            bottom = tall - head - panel_tall * (row + 1) + 0.3
            box = (left + (wide + gap) * column, bottom, wide, panel_tall - 0.3 - title_tall)
            axes = figure.add_axes((box[0] / WIDTH, box[1] / tall, box[2] / WIDTH, box[3] / tall))
            axes.set_title(title, loc="left", fontsize=title_size, fontweight="bold", pad=4)
            _draw(axes, groups, bands, look)
        figure.text(0.5, 0.06 / tall, f"meta-generation{_band_note(groups)}", ha="center", va="bottom", fontsize=9)
        label = f"precision / {reference}'s\n(lower is better)"
        middle = (foot + 0.15 + rows * panel_tall / 2) / tall
        figure.text(
            0.06 / WIDTH, middle, label, rotation=90, ha="left", va="center", fontsize=9, multialignment="center"
        )
        return figure


def _draw(axes: Axes, groups: Sequence[Group], bands: Mapping[str, Band], look: Mapping[str, Mark]) -> None:
    for group in groups:
        found, mark = bands[group.name], look[group.name]
        # With a single evaluation there is no line to see.
        marker = "o" if len(group.evaluated) == 1 else "none"
        axes.plot(group.evaluated, found.mean, linewidth=1.6, marker=marker, markersize=4, **style.line(mark))
        if np.isfinite(found.low).all():
            axes.fill_between(group.evaluated, found.low, found.high, color=mark.color, alpha=0.18, linewidth=0)
    axes.axhline(1.0, color=MUTED, linewidth=1.0)
    axes.set_yscale("log")
    _ratio_ticks(axes)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlim(left=0)
    axes.tick_params(labelsize=8, length=2, pad=2)


def _ratio_ticks(axes: Axes) -> None:
    """Ticks within powers of ten where the axis spans few of them."""
    low, high = axes.get_ylim()
    # An axis that is flat, or nearly, is widened to a factor of two on both sides.
    low, high = min(low, 0.5), max(high, 2.0)
    axes.set_ylim(low, high)
    steps = next((steps for span, steps in _STEPS.items() if high / low <= span), (1.0,))
    axes.yaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _band_note(groups: Sequence[Group]) -> str:
    counts = sorted({len(group.runs) for group in groups})
    runs = count(counts[-1], "run") if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]} runs"
    return f" (geometric mean of {runs} with 1.96 standard errors)" if counts[-1] > 1 else " (one run)"
