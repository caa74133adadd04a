"""One trial: a task, an optimizer and a repetition, run to the budget and scored by the harness."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import numpy as np

import baselines
from qdbench.api import make
from qdbench.arguments import takes_seed
from qdbench.harness import compiled, corrected, host, scoring, targets, trace
from qdbench.harness.compiled import Keys, Outcome, Progress
from qdbench.harness.design import beginning_with_design
from qdbench.harness.fingerprint import fingerprint
from qdbench.harness.plugins import foreign_code, is_pure, load_optimizer
from qdbench.harness.provenance import provenance
from qdbench.harness.result import TEST_COLUMN, FinalArchive, TrialConfig, TrialRecord, TrialResult
from qdbench.leaves import named_leaves
from qdbench.protocols import HostOptimizer, HostTask, Optimizer, Task, precision_of
from qdbench.random import key_from_names
from qdbench.spec import TaskSpec

OptimizerLike = str | Optimizer | HostOptimizer | Callable[[TaskSpec, int], HostOptimizer]


def run(
    task: str | Task | HostTask,
    optimizer: OptimizerLike,
    repetition: int = 0,
    budget: int | None = None,
    *,
    hyperparameters: dict[str, Any] | None = None,
    keep_solutions: bool = True,
    driver: Literal["auto", "compiled", "host"] = "auto",
    progress: Progress | None = None,
) -> TrialResult:
    """Runs one trial.

    The optimizer's evaluations are counted and every solution is inserted in the harness's own archive; a trial ends
    with the last whole iteration that fits the budget. Pure tasks and optimizers run as one compiled program, anything
    else in a Python loop. The same arguments give the same result on the same machine: keys are functions of the task
    id and arguments, the optimizer's name and the repetition, and evaluation keys are the same for all optimizers.

    Args:
        task: A task or the id of one.
        optimizer: A registered id, ``"module:Class"`` or ``"file.py:Class"``; a pure optimizer; an object with
            ``ask`` and ``tell``; or a class (or function) of ``(spec, seed)``, or of ``(spec)``, that makes one.
        repetition: Number of the repetition, 0 or more.
        budget: Evaluations; the task's standard budget if None.
        hyperparameters: For an optimizer given by name.
        keep_solutions: Whether the final archive holds the elites' parameters.
        driver: ``"auto"`` compiles what can be compiled; the host driver gives the same up to rounding, slowly.
        progress: Called with the fraction done and the metrics.

    Raises:
        UnknownNameError: If there is no such task or optimizer.
        BudgetError: If the budget does not hold one iteration.
        TrialError: If the optimizer raises or what it proposes cannot be evaluated.
    """
    if isinstance(task, str):
        task = make(task)
    prepared = prepare(task, optimizer, repetition, budget, hyperparameters)
    return run_prepared(prepared, keep_solutions, driver, progress)


class Prepared(NamedTuple):
    """A trial that is ready to run: the task, the optimizer itself, what decides the result, and its keys."""

    task: Task | HostTask
    optimizer: Optimizer | HostOptimizer
    config: TrialConfig
    keys: Keys

    @property
    def is_pure(self) -> bool:
        """Whether it can be compiled."""
        return isinstance(self.task, Task) and isinstance(self.optimizer, Optimizer)


def prepare(
    task: Task | HostTask,
    optimizer: OptimizerLike,
    repetition: int,
    budget: int | None,
    hyperparameters: dict[str, Any] | None = None,
    golden: str | None = None,
) -> Prepared:
    """Makes everything that a trial needs; the arguments are those of :func:`run`.

    Args:
        task: The task.
        optimizer: As for :func:`run`.
        repetition: As for :func:`run`.
        budget: As for :func:`run`.
        hyperparameters: As for :func:`run`.
        golden: The task's fingerprint if it is known.
    """
    if not isinstance(task, HostTask):
        raise TypeError(f"{task!r} is not a task: a task has a spec and evaluate(key, solutions, gradients=False)")
    if isinstance(optimizer, str) and is_pure(optimizer):
        # Made once, to be described and to be run.
        optimizer, hyperparameters = baselines.make(optimizer, task.spec, **(hyperparameters or {})), None
    config = configure(task.spec, golden or fingerprint(task), optimizer, repetition, budget, hyperparameters)
    with precision_of(task.spec):
        keys = keys_of(task.spec, config.optimizer, repetition)
        # The seed of a host optimizer is the first word of the key that a pure one gets.
        seed = 0 if isinstance(optimizer, Optimizer) else int(jax.random.key_data(keys.optimizer)[0])
        made = instantiate(optimizer, task.spec, hyperparameters, seed)
        return Prepared(task, beginning_with_design(task, made), config, keys)


def configure(
    spec: TaskSpec,
    golden: str,
    optimizer: OptimizerLike,
    repetition: int,
    budget: int | None,
    hyperparameters: dict[str, Any] | None = None,
) -> TrialConfig:
    """What decides the result of a trial, from the task's spec and fingerprint and what :func:`run` is given."""
    name, settings = describe(optimizer, spec, hyperparameters)
    return TrialConfig(
        task=spec,
        fingerprint=golden,
        optimizer=name,
        hyperparameters=settings,
        repetition=repetition,
        budget=spec.budget if budget is None else budget,
    )


