"""From a record back to the job that it is a record of: nothing else is needed to run a trial again."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import baselines
from qdbench.api import make
from qdbench.harness.budget import Budget
from qdbench.harness.experiment import Job
from qdbench.harness.jobs import config_of
from qdbench.harness.result import TrialConfig
from qdbench.harness.trial import describe
from qdbench.registry import OPTIMIZERS
from qdbench.spec import TaskSpec

_SOURCE = "source"
_ABSENT = "absent"


class RebuildError(ValueError):
    """A record of which no job of this installation is the origin; the message says what differs."""


def job_of(config: TrialConfig) -> Job:
    """The job whose configuration is exactly this one.

    Raises:
        RebuildError: If there is none: the task or the optimizer does not exist here, or it is another one by now.
    """
    try:
        spec = make(config.task.id, **config.task.arguments).spec
        if spec != config.task:
            raise RebuildError(f"the task {config.task.id} is another one here: {_differences(config.task, spec)}")
        job = Job(
            task_id=config.task.id,
            arguments=tuple(sorted(config.task.arguments.items())),
            optimizer=config.optimizer,
            hyperparameters=tuple(sorted(_arguments(config, spec).items())),
            repetition=config.repetition,
            budget=Budget(config.budget),
            keep_solutions=False,
        )
        found = config_of(job)
    except RebuildError:
        raise
    except Exception as error:
        raise RebuildError(f"it cannot be made here: {type(error).__name__}: {error}") from error
    if found != config:
        raise RebuildError(f"another configuration comes out: {_differences(config, found)}")
    return job


def arguments_of(id: str, spec: TaskSpec, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of :func:`baselines.make` that give an optimizer with exactly these settings.

    Settings are what an optimizer became, not what it was asked for: an elite ratio is there as a number of elites. So
    arguments are searched, one at a time, each time the one after which the fewest settings differ, where those
    that are called as a setting do not give all of them. What is returned
    gives the recorded settings, whichever of several such arguments were given at the time.

    Args:
        id: A registered optimizer.
        spec: The task's spec.
        recorded: The settings, as :func:`qdbench.harness.trial.describe` gives them.

    Raises:
        RebuildError: If no such arguments are found, with the settings that differ.
    """
    factory, bound = OPTIMIZERS.resolve(id)
    names = [name for name in inspect.signature(factory).parameters if name not in ("spec", *bound)]
    plain: tuple[tuple[str, Any], ...] = ()
    starts = [
        (start, _differing(_settings(id, spec, dict(start)), recorded))
        for start in (plain, _namesakes(names, recorded))
    ]
    chosen, differing = min(starts, key=lambda start: len(start[1]))
    given = dict(chosen)
    while differing:
        choices = [
            (len(left), _unlikeness(name, differing), given | {name: value}, left)
            for name in names
            if name not in given
            for value in _candidates(differing, recorded)
            if len(left := _differing(_settings(id, spec, given | {name: value}), recorded)) < len(differing)
        ]
        if not choices:
            raise RebuildError(f"no arguments of {id} give the recorded settings: {_shown(differing)}")
        _, _, given, differing = min(choices, key=lambda choice: choice[:2])
    return given


def _namesakes(names: Iterable[str], recorded: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The values of settings that are called as an argument is, on their own or within a part of the optimizer."""
    last = {setting.rpartition(".")[2]: value for setting, value in recorded.items()}
    return tuple((name, last[name]) for name in names if isinstance(last.get(name), bool | int | float | str))


def _arguments(config: TrialConfig, spec: TaskSpec) -> dict[str, Any]:
    if config.optimizer in OPTIMIZERS:
        return arguments_of(config.optimizer, spec, config.hyperparameters)
    return {name: value for name, value in config.hyperparameters.items() if name != _SOURCE}


def _settings(id: str, spec: TaskSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that arguments give; none for arguments that are refused."""
    try:
        return describe(baselines.make(id, spec, **given), spec)[1]
    except (TypeError, ValueError, RuntimeError):
        return {}


def _differing(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What is wanted and what is found, by the names of the settings that differ."""
    return {
        name: (wanted.get(name, _ABSENT), found.get(name, _ABSENT))
        for name in sorted({*found, *wanted})
        if found.get(name, _ABSENT) != wanted.get(name, _ABSENT)
    }


def _candidates(differing: Mapping[str, tuple[Any, Any]], recorded: Mapping[str, Any]) -> Iterator[Any]:
    """The wanted values themselves, as a batch with one solution more, and as shares of a batch."""
    sizes = [value for name, value in recorded.items() if name.startswith("batch.") and isinstance(value, int)]
    values = [wanted for wanted, _ in differing.values() if isinstance(wanted, bool | int | float | str)]
    yield from dict.fromkeys(values)
    for value in dict.fromkeys(values):
        if isinstance(value, int) and not isinstance(value, bool):
            yield value + 1
            for size in dict.fromkeys(sizes):
                yield value / size
                yield (value + 0.5) / size


def _unlikeness(argument: str, differing: Mapping[str, tuple[Any, Any]]) -> int:
    """0 for an argument that is called as a differing setting is, else 1."""
    return int(argument not in {part for name in differing for part in name.split(".")})


def _differences(wanted: TaskSpec | TrialConfig, found: TaskSpec | TrialConfig) -> str:
    return _shown(_differing(found.model_dump(mode="json"), wanted.model_dump(mode="json")))


def _shown(differing: Mapping[str, tuple[Any, Any]]) -> str:
    pairs = ((name, *pair) for name, pair in differing.items())
    return "; ".join(f"{name} is recorded as {wanted!r}, but is {found!r}" for name, wanted, found in pairs)
