"""The genetic algorithms against lists in NumPy, given the same numbers, and their rules one by one."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.genetic import population
from qdbench.protocols import Evaluation, precision_of
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
from tests.reference import genetic

IDS = ("gaussian-ga", "mr15-ga", "samr-ga", "gesmr-ga")
PLUS = IDS[:3]
TOLERANCE = 1e-8


def assert_close(actual: object, expected: object) -> None:
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=TOLERANCE, atol=TOLERANCE)


def powers(key: jax.Array, count: int) -> np.ndarray:
    """Uniform numbers in [-1, 1)."""
    return np.asarray(draw_integers(key, count, jnp.int32(2**24))) / 2**23 - 1


def people(state: Any) -> population.Population:
    return state if isinstance(state, population.Population) else state.population


@pytest.mark.parametrize("elite_ratio", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("id", PLUS)
def test_plus_selection_against_numpy(id: str, elite_ratio: float) -> None:
    size, dim = 10, 4
    task = function_task(ellipsoid, dim)
    optimizer = make(id, task, batch_size=size, elite_ratio=elite_ratio, sigma=0.7)
    classes = {"gaussian-ga": genetic.Plus, "mr15-ga": genetic.Mr15, "samr-ga": genetic.Samr}
    oracle = classes[id](0.7, elite_ratio, size)
    with precision_of(task.spec):
        for step in drive(task, optimizer, 40):
            if step.batch.name == "initial":
                assert (np.abs(step.solutions) <= 5).all()
                oracle.start(step.solutions, step.objective)
                continue
            picks = draw_integers(part_key(step.ask_key, 0), size, jnp.int32(oracle.elites))
            normals = draw_normal(part_key(step.ask_key, 1), (size, dim), "float64")
            expected = oracle.ask(np.asarray(picks), np.asarray(normals), powers(part_key(step.ask_key, 2), size))
            assert_close(step.solutions, expected)
            oracle.tell(step.objective)
            kept = people(step.state)
            assert_close(kept.solutions[: oracle.elites], [parent.solution for parent in oracle.parents])
            assert_close(kept.objective[: oracle.elites], [parent.objective for parent in oracle.parents])
            if id == "mr15-ga":
                assert_close(step.state.sigma, oracle.sigma)
            if id == "samr-ga":
                assert_close(step.state.sigmas[: oracle.elites], [parent.sigma for parent in oracle.parents])


@pytest.mark.parametrize(("size", "groups"), [(10, 3), (11, 5), (8, 7), (5, 1)])
def test_gesmr_against_numpy(size: int, groups: int) -> None:
    dim = 4
    task = function_task(ellipsoid, dim)
    optimizer = make("gesmr-ga", task, batch_size=size, num_groups=groups, sigma=0.7)
    oracle = genetic.Gesmr(0.7, 0.5, 0.5, size, groups)
    with precision_of(task.spec):
        for step in drive(task, optimizer, 40):
            if step.batch.name == "initial":
                oracle.start(step.solutions, step.objective)
                continue
            picks = draw_integers(part_key(step.ask_key, 0), size - 1, jnp.int32(oracle.elites))
            normals = draw_normal(part_key(step.ask_key, 1), (size - 1, dim), "float64")
            assert_close(step.solutions, oracle.ask(np.asarray(picks), np.asarray(normals)))
            drawn = draw_integers(part_key(step.tell_key, 0), groups, jnp.int32(oracle.sigma_elites))
            oracle.tell(step.objective, np.asarray(drawn), powers(part_key(step.tell_key, 1), groups))
            assert_close(step.state.sigmas, oracle.sigmas)
            assert_close(step.state.population.solutions, [member.solution for member in oracle.population])


@eqx.filter_jit
def _scripted(optimizer: Any, objective: jax.Array) -> tuple[Any, Any]:
    key, size = jax.random.key(3), objective.shape[0]
    nothing = jnp.zeros((size, 0))
    solutions, state = optimizer.ask(key, optimizer.init(key), optimizer.initial[0])
    state = optimizer.tell(key, state, optimizer.initial[0], solutions, Evaluation(jnp.zeros(size), nothing))
    solutions, state = optimizer.ask(key, state, optimizer.iteration[0])
    return state, optimizer.tell(key, state, optimizer.iteration[0], solutions, Evaluation(objective, nothing))


def scripted(id: str, objective: list[float], **settings: Any) -> tuple[Any, Any, Any]:
    """An optimizer whose initial batch was all equally good, and its state before and after children were."""
    task = function_task(sphere, 2)
    with precision_of(task.spec):
        optimizer = make(id, task, batch_size=len(objective), **settings)
        return optimizer, *_scripted(optimizer, jnp.asarray(objective, float))


@pytest.mark.parametrize(("successes", "factor"), [(0, 0.5), (2, 0.5), (3, 2.0), (10, 2.0)])
def test_mr15_doubles_if_more_than_a_fifth_succeed(successes: int, factor: float) -> None:
    # Children as good as their parents are no successes.
    _, before, after = scripted("mr15-ga", [1.0] * successes + [0.0] * (10 - successes), sigma=0.3)
    assert float(before.sigma) == 0.3
    assert float(after.sigma) == pytest.approx(0.3 * factor)


@pytest.mark.parametrize(
    ("better", "equal", "weight", "factor"),
    [(0, 10, None, 0.5), (0, 10, 0.0, 0.5), (0, 2, 1.0, 0.5), (0, 3, 1.0, 2.0), (1, 2, 1.0, 2.0), (1, 2, 0.5, 0.5)],
)
def test_mr15_counts_ties_by_their_weight(better: int, equal: int, weight: float | None, factor: float) -> None:
    objective = [1.0] * better + [0.0] * equal + [-1.0] * (10 - better - equal)
    given = {} if weight is None else {"tie_weight": weight}
    _, before, after = scripted("mr15-ga", objective, sigma=0.3, **given)
    assert float(after.sigma) == pytest.approx(float(before.sigma) * factor)


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_mr15_refuses_other_weights(weight: float) -> None:
    with pytest.raises(ValueError, match=rf"tie_weight must be in \[0, 1\], but it is {weight}"):
        make("mr15-ga", function_task(sphere, 2), tie_weight=weight)


def test_mr15_searches_a_plateau_only_if_ties_count() -> None:
    def steps(x: Any) -> Any:
        return jnp.floor(jnp.abs(x)).sum(axis=-1)

    task = function_task(steps, 4)
    sigmas = {}
    for weight in (0.0, 1.0):
        optimizer = make("mr15-ga", task, batch_size=10, sigma=1.0, tie_weight=weight)
        with precision_of(task.spec):
            *_, last = drive(task, optimizer, 100)
        sigmas[weight] = float(last.state.sigma)
    assert sigmas[0.0] < 1e-6
    assert sigmas[1.0] > 1e-2


def test_samr_children_take_their_step_sizes_along() -> None:
    objective = [float(i) for i in range(1, 9)]
    _, before, after = scripted("samr-ga", objective, sigma=0.3)
    steps = np.asarray(before.children)
    assert ((steps >= 0.15) & (steps < 0.6)).all()
    assert len(np.unique(steps)) == 8
    np.testing.assert_array_equal(after.sigmas, steps[::-1])


def test_gesmr_keeps_the_step_size_of_the_best_group() -> None:
    settings = {"num_groups": 3, "sigma_ratio": 0.01}
    optimizer, before, _ = scripted("gesmr-ga", [0.0] * 10, **settings)
    with precision_of(optimizer.spec):
        state = eqx.tree_at(lambda s: s.sigmas, before, jnp.asarray([0.1, 1.0, 10.0]))
        # The second group has the best child, although the others are better on average.
        objective = jnp.asarray([0.0, 3, 3, 3, -9, 4, -9, 2, 2, 2])
        evaluation = Evaluation(objective, jnp.zeros((10, 0)))
        tell = eqx.filter_jit(optimizer.tell)
        after = tell(jax.random.key(0), state, optimizer.iteration[0], jnp.zeros((10, 2)), evaluation)
    assert float(after.sigmas[0]) == 1.0
    assert ((np.asarray(after.sigmas[1:]) >= 0.5) & (np.asarray(after.sigmas[1:]) < 2)).all()
    assert (np.asarray(after.sigmas[1:]) != 1).all()


def test_gesmr_asks_for_its_elite_again() -> None:
    task = function_task(sphere, 5)
    with precision_of(task.spec):
        for step in drive(task, make("gesmr-ga", task, batch_size=9), 10):
            if step.batch.name != "initial":
                np.testing.assert_array_equal(step.solutions[0], step.before.population.solutions[0])
                assert (step.solutions[1:] != step.solutions[0]).any(axis=1).all()


@pytest.mark.parametrize("groups", [0, 8, 20, -1])
def test_gesmr_needs_a_child_for_each_group(groups: int) -> None:
    with pytest.raises(ValueError, match=r"batch_size is 8 and num_groups is"):
        make("gesmr-ga", function_task(sphere, 2), batch_size=8, num_groups=groups)


@pytest.mark.parametrize("size", [2, 3, 4, 7, 16, 31, 32, 33])
def test_gesmr_takes_any_batch(size: int) -> None:
    optimizer = make("gesmr-ga", function_task(sphere, 2), batch_size=size)
    sizes = np.bincount(optimizer._groups())
    assert len(sizes) == optimizer.num_groups
    assert sizes.sum() == size - 1
    assert sizes.max() - sizes.min() <= 1
    assert abs(optimizer.num_groups - size**0.5) < 1


@pytest.mark.parametrize("id", IDS)
def test_the_best_is_never_lost(id: str) -> None:
    task = function_task(rastrigin, 6, "float32")
    with precision_of(task.spec):
        best = -np.inf
        for step in drive(task, make(id, task, batch_size=8, sigma=2.0), 30):
            best = max(best, step.objective.max())
            assert float(people(step.state).objective[0]) == best


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_last(id: str, bad: float) -> None:
    objective = [bad, -5.0, bad, -7.0, -6.0, bad]
    _, _, after = scripted(id, objective)
    kept = np.asarray(people(after).objective)
    if id == "gesmr-ga":
        assert kept.tolist() == [-5, -6, -7, -np.inf, -np.inf, -np.inf]
    else:
        assert kept.tolist() == [0] * 6
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(after) if leaf.shape == ())
    if id != "gaussian-ga" and id != "mr15-ga":
        assert np.isfinite(np.asarray(after.sigmas)).all()


@pytest.mark.parametrize("id", IDS)
def test_a_start_without_a_finite_objective(id: str) -> None:
    task = function_task(lambda x: sphere(x) * jnp.nan, 3, "float32")
    with precision_of(task.spec):
        for step in drive(task, make(id, task, batch_size=6), 4):
            assert np.isfinite(step.solutions).all()
            assert not np.isnan(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(step.state)])).any()


@pytest.mark.parametrize("id", IDS)
def test_translation_of_the_task_is_a_translation_of_the_run(id: str) -> None:
    def run(centre: float) -> list[np.ndarray]:
        task = function_task(lambda x: ellipsoid(x - centre), 3, start=Start(mean=centre, scale=1.0))
        with precision_of(task.spec):
            return [step.solutions - centre for step in drive(task, make(id, task, batch_size=8), 10)]

    for one, two in zip(run(0.0), run(16.0), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)


@pytest.mark.parametrize(
    ("ratio", "size", "expected"), [(0, 32, 1), (0.15, 20, 3), (0.15, 32, 5), (0.5, 31, 16), (1, 32, 32), (1.7, 8, 8)]
)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_number_of_parents(ratio: float, size: int, expected: int, precision: str) -> None:
    with jax.enable_x64(precision == "float64"):
        assert int(population.elites(jnp.asarray(ratio, precision), size)) == expected


@pytest.mark.parametrize("id", ["mr15-ga", "gesmr-ga"])
def test_one_program_serves_a_grid_of_settings(id: str) -> None:
    """Batched over hyperparameters and keys, every run is what it is alone."""
    task = function_task(sphere, 4)
    grid = [(sigma, ratio) for sigma in (0.1, 1.0) for ratio in (0.0, 0.35, 1.0)]
    with precision_of(task.spec):
        optimizers = [make(id, task, batch_size=8, sigma=sigma, elite_ratio=ratio) for sigma, ratio in grid]
        keys = jax.random.split(jax.random.key(0), len(grid))
        run = jax.jit(lambda optimizer, key: best_after(task, optimizer, key, 20))
        alone = [float(run(optimizer, key)) for optimizer, key in zip(optimizers, keys, strict=True)]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *optimizers)
        np.testing.assert_allclose(jax.vmap(run)(stacked, keys), alone, rtol=1e-12)
    assert len(set(alone)) == len(grid)


@pytest.mark.parametrize(
    ("id", "bound"), [("gaussian-ga", 2.0), ("mr15-ga", 1e-6), ("samr-ga", 1e-6), ("gesmr-ga", 1e-6)]
)
def test_solves_the_sphere(id: str, bound: float) -> None:
    task = function_task(sphere, 5)
    with precision_of(task.spec):
        run = jax.jit(jax.vmap(lambda key: best_after(task, make(id, task), key, 300)))
        assert -np.median(run(jax.random.split(jax.random.key(1), 11))) < bound
