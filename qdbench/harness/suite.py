"""Suites: which optimizers meet which tasks, how often and with what budget. A suite is a TOML file.

.. code-block:: toml

    name = "quick"
    summary = "..."
    repetitions = 3
    budget = 36_100                       # optional; else every task's standard budget

    [[tasks]]
    id = "LP-Sphere-v0"
    arguments = { dim = 100 }             # optional

    [[optimizers]]
    id = "map-elites"
    hyperparameters = { sigma = 0.3 }     # optional; else the published ones for the task

Instead of ``budget`` (evaluations) a suite may have ``budget_per_dim`` (so many times the number of parameters) or
``iterations`` (so many times the evaluations of one iteration, an initial population counting as the first). A task
or an optimizer may have a ``grid`` beside its arguments: all combinations are meant, the last name varying fastest. A
range of integers may be written as text:

.. code-block:: toml

    [[tasks]]
    id = "BBOB-v0"
    grid = { function = "1-24", dim = [2, 5, 10], instance = "1-15" }
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from qdbench.harness.budget import Budget
from qdbench.registry import UnknownNameError
from qdbench.spec import JsonScalar

Grid = dict[str, tuple[JsonScalar, ...]]

_RANGE = re.compile(r"(-?[0-9]{1,9})-(-?[0-9]{1,9})")
_MOST = 10_000


def read_grid(value: Any) -> Any:
    """A grid with its ranges, such as ``"1-24"``, written out; what is no grid is left to pydantic to refuse.

    Raises:
        ValueError: If a range is empty or very long.
    """
    if not isinstance(value, Mapping):
        return value
    return {name: _values(name, choices) for name, choices in value.items()}


def _values(name: str, choices: Any) -> Any:
    if not isinstance(choices, str):
        return choices
    match = _RANGE.fullmatch(choices)
    if match is None:
        raise ValueError(f"grid: {name} must be a list or a range of integers such as '1-24', but it is {choices!r}")
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + _MOST:
        raise ValueError(f"grid: the range {choices!r} of {name} has {max(0, last - first + 1)} values")
    return tuple(range(first, last + 1))


def combinations(fixed: Mapping[str, Any], grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """All combinations of a grid, each with what is fixed; the last name varies fastest."""
    return [{**fixed, **dict(zip(grid, values, strict=True))} for values in itertools.product(*grid.values())]


class _Choice(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    grid: Grid = Field(default_factory=dict)

    @field_validator("grid", mode="before")
    @classmethod
    def _ranges(cls, value: Any) -> Any:
        return read_grid(value)

    def _check(self, fixed: Mapping[str, Any]) -> None:
        for name, values in self.grid.items():
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{self.id}: the grid's {name} must be a list of different values, but it is {values}")
            if name in fixed:
                raise ValueError(f"{self.id}: {name} is given twice, once in the grid")


class TaskChoice(_Choice):
    """A task of a suite: its id and arguments, or a grid of them."""

    arguments: dict[str, JsonScalar] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _once(self) -> TaskChoice:
        self._check(self.arguments)
        return self

    def all_arguments(self) -> list[dict[str, JsonScalar]]:
        """The arguments of every task that is meant."""
        return combinations(self.arguments, self.grid)


class OptimizerChoice(_Choice):
    """An optimizer of a suite: an id or ``module:Class``, and hyperparameters, or a grid of them."""

    hyperparameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _once(self) -> OptimizerChoice:
        self._check(self.hyperparameters)
        return self

    def all_hyperparameters(self) -> list[dict[str, Any]]:
        """The hyperparameters of every optimizer that is meant."""
        return combinations(self.hyperparameters, self.grid)


class Suite(BaseModel):
    """A named set of tasks and optimizers with a budget and a number of repetitions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str = ""
    repetitions: int = Field(ge=1)
    budget: int | None = Field(default=None, ge=1)
    budget_per_dim: int | None = Field(default=None, ge=1)
    iterations: int | None = Field(default=None, ge=1)
    tasks: tuple[TaskChoice, ...] = Field(min_length=1)
    optimizers: tuple[OptimizerChoice, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_budget(self) -> Suite:
        given = [name for name in ("budget", "budget_per_dim", "iterations") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"a suite has one kind of budget, but this one has {' and '.join(given)}")
        return self

    def all_tasks(self) -> list[tuple[str, dict[str, JsonScalar]]]:
        """Ids and arguments of all tasks."""
        return [(choice.id, arguments) for choice in self.tasks for arguments in choice.all_arguments()]

    def all_optimizers(self) -> list[tuple[str, dict[str, Any]]]:
        """Ids and hyperparameters of all optimizers."""
        return [(choice.id, settings) for choice in self.optimizers for settings in choice.all_hyperparameters()]

    def rule(self) -> Budget:
        """The budget of its trials."""
        return Budget(self.budget, self.budget_per_dim, self.iterations)


def named(ids: Sequence[str] | None, choices: Sequence[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """What is meant by ids beside a suite: the suite's own choices of an id, or the id without any settings.

    Args:
        ids: As they were given; none: all of the suite's.
        choices: The suite's, ids with settings.
    """
    if not ids:
        return list(choices)
    return [choice for id in ids for choice in ([own for own in choices if own[0] == id] or [(id, {})])]


def suite_names() -> list[str]:
    """The suites that come with qdbench."""
    folder = resources.files("qdbench") / "suites"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_suite(name: str) -> Suite:
    """Loads a suite by its name or the path of a TOML file.

    Raises:
        UnknownNameError: If there is neither.
        ValueError: If the file is not a suite, with what is wrong.
    """
    path = Path(name)
    if name in suite_names():
        text = (resources.files("qdbench") / "suites" / f"{name}.toml").read_text()
    elif path.suffix == ".toml" and path.is_file():
        text = path.read_text()
    else:
        raise UnknownNameError(
            f"no suite {name!r}: the suites are {', '.join(suite_names())}; the path of a .toml file is a suite too"
        )
    try:
        return Suite.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ValueError(f"suite {name!r} is not valid: {error}") from error
