"""Making optimizers: hyperparameters that are not possible, and tasks that do not fit."""

from __future__ import annotations

import math

import pytest

import baselines
import qdbench
from qdbench.harness.plugins import is_pure
from qdbench.registry import OPTIMIZERS

GRADIENTS = {
    "og-map-elites",
    "og-map-elites-line",
    "omg-mega",
    "cma-mega",
    "cma-mega-adam",
    "cma-maega",
    "cma-maega-adam",
}


@pytest.fixture(scope="module")
def spec() -> qdbench.TaskSpec:
    return qdbench.make("LP-Sphere-v0", dim=10).spec


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", None])
def test_a_hyperparameter_must_be_a_finite_number(spec: qdbench.TaskSpec, value: object) -> None:
    with pytest.raises(ValueError, match=r"optimizer 'map-elites': sigma must be a finite number, but it is"):
        baselines.make("map-elites", spec, sigma=value)


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        ("map-elites", {"batch_size": 0}),
        ("map-elites", {"initial_size": 0}),
        ("map-elites", {"batch_size": -3}),
        ("cma-mega", {"batch_size": 1}),
        ("gaussian-ga", {"batch_size": 0}),
        ("samr-ga-restarts", {"batch_size": 0}),
        ("cma-mae", {"emitters": 0}),
        ("cma-maega", {"emitters": -1}),
    ],
)
def test_a_batch_must_have_a_solution(spec: qdbench.TaskSpec, optimizer: str, settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"the size must be an integer of at least 1"):
        baselines.make(optimizer, spec, **settings)


@pytest.mark.parametrize("optimizer", [entry.id for entry in OPTIMIZERS if entry.is_available and is_pure(entry.id)])
def test_an_optimizer_with_gradients_needs_a_task_with_gradients(spec: qdbench.TaskSpec, optimizer: str) -> None:
    without = spec.model_copy(update={"differentiable": False})
    if optimizer not in GRADIENTS:
        assert baselines.make(optimizer, without).id == optimizer
    else:
        with pytest.raises(ValueError, match=rf"'{optimizer}' needs gradients, but task LP-Sphere-v0 is not"):
            baselines.make(optimizer, without)
