"""One job, or the jobs of one program: what they are when tasks and optimizers are made, and how they run."""

from __future__ import annotations

import functools
import json
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import baselines
from qdbench.api import make
from qdbench.harness import batched, compiled, store, trial
from qdbench.harness.budget import Budget
from qdbench.harness.experiment import Finished, Job
from qdbench.harness.fingerprint import fingerprint
from qdbench.harness.plugins import is_pure
from qdbench.harness.provenance import provenance
from qdbench.harness.result import TrialConfig, TrialRecord, TrialResult
from qdbench.harness.trial import Prepared
from qdbench.protocols import Optimizer, Task, precision_of
from qdbench.spec import JsonScalar, TaskSpec

BATCH = 50
"""The most trials of one program that run as one call."""

_FEW = 10


def config_of(job: Job) -> TrialConfig:
    """The configuration that names the job's result.

    Raises:
        Exception: Whatever making the task or the optimizer raises.
    """
    made = _made(_Kind.of(job))
    return trial.configure(
        made.task.spec,
        _golden(job.task_id, job.arguments),
        made.optimizer or job.optimizer,
        job.repetition,
        made.budget,
        None if made.optimizer else dict(job.hyperparameters),
    )


def programs(jobs: Sequence[Job]) -> list[list[Job]]:
    """The jobs in groups that can share a compiled program, both in the order of their first job."""
    groups: dict[int, list[Job]] = {}
    for job in jobs:
        groups.setdefault(_program(_Kind.of(job)), []).append(job)
    return list(groups.values())


