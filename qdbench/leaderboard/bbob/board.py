"""A board of BBOB: which of the two it is, and everything that its pages show."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from qdbench.harness.result import TrialRecord
from qdbench.leaderboard.aggregate import Results
from qdbench.leaderboard.bbob import data, precision_board, runtime_board
from qdbench.leaderboard.bbob.data import Experiment
from qdbench.leaderboard.bbob.functions import title as title_of
from qdbench.leaderboard.sectioned import style
from qdbench.leaderboard.sectioned.board import Place, SectionedBoard
from qdbench.leaderboard.sectioned.content import Content
from qdbench.leaderboard.sectioned.style import Mark
from qdbench.leaderboard.tables import Table
from qdbench.wording import count

TITLES = {"precision": "BBOB: precision within a fixed budget", "runtimes": "BBOB: runtimes to fixed targets"}
Kind = Literal["precision", "runtimes"]

_LEAST_RUNTIME = 100


@dataclasses.dataclass(frozen=True)
class BbobBoard(SectionedBoard):
    """The contents of a BBOB board.

    Attributes:
        kind: ``"precision"`` or ``"runtimes"``.
        experiment: The table of finished trials.
    """

    least: ClassVar[float] = data.FLOOR

    kind: Kind
    experiment: Experiment

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

    def places(self) -> dict[str, Place]:
        """A task is a function in a dimension and budget, over all instances."""
        records = self.results.records()
        several = len({record.config.budget for record in records.values()}) > 1
        found = {}
        for digest, (_, optimizer) in self.results.labels.items():
            config = records[digest].config
            function, dim, budget = data.function_of(config), config.task.dim, config.budget
            task = f"{title_of(function)}, D = {dim}" + (f", {budget:,}" if several else "")
            found[digest] = Place((dim, budget, function), task, optimizer)
        return found

    def names_of(self, record: TrialRecord) -> dict[str, str | int]:
        """Function, dimension, instance, optimizer and repetition."""
        config = record.config
        return {
            "Function": data.function_of(config),
            "D": config.task.dim,
            "Instance": data.instance_of(config),
            "Optimizer": config.optimizer,
            "Repetition": config.repetition,
        }


def kind_of(experiment: Experiment) -> Kind:
    """Which board the results make.

    Runtimes, as in COCO, where an optimizer's trials on a function and dimension are spread over several instances,
    have 100 evaluations a parameter or more (COCO's expensive setting) and a record of their targets. Otherwise
    precision within the budget, as in the paper of the learned GA, whose trials are too short to reach most targets.
    """
    trials = experiment.trials
    long = trials[trials["budget"] >= _LEAST_RUNTIME * trials["dim"]]
    spread = long.groupby(["dim", "budget", "function", "optimizer"])["instance"].nunique()
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
        return runtime_board.content(results, experiment, experiment.hits, look)
    return precision_board.content(results, experiment, look)
