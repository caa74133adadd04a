"""What every registered optimizer must do, whichever it is. A new optimizer is tested by being registered."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

import baselines
import qdbench
from baselines.published import published_hyperparameters
from qdbench.registry import OPTIMIZERS
from qdbench.testing import OPTIMIZER_RULES, Rule, optimizer_subject
from qdbench.testing.optimizer_rules import OptimizerSubject, solutions_have_the_shape, state_keeps_its_structure
from tests import registered

# Other libraries' optimizers have their own tests.
IDS = [entry.id for entry in OPTIMIZERS if entry.is_available and (not entry.requires or entry.id == "evosax-lga")]
DIM = 20
LEARNED = {"lga", "gaussian-ga-learned-selection", "gaussian-ga-learned-mutation", "evosax-lga"}
SINGLE_OBJECTIVE = LEARNED | {"gaussian-ga", "mr15-ga", "samr-ga", "gesmr-ga", "sep-cma-es", "cma-es", "openai-es"}
GRADIENT = ("og-", "omg-mega", "cma-mega", "cma-maega")
# The wrapper compiles its inner optimizer twice if that has an initial batch; one of each kind stands for the others.
COMPILED = [id for id in IDS if not id.endswith("-restarts") or id in ("gesmr-ga-restarts", "cma-es-restarts")]
# The BBOB tasks have one spec but for names; their own tests evaluate them. Those of neuroevolution and
# LSI have no dim to set.
TASKS = [id for id in registered.AVAILABLE if not id.startswith(("BBOB", "Neuro-", "LSI-")) or id == "BBOB-F08-v0"]

every_optimizer = pytest.mark.parametrize("id", IDS)


def make_task(precision: str = "float32", task_id: str = "LP-Sphere-v0") -> qdbench.Task:
    return registered.make(task_id, dim=DIM, precision=precision)


@functools.cache
def subject(id: str) -> OptimizerSubject:
    return optimizer_subject(id, make_task())


@every_optimizer
@pytest.mark.parametrize("rule", OPTIMIZER_RULES, ids=str)
def test_rule(id: str, rule: Rule) -> None:
    if not rule.runs or id in COMPILED:
        rule.check(subject(id))


@every_optimizer
def test_evaluations_of_an_iteration(id: str) -> None:
    """36 for quality diversity (fontaine2021dqd), 32 for single-objective search (lange2023lga), CMA-ES' own rule."""
    optimizer = baselines.make(id, make_task().spec)
    expected = 36
    if id.removesuffix("-restarts") in SINGLE_OBJECTIVE:
        expected = 12 if "cma-es" in id else 32
    assert sum(batch.size for batch in optimizer.iteration) == expected


@every_optimizer
@pytest.mark.parametrize(
    ("task_id", "precision"), [(id, ("float64", "float32")[number % 2]) for number, id in enumerate(TASKS)]
)
def test_traces_on_every_kind_of_task_in_both_precisions(id: str, precision: str, task_id: str) -> None:
    """Shapes and types only, so nothing is compiled; the oracles' tests run the algorithms in float64."""
    task = make_task(precision, task_id)
    if id.startswith(GRADIENT) and not task.spec.differentiable:
        with pytest.raises(ValueError, match=f"optimizer '{id}' needs gradients, but task .* is not differentiable"):
            baselines.make(id, task.spec)
        return
    one = optimizer_subject(id, task)
    solutions_have_the_shape(one)
    state_keeps_its_structure(one)


@every_optimizer
def test_sizes_arrive(id: str) -> None:
    spec = make_task().spec
    optimizer = baselines.make(id, spec, batch_size=5)
    assert {batch.size for batch in optimizer.iteration} <= {5, 1, 4}
    if id.removesuffix("-restarts") in SINGLE_OBJECTIVE:
        assert {batch.size for batch in optimizer.initial + optimizer.iteration} == {5}
    elif optimizer.initial:
        assert baselines.make(id, spec, initial_size=7).initial[0].size == 7


@every_optimizer
def test_unknown_hyperparameters_are_named_with_the_known(id: str) -> None:
    with pytest.raises(TypeError, match=rf"optimizer '{id}' has no argument population; it has .*batch_size"):
        baselines.make(id, make_task().spec, population=3)
    with pytest.raises(TypeError, match="has no argument spec_; it has"):
        baselines.make(id, make_task().spec, spec_=3)


