"""Restarts: when they come, what they leave alone, and that they help."""

from __future__ import annotations

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import baselines
from baselines import restarts
from qdbench.protocols import Batch, precision_of
from qdbench.registry import OPTIMIZERS
from tests.baselines.driving import Step, best_after, drive, function_task, make, part_key, rastrigin, sphere

INNER = [entry.id.removesuffix("-restarts") for entry in OPTIMIZERS if entry.id.endswith("-restarts")]


def constant(x: jax.Array) -> jax.Array:
    return 0 * sphere(x) + 3


def test_every_single_objective_optimizer_but_random_search_has_a_form_with_restarts() -> None:
    assert set(INNER) == {"gaussian-ga", "mr15-ga", "samr-ga", "gesmr-ga", "sep-cma-es", "cma-es", "openai-es"}


@pytest.mark.parametrize("id", INNER)
def test_hyperparameters_pass_through(id: str) -> None:
    spec = function_task(sphere, 4).spec
    made = baselines.make(f"{id}-restarts", spec, sigma=0.25, batch_size=6, patience=7.0)
    assert made.id == f"{id}-restarts"
    assert made.inner.id == id
    assert float(made.inner.sigma) == 0.25
    assert (made.initial, made.iteration) == (made.inner.initial, made.inner.iteration)
    assert made.iteration[0].size == 6
    assert float(made.patience) == 7
    factory, _ = OPTIMIZERS.resolve(id)
    outer, _ = OPTIMIZERS.resolve(f"{id}-restarts")
    assert list(inspect.signature(outer).parameters) == [*inspect.signature(factory).parameters, "patience"]


def test_default_patience_is_hansens_stagnation_window() -> None:
    made = baselines.make("cma-es-restarts", function_task(sphere, 20).spec, batch_size=12)
    assert float(made.patience) == 120 + 30 * 20 / 12


class _Twice(eqx.Module):
    id = "twice"
    initial = ()
    iteration = (Batch("one", 4), Batch("two", 4))


class _Large(eqx.Module):
    id = "large"
    initial = (Batch("initial", 5),)
    iteration = (Batch("one", 4),)


@pytest.mark.parametrize("inner", [_Twice, _Large])
def test_an_optimizer_that_cannot_restart_is_named(inner: type) -> None:
    make = inspect.unwrap(restarts.restarting("x-restarts", lambda spec: inner()))
    with pytest.raises(Exception, match="cannot restart: it needs one batch an iteration"):
        make(function_task(sphere, 4).spec)


