"""The tables of a board as plain data, formatted once and shown as HTML, Markdown or in a terminal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from qdbench.harness.targets import LOWER_IS_BETTER
from qdbench.leaderboard.aggregate import FURTHER, METRIC_NAMES, Problem
from qdbench.leaderboard.published import COMPARED, REPRODUCE, UNREPRODUCED
from qdbench.leaderboard.statistics import Analysis

MISSING = "–"
_COST = "Cost of a trial (median)"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One entry: its text, the number to sort by (None: sort by the text) and what to point out about it."""

    text: str
    value: int | float | None = None
    mark: Literal["", "best", "yes", "no", "optimizer"] = ""


@dataclasses.dataclass(frozen=True)
class Column:
    """The head of a column, below the head of a group of columns where there is one."""

    title: str
    group: str = ""
    numeric: bool = True

    @property
    def full_title(self) -> str:
        """The head in one line."""
        return f"{self.group} {self.title}".strip()


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; the first column holds the heads of the rows."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def grouped(self) -> bool:
        """Whether some column belongs to a group."""
        return any(column.group for column in self.columns)

    def part(self, columns: int | Sequence[int]) -> Table:
        """The table with the first so many columns, or with those at the given places, only."""
        kept = range(min(columns, len(self.columns))) if isinstance(columns, int) else columns
        rows = tuple(tuple(row[place] for place in kept) for row in self.rows)
        return Table(self.caption, tuple(self.columns[place] for place in kept), rows)

    def groups(self) -> list[tuple[str, int]]:
        """The heads of the groups in order, with the number of columns; an empty head stands for one column."""
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if column.group and found and found[-1][0] == column.group:
                found[-1] = (column.group, found[-1][1] + 1)
            else:
                found.append((column.group, 1))
        return found


def overall_table(overall: pd.DataFrame, summary: pd.DataFrame, brief: bool = False) -> Table:
    """The ranking over all tasks with the ranking metric of every task, and with its coverage unless ``brief``."""
    tasks = list(summary["task"].unique())
    groups = {(row["task"], row["optimizer"]): row for row in summary.to_dict("records")}
    metrics = {task: _task_metrics(summary[summary["task"] == task])[: 1 if brief else None] for task in tasks}
    best = {task: float(summary.loc[summary["task"] == task, "rank"].min()) for task in tasks}
    complete = bool(overall["complete"].all())
    columns = [Column("Optimizer", numeric=False), Column("Place"), Column("Mean rank")]
    columns += [] if complete else [Column("Tasks")]
    columns += [Column(METRIC_NAMES.get(metric, metric), task) for task in tasks for metric in metrics[task]]
    rows = []
    for entry in overall.to_dict("records"):
        row = [
            Cell(entry["optimizer"], mark="optimizer"),
            Cell(_whole(entry["place"]), entry["place"]),
            Cell(number(entry["mean_rank"]), entry["mean_rank"]),
        ]
        row += [] if complete else [Cell(f"{entry['tasks']} of {len(tasks)}", entry["tasks"])]
        for task in tasks:
            group = groups.get((task, entry["optimizer"]))
            leads = group is not None and group["rank"] == best[task]
            row += [_mean_cell(group, metric, leads and i == 0) for i, metric in enumerate(metrics[task])]
        rows.append(tuple(row))
    caption = "Ranking over all tasks: means with the half-width of their 95 % intervals"
    return Table(caption, tuple(columns), tuple(rows))