def keys_of(spec: TaskSpec, optimizer: str, repetition: int) -> Keys:
    """The keys of a trial, functions of names alone."""
    names = spec.id, json.dumps(spec.arguments, sort_keys=True)
    return Keys(
        evaluation=key_from_names("evaluation", *names, repetition),
        optimizer=key_from_names("optimizer", optimizer, *names, repetition),
    )


def run_prepared(
    prepared: Prepared,
    keep_solutions: bool,
    driver: Literal["auto", "compiled", "host"] = "auto",
    progress: Progress | None = None,
) -> TrialResult:
    """Runs a prepared trial; see :func:`run`."""
    task, made, config, keys = prepared
    with precision_of(task.spec):
        if driver != "host" and isinstance(task, Task) and isinstance(made, Optimizer):
            outcome = compiled.run(task, made, keys, config.budget, keep_solutions, progress)
            return result_of(prepared, outcome, "compiled", keep_solutions)
        if driver == "compiled":
            raise TypeError(
                f"{task.spec.id} with {config.optimizer} cannot be compiled: one of them is not a pure JAX module"
            )
        outcome = host.run(task, made, config.optimizer, keys, config.budget, keep_solutions, progress)
        return result_of(prepared, outcome, "host", keep_solutions)


def result_of(prepared: Prepared, outcome: Outcome, driver: str, keep_solutions: bool) -> TrialResult:
    """The result of a trial that ran, in the precision of its task."""
    record = TrialRecord(
        config=prepared.config,
        status="finished",
        metrics=_metrics(outcome) | _corrected(prepared, outcome.score),
        provenance=provenance(prepared.task.spec.precision, driver),
    )
    hits = outcome.score.hits
    reached = None if hits is None else targets.table(np.asarray(hits.evaluations), np.asarray(hits.precision))
    return TrialResult(record, trace.frame(outcome.rows), _final_archive(outcome.score, keep_solutions), reached)


