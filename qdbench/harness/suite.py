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
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qdbench.registry import UnknownNameError
from qdbench.spec import JsonScalar


class TaskChoice(BaseModel):
    """A task of a suite: its id and arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    arguments: dict[str, JsonScalar] = Field(default_factory=dict)


class OptimizerChoice(BaseModel):
    """An optimizer of a suite: an id or ``module:Class``, and hyperparameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    hyperparameters: dict[str, Any] = Field(default_factory=dict)


class Suite(BaseModel):
    """A named set of tasks and optimizers with a budget and a number of repetitions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str = ""
    repetitions: int = Field(ge=1)
    budget: int | None = Field(default=None, ge=1)
    tasks: tuple[TaskChoice, ...] = Field(min_length=1)
    optimizers: tuple[OptimizerChoice, ...] = Field(min_length=1)


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
