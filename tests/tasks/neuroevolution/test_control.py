"""What the tasks of control say of themselves, and that measures change no objective."""

from __future__ import annotations

import importlib.util

import jax
import numpy as np
import pytest

import qdbench
from qdbench.registry import TASKS
from qdbench.tasks.neuroevolution.budgets import BUDGETS
from qdbench.tasks.neuroevolution.catalogue import FACTS
from tests.registered import BRAX

WEIGHTS = {
    "Pendulum": (4, 353),
    "Ant": (224, 856),
    "HalfCheetah": (108, 662),
    "Hopper": (36, 515),
    "Reacher": (24, 498),
    "Walker2d": (108, 662),
}
GAMES = {"Breakout": 51_923, "Asterix": 51_989, "SpaceInvaders": 52_244}
CONTROL = [*WEIGHTS, *GAMES]


def test_every_environment_is_registered_and_has_three_budgets() -> None:
    assert set(CONTROL) == set(FACTS) == set(BUDGETS)
    assert all(f"Neuro-{name}-v0" in TASKS for name in CONTROL)
    for budgets in BUDGETS.values():
        assert list(budgets) == ["paper", "small", "smoke"]
        evaluations = [budget.environment_steps for budget in budgets.values()]
        assert evaluations == sorted(evaluations, reverse=True)


@pytest.mark.parametrize("name", WEIGHTS)
def test_numbers_of_weights_of_policies(name: str) -> None:
    counts = [qdbench.make(f"Neuro-{name}-v0", policy=policy).spec.dim for policy in ("linear", "mlp")]
    assert tuple(counts) == WEIGHTS[name]
    assert max(counts) < 1000


@pytest.mark.parametrize("name", GAMES)
def test_numbers_of_weights_of_players(name: str) -> None:
    assert qdbench.make(f"Neuro-{name}-v0").spec.dim == GAMES[name]


@pytest.mark.parametrize("budget", ["paper", "small", "smoke"])
@pytest.mark.parametrize("name", CONTROL)
def test_a_budget_is_the_default_of_everything(name: str, budget: str) -> None:
    spec, expected = qdbench.make(f"Neuro-{name}-v0", budget=budget).spec, BUDGETS[name][budget]
    assert spec.budget == expected.population * expected.generations
    assert (spec.arguments["rollouts"], spec.arguments["steps"]) == (expected.rollouts, expected.steps)


@pytest.mark.parametrize("name", CONTROL)
def test_measures_can_be_chosen_and_left_out(name: str) -> None:
    id = f"Neuro-{name}-v0"
    environment = qdbench.make(id).environment
    for chosen, measures in environment.measure_sets.items():
        spec = qdbench.make(id, measures=chosen).spec
        assert spec.measures == measures.measures
        assert spec.num_measures == len(spec.archive_shape) >= 1
        assert spec.metric == "qd_score"
    plain = qdbench.make(id, measures="none").spec
    assert plain.measures == ()
    assert plain.cells == 1
    assert plain.metric == "test_score"


@pytest.mark.parametrize("name", ["Pendulum", "Breakout"])
def test_without_measures_the_objective_is_the_same(name: str) -> None:
    id = f"Neuro-{name}-v0"
    plain, measured = (qdbench.make(id, budget="smoke", **more) for more in ({"measures": "none"}, {}))
    solutions = 0.5 * np.random.default_rng(0).standard_normal((3, plain.spec.dim))
    key = jax.random.key(1)
    found, expected = (task.evaluate(key, solutions) for task in (plain, measured))
    assert found.measures.shape == (3, 0)
    np.testing.assert_array_equal(found.objective, expected.objective)


def test_the_fields_usual_measures() -> None:
    ant, walker = (qdbench.make(f"Neuro-{name}-v0").spec for name in ("Ant", "Walker2d"))
    assert [measure.name for measure in ant.measures] == ["final x", "final y"]
    assert [measure.name for measure in walker.measures] == ["contact of the right foot", "contact of the left foot"]
    assert qdbench.make("Neuro-Ant-v0", measures="feet").spec.num_measures == 4


@pytest.mark.parametrize(("name", "starts"), [("SpaceInvaders", 1), ("Breakout", 2), ("Asterix", None)])
def test_games_without_chance_have_as_many_episodes_as_there_are(name: str, starts: int | None) -> None:
    id = f"Neuro-{name}-v0"
    spec = qdbench.make(id).spec
    assert spec.deterministic == (starts is not None)
    assert spec.test_episodes == (starts or 64)
    if starts:
        with pytest.raises(ValueError, match=f"{id}: rollouts must be {starts}, because without sticky actions"):
            qdbench.make(id, rollouts=16)
    sticky = qdbench.make(id, sticky=0.1, rollouts=16).spec
    assert not sticky.deterministic
    assert sticky.test_episodes == 64
    assert sticky.arguments["sticky"] == 0.1


@pytest.mark.parametrize("sticky", [-0.1, 1.0, 2.0])
def test_sticky_is_a_probability(sticky: float) -> None:
    with pytest.raises(ValueError, match="Neuro-Asterix-v0: sticky must be a number of at least 0 and below 1, but"):
        qdbench.make("Neuro-Asterix-v0", sticky=sticky)


@pytest.mark.parametrize("name", BRAX)
def test_without_brax_a_task_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None if package == "brax" else find(package))
    id = f"Neuro-{name}-v0"
    assert not TASKS.entry(id).is_available
    with pytest.raises(ImportError, match=rf"{id} needs Brax.*pip install 'qdbench\[neuroevolution\]'"):
        qdbench.make(id)