@every_optimizer
@pytest.mark.parametrize("task_id", TASKS)
def test_published_hyperparameters_arrive(id: str, task_id: str) -> None:
    spec = registered.make(task_id, dim=1000).spec
    published = published_hyperparameters(id, spec)
    if not published:
        return
    leaves = sorted(float(leaf) for leaf in jax.tree.leaves(baselines.make(id, spec)) if leaf.shape == ())
    assert leaves == pytest.approx(sorted(published.values()), rel=1e-6)
    # What the caller gives goes before what was published.
    for name in published:
        leaves = jax.tree.leaves(baselines.make(id, spec, **{name: 0.125}))
        given = [float(leaf) for leaf in leaves if leaf.shape == ()]
        assert 0.125 in given


# The table of the published code (fontaine2021dqd), with eta of the objective's own gradient on the right.
PUBLISHED = {
    ("map-elites", "LP"): {"sigma": 0.5},
    ("map-elites", "Arm"): {"sigma": 0.1},
    ("map-elites-line", "LP"): {"iso_sigma": 0.5, "line_sigma": 0.2},
    ("map-elites-line", "Arm"): {"iso_sigma": 0.1, "line_sigma": 0.2},
    ("cma-me", "LP"): {"sigma": 0.5},
    ("cma-me", "Arm"): {"sigma": 0.1},
    ("omg-mega", "LP"): {"sigma_g": 10.0},
    ("omg-mega", "Arm"): {"sigma_g": 1.0},
    ("cma-mega", "LP"): {"sigma_g": 10.0, "learning_rate": 1.0},
    ("cma-mega", "Arm"): {"sigma_g": 0.05, "learning_rate": 1.0},
    ("cma-mega-adam", "LP"): {"sigma_g": 10.0, "learning_rate": 0.002},
    ("cma-mega-adam", "Arm"): {"sigma_g": 0.05, "learning_rate": 0.002},
    # The published code of fontaine2023cmamae.
    ("cma-mae", "LP"): {"sigma": 0.5, "archive_learning_rate": 0.01, "threshold_min": 0.0},
    ("cma-mae", "Arm"): {"sigma": 0.1, "archive_learning_rate": 0.01, "threshold_min": 0.0},
    ("cma-maega", "LP"): {
        "sigma_g": 10.0,
        "learning_rate": 1.0,
        "archive_learning_rate": 0.01,
        "threshold_min": 0.0,
    },
    ("cma-maega", "Arm"): {
        "sigma_g": 0.05,
        "learning_rate": 1.0,
        "archive_learning_rate": 0.01,
        "threshold_min": 0.0,
    },
}
# Forms of an algorithm that have no published settings: those of its kin.
for _task in ("LP", "Arm"):
    PUBLISHED["cvt-map-elites", _task] = PUBLISHED["map-elites", _task]
    PUBLISHED["cvt-map-elites-line", _task] = PUBLISHED["map-elites-line", _task]
    PUBLISHED["cma-maega-adam", _task] = {**PUBLISHED["cma-maega", _task], "learning_rate": 0.002}


@every_optimizer
@pytest.mark.parametrize("task_id", TASKS)
def test_published_hyperparameters_are_the_tables(id: str, task_id: str) -> None:
    spec = registered.make(task_id, dim=DIM).spec
    published = published_hyperparameters(id, spec)
    if not id.startswith("og-") or not task_id.startswith(("LP-", "Arm-")):
        assert published == PUBLISHED.get((id, task_id.split("-")[0]), {})
        return
    # eta = 0.5 for -F and 100 for -Var: the same step in solutions, whatever scale the gradient has.
    from tests.reference import tasks as reference

    theta = np.random.default_rng(0).normal(size=(1, DIM))
    gradient = reference.evaluate(task_id, theta).objective_gradient
    d = theta - 2.048
    authors = {
        "LP-Sphere-v0": 0.5 * -2 * d,
        "LP-Rastrigin-v0": 0.5 * -(2 * d + 20 * np.pi * np.sin(2 * np.pi * d)),
        "Arm-v0": 100 * -2 * (theta - theta.mean()) / DIM,
    }[task_id]
    np.testing.assert_allclose(published["learning_rate"] * gradient, authors, rtol=1e-6)
