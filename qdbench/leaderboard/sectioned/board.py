"""What every board of sections has, whichever benchmark it is of."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections import Counter, defaultdict
from typing import Any, ClassVar, NamedTuple

import pandas as pd

from qdbench.harness.result import TrialRecord
from qdbench.leaderboard.aggregate import Results, StoredTrial
from qdbench.leaderboard.board import COMMANDS
from qdbench.leaderboard.provenance import distinct
from qdbench.leaderboard.sectioned.content import Section
from qdbench.leaderboard.sectioned.style import Mark
from qdbench.leaderboard.tables import Table, problems_tables, records_table
from qdbench.spec import TaskSpec


class Place(NamedTuple):
    """Where a trial stands on a board: the task's place among the tasks, the task's label and the optimizer's."""

    order: tuple[Any, ...]
    task: str
    optimizer: str


class TaskGroup(NamedTuple):
    """A task of a board with the trials that are compared on it.

    Attributes:
        label: What the board calls it.
        spec: The task's spec.
        budget: Evaluations of a trial.
        trials: The finished trials of each optimizer, by its label.
        failures: How many trials of an optimizer failed, where some did.
    """

    label: str
    spec: TaskSpec
    budget: int
    trials: dict[str, list[StoredTrial]]
    failures: Counter[str]


@dataclasses.dataclass(frozen=True)
class SectionedBoard(abc.ABC):
    """The contents of a board.

    Attributes:
        title: The heading.
        results: What was read from the files.
        brief: The ranking for a terminal.
        sections: What the pages show.
        values: What the CSV holds: one row for each setting, function or task, and optimizer.
        look: The mark of each optimizer.
        least: A smaller score counts as this one.
        commands: What makes the board again.
    """

    least: ClassVar[float] = 0.0
    commands: ClassVar[tuple[str, ...]] = COMMANDS

    title: str
    results: Results
    brief: Table
    sections: tuple[Section, ...]
    values: pd.DataFrame
    look: dict[str, Mark]

    @abc.abstractmethod
    def description(self) -> str:
        """What was run, in one sentence."""

    @abc.abstractmethod
    def places(self) -> dict[str, Place]:
        """Where each trial stands, by its digest, failed trials among them."""

    @abc.abstractmethod
    def names_of(self, record: TrialRecord) -> dict[str, str | int]:
        """What tells a trial from all others, by the headings of a table."""

    @functools.cached_property
    def groups(self) -> list[TaskGroup]:
        """The tasks with finished trials, in their order."""
        places = self.places()
        finished: dict[tuple[Any, ...], dict[str, list[StoredTrial]]] = defaultdict(lambda: defaultdict(list))
        failures: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        for digest in sorted(places, key=lambda digest: (places[digest], digest)):
            order, _, optimizer = places[digest]
            if digest in self.results.trials:
                finished[order][optimizer].append(self.results.trials[digest])
            else:
                failures[order][optimizer] += 1
        labels = {place.order: place.task for place in places.values()}
        configs = {order: next(iter(found.values()))[0].record.config for order, found in finished.items()}
        return [
            TaskGroup(labels[order], configs[order].task, configs[order].budget, dict(found), failures[order])
            for order, found in finished.items()
        ]

    def provenance(self) -> dict[str, list[str]]:
        """The distinct values of each key of the provenance, but for the times of recording, which all differ."""
        return distinct(trial.record.provenance for trial in self.results.trials.values())

    def incidents(self) -> list[Table]:
        """The failed trials and the files that do not count."""
        tables = []
        if self.results.failures:
            rows = [self.names_of(record) | {"Error": record.error} for record in self.results.failures.values()]
            rows.sort(key=lambda row: tuple(row.values()))
            tables.append(records_table("Failed trials", tuple(rows[0]), rows))
        return tables + problems_tables(self.results.problems)