def task_table(task: str, summary: pd.DataFrame) -> Table:
    """Scores, costs and failures of all optimizers on one task."""
    groups = summary[summary["task"] == task]
    further = [name for name in FURTHER if f"{name}_mean" in groups and groups[f"{name}_mean"].notna().any()]
    metrics = list(dict.fromkeys([*_task_metrics(groups), *further, "best_objective"]))
    best = float(groups["rank"].min())
    columns = [Column("Optimizer", numeric=False), Column("Rank"), Column("Trials"), Column("Failed")]
    for place, metric in enumerate(metrics):
        titles = ("mean", "std", "median", "IQM") if place == 0 else ("mean", "std")
        columns += [Column(title, METRIC_NAMES.get(metric, metric)) for title in titles]
    columns += [
        Column("evaluations", _COST),
        Column("gradients", _COST),
        Column("run (s)", _COST),
        Column("compile (s)", _COST),
    ]
    rows = []
    for group in groups.to_dict("records"):
        row = [
            Cell(group["optimizer"], mark="optimizer"),
            Cell(_rank(group["rank"]), group["rank"]),
            Cell(str(group["trials"]), group["trials"]),
            Cell(str(group["failures"]), group["failures"], "no" if group["failures"] else ""),
        ]
        for i, metric in enumerate(metrics):
            leads = i == 0 and group["rank"] == best
            std = group[f"{metric}_std"]
            row += [_mean_cell(group, metric, leads), Cell(_formatter(metric)(std), std)]
            row += _robust_cells(group, metric) if i == 0 else []
        row += [Cell(_whole(group[name]), group[name]) for name in ("evaluations", "gradient_evaluations")]
        row += [Cell(number(group[name], 1), group[name]) for name in ("run_seconds", "compile_seconds")]
        rows.append(tuple(row))
    caption = (
        f"{task}: scores (mean ± half-width of its 95 % interval; IQM, the interquartile mean, with its 95 % bootstrap "
        "interval) and cost"
    )
    return Table(caption, tuple(columns), tuple(rows))


def published_table(task: str, comparison: pd.DataFrame) -> Table:
    """Ours beside the paper's on one task: mean and 95 % interval, the paper's mean, difference, tolerance, verdict.

    Args:
        task: The task's label.
        comparison: From :func:`qdbench.leaderboard.published.compare`.
    """
    ours = comparison[comparison["task"] == task]
    columns = [Column("Optimizer", numeric=False)]
    for metric in COMPARED:
        titles = ("ours", "paper", "difference", "within")
        columns += [Column(title, METRIC_NAMES[metric]) for title in titles]
    rows = []
    for optimizer, pair in ours.groupby("optimizer", sort=False):
        row = [Cell(optimizer, mark="optimizer")]
        for entry in pair.to_dict("records"):
            verdict: Literal["yes", "no"] = "yes" if entry["agrees"] else "no"
            row += [
                Cell(_plus_minus(entry["ours"], entry["high"]), entry["ours"]),
                Cell(number(entry["paper"]), entry["paper"]),
                Cell(signed(entry["difference"]), entry["difference"]),
                Cell(f"{verdict}, ± {entry['tolerance']:.2f}", float(entry["agrees"]), verdict),
            ]
        rows.append(tuple(row))
    caption = f"{task}: ours (mean ± half-width of the 95 % interval) beside the paper's mean"
    return Table(caption, tuple(columns), tuple(rows))


def unreproduced_table(task: str) -> Table:
    """The paper's means on a task that was not run here, with the command that does.

    Args:
        task: A key of :data:`qdbench.leaderboard.published.UNREPRODUCED`.
    """
    columns = (Column("Optimizer", numeric=False), *(Column("paper", METRIC_NAMES[metric]) for metric in COMPARED))
    rows = tuple(
        (Cell(optimizer, mark="optimizer"), *(Cell(number(value), value) for value in entry))
        for optimizer, entry in UNREPRODUCED[task].items()
    )
    caption = f"{task}: the paper's means over 5 trials, not yet reproduced here (docs/lsi.md): {REPRODUCE}"
    return Table(caption, columns, rows)


def anova_table(analysis: Analysis) -> Table:
    """The two-way analysis of variance."""
    columns = (Column("Effect", numeric=False), *(Column(title) for title in ("F", "df", "residual df", "p")))
    rows = [(Cell(row["effect"].replace(" x ", " × ")), *_test_cells(row)) for row in analysis.anova.to_dict("records")]
    return Table("Two-way analysis of variance on the QD-score", columns, tuple(rows))


def effects_table(analysis: Analysis) -> Table:
    """The simple main effects of the optimizer within each task."""
    columns = (
        Column("Task", numeric=False),
        *(Column(title) for title in ("F", "df", "residual df", "p", "p (Bonferroni)")),
        Column("Note", numeric=False),
    )
    rows = [
        (Cell(row["task"]), *_test_cells(row), _p_cell(row["p_bonferroni"]), Cell(row["note"]))
        for row in analysis.effects.to_dict("records")
    ]
    return Table("Simple main effects of the optimizer within each task", columns, tuple(rows))


