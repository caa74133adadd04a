"""Specs: what is refused, what is derived, and the way to JSON and back."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qdbench.spec import Measure, Start, TaskSpec

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(min_size=1, max_size=10)
SCALARS = st.one_of(NAMES, st.integers(-(2**53), 2**53), FINITE, st.booleans(), st.none())


@st.composite
def measures(draw: st.DrawFn) -> Measure:
    low, high = sorted(draw(st.lists(FINITE, min_size=2, max_size=2, unique=True)))
    return Measure(name=draw(NAMES), low=low, high=high, unit=draw(st.text(max_size=5)))


INTERVALS = st.tuples(FINITE, FINITE).map(sorted).filter(lambda ends: ends[0] < ends[1]).map(tuple)


@st.composite
def specs(draw: st.DrawFn) -> TaskSpec:
    axes = draw(st.lists(measures(), max_size=4))
    return TaskSpec(
        id=draw(NAMES),
        arguments=draw(st.dictionaries(NAMES, SCALARS, max_size=4)),
        family=draw(NAMES),
        summary=draw(st.text(max_size=20)),
        dim=draw(st.integers(1, 10**6)),
        measures=tuple(axes),
        archive_shape=tuple(draw(st.integers(1, 1000)) for _ in axes),
        objective_range=draw(INTERVALS),
        qd_score_offset=draw(FINITE),
        budget=draw(st.integers(1, 10**9)),
        precision=draw(st.sampled_from(["float32", "float64"])),
        differentiable=draw(st.booleans()),
        deterministic=draw(st.booleans()),
        solution_bounds=draw(st.none() | INTERVALS),
        start=Start(kind=draw(st.sampled_from(["normal", "uniform"])), mean=draw(FINITE), scale=abs(draw(FINITE))),
        citations=tuple(draw(st.lists(NAMES, max_size=2))),
    )


def make(**changes: object) -> TaskSpec:
    fields: dict[str, object] = {
        "id": "Task-v0",
        "family": "task",
        "dim": 3,
        "measures": (Measure(name="m", low=0, high=1),),
        "archive_shape": (10,),
        "objective_range": (0, 1),
        "budget": 100,
    }
    return TaskSpec(**{**fields, **changes})


@given(specs())
def test_to_json_and_back(spec: TaskSpec) -> None:
    text = spec.model_dump_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    again = TaskSpec.model_validate_json(text)
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.model_dump_json() == text
    assert {name: type(value) for name, value in again.arguments.items()} == {
        name: type(value) for name, value in spec.arguments.items()
    }


@given(specs())
def test_structure_forgets_names_only(spec: TaskSpec) -> None:
    structure = spec.structure()
    assert structure.structure() == structure
    for field in (
        "family",
        "dim",
        "measures",
        "archive_shape",
        "precision",
        "start",
        "solution_bounds",
        "qd_score_offset",
    ):
        assert getattr(structure, field) == getattr(spec, field)
    instance = spec.model_copy(update={"id": "Other-v3", "arguments": {"instance": 9}, "summary": "x", "budget": 7})
    assert instance.structure() == structure
    assert hash(instance.structure()) == hash(structure)
    assert spec.model_copy(update={"dim": spec.dim + 1}).structure() != structure


@given(specs())
def test_derived_numbers(spec: TaskSpec) -> None:
    assert spec.num_measures == len(spec.measures)
    assert spec.cells == math.prod(spec.archive_shape)


def test_a_task_without_measures_has_one_cell() -> None:
    assert make(measures=(), archive_shape=()).cells == 1


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (math.nan, 1), (0, math.inf), (-math.inf, 0)])
def test_empty_or_infinite_intervals(low: float, high: float) -> None:
    with pytest.raises(ValidationError, match=r"measure 'm': the interval .* is empty|should be a finite number"):
        Measure(name="m", low=low, high=high)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"archive_shape": (10, 10)}, r"archive_shape \(10, 10\) needs one entry for each of the 1 measures"),
        ({"archive_shape": ()}, "needs one entry"),
        ({"archive_shape": (0,)}, "must be at least 1"),
        ({"dim": 0}, "dim"),
        ({"dim": 2.5}, "dim"),
        ({"budget": 0}, "budget"),
        ({"precision": "float16"}, "precision"),
        ({"test_episodes": 0}, "test_episodes"),
        ({"unknown": 1}, "unknown"),
        ({"arguments": {"x": [1]}}, "arguments"),
        ({"start": {"kind": "cauchy"}}, "kind"),
    ],
)
def test_what_a_spec_refuses(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make(**changes)


def test_what_came_later_is_in_the_json_only_where_it_says_something() -> None:
    """Hashes over the JSON name results that are older than the field."""
    assert "test_episodes" not in json.loads(make().model_dump_json())
    spec = make(test_episodes=128)
    assert json.loads(spec.model_dump_json())["test_episodes"] == 128
    assert TaskSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.structure() != make().structure()


def test_specs_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make().dim = 4


@pytest.mark.parametrize(
    "changes",
    [
        {"objective_range": (1, 1)},
        {"objective_range": (0, math.inf)},
        {"solution_bounds": (3, 1)},
        {"dim": True},
        {"start": {"kind": "uniform", "low": 2, "high": 1}},
        {"start": {"scale": -1}},
    ],
)
def test_impossible_values_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make(**changes)
