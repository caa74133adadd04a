"""The learned operators and their features against textbook attention in NumPy, and what holds of any parameters."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree
from scipy import stats

from baselines.learned_ga import crossover, features, lga, mutation, sampling, selection
from tests.reference import learned_ga as reference

TOLERANCE = 1e-8
MODULES = {"selection": selection, "mutation": mutation, "sampling": sampling, "crossover": crossover}
SHAPES = [(heads, bias) for heads in (1, 2, 4) for bias in (True, False)]
precisions = pytest.mark.parametrize("precision", ["float32", "float64"])
SIZES = [(5, 3), (3, 8), (1, 4), (6, 1), (1, 1)]


def each_size_and_shape(names: str, *sizes: tuple[int, ...]) -> Any:
    """Every size with the default heads and biases, and all others with the first size."""
    rest = [shape for shape in SHAPES if shape != (2, True)]
    cases = [(*size, 2, True) for size in sizes] + [(*sizes[0], *shape) for shape in rest]
    return pytest.mark.parametrize((*names.split(), "heads", "bias"), cases)


def assert_close(actual: object, expected: object, tolerance: float = TOLERANCE) -> None:
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=tolerance)


def columns(rows: np.ndarray, dtype: str = "float64") -> list[jax.Array]:
    return [jnp.asarray(column, dtype) for column in np.asarray(rows).T]


def operator(name: str, heads: int = 2, bias: bool = True, seed: int = 0, scale: float = 0.7) -> Any:
    return reference.redrawn(MODULES[name].zeros(16, heads, bias, "float64"), seed, scale)


def inputs(rows: int, count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, count))


fitness = eqx.filter_jit(features.fitness)
rate = eqx.filter_jit(features.rate)
matrix = eqx.filter_jit(lambda op, children, parents: selection.matrix(op.forms(), children, parents))
factors = eqx.filter_jit(lambda op, seen: mutation.factors(op.forms(), seen))
log_odds = eqx.filter_jit(lambda op, seen, present: sampling.logits(op.forms(), seen, present))
draw_children = eqx.filter_jit(
    lambda keys, op, children, parents, allowed: jax.vmap(
        lambda key: selection.sample(key, op.forms(), children, parents, allowed)
    )(keys)
)
draw_parents = eqx.filter_jit(lambda key, op, *seen: sampling.sample(key, op.forms(), *seen))
change = eqx.filter_jit(lambda op, seen, solutions, best: crossover.change(op.forms(), seen, solutions, best))


@pytest.fixture
def x64() -> Any:
    with jax.enable_x64(True):
        yield


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_features_against_numpy(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count).round(1)
    for best in (-math.inf, 0.0, 0.3):
        seen = fitness(jnp.asarray(values), jnp.asarray(best))
        assert_close(np.stack(seen, axis=1), reference.fitness(values, best))
    sigmas = np.exp(values)
    assert_close(np.stack(rate(jnp.asarray(sigmas)), axis=1), reference.rate(sigmas))
    spread = features.diversity(jnp.asarray(values), jnp.asarray(values[-1]))
    assert_close(np.stack(spread, axis=1), reference.diversity(values, values[-1]))


def test_equals_share_the_mean_of_their_ranks() -> None:
    _, ranks, better = fitness(jnp.asarray([1.0, 3, 1, 5, 3, 3]), jnp.asarray(3.0))
    assert_close(ranks, [-0.4, 0.1, -0.4, 0.5, 0.1, 0.1], 1e-6)
    assert better.tolist() == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_counts_as_the_worst(bad: float) -> None:
    best = jnp.asarray(1.5)
    actual = fitness(jnp.asarray([2.0, bad, 1.0, bad, 3.0]), best)
    np.testing.assert_array_equal(actual, fitness(jnp.asarray([2.0, 1, 1, 1, 3]), best))


@pytest.mark.parametrize("best", [-5.0, 0.0, 5.0, -math.inf])
def test_no_finite_objective_is_better_than_none(best: float) -> None:
    np.testing.assert_array_equal(fitness(jnp.full(4, jnp.nan), jnp.asarray(best)), np.zeros((3, 4)))


@precisions
@pytest.mark.parametrize("count", [1, 2, 3, 10, 32, 41, 49, 61])
def test_equal_individuals_have_no_z_score(count: int, precision: str) -> None:
    """Whatever rounding does to the mean of equal numbers."""
    with jax.enable_x64(precision == "float64"):
        same = jnp.full(count, 0.3, precision)
        np.testing.assert_array_equal(fitness(same, jnp.asarray(1.0, precision)), np.zeros((3, count)))
        np.testing.assert_array_equal(rate(same), np.zeros((2, count)))
        np.testing.assert_array_equal(features.diversity(same, same[0]), np.zeros((2, count)))


@precisions
def test_equal_individuals_have_no_z_score_beside_absent_ones(precision: str) -> None:
    with jax.enable_x64(precision == "float64"):
        objective = jnp.full(64, 0.3, precision)
        present = jnp.asarray(np.tri(64, dtype=bool))
        seen = jax.jit(jax.vmap(lambda there: features.fitness(objective, objective[0], there)))(present)
        wrong = [int(there.sum()) for there, z in zip(present, seen[0], strict=True) if np.asarray(z)[there].any()]
        assert wrong == []


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1.0, 1e10, 1e30])
def test_any_scale_of_float32(scale: float) -> None:
    values = np.asarray([3.0, -2, 0.5, 7, -80, 3], np.float32)
    scaled = jnp.asarray((values.astype(float) * scale).astype(np.float32))
    assert_close(np.stack(fitness(scaled, jnp.float32(scale)), axis=1), reference.fitness(values, 1.0), 1e-5)
    assert_close(np.stack(rate(jnp.abs(scaled)), axis=1), reference.rate(np.abs(values)), 1e-5)
    assert_close(features.diversity(scaled, scaled[1]), reference.diversity(values, -2.0).T, 1e-5)


@pytest.mark.parametrize("largest", [1e30, 8e37, 3e38])
def test_numbers_of_all_sizes_at_once(largest: float) -> None:
    values = jnp.asarray([1e-30, -1e-30, largest, -largest, 1e20, 0, math.nan, 1e-37], jnp.float32)
    assert_close(np.stack(fitness(values, jnp.float32(0)), axis=1), reference.fitness(values, 0.0), 1e-5)
    present = jnp.asarray([True, True, False, False, False, True, False, False])
    for feature in fitness(values, jnp.float32(0), present):
        assert np.isfinite(np.asarray(feature)).all()


@given(
    st.lists(st.integers(-1000, 1000), min_size=6, max_size=6),
    st.integers(-1000, 1000),
    st.floats(1e-3, 1e3),
    st.floats(-1e4, 1e4),
)
def test_positive_affine_changes_are_not_seen(values: list[int], best: int, scale: float, shift: float) -> None:
    with jax.enable_x64(True):
        objective = jnp.asarray(values, float)
        before = fitness(objective, jnp.asarray(best, float))
        after = fitness(objective * scale + shift, jnp.asarray(best * scale + shift))
        np.testing.assert_allclose(after, before, atol=1e-7)
        np.testing.assert_array_equal(after[1], before[1])
        np.testing.assert_allclose(rate(objective * scale + shift), rate(objective), atol=1e-7)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("rest", [0.0, 1e30, -1e300, math.nan, math.inf, -math.inf])
def test_the_absent_are_left_out(rest: float) -> None:
    values = np.array([2.0, rest, 1e-9, 2.0, rest, math.nan, -3e-9, rest])
    there = np.array([True, False, True, True, False, True, True, False])
    best = jnp.asarray(1.0)
    seen = fitness(jnp.asarray(values), best, jnp.asarray(there))
    assert_close(np.stack(seen)[:, there], np.stack(fitness(jnp.asarray(values[there]), best)))
    op = operator("sampling")
    rows = inputs(8, 4)
    rows[~there] = 1e6
    odds = np.asarray(log_odds(op, columns(rows), jnp.asarray(there)))
    assert_close(odds[there], log_odds(op, columns(rows[there]), jnp.ones(5, bool)))
    assert (odds[~there] == -math.inf).all()


@pytest.mark.usefixtures("x64")
@each_size_and_shape("children parents", *SIZES)
def test_selection_against_numpy(children: int, parents: int, heads: int, bias: bool) -> None:
    op = operator("selection", heads, bias)
    of_children, of_parents = inputs(children, 3), inputs(parents, 3, seed=2)
    expected = reference.selection_matrix(op, of_children, of_parents)
    assert expected.shape == (parents, children + 1)
    assert_close(matrix(op, columns(of_children), columns(of_parents)), expected)


@pytest.mark.usefixtures("x64")
@each_size_and_shape("count", (9,), (2,), (1,))
def test_adaptation_against_numpy(count: int, heads: int, bias: bool) -> None:
    op, rows = operator("mutation", heads, bias, scale=0.4), inputs(count, 5)
    expected = reference.factors(op, rows)
    # Within the bounds that the paper does not have.
    assert (np.abs(np.log(expected)) < 10).all()
    assert_close(factors(op, columns(rows)), expected)


@pytest.mark.usefixtures("x64")
@each_size_and_shape("count", (9,), (2,), (1,))
def test_sampling_against_numpy(count: int, heads: int, bias: bool) -> None:
    op, rows = operator("sampling", heads, bias), inputs(count, 4)
    odds = log_odds(op, columns(rows), jnp.ones(count, bool))
    assert_close(jax.nn.softmax(odds), reference.sampling_probabilities(op, rows))


@pytest.mark.usefixtures("x64")
@each_size_and_shape("count dim", (7, 4), (6, 1), (1, 3))
def test_crossover_against_numpy(count: int, dim: int, heads: int, bias: bool) -> None:
    op, rows, solutions = operator("crossover", heads, bias), inputs(count, 3), inputs(count, dim, seed=4)
    # A parameter in which all agree has features of zero.
    solutions[:, 0] = 1.5
    new = solutions + change(op, columns(rows), jnp.asarray(solutions), jnp.int32(count - 1))
    assert_close(new, reference.crossed(op, rows, solutions, count - 1))


@pytest.mark.usefixtures("x64")
def test_order_means_nothing() -> None:
    generator = np.random.default_rng(0)
    ahead, behind = generator.permutation(7), generator.permutation(5)
    of_children, of_parents = inputs(7, 3), inputs(5, 3, seed=2)
    op = operator("selection")
    plain = np.asarray(matrix(op, columns(of_children), columns(of_parents)))
    assert_close(matrix(op, columns(of_children[ahead]), columns(of_parents)), plain[:, [*ahead, 7]])
    assert_close(matrix(op, columns(of_children), columns(of_parents[behind])), plain[behind])

    rows, solutions, everyone = inputs(7, 5), inputs(7, 3, seed=3), jnp.ones(7, bool)
    op = operator("mutation")
    assert_close(factors(op, columns(rows[ahead])), np.asarray(factors(op, columns(rows)))[ahead])
    op, rows = operator("sampling"), rows[:, :4]
    assert_close(log_odds(op, columns(rows[ahead]), everyone), log_odds(op, columns(rows), everyone)[ahead])
    op, rows = operator("crossover"), rows[:, :3]
    plain = np.asarray(change(op, columns(rows), jnp.asarray(solutions), jnp.int32(ahead[2])))
    assert_close(change(op, columns(rows[ahead]), jnp.asarray(solutions[ahead]), jnp.int32(2)), plain[ahead])


@pytest.mark.parametrize(("children", "parents"), SIZES)
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_rows_of_the_matrix_are_distributions(children: int, parents: int, scale: float) -> None:
    op = reference.redrawn(selection.zeros(), 0, scale)
    actual = matrix(op, columns(inputs(children, 3), "float32"), columns(inputs(parents, 3), "float32"))
    assert actual.shape == (parents, children + 1)
    assert (np.asarray(actual) >= 0).all()
    assert_close(actual.sum(axis=1), np.ones(parents), 1e-5)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_factors_stay_within_bounds(scale: float) -> None:
    for seed in range(5):
        op = reference.redrawn(mutation.zeros(), seed, scale)
        actual = np.asarray(factors(op, columns(inputs(9, 5), "float32")))
        assert (np.abs(np.log(actual)) <= 10 + 1e-5).all()


def assert_drawn_from(choices: Any, probabilities: np.ndarray) -> None:
    counts = np.bincount(np.asarray(choices), minlength=len(probabilities))
    possible = probabilities > 0
    assert not counts[~possible].any()
    if possible.sum() > 1:
        assert stats.chisquare(counts[possible], len(choices) * probabilities[possible]).pvalue > 1e-4


@precisions
@pytest.mark.parametrize("allowed", [[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0]])
def test_selection_is_sampled_as_the_matrix_says(allowed: list[int], precision: str) -> None:
    with jax.enable_x64(precision == "float64"):
        op = reference.redrawn(selection.zeros(dtype=precision), 3, 0.5)
        of_children, of_parents = inputs(4, 3), inputs(3, 3, seed=2)
        seen = columns(of_children, precision), columns(of_parents, precision)
        may = jnp.asarray(allowed, bool)
        keys = jax.random.split(jax.random.key(0), 20_000)
        chosen = draw_children(keys, op, *seen, may)
    expected = reference.selection_matrix(op, of_children, of_parents) * [*allowed, 1]
    for parent, row in enumerate(expected):
        assert_drawn_from(chosen[:, parent], row / row.sum())
    independent = expected / expected.sum(axis=1, keepdims=True)
    together = np.asarray(chosen[:, 0] * 5 + chosen[:, 1])
    assert_drawn_from(together, np.outer(independent[0], independent[1]).ravel())


@precisions
@pytest.mark.parametrize("present", [[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 1, 0, 0]])
def test_parents_are_sampled_as_the_softmax_says(present: list[int], precision: str) -> None:
    there = np.asarray(present, bool)
    with jax.enable_x64(precision == "float64"):
        op = reference.redrawn(sampling.zeros(dtype=precision), 4, 0.7)
        rows = inputs(5, 4)
        seen = columns(rows, precision)
        chosen = draw_parents(jax.random.key(1), op, seen, jnp.asarray(there), 30_000)
    expected = np.zeros(5)
    expected[there] = reference.sampling_probabilities(op, rows[there])
    assert_drawn_from(chosen, expected)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_parameters_of_zero(heads: int) -> None:
    rows = columns(inputs(6, 5), "float32")
    keep = np.asarray(matrix(selection.zeros(16, heads), rows[:3], rows[:3]))
    assert_close(keep[:, -1], np.full(6, math.e / (math.e + 6)), 1e-6)
    assert_close(keep[:, :-1], np.full((6, 6), 1 / (math.e + 6)), 1e-6)
    np.testing.assert_array_equal(factors(mutation.zeros(16, heads), rows), np.ones(6))
    np.testing.assert_array_equal(log_odds(sampling.zeros(16, heads), rows[:4], jnp.ones(6, bool)), np.zeros(6))
    solutions = jnp.asarray(inputs(6, 2), jnp.float32)
    np.testing.assert_array_equal(change(crossover.zeros(16, heads), rows[:3], solutions, jnp.int32(0)), 0 * solutions)


def outputs(operators: Any, objective: jax.Array, sigmas: jax.Array) -> jax.Array:
    """One number that depends on all parameters of all operators."""
    seen = features.fitness(objective, objective[0])
    weights = jnp.arange(objective.shape[0], dtype=objective.dtype)
    solutions = jnp.stack([weights, sigmas], axis=1)
    moves = selection.matrix(operators.selection.forms(), seen, seen)[:, :-1] @ weights
    steps = mutation.factors(operators.mutation.forms(), [*seen, *features.rate(sigmas)])
    odds = sampling.logits(operators.sampling.forms(), [*seen, jnp.tanh(weights)], weights >= 0)
    moved = crossover.change(operators.crossover.forms(), seen, solutions, jnp.int32(0)).sum(axis=1)
    return jnp.vdot(weights, moves + jnp.log(steps) + odds + moved)


value_and_gradient = eqx.filter_jit(jax.value_and_grad(outputs))


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("scale", [0.0, 0.5, 20.0])
def test_gradients_are_finite(scale: float, equal: bool) -> None:
    operators = reference.redrawn(lga.zero_operators(MODULES, 16, 2, True), 0, scale)
    objective = [2.0] * 6 if equal else [2.0, 1, math.nan, 2, -4, 1e30]
    sigmas = [0.1] * 6 if equal else [1.0, 2, 3, 4, 5, 6]
    _, gradient = value_and_gradient(operators, jnp.asarray(objective), jnp.asarray(sigmas))
    flat, _ = ravel_pytree(gradient)
    assert np.isfinite(np.asarray(flat)).all()


@pytest.mark.usefixtures("x64")
def test_gradients_are_slopes() -> None:
    zero = jax.tree.map(lambda leaf: leaf.astype("float64"), lga.zero_operators(MODULES, 16, 2, True))
    operators, direction = reference.redrawn(zero, 0, 0.5), reference.redrawn(zero, 1, 1.0)
    objective, sigmas = jnp.asarray([2.0, 1, 5, 2, -4, 0]), jnp.asarray([1.0, 2, 3, 4, 5, 6])
    flat, restore = ravel_pytree(operators)
    along = ravel_pytree(direction)[0]
    (ahead, _), (behind, _), (_, gradient) = (
        value_and_gradient(restore(flat + step * along), objective, sigmas) for step in (1e-6, -1e-6, 0)
    )
    slope = jnp.vdot(ravel_pytree(gradient)[0], along)
    np.testing.assert_allclose((ahead - behind) / 2e-6, slope, rtol=1e-5)


def count(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def test_number_of_parameters() -> None:
    """The paper: fewer than 1500 for selection and adaptation."""
    assert (count(selection.zeros()), count(mutation.zeros())) == (800, 577)
    assert count(lga.zero_operators(["selection", "mutation"], 16, 2, True)) == 1377
    # Its formulas, with one head and no bias: four maps of three features and one of 16; three of five and a column.
    assert count(selection.zeros(16, 1, False)) == 4 * 3 * 16 + 16 * 16
    assert count(mutation.zeros(16, 1, False)) == 3 * 5 * 16 + 16


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize(("width", "heads"), [(16, 3), (16, 0), (0, 1), (8, 16), (-16, 2), (16, -2)])
def test_the_width_must_be_a_multiple_of_the_heads(width: int, heads: int, name: str) -> None:
    with pytest.raises(ValueError, match=rf"multiple of its heads, but it is {width} with {heads} heads"):
        MODULES[name].zeros(width, heads)


def test_unknown_operators_are_named() -> None:
    with pytest.raises(ValueError, match=r"selection, mutation, sampling, crossover, but 'migration' was asked for"):
        lga.zero_operators(["selection", "migration"], 16, 2, True)
