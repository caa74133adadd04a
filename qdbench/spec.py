"""What a task is, as plain data: :class:`TaskSpec` goes to JSON and back and needs no JAX."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

JsonScalar = str | int | float | bool | None

_LATER_FIELDS = ("f_opt", "target", "outside", "test_episodes")


def _check_interval(name: str, low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"{name}: the interval [{low}, {high}] is empty")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Measure(_Frozen):
    """One measure of a quality diversity task and the interval that the archive divides into cells.

    A measure outside ``[low, high]`` is counted in the edge cell nearest to it; ``bounded`` says that, for solutions
    within the task's bounds, none is.
    """

    name: str
    low: float
    high: float
    unit: str = ""
    bounded: bool = True

    @model_validator(mode="after")
    def _interval(self) -> Measure:
        _check_interval(f"measure {self.name!r}", self.low, self.high)
        return self

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        if self.bounded:
            del dumped["bounded"]
        return dumped


class Start(_Frozen):
    """Where the field starts searching: N(mean, scale^2 I) without bounds, or uniform in [low, high]^dim.

    A ``"design"`` is a task's own: its solutions are evaluated first, and count, and the search starts at the best of
    them (:mod:`qdbench.harness.design`) instead of at the mean.
    """

    kind: Literal["normal", "uniform", "design"] = "normal"
    mean: float = 0.0
    scale: float = 1.0
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _possible(self) -> Start:
        _check_interval("start", self.low, self.high)
        if self.scale < 0:
            raise ValueError(f"start: the scale {self.scale} is negative")
        return self


class TaskSpec(_Frozen):
    """Everything about a task that is not its function: what it means, how it is scored and whom to cite.

    Attributes:
        id: Versioned id such as ``LP-Sphere-v0``; a change of meaning is a new version.
        arguments: The arguments that :func:`qdbench.make` was given beyond the defaults' meaning (JSON scalars).
        family: The name that groups variants of one task, used to look up published hyperparameters.
        summary: One line for people.
        dim: Number of parameters of a solution.
        measures: The measures with their intervals; empty for a single-objective task.
        archive_shape: Number of cells along each measure.
        objective_range: ``(reference, best)`` objective values; objectives are not clipped to them.
        qd_score_offset: Subtracted from each elite's objective in the QD-score (0: as published).
        budget: Standard budget in evaluations.
        metric: The metric by which leaderboards of this task rank: one of the trace's, or, with lower values better,
            ``precision`` or ``regret``: the best of ``objective_range`` minus the best objective. ``precision`` is that
            of a task whose objective is minus (f - f_opt).
        f_opt: The optimal value of the field's own, minimized function; None where that has no meaning. The objective
            does not depend on it.
        target: The precision at which the task counts as solved, where a trial may end; None: it runs on.
        precision: The floating-point type in which the task is defined.
        differentiable: Whether gradients of objective and measures can be asked for.
        deterministic: Whether the evaluation ignores its key.
        test_episodes: Number of episodes (of images, for a classifier) of the test stream, on which the harness tests
            the best solution; None: there is no test.
        solution_bounds: ``(low, high)`` of every parameter, or None where the search space is unbounded.
        outside: What happens outside the bounds: ``"evaluated"`` as the task's function is defined there, or
            ``"clipped"`` to the bounds first.
        start: Where optimizers start unless they say otherwise.
        citations: BibTeX keys, resolved by ``qdbench.citations``.
    """

    id: str
    arguments: dict[str, JsonScalar] = Field(default_factory=dict)
    family: str
    summary: str = ""
    dim: int = Field(ge=1, strict=True)
    measures: tuple[Measure, ...] = ()
    archive_shape: tuple[int, ...] = ()
    objective_range: tuple[float, float]
    qd_score_offset: float = 0.0
    budget: int = Field(ge=1)
    metric: str = "qd_score"
    f_opt: float | None = None
    target: float | None = Field(default=None, ge=0)
    precision: Literal["float32", "float64"] = "float32"
    differentiable: bool = False
    deterministic: bool = True
    test_episodes: int | None = Field(default=None, ge=1)
    solution_bounds: tuple[float, float] | None = None
    outside: Literal["evaluated", "clipped"] = "evaluated"
    start: Start = Start()
    citations: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_length_per_measure(self) -> TaskSpec:
        if len(self.archive_shape) != len(self.measures):
            raise ValueError(
                f"{self.id}: archive_shape {self.archive_shape} needs one entry for each of the "
                f"{len(self.measures)} measures"
            )
        if any(size < 1 for size in self.archive_shape):
            raise ValueError(f"{self.id}: every entry of archive_shape {self.archive_shape} must be at least 1")
        _check_interval(f"{self.id}: objective_range", *self.objective_range)
        if self.solution_bounds is not None:
            _check_interval(f"{self.id}: solution_bounds", *self.solution_bounds)
        return self

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        # Hashes over the JSON name results and tasks: a field that came later must not change those without it.
        dumped: dict[str, Any] = handler(self)
        for name in _LATER_FIELDS:
            if dumped.get(name) == type(self).model_fields[name].default:
                del dumped[name]
        return dumped

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def num_measures(self) -> int:
        """Number of measures, k."""
        return len(self.measures)

    @property
    def cells(self) -> int:
        """Number of cells of the archive; a task without measures has one, which holds its best solution."""
        return math.prod(self.archive_shape)

    @property
    def region(self) -> Start:
        """Where solutions come from if not from a search: the start, or within the bounds where that is one point."""
        if self.start.scale == 0 and self.start.kind != "uniform" and self.solution_bounds is not None:
            low, high = self.solution_bounds
            return Start(kind="uniform", low=low, high=high)
        return self.start

    @property
    def search_box(self) -> tuple[float, float]:
        """An interval for every parameter, for who needs one: the bounds, or ten scales of the start around its mean.

        Solutions outside are evaluated as well where there are no bounds.
        """
        if self.solution_bounds is not None:
            return self.solution_bounds
        if self.start.kind == "uniform":
            return self.start.low, self.start.high
        reach = 10 * (self.start.scale or 1.0)
        return self.start.mean - reach, self.start.mean + reach

    def structure(self) -> TaskSpec:
        """The part that decides shapes and compiled code; equal for all instances that can share one program."""
        named = {"id": "", "arguments": {}, "summary": "", "citations": (), "budget": 1, "f_opt": None}
        return self.model_copy(update=named)
