"""The Learned Genetic Algorithm against lists in NumPy, given the same numbers, and its rules one by one."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.learned_ga import lga
from qdbench.protocols import Evaluation, precision_of
from qdbench.random import uniform
from qdbench.spec import Start
from tests.baselines.driving import (
    best_after,
    draw_integers,
    draw_normal,
    drive,
    ellipsoid,
    function_task,
    make,
    part_key,
    rastrigin,
    sphere,
)
from tests.reference import learned_ga as reference

SETS = ("selection mutation", "selection", "mutation", "selection mutation sampling crossover", "sampling", "")
SIGMA = 0.7
draw_uniform = jax.jit(uniform, static_argnums=(1, 2))


def assert_close(actual: object, expected: object, tolerance: float = 1e-8) -> None:
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=tolerance)


def make_random(
    task: Any, names: str, size: int = 8, elite_ratio: float = 1.0, seed: int = 0, scale: float = 0.5, **shape: Any
) -> lga.LearnedGa:
    """Call it in the task's precision."""
    zero = lga.make_zero(task.spec, SIGMA, elite_ratio, size, names, **shape)
    return eqx.tree_at(
        lambda made: jax.tree.leaves(made.operators),
        zero,
        jax.tree.leaves(reference.redrawn(zero.operators, seed, scale)),
    )


def draw_gumbel(key: jax.Array, shape: tuple[int, int], precision: str) -> np.ndarray:
    """From the middles of the cells of the grid on which uniform numbers lie."""
    middle = np.asarray(draw_uniform(key, shape, precision), float) + (2.0**-53 if precision == "float64" else 2.0**-24)
    return -np.log(-np.log(middle))


def follow(task: Any, optimizer: lga.LearnedGa, steps: int, tolerance: float = 1e-8) -> None:
    """Compares every number of every step with the reference's."""
    size, dim, precision = optimizer.iteration[0].size, task.spec.dim, task.spec.precision
    oracle = reference.LearnedGa(optimizer.operators, float(optimizer.sigma), float(optimizer.elite_ratio), size)
    for step in drive(task, optimizer, steps):
        if step.batch.name == "initial":
            assert (np.abs(step.solutions) <= 5).all()
            oracle.start(step.solutions, step.objective)
        else:
            sampling_key = part_key(step.ask_key, 0)
            picks = np.asarray(draw_integers(sampling_key, size, jnp.int32(oracle.elites)))
            normals = np.asarray(draw_normal(part_key(step.ask_key, 1), (size, dim), precision))
            expected = oracle.ask(picks, draw_gumbel(sampling_key, (size, size), precision), normals)
            assert_close(step.solutions, expected, tolerance)
            oracle.tell(step.objective, draw_gumbel(part_key(step.tell_key, 0), (size + 1, size), precision))
        objective, solutions, sigmas, ages = (np.asarray(column) for column in zip(*oracle.parents, strict=True))
        kept = slice(oracle.elites)
        finite = np.where(np.isfinite(objective), objective, -np.inf)
        assert_close(step.state.population.objective[kept], finite, tolerance)
        assert_close(step.state.population.solutions[kept], np.stack(list(solutions)), tolerance)
        assert_close(step.state.sigmas[kept], sigmas, tolerance)
        np.testing.assert_array_equal(step.state.ages[kept], ages)
        assert_close(step.state.before, oracle.before, tolerance)


@pytest.mark.parametrize("elite_ratio", [1.0, 0.3])
@pytest.mark.parametrize("names", SETS)
def test_step_by_step_against_numpy(names: str, elite_ratio: float) -> None:
    task = function_task(ellipsoid, 4)
    with precision_of(task.spec):
        # Features of differences that are almost nothing amplify rounding, so cross-over is followed for less long.
        follow(task, make_random(task, names, 10, elite_ratio), 10 if "crossover" in names else 25)


@pytest.mark.parametrize(
    ("size", "dim", "heads", "width", "bias"),
    [(1, 1, 4, 16, True), (2, 1, 1, 8, False), (2, 20, 4, 16, True), (7, 3, 1, 8, False), (32, 20, 4, 16, True)],
)
def test_every_shape_against_numpy(size: int, dim: int, heads: int, width: int, bias: bool) -> None:
    task = function_task(sphere, dim)
    shape = {"heads": heads, "width": width, "bias": bias}
    with precision_of(task.spec):
        follow(task, make_random(task, "selection mutation sampling crossover", size, 0.5, **shape), 6)