def pairs_table(task: str, analysis: Analysis) -> Table:
    """All pairs of optimizers on one task."""
    columns = (
        Column("Pair", numeric=False),
        *(Column(title) for title in ("difference of means", "t", "df", "p (Bonferroni)")),
        Column("differ", numeric=False),
    )
    rows = []
    for row in analysis.pairs[analysis.pairs["task"] == task].to_dict("records"):
        verdict = row["note"] or ("yes" if row["significant"] else "no")
        rows.append(
            (
                Cell(f"{row['first']} – {row['second']}"),
                Cell(signed(row["difference"]), row["difference"]),
                Cell(number(row["t"]), row["t"]),
                Cell(number(row["df"], 1), row["df"]),
                _p_cell(row["p_bonferroni"]),
                Cell(verdict),
            )
        )
    return Table(f"{task}: all pairs of optimizers (Welch's t-test)", columns, tuple(rows))


def records_table(caption: str, titles: Sequence[str], records: Sequence[Mapping[str, Any]]) -> Table:
    """A table of plain texts, one row for each record, its values in the order of the titles."""
    columns = tuple(Column(title, numeric=False) for title in titles)
    return Table(caption, columns, tuple(tuple(Cell(str(value)) for value in record.values()) for record in records))


def problems_tables(problems: Sequence[Problem]) -> list[Table]:
    """The files that do not count, if there are any."""
    records = [problem._asdict() for problem in problems]
    return [records_table("Files that do not count", ("Kind", "File", "Reason"), records)] if records else []


def number(value: float, decimals: int = 2) -> str:
    """A number with fixed decimals and thousands separators; a dash where there is none."""
    return f"{value:,.{decimals}f}" if math.isfinite(value) else MISSING


def scientific(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, for values over many orders of magnitude; a dash where there is none.

    Examples:
        >>> scientific(1234.5), scientific(0.25), scientific(3.2e-7)
        ('1.23e3', '0.25', '3.2e-7')
    """
    text = f"{value:.{digits}g}" if math.isfinite(value) else MISSING
    return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def signed(value: float) -> str:
    """A difference with its sign, two decimals."""
    # Adding zero turns a rounded -0.0 into 0.0.
    return f"{round(value, 2) + 0.0:+,.2f}" if math.isfinite(value) else MISSING


def _task_metrics(groups: pd.DataFrame) -> list[str]:
    metric = groups["metric"].iloc[0]
    return ["qd_score", "coverage"] if metric == "qd_score" else [metric]


def _mean_cell(group: Mapping[str, Any] | None, metric: str, leads: bool) -> Cell:
    if group is None or not math.isfinite(group[f"{metric}_mean"]):
        return Cell(MISSING, math.nan)
    mean = group[f"{metric}_mean"]
    return Cell(_plus_minus(mean, group[f"{metric}_high"], _formatter(metric)), mean, "best" if leads else "")


def _robust_cells(group: Mapping[str, Any], metric: str) -> list[Cell]:
    form = _formatter(metric)
    median, middle = group[f"{metric}_median"], group[f"{metric}_iqm"]
    low, high = group[f"{metric}_iqm_low"], group[f"{metric}_iqm_high"]
    interval = f" [{form(low)}, {form(high)}]" if math.isfinite(low) else ""
    return [Cell(form(median), median), Cell(form(middle) + interval, middle)]


def _formatter(metric: str) -> Callable[[float], str]:
    return scientific if metric in LOWER_IS_BETTER else number


def _plus_minus(mean: float, high: float, form: Callable[[float], str] = number) -> str:
    """A mean with the half-width of its interval, or alone where there is no interval."""
    return form(mean) + (f" ± {form(high - mean)}" if math.isfinite(high) else "")


def _whole(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else MISSING


def _rank(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else MISSING


def _test_cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (
        Cell(number(row["F"]), row["F"]),
        Cell(str(row["df"]), row["df"]),
        Cell(str(row["df_residual"]), row["df_residual"]),
        _p_cell(row["p"]),
    )


def _p_cell(p: float) -> Cell:
    if not math.isfinite(p):
        return Cell(MISSING, math.nan)
    return Cell("< 0.001" if p < 0.001 else f"{p:.3f}", p)
