"""What every registered optimizer must do, whichever it is. A new optimizer is tested by being registered."""

from __future__ import annotations

import inspect
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import baselines
import qdbench
from baselines.published import published_hyperparameters
from qdbench.protocols import Batch, precision_of
from qdbench.registry import OPTIMIZERS
from tests import registered

IDS = [entry.id for entry in OPTIMIZERS if entry.is_available]
DIM = 20
LEARNED = {"lga", "gaussian-ga-learned-selection", "gaussian-ga-learned-mutation", "evosax-lga"}
SINGLE_OBJECTIVE = LEARNED | {"gaussian-ga", "mr15-ga", "samr-ga", "gesmr-ga", "sep-cma-es", "cma-es", "openai-es"}
GRADIENT = ("og-", "omg-mega", "cma-mega")
# The wrapper compiles its inner optimizer twice if that has an initial batch; one of each kind stands for the others.
COMPILED = [id for id in IDS if not id.endswith("-restarts") or id in ("gesmr-ga-restarts", "cma-es-restarts")]
# The BBOB tasks have one spec but for names; their own tests evaluate them.
TASKS = [id for id in registered.AVAILABLE if not id.startswith("BBOB") or id == "BBOB-F08-v0"]

every_optimizer = pytest.mark.parametrize("id", IDS)


def make_task(precision: str = "float32", task_id: str = "LP-Sphere-v0") -> qdbench.Task:
    return qdbench.make(task_id, dim=DIM, precision=precision)


def describe(state: Any) -> tuple[Any, list[tuple[tuple[int, ...], str]]]:
    return jax.tree.structure(state), [(leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves(state)]


@eqx.filter_jit
def init(optimizer: qdbench.Optimizer, key: jax.Array) -> Any:
    return optimizer.init(key)


@eqx.filter_jit
def step(
    task: qdbench.Task, optimizer: qdbench.Optimizer, keys: jax.Array, state: Any, batch: Batch
) -> tuple[jax.Array, Any, Any]:
    """One ask and tell; returns the solutions and the states after either."""
    solutions, asked = optimizer.ask(keys[0], state, batch)
    evaluation = task.evaluate(None, solutions, gradients=batch.gradients)
    return solutions, asked, optimizer.tell(keys[1], asked, batch, solutions, evaluation)


def run(task: qdbench.Task, optimizer: qdbench.Optimizer, seed: int) -> tuple[list[np.ndarray], Any]:
    """Start and two iterations; checks shapes, types and finiteness on the way."""
    with precision_of(task.spec):
        key = jax.random.key(seed)
        state = init(optimizer, key)
        expected, history = describe(state), []
        for number, batch in enumerate(optimizer.initial + optimizer.iteration * 2):
            keys = jax.random.split(jax.random.fold_in(key, number))
            solutions, asked, state = step(task, optimizer, keys, state, batch)
            assert solutions.shape == (batch.size, task.spec.dim)
            assert solutions.dtype == task.spec.precision
            assert np.isfinite(np.asarray(solutions)).all()
            assert describe(asked) == describe(state) == expected
            history.append(np.asarray(solutions))
    return history, state


@every_optimizer
def test_declares_what_it_is(id: str) -> None:
    task = make_task()
    optimizer = baselines.make(id, task.spec)
    assert optimizer.id == id
    assert optimizer.spec == task.spec.structure()
    assert len(optimizer.iteration) >= 1
    batches = optimizer.initial + optimizer.iteration
    assert all(batch.size >= 1 and batch.name for batch in batches)
    # The driver tells batches apart by their value.
    assert len(set(batches)) == len(batches)


@every_optimizer
def test_evaluations_of_an_iteration(id: str) -> None:
    """36 for quality diversity (fontaine2021dqd), 32 for single-objective search (lange2023lga), CMA-ES' own rule."""
    optimizer = baselines.make(id, make_task().spec)
    expected = 36
    if id.removesuffix("-restarts") in SINGLE_OBJECTIVE:
        expected = 12 if "cma-es" in id else 32
    assert sum(batch.size for batch in optimizer.iteration) == expected


@pytest.mark.parametrize("id", COMPILED)
def test_state_keeps_its_shape_and_keys_decide(id: str) -> None:
    task = make_task()
    optimizer = baselines.make(id, task.spec)
    first, state = run(task, optimizer, seed=0)
    again, same = run(task, optimizer, seed=0)
    other, _ = run(task, optimizer, seed=1)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (state, same)), strict=True))
    assert any(not np.array_equal(one, two) for one, two in zip(first, other, strict=True))


@every_optimizer
@pytest.mark.parametrize(
    ("task_id", "precision"), [(id, ("float64", "float32")[number % 2]) for number, id in enumerate(TASKS)]
)
def test_traces_on_every_kind_of_task_in_both_precisions(id: str, precision: str, task_id: str) -> None:
    """Shapes and types only, so nothing is compiled; the oracles' tests run the algorithms in float64."""
    task = registered.make(task_id, dim=DIM, precision=precision)
    if id.startswith(GRADIENT) and not task.spec.differentiable:
        with pytest.raises(ValueError, match=f"optimizer '{id}' needs gradients, but task .* is not differentiable"):
            baselines.make(id, task.spec)
        return
    optimizer = baselines.make(id, task.spec)
    assert not jax.config.jax_enable_x64
    with precision_of(task.spec):
        keys = jax.random.split(jax.random.key(0))
        state = eqx.filter_eval_shape(optimizer.init, keys[0])
        expected = describe(state)
        for batch in optimizer.initial + optimizer.iteration:
            solutions, asked, state = eqx.filter_eval_shape(step, task, optimizer, keys, state, batch)
            assert (solutions.shape, solutions.dtype) == ((batch.size, task.spec.dim), precision)
            assert describe(asked) == describe(state) == expected
    floats = [leaf.dtype for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert all(dtype == precision for dtype in floats)


@every_optimizer
def test_float_hyperparameters_are_leaves(id: str) -> None:
    """So that a grid of them, or a gradient with respect to them, needs no new program."""
    task = make_task()
    factory, bound = OPTIMIZERS.resolve(id)
    floats = {
        name: parameter.default
        for name, parameter in inspect.signature(factory).parameters.items()
        if isinstance(parameter.default, float) and name not in bound
    }
    for name, default in floats.items():
        one = baselines.make(id, task.spec, **{name: default})
        two = baselines.make(id, task.spec, **{name: 2 * default + 1})
        assert jax.tree.structure(one) == jax.tree.structure(two), f"{name} is not a leaf"
        floating = [leaf for leaf in jax.tree.leaves(one) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        assert all(leaf.dtype == task.spec.precision for leaf in floating)
        assert describe(one) == describe(two)
        assert any(not np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (one, two)), strict=True))


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