@pytest.mark.parametrize("names", ["selection mutation", "mutation"])
def test_single_precision_against_numpy(names: str) -> None:
    task = function_task(sphere, 3, "float32")
    with precision_of(task.spec):
        follow(task, make_random(task, names, 8, 0.5, scale=0.3), 5, 1e-3)


def holes(x: Any) -> Any:
    """A sphere with NaN, plus and minus infinity in it."""
    bad = jnp.asarray([jnp.nan, jnp.inf, -jnp.inf, 0], x.dtype)[jnp.floor(x[:, 0] * 4).astype(int) % 4]
    return sphere(x) + bad


def walled(x: Any) -> Any:
    """No holes where the search starts."""
    return jnp.where((x[:, 0] >= 1) & (x[:, 0] <= 3), sphere(x), holes(x))


@pytest.mark.parametrize("names", ["selection mutation", "mutation", SETS[3], "sampling"])
def test_holes_against_numpy(names: str) -> None:
    task = function_task(walled, 2, start=Start(kind="uniform", low=1, high=3))
    with precision_of(task.spec):
        follow(task, make_random(task, names, 10, 0.5), 10)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("elite_ratio", [0.0, 0.3, 1.0])
def test_without_learned_operators_it_is_the_gaussian_ga(elite_ratio: float, precision: str) -> None:
    task = function_task(rastrigin, 5, precision)
    with precision_of(task.spec):
        plain = make("gaussian-ga", task, batch_size=9, elite_ratio=elite_ratio, sigma=SIGMA)
        ours = make_random(task, "", 9, elite_ratio)
        for one, two in zip(drive(task, ours, 30), drive(task, plain, 30), strict=True):
            assert_close(one.solutions, two.solutions, 1e-12 if precision == "float64" else 1e-5)
            assert_close(one.state.population.objective, two.state.objective, 1e-12 if precision == "float64" else 1e-4)


def test_a_stack_is_what_each_is_alone() -> None:
    """Over parameters, hyperparameters and keys: what meta-evolution runs."""
    task = function_task(rastrigin, 4)
    grid = [(seed, ratio) for seed in range(3) for ratio in (0.3, 1.0)]
    with precision_of(task.spec):
        made = [make_random(task, SETS[3], 8, ratio, seed) for seed, ratio in grid]
        keys = jax.random.split(jax.random.key(0), len(grid))
        run = jax.jit(lambda optimizer, key: best_after(task, optimizer, key, 15))
        alone = [float(run(optimizer, key)) for optimizer, key in zip(made, keys, strict=True)]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *made)
        np.testing.assert_allclose(jax.vmap(run)(stacked, keys), alone, rtol=1e-8)
    assert len(set(alone)) == len(grid)


@pytest.mark.parametrize(
    ("names", "precision"), [*((names, "float32") for names in SETS), (SETS[3], "float64"), ("", "float64")]
)
def test_what_is_not_finite_stays_out(names: str, precision: str) -> None:
    task = function_task(holes, 2, precision)
    with precision_of(task.spec):
        for step in drive(task, make_random(task, names, 12, 0.5), 40):
            before, kept = step.before.population.objective, np.asarray(step.state.population.objective)
            if step.batch.name == "initial":
                assert not np.isfinite(step.objective).all()
            assert not np.isnan(kept).any()
            assert (kept < np.inf).all()
            if step.batch.name != "initial":
                # Those without a finite objective are what is left of the initial population.
                stayed = ~np.isfinite(kept)
                assert stayed.sum() <= (~np.isfinite(np.asarray(before))).sum()
                np.testing.assert_array_equal(
                    np.isin(step.state.population.solutions[stayed], step.before.population.solutions), True
                )
            assert not np.isnan(float(step.state.before))


