"""What a meta-evolution is made of. A configuration is a TOML file; presets come with qdbench.

.. code-block:: toml

    optimizer = "baselines.learned_ga.lga:make_zero"   # an id, or a factory of a spec and hyperparameters
    hyperparameters = { batch_size = 16 }
    evolve = ["operators"]                              # the optimizer's arrays whose names start like this
    draw = { sigma = [0.01, 0.5] }                      # arrays that each task draws uniformly
    generations = 50                                    # of an inner loop

    members = 256                                       # meta-population
    tasks_per_generation = 100
    meta_generations = 750
    mean_decay = 0.005

    [[tasks]]
    id = "BBOB-F01-v0"
    arguments = { precision = "float32", measures = false }
    grid = { dim = [2, 4, 7, 10] }
    pool = { instance = "1001-1128" }                   # each task draws one of these
"""

from __future__ import annotations

import math
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from qdbench.harness.suite import Grid, combinations, read_grid
from qdbench.registry import UnknownNameError
from qdbench.spec import JsonScalar


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Schedule(_Part):
    """A number that decays by a factor in every meta-generation, down to a last value."""

    first: float = Field(gt=0)
    decay: float = Field(default=1.0, gt=0, le=1)
    last: float = Field(default=0.0, ge=0)

    def at(self, generation: int) -> float:
        """``max(last, first * decay^generation)``."""
        return max(self.last, self.first * self.decay**generation)


class TaskFamily(_Part):
    """Tasks of one id: every combination of the grid is as likely, and so is every value of the pool.

    The grid may hold arguments that change shapes; values of the pool share a program.
    """

    id: str
    arguments: dict[str, JsonScalar] = Field(default_factory=dict)
    grid: Grid = Field(default_factory=dict)
    pool: Grid = Field(default_factory=dict)

    @field_validator("grid", "pool", mode="before")
    @classmethod
    def _ranges(cls, value: Any) -> Any:
        return read_grid(value)

    @model_validator(mode="after")
    def _one_pool(self) -> TaskFamily:
        if len(self.pool) > 1:
            raise ValueError(f"{self.id}: a pool has one argument, but this one has {', '.join(self.pool)}")
        if any(not values for values in (*self.grid.values(), *self.pool.values())):
            raise ValueError(f"{self.id}: a grid and a pool need at least one value of each argument")
        return self

    def variants(self) -> list[dict[str, JsonScalar]]:
        """The arguments of each combination of the grid, without the pool's."""
        return combinations(self.arguments, self.grid)


class Networks(_Part):
    """Evaluation on tasks of another scale than the rest, such as the weights of networks, with their own settings.

    Attributes:
        tasks: All combinations of their grids and pools. The best objective that is possible must be 0.
        hyperparameters: Of the optimizer, where they differ from those of the inner loops.
        reference_hyperparameters: Of the evaluation's reference.
        repetitions: Of each task.
        generations: Of an inner loop, the initial population not counted.
    """

    tasks: tuple[TaskFamily, ...] = Field(min_length=1)
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    reference_hyperparameters: dict[str, Any] = Field(default_factory=dict)
    repetitions: int = Field(default=2, ge=1)
    generations: int = Field(default=24, ge=1)


class Evaluation(_Part):
    """How the mean is evaluated along the way: on tasks, beside a reference optimizer with its own settings.

    Attributes:
        every: Meta-generations between two evaluations.
        seen: Tasks of the kinds that it is evolved on: all combinations of their grids and pools.
        unseen: Others.
        networks: Others with settings of their own.
        hyperparameters: Of the optimizer, where they differ from those of the inner loops.
        reference: The id of a registered optimizer.
        reference_hyperparameters: Its own.
        repetitions: Of each task.
        generations: Of an inner loop, the initial population not counted.
    """

    every: int = Field(default=25, ge=1)
    seen: tuple[TaskFamily, ...] = ()
    unseen: tuple[TaskFamily, ...] = ()
    networks: tuple[Networks, ...] = ()
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    reference: str = "gaussian-ga"
    reference_hyperparameters: dict[str, Any] = Field(default_factory=dict)
    repetitions: int = Field(default=10, ge=1)
    generations: int = Field(default=49, ge=1)


