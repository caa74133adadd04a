"""A board: everything that the pages show, worked out from the results."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import pandas as pd

from qdbench.harness.result import FinalArchive
from qdbench.harness.targets import LOWER_IS_BETTER
from qdbench.leaderboard import aggregate, figures, published, statistics, suitewide
from qdbench.leaderboard.aggregate import Results
from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.provenance import distinct
from qdbench.leaderboard.sectioned.content import Section
from qdbench.leaderboard.tables import Table, overall_table
from qdbench.spec import TaskSpec
from qdbench.wording import count, span

TITLE = "qdbench leaderboard"
COMMANDS = (
    "qdbench leaderboard build RESULTS --out BOARD",
    "qdbench leaderboard build RESULTS --out BOARD --check",
)
"""What makes a board again, and what checks it."""


@dataclasses.dataclass(frozen=True)
class Board:
    """The contents of a leaderboard.

    Attributes:
        title: The heading.
        results: What was read from the files.
        specs: The spec of each task variant by its label.
        trials: One row a trial (:func:`qdbench.leaderboard.aggregate.trial_table`).
        summary: One row a group (:func:`qdbench.leaderboard.aggregate.summarize`).
        overall: One row an optimizer (:func:`qdbench.leaderboard.aggregate.rank_overall`).
        comparison: Ours beside the paper's; empty where nothing was run in the paper's setting.
        analysis: The tests.
        plots: The figures of each task.
        look: The style of each optimizer.
        suite: The statistics over all tasks; None if fewer than two optimizers are on all of them.
    """

    title: str
    results: Results
    specs: dict[str, TaskSpec]
    trials: pd.DataFrame
    summary: pd.DataFrame
    overall: pd.DataFrame
    comparison: pd.DataFrame
    analysis: statistics.Analysis
    plots: dict[str, tuple[Plot, ...]]
    look: dict[str, figures.Style]
    suite: Section | None

    @property
    def brief(self) -> Table:
        """The overall ranking with the ranking metric of every task."""
        return overall_table(self.overall, self.summary, brief=True)

    @property
    def values(self) -> pd.DataFrame:
        """What the CSV holds: one row for each group."""
        return self.summary.drop(columns="score_mean")

    def provenance(self) -> dict[str, list[str]]:
        """The distinct values of each key of the provenance, but for the times of recording, which all differ."""
        return distinct(trial.record.provenance for trial in self.results.trials.values())

    def description(self) -> str:
        """What was run, in one sentence."""
        groups = self.summary
        return (
            f"{count(self.overall['optimizer'].nunique(), 'optimizer')} on {count(len(self.specs), 'task')}, "
            f"{span(groups['trials'].tolist())} finished trials of each, "
            f"{span(groups['budget'].tolist())} evaluations a trial."
        )


def assemble(results: Results, title: str | None = None) -> Board:
    """Works out everything that the pages show.

    Args:
        results: At least one trial, finished or failed.
        title: The heading.
    """
    trials = aggregate.trial_table(results)
    summary = aggregate.summarize(trials)
    specs = aggregate.task_specs(results)
    look = figures.styles(summary["optimizer"])
    return Board(
        title=" ".join((title or TITLE).split()),
        results=results,
        specs=specs,
        trials=trials,
        summary=summary,
        overall=aggregate.rank_overall(summary),
        comparison=published.compare(summary, specs),
        analysis=statistics.analyze(trials),
        plots=_plots(results, trials, summary, specs, look),
        look=look,
        suite=suitewide.section(*aggregate.scores_of(trials), look),
    )


def _plots(
    results: Results,
    trials: pd.DataFrame,
    summary: pd.DataFrame,
    specs: Mapping[str, TaskSpec],
    look: Mapping[str, figures.Style],
) -> dict[str, tuple[Plot, ...]]:
    names = _file_names(list(specs))
    plots = {}
    for task, spec in specs.items():
        # In the order of the ranks, so that figures and tables list the optimizers alike.
        ranked = summary.loc[summary["task"] == task, "optimizer"]
        finished = trials[(trials["task"] == task) & (trials["status"] == "finished")]
        digests = {name: list(finished.loc[finished["optimizer"] == name, "digest"]) for name in ranked}
        digests = {name: found for name, found in digests.items() if found}
        made = (
            _curves(results, task, spec, digests, look, names[task]),
            _heatmaps(results, task, spec, digests, names[task]),
        )
        plots[task] = tuple(plot for plot in made if plot is not None)
    return plots


def _curves(
    results: Results,
    task: str,
    spec: TaskSpec,
    digests: Mapping[str, list[str]],
    look: Mapping[str, figures.Style],
    name: str,
) -> Plot | None:
    metrics = ("qd_score", "coverage") if spec.metric == "qd_score" else (spec.metric,)
    curves = {metric: aggregate.mean_curves(results, spec, metric, digests) for metric in metrics}
    curves = {metric: panel for metric, panel in curves.items() if panel}
    if not curves:
        return None
    shown = " and ".join(aggregate.METRIC_NAMES.get(metric, metric) for metric in curves)
    first = next(iter(curves))
    form = ".3g" if first in LOWER_IS_BETTER else ".2f"
    ends = {optimizer: curve["mean"].iloc[-1] for optimizer, curve in curves[first].items()}
    return Plot(
        name=f"{name}-curves",
        figure=figures.curves_figure(curves, look),
        alternative=f"{shown} over evaluations on {task}. Final means: "
        + ", ".join(f"{optimizer} {end:{form}}" for optimizer, end in ends.items()),
        caption=f"{shown} over evaluations: mean over the repetitions and the 95 % confidence interval of the mean.",
    )


def _heatmaps(results: Results, task: str, spec: TaskSpec, digests: Mapping[str, list[str]], name: str) -> Plot | None:
    archives: dict[str, FinalArchive] = {}
    repetitions = set()
    for optimizer, found in digests.items():
        trial = next((results.trials[digest] for digest in found if results.trials[digest].has_archive), None)
        archive = trial.archive() if trial else None
        if trial and archive:
            archives[optimizer] = archive
            repetitions.add(trial.record.config.repetition)
    figure = figures.heatmaps_figure(spec, archives)
    if figure is None:
        return None
    low, high = spec.objective_range
    which = ", ".join(str(repetition) for repetition in sorted(repetitions))
    return Plot(
        name=f"{name}-archives",
        figure=figure,
        alternative=f"Heatmaps of the final archives on {task}, one for each of {', '.join(archives)}",
        caption=f"Final archives of repetition {which}: each cell shows the objective of its elite. Colours span "
        f"{low:g} to {high:g}; objectives beyond take the end colours (the scores are not clipped). "
        "Empty cells are light grey.",
    )


def _file_names(tasks: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for task in tasks:
        plain = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")
        names[task] = plain if plain not in names.values() else f"{plain}-{len(names)}"
    return names