@pytest.mark.parametrize("names", [SETS[3], ""])
def test_a_start_without_a_finite_objective(names: str) -> None:
    task = function_task(lambda x: sphere(x) * jnp.nan, 3, "float32")
    with precision_of(task.spec):
        for step in drive(task, make_random(task, names, 6), 4):
            assert np.isfinite(step.solutions).all()
            assert float(step.state.before) == -np.inf


def test_the_first_parents_are_of_the_initial_population() -> None:
    task = function_task(holes, 3)
    with precision_of(task.spec):
        (step,) = drive(task, make_random(task, "selection mutation", 12), 0)
        assert not np.isfinite(step.objective).all()
        np.testing.assert_array_equal(np.sort(step.state.population.solutions, axis=0), np.sort(step.solutions, axis=0))
        np.testing.assert_array_equal(step.state.ages, np.zeros(12))


@pytest.mark.parametrize(
    ("names", "precision"),
    [
        ("selection mutation", "float32"),
        ("mutation", "float32"),
        ("selection mutation sampling", "float32"),
        ("selection mutation sampling", "float64"),
    ],
)
def test_the_state_stays_finite(names: str, precision: str) -> None:
    """Whatever the parameters; rates may go to their bounds."""
    task = function_task(rastrigin, 3, precision)
    with precision_of(task.spec):
        make_one = eqx.filter_jit(lambda key, made: run_states(task, made, key, 200))
        for seed, scale in enumerate((3.0, 30.0, 1000.0)):
            finite, low, high = make_one(jax.random.key(seed), make_random(task, names, 8, 0.5, seed, scale))
            assert bool(finite)
            assert 0.99e-20 <= float(low) <= float(high) <= 1.01e6


def run_states(task: Any, optimizer: Any, key: jax.Array, iterations: int) -> Any:
    """Whether all numbers of the states are finite, and the lowest and highest rate."""

    def tell(state: Any, key: jax.Array, batch: Any) -> Any:
        one, two = jax.random.split(key)
        solutions, state = optimizer.ask(one, state, batch)
        evaluation = Evaluation(-task.function(solutions), jnp.zeros((batch.size, 0), solutions.dtype))
        return optimizer.tell(two, state, batch, solutions, evaluation)

    def advance(state: Any, key: jax.Array) -> Any:
        state = tell(state, key, optimizer.iteration[0])
        kept = eqx.tree_at(lambda s: s.before, state, jnp.zeros_like(state.before))
        finite = jnp.all(jnp.asarray([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(kept)]))
        return state, (finite, state.children.min(), state.children.max())

    first, *keys = jax.random.split(key, iterations + 1)
    state = tell(optimizer.init(first), first, optimizer.initial[0])
    _, (finite, low, high) = jax.lax.scan(advance, state, jnp.stack(keys))
    return finite.all(), low.min(), high.max()


def test_operators_take_the_precision_of_the_task() -> None:
    for precision in ("float32", "float64"):
        task = function_task(sphere, 2, precision)
        with precision_of(task.spec):
            operators = reference.redrawn(lga.zero_operators(["selection", "mutation"], 16, 2, True), 0, 1.0)
            optimizer = lga.make_with(operators, "mine", task.spec, 0.1, 0.5, 6)
            assert optimizer.id == "mine"
            assert {str(leaf.dtype) for leaf in jax.tree.leaves(optimizer)} == {precision}
            state = list(drive(task, optimizer, 2))[-1].state
            assert {str(leaf.dtype) for leaf in jax.tree.leaves(state)} == {precision}


def test_defaults() -> None:
    spec = function_task(sphere, 2, "float32").spec
    optimizer = lga.make_zero(spec)
    assert (optimizer.id, optimizer.iteration[0].size) == ("lga", 32)
    assert (float(optimizer.sigma), float(optimizer.elite_ratio)) == (0.25, 1.0)
    assert sum(leaf.size for leaf in jax.tree.leaves(optimizer.operators)) == 1377
    assert optimizer.operators.sampling is None
    assert optimizer.operators.crossover is None


@pytest.mark.parametrize("settings", [{"operators": "selection mutations"}, {"heads": 3}, {"heads": 0}, {"width": 15}])
def test_wrong_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"'mutations' was asked for|multiple of its heads"):
        lga.make_zero(function_task(sphere, 2, "float32").spec, **settings)