def describe(
    optimizer: OptimizerLike, spec: TaskSpec, hyperparameters: dict[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """The name and the settings of an optimizer as results record them.

    The settings of a pure optimizer are its array fields, batch sizes and static numbers; those of a host optimizer
    are what it was given and, for a class from a file or a module, the hash of its source, so that an edited optimizer
    runs again.
    """
    if isinstance(optimizer, str) and is_pure(optimizer):
        optimizer = baselines.make(optimizer, spec, **(hyperparameters or {}))
    if isinstance(optimizer, Optimizer):
        return optimizer.id, _settings(optimizer)
    settings = dict(hyperparameters or {})
    if not isinstance(optimizer, str):
        return _name_of(optimizer), settings | {"source": _source_hash(_definition_of(optimizer))}
    source = _source_hash(_definition_of(load_optimizer(optimizer)))
    return optimizer, settings | foreign_code(optimizer) | {"source": source}


def instantiate(
    optimizer: OptimizerLike, spec: TaskSpec, hyperparameters: dict[str, Any] | None, seed: int
) -> Optimizer | HostOptimizer:
    """The optimizer itself.

    Raises:
        TypeError: If it is nothing that can be asked and told.
    """
    settings = hyperparameters or {}
    made: Any = optimizer
    if isinstance(optimizer, str):
        if is_pure(optimizer):
            return baselines.make(optimizer, spec, **settings)
        made = load_optimizer(optimizer)
    if _definition_of(made) is made:
        made = made(spec, seed, **settings) if takes_seed(made) else made(spec, **settings)
    if isinstance(made, Optimizer | HostOptimizer):
        return made
    raise TypeError(
        f"{optimizer!r} is not an optimizer: it needs the methods ask() and tell(solutions, evaluation), "
        "or to be a class of (spec, seed) that has them"
    )


def _settings(optimizer: Optimizer) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    whole = {
        field.name: hashlib.sha256(json.dumps(_static_settings(getattr(optimizer, field.name), "")).encode())
        for field in dataclasses.fields(optimizer)
        if _is_digest(field)
    }
    for name, leaf in named_leaves(optimizer).items():
        array = np.asarray(leaf)
        if (owner := name.partition(".")[0]) in whole:
            # In one precision, so that the same parameters have the same digest on every task.
            whole[owner].update(name.encode() + np.ascontiguousarray(array, np.float64).tobytes())
        elif array.size <= 16:
            numbers = [trace.shortest(value) for value in array.ravel()]
            settings[name] = numbers if array.ndim else numbers[0]
        else:
            settings[name] = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
    settings |= {name: digest.hexdigest()[:16] for name, digest in whole.items()}
    for batch in optimizer.initial + optimizer.iteration:
        settings[f"batch.{batch.name}"] = batch.size
    return settings | _static_settings(optimizer, "")


def _static_settings(module: eqx.Module, prefix: str) -> dict[str, Any]:
    """The static numbers, flags and names of a module and its parts, but for those marked as derived from others."""
    settings: dict[str, Any] = {}
    for field in dataclasses.fields(module):
        value = getattr(module, field.name)
        if isinstance(value, eqx.Module) and not _is_digest(field):
            settings |= _static_settings(value, f"{prefix}{field.name}.")
        elif _is_setting(field) and isinstance(value, bool | int | float | str):
            settings[f"{prefix}{field.name}"] = value
    return settings


def _is_setting(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("static")) and not field.metadata.get("derived") and field.name != "id"


def _is_digest(field: dataclasses.Field[Any]) -> bool:
    """Whether a part with very many numbers, such as a network, is recorded as one digest."""
    return bool(field.metadata.get("digest"))


def _definition_of(optimizer: Any) -> Any:
    """A class or a function is its own definition; that of an object is its class."""
    return optimizer if inspect.isclass(optimizer) or inspect.isroutine(optimizer) else type(optimizer)


def _name_of(optimizer: Any) -> str:
    definition = _definition_of(optimizer)
    return f"{definition.__module__}:{definition.__qualname__}"


def _source_hash(target: Any) -> str:
    try:
        text = Path(inspect.getfile(target)).read_text()
    except (OSError, TypeError):
        return "unknown"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _metrics(outcome: Outcome) -> dict[str, int | float]:
    archive = outcome.score.archive
    qd_score, coverage, best_objective = trace.numbers(scoring.measure(outcome.score), archive.spec.cells)
    return {
        "qd_score": qd_score,
        "coverage": coverage,
        "best_objective": best_objective,
        "iterations": outcome.iterations,
        "evaluations": outcome.evaluations,
        "gradient_evaluations": outcome.gradient_evaluations,
        "compile_seconds": round(outcome.compile_seconds, 4),
        "run_seconds": round(outcome.run_seconds, 4),
        **_precision(outcome.score),
        **({} if outcome.score.incumbent is None else {TEST_COLUMN: outcome.rows[-1][-1]}),
    }


def _corrected(prepared: Prepared, score: scoring.Score) -> dict[str, float]:
    if not scoring.is_corrected(prepared.task.spec):
        return {}
    return corrected.correct(prepared.task, score.archive, prepared.keys)


def _precision(score: scoring.Score) -> dict[str, int | float]:
    if score.hits is None:
        return {}
    # Plus zero, because minus the objective 0 is -0.
    return {
        "precision": trace.shortest(-np.asarray(score.best_objective) + 0),
        "targets_reached": int((np.asarray(score.hits.evaluations) > 0).sum()),
    }


def _final_archive(score: scoring.Score, keep_solutions: bool) -> FinalArchive:
    archive = score.archive
    cells = np.flatnonzero(np.isfinite(np.asarray(archive.objective))).astype(np.int32)
    return FinalArchive(
        cells=cells,
        objective=np.asarray(archive.objective)[cells],
        measures=np.asarray(archive.measures)[cells],
        solutions=np.asarray(archive.solutions)[cells] if keep_solutions else None,
        shape=archive.spec.archive_shape,
    )