class MetaConfig(_Part):
    """A whole meta-evolution; the defaults are those of lange2023lga where they give one.

    Attributes:
        optimizer: A registered id, or ``module:factory``.
        hyperparameters: Of the inner loops' optimizer.
        evolve: Beginnings of the names of the arrays that are evolved; they start from the values that the factory
            gives them.
        draw: Names of arrays that each task draws uniformly from an interval.
        tasks: The families; each is as likely as another.
        noise: The share of tasks whose objective is noisy (the models of bbob-noisy, moderate and severe, each as
            likely). The optimizer sees the noise, the meta-fitness does not.
        generations: Of an inner loop, the initial population not counted.
        members: The meta-population; even, as its members come in mirrored pairs.
        tasks_per_generation: All members meet the same tasks, with the same random numbers.
        meta_generations: Of the outer loop.
        sigma: Of the outer loop's distribution.
        learning_rate: Of the outer loop's Adam.
        mean_decay: lambda; after each step the mean is multiplied by 1 - lambda.
        fitness: The best of the last generation (``"final"``), or of all (``"best"``).
        normalisation: What makes results on one task comparable over members: z-scores or centred ranks.
        aggregate: Over tasks.
        seed: Of everything.
        evaluation: Along the way.
        checkpoint_every: Meta-generations between two checkpoints.
    """

    optimizer: str
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    evolve: tuple[str, ...] = Field(min_length=1)
    draw: dict[str, tuple[float, float]] = Field(default_factory=dict)
    tasks: tuple[TaskFamily, ...] = Field(min_length=1)
    noise: float = Field(default=0.0, ge=0, le=1)
    generations: int = Field(default=50, ge=1)
    members: int = Field(default=512, ge=2, multiple_of=2)
    tasks_per_generation: int = Field(default=256, ge=1)
    meta_generations: int = Field(default=750, ge=1)
    sigma: Schedule = Schedule(first=0.1, decay=0.999, last=0.001)
    learning_rate: Schedule = Schedule(first=0.01, decay=0.999, last=0.001)
    mean_decay: float = Field(default=0.005, ge=0, lt=1)
    fitness: Literal["final", "best"] = "final"
    normalisation: Literal["z-score", "rank"] = "z-score"
    aggregate: Literal["median", "mean"] = "median"
    seed: int = Field(default=0, ge=0, lt=2**32)
    evaluation: Evaluation = Evaluation()
    checkpoint_every: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _intervals(self) -> MetaConfig:
        for name, (low, high) in self.draw.items():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(
                    f"draw: the interval of {name} must be finite numbers in order, but it is [{low}, {high}]"
                )
        return self

    def search(self) -> dict[str, Any]:
        """The part that decides the parameters after a number of meta-generations."""
        return self.model_dump(mode="json", exclude={"meta_generations", "checkpoint_every"})


def preset_names(optimizer: str) -> list[str]:
    """The presets of an optimizer, such as ``cpu`` of ``lga``."""
    prefix = f"{optimizer}-"
    names = (item.name for item in (resources.files("qdbench.metabbo") / "presets").iterdir())
    return sorted(name.removeprefix(prefix).removesuffix(".toml") for name in names if name.startswith(prefix))


def load_preset(optimizer: str, preset: str, changes: dict[str, Any]) -> MetaConfig:
    """A preset with some of its entries changed.

    Raises:
        UnknownNameError: If there is no such preset.
        ValueError: If an entry is not valid.
    """
    known = preset_names(optimizer)
    if preset not in known:
        raise UnknownNameError(f"no preset {preset!r} of {optimizer!r}: it has {', '.join(known) or 'none'}")
    text = (resources.files("qdbench.metabbo") / "presets" / f"{optimizer}-{preset}.toml").read_text()
    return _validated(f"preset {optimizer}-{preset}", text, changes)


def load_config(path: Path, changes: dict[str, Any]) -> MetaConfig:
    """The configuration of a file with some of its entries changed.

    Raises:
        UnknownNameError: If there is no such file.
        ValueError: If it is not a configuration, with what is wrong.
    """
    if not path.is_file():
        raise UnknownNameError(f"no file {path}; `qdbench meta-train --help` shows the presets")
    try:
        text = path.read_text()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    return _validated(str(path), text, changes)


def _validated(name: str, text: str, changes: dict[str, Any]) -> MetaConfig:
    try:
        return MetaConfig.model_validate({**tomllib.loads(text), **changes})
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ValueError(f"{name} is not a valid configuration: {error}") from error
