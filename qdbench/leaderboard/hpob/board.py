"""A board of HPO tasks: what was run, regrets and ranks, pooled and for each space, and which ranks differ."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from qdbench.harness.result import TrialRecord
from qdbench.leaderboard import suitewide
from qdbench.leaderboard.aggregate import Results, mean_interval
from qdbench.leaderboard.hpob import curves, data, figures, published
from qdbench.leaderboard.hpob.data import FAMILIES, Experiment, Setting
from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.sectioned import style
from qdbench.leaderboard.sectioned.board import Place, SectionedBoard
from qdbench.leaderboard.sectioned.cells import best_cell, place_text, rank_cell
from qdbench.leaderboard.sectioned.content import Section
from qdbench.leaderboard.sectioned.style import Mark
from qdbench.leaderboard.tables import Cell, Column, Table, scientific
from qdbench.wording import count

TITLE = "HPO: regret within a fixed budget"
_BRIEF = 3

SCORE_NOTE = (
    "The regret is 1 minus the best normalised accuracy so far. It is averaged over repetitions and then over tasks (a "
    "space on a data set); in brackets is its 95 % confidence interval over the tasks. Ranks are those of the regrets, "
    "rounded to 8 decimals, within each repetition of each task: 1 is best, and equal regrets share the mean of their "
    "ranks. Readings follow the last whole batch within so many evaluations. The place is by the mean rank at the end."
)
DESIGN_NOTE = (
    "Every search begins with the task's five initial configurations, which are scored by the accuracies of their real "
    "runs and not counted here; an optimizer then starts at the best of them."
)
TRIAL_NOTE = "A trial's score is its best normalised accuracy at the end, which is 1 minus its regret."
PUBLISHED_NOTE = (
    "Rows marked “published” are made of the curves that HPO-B's authors publish "
    "(RS-C, GP-C, DGP-C and FSBO2-C); they were not run here."
)


@dataclasses.dataclass(frozen=True)
class HpoBoard(SectionedBoard):
    """The contents of an HPO board.

    Attributes:
        experiment: The curves of all finished trials.
    """

    experiment: Experiment

    def description(self) -> str:
        """What was run, in one sentence."""
        found = self.experiment.curves
        if not found:
            return f"No finished trial; {len(self.results.failures):,} failed."
        parts = []
        for setting, table in found.items():
            tasks = len(table.groupby(level=list(curves.TASK)))
            methods = table.index.get_level_values("method").nunique()
            seeds = table.groupby(level=["method", *curves.TASK]).size()
            low, high = int(seeds.min()), int(seeds.max())
            of_each = f"{low}" if low == high else f"{low} to {high}"
            parts.append(
                f"{setting.title}: {count(methods, 'optimizer')} on {count(tasks, 'task')}, {of_each} trials of each"
            )
        return "; ".join(parts) + f". {len(self.results.trials):,} trials in all."

    def places(self) -> dict[str, Place]:
        """A task is a space on a data set in a setting."""
        records = self.results.records()
        settings = {setting for setting, _ in self.experiment.places.values()}
        distinct = len({setting.short for setting in settings}) == len(settings)
        names = {setting: setting.short if distinct else setting.title for setting in settings}
        found = {}
        for digest, (setting, optimizer) in self.experiment.places.items():
            space, dataset = data.space_and_dataset(records[digest].config)
            task = f"{space} on {dataset}" + (f", {names[setting]}" if len(settings) > 1 else "")
            found[digest] = Place((setting.order, space, dataset), task, optimizer)
        return found

    def names_of(self, record: TrialRecord) -> dict[str, str | int]:
        """Task, optimizer and repetition."""
        config = record.config
        task = " ".join((config.task.id, *data.space_and_dataset(config)))
        return {"Task": task, "Optimizer": config.optimizer, "Repetition": config.repetition}


def assemble(results: Results, title: str | None = None) -> HpoBoard:
    """Works out everything that the pages show.

    Args:
        results: Trials for which :func:`qdbench.leaderboard.hpob.data.is_hpo`.
        title: The heading.

    Raises:
        ValueError: If a task is there in two versions.
    """
    experiment = data.gather(results)
    compared = {setting: published.beside(setting, table) for setting, table in experiment.curves.items()}
    look = style.marks(sorted({name for table in compared.values() for name in table.index.unique("method")}))
    sections = [
        section
        for setting, table in compared.items()
        for section in _sections(setting, table, experiment.failures[setting], look)
    ]
    brief = sections[0].tables[0].part(_BRIEF) if sections else Table("No finished trial", (), ())
    names = {FAMILIES[setting.benchmark] for setting in experiment.curves}
    return HpoBoard(
        title=" ".join((title or " and ".join([*sorted(names)] or [TITLE])).split()),
        results=results,
        experiment=experiment,
        brief=brief,
        sections=tuple(sections),
        values=_values(experiment),
        look=look,
    )


def _sections(
    setting: Setting, table: pd.DataFrame, failures: Mapping[str, int], look: Mapping[str, Mark]
) -> list[Section]:
    kept = curves.without_degenerate(table) if setting.benchmark == "hpob" else table
    parts = [(table, setting.title, setting.name)]
    if 0 < len(kept) < len(table):
        parts.append((kept, f"{setting.title}, without the degenerate tasks", f"{setting.name}-kept"))
    sections = []
    for part, title, name in parts:
        suite = _suite_section(setting, part, failures, title, name, look)
        sections += [_section(setting, part, title, name, look), *([suite] if suite else [])]
    return sections


def _suite_section(
    setting: Setting, table: pd.DataFrame, failures: Mapping[str, int], title: str, name: str, look: Mapping[str, Mark]
) -> Section | None:
    """The statistics over all tasks, of the best normalised accuracy at the end."""
    scores: dict[str, dict[str, np.ndarray]] = {}
    for (space, dataset, method), values in table[setting.readings[-1]].groupby(level=[*curves.TASK, "method"]):
        scores.setdefault(f"{space} on {dataset}", {})[str(method)] = values.to_numpy(np.float64)
    return suitewide.section(scores, failures, look, of=title, score=TRIAL_NOTE, prefix=f"{name}-")


def _section(setting: Setting, table: pd.DataFrame, title: str, name: str, look: Mapping[str, Mark]) -> Section:
    words = [SCORE_NOTE]
    words += [DESIGN_NOTE] if setting.offset else []
    words += [PUBLISHED_NOTE] if published.MARK in " ".join(table.index.unique("method")) else []
    common = curves.common_series(table)
    ranked = curves.ranks(common, setting.readings) if len(common) else None
    if ranked is None:
        words.append("There are no ranks: no repetition of a task was finished by every optimizer.")
    overall = overall_table(table, ranked, setting.readings)
    return Section(
        title,
        tuple(words),
        (_ranking(overall, setting, title),),
        (_plot(setting, table, ranked, name, look),),
        (_by_space(table, setting, list(overall.index), title),),
    )


def overall_table(table: pd.DataFrame, ranked: pd.DataFrame | None, readings: tuple[int, ...]) -> pd.DataFrame:
    """One row for each method, the best first: regrets with their intervals, mean ranks and the place.

    Columns, for each reading n: ``regret_n``, ``regret_n_low``, ``regret_n_high``, ``rank_n``; and tasks, place.
    """
    rows: dict[str, dict[str, float]] = {}
    for method, group in table.groupby(level="method", sort=True):
        row: dict[str, float] = {"tasks": len(group.groupby(level=list(curves.TASK)))}
        for reading in readings:
            interval = mean_interval((1 - group[reading]).groupby(level=list(curves.TASK)).mean().to_numpy())
            names = (f"regret_{reading}", f"regret_{reading}_low", f"regret_{reading}_high")
            row |= dict(zip(names, (interval.mean, interval.low, interval.high), strict=True))
            mine = None if ranked is None else ranked.xs(method, level="method")[reading]
            row[f"rank_{reading}"] = math.nan if mine is None else float(mine.mean())
        rows[str(method)] = row
    overall = pd.DataFrame.from_dict(rows, orient="index")
    score = overall[f"rank_{readings[-1]}"] if ranked is not None else overall[f"regret_{readings[-1]}"]
    overall["place"] = score.rank(method="min")
    overall["name"] = overall.index
    return overall.sort_values(["place", "name"]).drop(columns="name")


def _ranking(overall: pd.DataFrame, setting: Setting, title: str) -> Table:
    columns = [Column("Optimizer", numeric=False), Column("Place")]
    columns += [Column(f"{reading}", "Mean rank after evaluations") for reading in reversed(setting.readings)]
    columns += [Column(f"{reading}", "Mean regret after evaluations") for reading in reversed(setting.readings)]
    rows = []
    for method, row in overall.iterrows():
        cells = [Cell(str(method), mark="optimizer"), Cell(place_text(row["place"]), row["place"])]
        for reading in reversed(setting.readings):
            cells.append(rank_cell(row[f"rank_{reading}"], overall[f"rank_{reading}"]))
        for reading in reversed(setting.readings):
            value = row[f"regret_{reading}"]
            low, high = row[f"regret_{reading}_low"], row[f"regret_{reading}_high"]
            interval = f" [{scientific(low)}, {scientific(high)}]" if math.isfinite(low) else ""
            best = best_cell(value, overall[f"regret_{reading}"])
            cells.append(Cell(best.text + interval, value, best.mark))
        rows.append(tuple(cells))
    return Table(f"Ranking: {title}", tuple(columns), tuple(rows))


def _by_space(table: pd.DataFrame, setting: Setting, order: list[str], title: str) -> Table:
    last = setting.readings[-1]
    means = (1 - table[last]).groupby(level=["method", *curves.TASK]).mean().groupby(level=["method", "space"]).mean()
    spaces = sorted(table.index.unique("space"))
    columns = (Column("Space", numeric=False), *(Column(name) for name in order))
    rows = []
    for space in spaces:
        values = pd.Series([means.get((name, space), math.nan) for name in order])
        rows.append((Cell(space), *(best_cell(float(value), values) for value in values)))
    return Table(f"Mean regret after {last} evaluations in each space: {title}", columns, tuple(rows))


def _plot(
    setting: Setting, table: pd.DataFrame, ranked: pd.DataFrame | None, name: str, look: Mapping[str, Mark]
) -> Plot:
    order = [str(method) for method in overall_table(table, ranked, setting.readings).index]
    last = setting.readings[-1]
    ends = (f"{method} {scientific(float((1 - table.xs(method, level='method')[last]).mean()))}" for method in order)
    return Plot(
        f"{name}-curves",
        figures.curves_figure(table, order, look, setting),
        f"Mean regret and mean rank over evaluations. Mean regret at the end: {', '.join(ends)}",
        "Mean regret and mean rank over evaluations, all spaces pooled.",
    )


def _values(experiment: Experiment) -> pd.DataFrame:
    rows = []
    for setting, table in experiment.curves.items():
        for (method, space, dataset), group in table.groupby(level=["method", *curves.TASK], sort=True):
            regrets = {f"regret_{reading}": float(np.mean(1 - group[reading])) for reading in setting.readings}
            rows.append(
                {
                    "setting": setting.title,
                    "space": space,
                    "dataset": dataset,
                    "optimizer": method,
                    "trials": len(group),
                    **regrets,
                    "hyperparameters": experiment.hyperparameters[setting][str(method)],
                    "run_seconds": experiment.seconds[setting][str(method)],
                }
            )
    return pd.DataFrame(rows)