@pytest.mark.parametrize("id", ["mr15-ga", "gesmr-ga", "sep-cma-es", "cma-es", "openai-es"])
def test_without_progress_a_run_lasts_as_long_as_its_patience(id: str) -> None:
    """And it is the inner optimizer's run, number for number; so is the next, from an independent start."""
    patience, runs = 5, 3
    task = function_task(constant, 3)
    with precision_of(task.spec):
        outer = make(f"{id}-restarts", task, batch_size=6, patience=float(patience))
        # The first batch is better than nothing; it may be the initial one, which is an iteration's from then on.
        steps = list(drive(task, outer, runs * (patience + 1)))
        counts = [int(step.state.restarts) for step in steps]
        assert counts == [number // (patience + 1) for number in range(1, len(steps) + 1)]
        first = [step.solutions for step in drive(task, outer.inner, patience + 1)][: patience + 1]
        for step, expected in zip(steps, first, strict=False):
            np.testing.assert_array_equal(step.solutions, expected)
        starts = [steps[run * (patience + 1)] for run in range(runs)]
        fresh = eqx.filter_jit(outer.inner.init)(part_key(steps[patience].tell_key, 2**31))
        for one, two in zip(*map(jax.tree.leaves, (starts[1].before.inner, fresh)), strict=True):
            np.testing.assert_array_equal(one, two)
        for step in starts[1:]:
            assert bool(step.before.starting)
            assert np.abs(step.solutions - starts[0].solutions).min() > 0
            if outer.initial:
                batch = outer.initial[0]
                expected, _ = eqx.filter_jit(outer.inner.ask)(step.ask_key, step.before.inner, batch)
                np.testing.assert_array_equal(step.solutions, expected)


def told(objective: list[float], patience: float = 3.0) -> list[int]:
    """Restarts after each of some batches whose objectives are all the same number."""
    task = function_task(sphere, 3)
    with precision_of(task.spec):
        outer = make("openai-es-restarts", task, batch_size=4, patience=patience)
        (batch,), key = outer.iteration, jax.random.key(0)

        @jax.jit
        def step(state: restarts.State, value: jax.Array) -> restarts.State:
            solutions, state = outer.ask(key, state, batch)
            evaluation = task.evaluate(None, solutions)._replace(objective=jnp.full(4, value))
            return outer.tell(key, state, batch, solutions, evaluation)

        state, counts = eqx.filter_jit(outer.init)(key), []
        for value in objective:
            state = step(state, jnp.asarray(value, float))
            counts.append(int(state.restarts))
    return counts


def test_progress_is_more_than_rounding_errors() -> None:
    assert told([1, 1 + 1e-11, 1 + 2e-11, 1 + 3e-11, 1 + 4e-11]) == [0] * 5
    assert told([1, 1 + 1e-13, 1 + 2e-13, 1 + 3e-13, 1 + 3e-13]) == [0, 0, 0, 1, 1]
    assert told([1e9, 1e9 + 1e-5, 1e9 + 2e-5, 1e9 + 3e-5]) == [0, 0, 0, 1]
    assert told([1e9, 1e9 + 1e-2, 1e9 + 2e-2, 1e9 + 3e-2]) == [0] * 4
    # Slow, but it adds up.
    assert told([0, 0.6e-12, 1.2e-12, 1.8e-12, 2.4e-12, 3e-12]) == [0] * 6


def test_objectives_that_are_not_finite_are_no_progress() -> None:
    assert told([np.nan] * 7) == [0, 0, 1, 1, 1, 2, 2]
    assert told([np.inf, 1, np.inf, np.nan, np.inf]) == [0, 0, 0, 0, 1]


def test_a_restart_forgets_the_best() -> None:
    assert told([5, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4]) == [0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(("precision", "spread"), [("float64", 1e-13), ("float32", 1e-7)])
def test_a_batch_that_is_a_point_ends_a_run(precision: str, spread: float) -> None:
    with jax.enable_x64(precision == "float64"):
        rows = 1 + spread * np.random.default_rng(0).uniform(size=(6, 3))
        for points, expected in ((rows, True), (1 + 1000 * (rows - 1), False), (rows[:1], False)):
            assert bool(jax.jit(restarts._is_a_point)(jnp.asarray(points, precision))) == expected


@pytest.mark.parametrize("id", ["cma-es", "sep-cma-es"])
def test_a_degenerate_distribution_ends_a_run(id: str) -> None:
    """The run converges to f = 0 at x = 0, where points differ at every scale, long before patience ends."""
    task = function_task(sphere, 3)
    with precision_of(task.spec):
        steps: list[Step] = []
        for step in drive(task, make(f"{id}-restarts", task, patience=1e6), 400):
            steps.append(step)
            if int(step.state.restarts) == 1:
                break
        assert int(steps[-1].state.restarts) == 1
        assert 1e-12 < np.ptp(steps[-1].solutions) < 1e-10


def test_restarts_find_the_optimum_of_a_function_with_many() -> None:
    task = function_task(rastrigin, 2)
    with precision_of(task.spec):
        keys = jax.random.split(jax.random.key(0), 15)
        best = {}
        for id in ("cma-es", "cma-es-restarts"):
            optimizer = make(id, task, sigma=1.0)
            best[id] = -np.asarray(jax.jit(jax.vmap(lambda key, o=optimizer: best_after(task, o, key, 3000)))(keys))
    assert (best["cma-es"] > 0.5).sum() >= 5
    assert (best["cma-es-restarts"] < 1e-8).sum() >= 12
