"""Running many trials: what a suite asks for, less what is stored already, on one machine's cores."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from qdbench.harness import store
from qdbench.harness.budget import Budget
from qdbench.spec import JsonScalar


@dataclasses.dataclass(frozen=True)
class Job:
    """One trial as plain data, so that it can travel to another process."""

    task_id: str
    arguments: tuple[tuple[str, JsonScalar], ...]
    optimizer: str
    hyperparameters: tuple[tuple[str, Any], ...]
    repetition: int
    budget: Budget
    keep_solutions: bool

    @property
    def label(self) -> str:
        """A text for progress displays and messages, different for every job of a run."""
        options = "".join(f" {name}={value}" for name, value in self.arguments + self.hyperparameters)
        return f"{self.optimizer} on {self.task_id}{options}, repetition {self.repetition}"


@dataclasses.dataclass(frozen=True)
class Finished:
    """What became of a job: ``"finished"``, ``"failed"`` or ``"stored"`` (it was there already)."""

    job: Job
    status: str
    metrics: dict[str, int | float]
    error: str = ""


def plan(
    tasks: Sequence[tuple[str, dict[str, JsonScalar]]],
    optimizers: Sequence[tuple[str, dict[str, Any]]],
    repetitions: Sequence[int],
    budget: Budget | int | None,
    keep_solutions: bool,
) -> list[Job]:
    """All combinations."""
    chosen = budget if isinstance(budget, Budget) else Budget(budget)
    return [
        Job(
            task_id,
            tuple(sorted(arguments.items())),
            optimizer,
            tuple(sorted(hyperparameters.items())),
            repetition,
            chosen,
            keep_solutions,
        )
        for task_id, arguments in tasks
        for optimizer, hyperparameters in optimizers
        for repetition in repetitions
    ]


def shard(jobs: Sequence[Job], index: int, count: int) -> list[Job]:
    """One of ``count`` parts of the jobs; jobs that share a program stay together.

    A part depends on the jobs alone, so machines need not know of each other. The programs are dealt out in the order
    of hashes, which mixes cheap and expensive ones.

    Args:
        jobs: What a suite asks for, finished or not.
        index: 1 .. count.
        count: Number of parts.

    Raises:
        ValueError: If there is no such part.
    """
    from qdbench.harness.jobs import programs

    if not 1 <= index <= count:
        raise ValueError(f"there is no shard {index}/{count}: shards are 1/{count} .. {count}/{count}")
    groups = sorted(programs(jobs), key=lambda group: hashlib.sha256(group[0].label.encode()).hexdigest())
    return [job for group in groups[index - 1 :: count] for job in group]


Executor = Callable[[Sequence[Job], Path], Iterator[Finished]]


def run_all(jobs: Sequence[Job], directory: Path, executor: Executor) -> Iterator[Finished]:
    """Runs the jobs that have no stored result yet and yields what became of each, stored ones first.

    Raises:
        StoreError: If the folder cannot be written; everything finished before stays.
    """
    from qdbench.harness.jobs import config_of

    store.check_writable(directory)
    todo = []
    for job in jobs:
        try:
            stored = store.is_finished(directory, config_of(job), job.keep_solutions)
        except Exception as error:
            yield Finished(job, "failed", {}, f"{type(error).__name__}: {error}")
            continue
        if stored:
            yield Finished(job, "stored", {})
        else:
            todo.append(job)
    if todo:
        yield from executor(todo, directory)