def chunks(jobs: Sequence[Job], workers: int = 1) -> list[list[Job]]:
    """The groups of :func:`programs` in pieces: what one worker takes at a time.

    Long enough that a program is compiled once or twice for all its trials, short enough to balance the workers; small
    trials run as one call of a program and come in larger pieces.

    Args:
        jobs: The jobs.
        workers: No piece is longer than an even share of all jobs for so many, to the cost of more compilations.
    """
    pieces = []
    share = -(-len(jobs) // workers)
    for group in programs(jobs):
        size = min(share, BATCH if _is_small(_Kind.of(group[0])) else _FEW)
        pieces += [group[first : first + size] for first in range(0, len(group), size)]
    return pieces


def separable(chunk: Sequence[Job]) -> list[Sequence[Job]]:
    """The parts of a chunk between which a worker may stop: the whole where it is run as one, else every job."""
    return [chunk] if _is_small(_Kind.of(chunk[0])) else [[job] for job in chunk]


def run_jobs(jobs: Sequence[Job], directory: Path) -> Iterator[Finished]:
    """Runs jobs of one program and stores their results; an error of an optimizer or a task is stored as a failure.

    Raises:
        StoreError: If a result cannot be written: that concerns every job, so it stops the run.
    """
    # Asked again, because a worker that outlived a killed run may have finished a trial meanwhile.
    stored = {job.label for job in jobs if store.is_finished(directory, config_of(job), job.keep_solutions)}
    yield from (Finished(job, "stored", {}) for job in jobs if job.label in stored)
    todo = [job for job in jobs if job.label not in stored]
    if todo:
        yield from _run(todo, directory)


def _run(jobs: Sequence[Job], directory: Path) -> Iterator[Finished]:
    try:
        results = results_of(jobs)
    except Exception as error:
        if len(jobs) == 1:
            yield record_failure(jobs[0], directory, f"{type(error).__name__}: {error}")
            return
        # Each alone, so that only what is bad fails.
        for job in jobs:
            yield from _run([job], directory)
        return
    for job, result in zip(jobs, results, strict=True):
        store.save_result(directory, result)
        yield Finished(job, "finished", result.metrics)


def record_failure(job: Job, directory: Path, error: str) -> Finished:
    """Stores that a job failed, and why.

    Raises:
        StoreError: If that cannot be written.
    """
    config = config_of(job)
    record = TrialRecord(
        config=config, status="failed", error=error, provenance=provenance(config.task.precision, "none")
    )
    store.save_failure(directory, record)
    return Finished(job, "failed", {}, error)


def results_of(jobs: Sequence[Job]) -> list[TrialResult]:
    """Runs jobs of one program, as one call of it where they are small.

    A small job that is alone takes the same program: the last bits of its result, which may differ between programs, do
    not depend on what ran beside it.
    """
    prepared = [_prepare(job) for job in jobs]
    keep, budget = jobs[0].keep_solutions, prepared[0].config.budget
    trials = [
        batched.Trial(item.task, item.optimizer, item.keys)
        for item in prepared
        if isinstance(item.task, Task) and isinstance(item.optimizer, Optimizer)
    ]
    if len(trials) == len(jobs) and _is_small(_Kind.of(jobs[0])):
        with precision_of(trials[0].task.spec):
            if batched.carried_bytes(*trials[0], keep) <= batched.SMALL_BYTES:
                outcomes = batched.run(trials, budget, keep, BATCH)
                return [
                    trial.result_of(item, outcome, "batched", keep)
                    for item, outcome in zip(prepared, outcomes, strict=True)
                ]
    if len(jobs) > 1:
        return [result for job in jobs for result in results_of([job])]
    return [trial.run_prepared(prepared[0], keep)]


def evaluations_of(rule: Budget, spec: TaskSpec, optimizer: Optimizer | None) -> int:
    """The number of evaluations that a rule gives.

    Args:
        rule: The rule.
        spec: The task's spec.
        optimizer: A pure optimizer; None for any other.

    Raises:
        ValueError: If iterations are to be counted of an optimizer that does not declare its batches.
    """
    if rule.evaluations is not None:
        return rule.evaluations
    if rule.per_dim is not None:
        return rule.per_dim * spec.dim
    if rule.iterations is None:
        return spec.budget
    if optimizer is None:
        raise ValueError("a budget of iterations needs an optimizer that declares its batches; give it evaluations")
    return rule.iterations * compiled.sizes(optimizer.iteration)[0]


class _Kind(NamedTuple):
    """A job without its repetition, as a key of caches."""

    task_id: str
    arguments: tuple[tuple[str, JsonScalar], ...]
    optimizer: str
    hyperparameters: str
    budget: Budget
    keep_solutions: bool

    @classmethod
    def of(cls, job: Job) -> _Kind:
        settings = json.dumps(job.hyperparameters, sort_keys=True)
        return cls(job.task_id, job.arguments, job.optimizer, settings, job.budget, job.keep_solutions)


class _Made(NamedTuple):
    """The task, the optimizer if its id is that of a pure one (others may have state), and the budget."""

    task: Task
    optimizer: Optimizer | None
    budget: int


@functools.lru_cache(maxsize=128)
def _made(kind: _Kind) -> _Made:
    task = _task(kind.task_id, kind.arguments)
    optimizer = None
    if is_pure(kind.optimizer):
        optimizer = baselines.make(kind.optimizer, task.spec, **dict(json.loads(kind.hyperparameters)))
    return _Made(task, optimizer, evaluations_of(kind.budget, task.spec, optimizer))


@functools.lru_cache(maxsize=128)
def _task(task_id: str, arguments: tuple[tuple[str, JsonScalar], ...]) -> Task:
    return make(task_id, **dict(arguments))


@functools.lru_cache(maxsize=16384)
def _golden(task_id: str, arguments: tuple[tuple[str, JsonScalar], ...]) -> str:
    return fingerprint(_task(task_id, arguments))


def _prepare(job: Job) -> Prepared:
    made = _made(_Kind.of(job))
    hyperparameters = None if made.optimizer else dict(job.hyperparameters)
    golden = _golden(job.task_id, job.arguments)
    return trial.prepare(
        made.task, made.optimizer or job.optimizer, job.repetition, made.budget, hyperparameters, golden
    )


_numbers: dict[Hashable, int] = {}


@functools.lru_cache(maxsize=65536)
def _program(kind: _Kind) -> int:
    """A number for each program; it stands for structures that would take much room in caches."""
    key: Hashable = kind
    try:
        made = _made(kind)
        if made.optimizer is not None and isinstance(made.task, Task):
            key = batched.signature(made.task, made.optimizer), made.budget, kind.keep_solutions
        return _numbers.setdefault(key, len(_numbers))
    except Exception:
        # What cannot be made fails when it is run; a structure that has no hash shares no program.
        return _numbers.setdefault(kind, len(_numbers))


def _is_small(kind: _Kind) -> bool:
    """Whether trials may be small enough to run together: an archive of the optimizer's would be, solutions and all."""
    try:
        made = _made(kind)
    except Exception:
        return False
    spec = made.task.spec
    archive: Any = spec.cells * (spec.dim + spec.num_measures + 1) * np.dtype(spec.precision).itemsize
    if made.optimizer is None or not isinstance(made.task, Task) or archive > batched.SMALL_BYTES:
        return False
    # Every trial of a call has a copy of its task: nothing for a data set.
    return sum(leaf.nbytes for leaf in jax.tree.leaves(made.task)) <= batched.SMALL_BYTES
