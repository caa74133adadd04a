"""Running many trials: what a suite asks for, less what is stored already, on one machine's cores."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from qdbench.harness import store
from qdbench.harness.result import TrialConfig, TrialRecord
from qdbench.spec import JsonScalar, TaskSpec


@dataclasses.dataclass(frozen=True)
class Job:
    """One trial as plain data, so that it can travel to another process."""

    task_id: str
    arguments: tuple[tuple[str, JsonScalar], ...]
    optimizer: str
    hyperparameters: tuple[tuple[str, Any], ...]
    repetition: int
    budget: int | None
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
    budget: int | None,
    keep_solutions: bool,
) -> list[Job]:
    """All combinations; jobs that share a compiled program are neighbours."""
    return [
        Job(
            task_id,
            tuple(sorted(arguments.items())),
            optimizer,
            tuple(sorted(hyperparameters.items())),
            repetition,
            budget,
            keep_solutions,
        )
        for task_id, arguments in tasks
        for optimizer, hyperparameters in optimizers
        for repetition in repetitions
    ]


def config_of(job: Job) -> TrialConfig:
    """The configuration that names the job's result.

    Raises:
        Exception: Whatever making the task or the optimizer raises.
    """
    from qdbench.harness.trial import describe

    spec, golden = _identify(job.task_id, job.arguments)
    name, settings = describe(job.optimizer, spec, dict(job.hyperparameters))
    return TrialConfig(
        task=spec,
        fingerprint=golden,
        optimizer=name,
        hyperparameters=settings,
        repetition=job.repetition,
        budget=spec.budget if job.budget is None else job.budget,
    )


@functools.lru_cache(maxsize=1024)
def _identify(task_id: str, arguments: tuple[tuple[str, JsonScalar], ...]) -> tuple[TaskSpec, str]:
    """A registered task's spec and fingerprint."""
    from qdbench.api import make
    from qdbench.harness.fingerprint import fingerprint

    task = make(task_id, **dict(arguments))
    return task.spec, fingerprint(task)


def run_job(job: Job, directory: Path) -> Finished:
    """Runs one job and stores its result; an error of the optimizer or the task is stored as a failure.

    Raises:
        StoreError: If the result cannot be written: that concerns every job, so it stops the run.
    """
    from qdbench.api import make
    from qdbench.harness.trial import run

    # Asked again, because a worker that outlived a killed run may have finished the trial meanwhile.
    if store.is_finished(directory, config_of(job), job.keep_solutions):
        return Finished(job, "stored", {})
    try:
        result = run(
            make(job.task_id, **dict(job.arguments)),
            job.optimizer,
            job.repetition,
            job.budget,
            hyperparameters=dict(job.hyperparameters),
            keep_solutions=job.keep_solutions,
        )
    except Exception as error:
        return record_failure(job, directory, f"{type(error).__name__}: {error}")
    store.save_result(directory, result)
    return Finished(job, "finished", result.metrics)


def record_failure(job: Job, directory: Path, error: str) -> Finished:
    """Stores that a job failed, and why.

    Raises:
        StoreError: If that cannot be written.
    """
    from qdbench.harness.provenance import provenance

    config = config_of(job)
    record = TrialRecord(
        config=config, status="failed", error=error, provenance=provenance(config.task.precision, "none")
    )
    store.save_failure(directory, record)
    return Finished(job, "failed", {}, error)


Executor = Callable[[Sequence[Job], Path], Iterator[Finished]]


def run_all(jobs: Sequence[Job], directory: Path, executor: Executor) -> Iterator[Finished]:
    """Runs the jobs that have no stored result yet and yields what became of each, stored ones first.

    Raises:
        StoreError: If the folder cannot be written; everything finished before stays.
    """
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
