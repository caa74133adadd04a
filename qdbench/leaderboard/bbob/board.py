"""A board of BBOB: which of the two it is, and everything that its pages show."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import pandas as pd

from qdbench.harness.result import TrialRecord
from qdbench.leaderboard.aggregate import Results
from qdbench.leaderboard.bbob import data, precision_board, runtime_board, style
from qdbench.leaderboard.bbob.content import Content, Section
from qdbench.leaderboard.bbob.data import Experiment
from qdbench.leaderboard.bbob.style import Mark
from qdbench.leaderboard.tables import Table, records_table
from qdbench.wording import count

TITLES = {"precision": "BBOB: precision within a fixed budget", "runtimes": "BBOB: runtimes to fixed targets"}
Kind = Literal["precision", "runtimes"]
_LEFT_OUT = ("recorded",)


@dataclasses.dataclass(frozen=True)
class BbobBoard:
    """The contents of a BBOB board.

    Attributes:
        title: The heading.
        kind: ``"precision"`` or ``"runtimes"``.
        results: What was read from the files.
        experiment: The table of finished trials.
        brief: The ranking for a terminal.
        sections: What the pages show.
        values: What the CSV holds: one row for each setting, function and optimizer.
        look: The mark of each optimizer.
    """

    title: str
    kind: Kind
    results: Results
    experiment: Experiment
    brief: Table
    sections: tuple[Section, ...]
    values: pd.DataFrame
    look: dict[str, Mark]

    def description(self) -> str:
        """What was run, in one sentence."""
        trials = self.experiment.trials
        if trials.empty:
            return f"No finished trial; {len(self.results.failures):,} failed."
        counts = [trials["optimizer"].nunique(), trials["function"].nunique()]
        dims = ", ".join(str(dim) for dim in sorted(set(trials["dim"])))
        per_function = trials.groupby(["dim", "budget", "function", "optimizer"]).size()
        low, high = int(per_function.min()), int(per_function.max())
        of_each = f"{low}" if low == high else f"{low} to {high}"
        return (
            f"{count(counts[0], 'optimizer')} on {count(counts[1], 'function')} in dimension {dims}, "
            f"{of_each} trials of each on {count(trials['instance'].nunique(), 'instance')}, {len(trials):,} in all."
        )

    def provenance(self) -> dict[str, list[str]]:
        """The distinct values of each key of the provenance, but for the times of recording, which all differ."""
        found: dict[str, set[str]] = {}
        for trial in self.results.trials.values():
            for key, value in trial.record.provenance.items():
                found.setdefault(key, set()).add(value)
        return {key: sorted(values) for key, values in sorted(found.items()) if key not in _LEFT_OUT}

    def incidents(self) -> list[Table]:
        """The failed trials and the files that do not count."""
        tables = []
        if self.results.failures:
            titles = ("Function", "D", "Instance", "Optimizer", "Repetition", "Error")
            failures = sorted(self.results.failures.values(), key=lambda record: (*_place(record), record.error))
            rows = [dict(zip(titles, (*_place(record), record.error), strict=True)) for record in failures]
            tables.append(records_table("Failed trials", titles, rows))
        if self.results.problems:
            problems = [problem._asdict() for problem in self.results.problems]
            tables.append(records_table("Files that do not count", ("Kind", "File", "Reason"), problems))
        return tables


def kind_of(experiment: Experiment) -> Kind:
    """Which board the results make.

    Runtimes, as in COCO, where an optimizer's trials on a function and dimension are spread over several instances and
    every trial has a record of its targets. Otherwise precision within the budget, as in the paper of the learned GA,
    where repetitions share one instance.
    """
    keys = ["dim", "budget", "function", "optimizer"]
    spread = experiment.trials.groupby(keys)["instance"].nunique()
    several = bool(len(spread)) and int(spread.max()) > 1
    return "runtimes" if several and experiment.hits is not None else "precision"


def assemble(results: Results, title: str | None = None) -> BbobBoard:
    """Works out everything that the pages show.

    Args:
        results: Trials for which :func:`qdbench.leaderboard.bbob.data.is_bbob`.
        title: The heading.

    Raises:
        ValueError: If a task is there in two versions.
    """
    experiment = data.gather(results)
    kind = kind_of(experiment)
    look = style.marks(experiment.trials["optimizer"])
    made = _content(results, experiment, kind, look)
    return BbobBoard(
        title=" ".join((title or TITLES[kind]).split()),
        kind=kind,
        results=results,
        experiment=experiment,
        brief=made.brief,
        sections=made.sections,
        values=made.values,
        look=look,
    )


def _content(results: Results, experiment: Experiment, kind: Kind, look: dict[str, Mark]) -> Content:
    if experiment.trials.empty:
        return Content(Table("No finished trial", (), ()), (), pd.DataFrame())
    if kind == "runtimes":
        assert isinstance(experiment.hits, np.ndarray)
        return runtime_board.content(experiment, experiment.hits, look)
    return precision_board.content(results, experiment, look)


def _place(record: TrialRecord) -> tuple[int, int, int, str, int]:
    config = record.config
    function, instance = data.function_of(config), data.instance_of(config)
    return function, config.task.dim, instance, config.optimizer, config.repetition
