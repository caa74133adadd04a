"""Learning curves of all tasks in a folder of results, a panel for each, as papers print them."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from qdbench.leaderboard import aggregate, figures

STANDARD_ERRORS = 1.96
_WIDTH, _HEIGHT, _LEGEND = 3.1, 2.5, 0.55
_COLORS = (*figures.OKABE_ITO, figures.INK, "#b8a500")
_DASHES = ("-", "--", ":", "-.")
_BASELINE = "random-search"


def learning_curves(results: aggregate.Results, columns: int = 4) -> Figure:
    """The mean of each task's ranking metric over evaluations, with bands of 1.96 standard errors.

    Boards draw Student's t intervals, which with five repetitions are 1.4 times as wide. A metric of which lower is
    better has a logarithmic axis.

    Args:
        results: Finished trials; others do not count.
        columns: Panels in a row.

    Raises:
        ValueError: If no trial has finished, or no trace has its task's metric.
    """
    if not results.trials:
        raise ValueError(
            f"{results.directory} has no finished trial, such as qdbench run --suite quick --out DIR makes"
        )
    trials = aggregate.trial_table(results)
    finished = trials[trials["status"] == "finished"]
    specs = aggregate.task_specs(results)
    curves = {}
    for task, of_task in finished.groupby("task", sort=True):
        digests = of_task.groupby("optimizer", sort=True)["digest"].agg(list).to_dict()
        spec = specs[str(task)]
        curves[str(task)] = aggregate.mean_curves(results, spec, spec.metric, digests, STANDARD_ERRORS)
    tasks = [task for task, panel in curves.items() if panel]
    if not tasks:
        raise ValueError(f"{results.directory} has no trial whose trace has the metric that its task ranks by")
    look = _styles(sorted({name for panel in curves.values() for name in panel}))
    columns = min(columns, len(tasks))
    rows = math.ceil(len(tasks) / columns)
    with mpl.rc_context(figures.SETTINGS):
        figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * rows + _LEGEND), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).flat
        # Tasks come first: zip takes from the panels only what it gives out, and those left are empty.
        for task, axes in zip(tasks, panels, strict=False):
            metric = specs[task].metric
            figures.draw_panel(axes, metric, curves[task], look, ticks=4)
            axes.set_ylabel(aggregate.METRIC_NAMES.get(metric, metric), fontsize=8)
            axes.set_title(task, loc="left", fontsize=9, fontweight="bold")
        for axes in list(panels):
            axes.set_axis_off()
        known = {
            name: handle for axes in figure.axes for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        names = sorted(known)
        figure.legend(
            [known[name] for name in names], names, loc="outside lower center", ncols=min(len(names), 2 * columns),
            frameon=False, fontsize=8,
        )  # fmt: skip
        return figure


def draw(directory: Path, columns: int, suffix: str) -> bytes:
    """:func:`learning_curves` of a folder of results, as a file of this kind.

    Raises:
        ValueError: If the suffix is not .svg or .png, or if no trial has finished.
    """
    writers = {".svg": figures.svg_bytes, ".png": figures.png_bytes}
    if suffix not in writers:
        raise ValueError(f"figures are written as .svg or .png, but the file's suffix is {suffix!r}")
    return writers[suffix](learning_curves(aggregate.read_results(directory), columns))


def _styles(names: list[str]) -> dict[str, figures.Style]:
    """Solid lines as long as there are colours, because bands lie over one another here."""
    others = [name for name in names if name != _BASELINE]
    return {_BASELINE: figures.styles([])[_BASELINE]} | {
        name: figures.Style(_COLORS[i % len(_COLORS)], _DASHES[i // len(_COLORS) % len(_DASHES)])
        for i, name in enumerate(others)
    }
