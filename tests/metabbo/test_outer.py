"""The outer loop against OpenAI's evolution strategy with Adam in plain NumPy."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from qdbench.metabbo.outer import Outer
from tests.metabbo import tiny

START = {"b": np.array([[3.0, -1.0], [0.5, 2.0]], np.float32), "a": np.float32(-2.0)}
SCHEDULES = {
    "sigma": {"first": 0.3, "decay": 0.7, "last": 0.1},
    "learning_rate": {"first": 0.2, "decay": 0.8, "last": 0.02},
}


def outer(**changes: Any) -> Outer:
    return Outer(tiny.config(**{"members": 8, **changes}), START)


def test_names_and_shapes_survive() -> None:
    search = outer(**SCHEDULES)
    state = search.init()
    np.testing.assert_array_equal(state.mean, [-2, 3, -1, 0.5, 2])
    mean = search.mean(state)
    assert {name: np.shape(array) for name, array in mean.items()} == {"a": (), "b": (2, 2)}
    np.testing.assert_array_equal(mean["b"], START["b"])
    solutions, members = search.ask(state, 0)
    assert {name: np.shape(array) for name, array in members.items()} == {"a": (8,), "b": (8, 2, 2)}
    np.testing.assert_array_equal(members["a"], solutions[:, 0])
    np.testing.assert_array_equal(np.reshape(members["b"], (8, 4)), solutions[:, 1:])


def test_the_meta_population_is_mirrored() -> None:
    search = outer(members=2000, **SCHEDULES)
    state = search.init()
    for generation, sigma in ((0, 0.3), (1, 0.21), (100, 0.1)):
        solutions = np.asarray(search.ask(state, generation)[0], float)
        np.testing.assert_allclose(solutions[:1000] + solutions[1000:], 2 * np.tile(state.mean, (1000, 1)), atol=1e-5)
        steps = (solutions - np.asarray(state.mean)) / sigma
        np.testing.assert_allclose(steps.T @ steps / 2000, np.eye(5), atol=0.15)


def test_randomness_is_a_function_of_seed_and_generation() -> None:
    def steps(generation: int, **changes: Any) -> np.ndarray:
        search = outer(**changes)
        return np.asarray(search.ask(search.init(), generation)[0])

    np.testing.assert_array_equal(steps(4, seed=1), steps(4, seed=1))
    assert (steps(4, seed=1) != steps(4, seed=2)).all()
    assert (steps(4, seed=1) != steps(5, seed=1)).all()


class Adam:
    def __init__(self) -> None:
        self.first, self.second, self.count = 0.0, 0.0, 0

    def __call__(self, gradient: np.ndarray) -> np.ndarray:
        self.count += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        return self.first / (1 - 0.9**self.count) / (np.sqrt(self.second / (1 - 0.999**self.count)) + 1e-8)


@pytest.mark.parametrize("mean_decay", [0.0, 0.1])
def test_steps_against_numpy(mean_decay: float) -> None:
    search = outer(mean_decay=mean_decay, **SCHEDULES)
    state, rng, adam = search.init(), np.random.default_rng(0), Adam()
    mean = np.asarray(state.mean, float)
    for generation in range(12):
        sigma, rate = max(0.1, 0.3 * 0.7**generation), max(0.02, 0.2 * 0.8**generation)
        solutions, _ = search.ask(state, generation)
        noise = (np.asarray(solutions, float) - np.asarray(state.mean, float)) / sigma
        fitness = rng.normal(size=8)
        utility = fitness.argsort().argsort() / 7 - 0.5
        mean = (1 - mean_decay) * (mean + rate * adam(utility @ noise / (8 * sigma)))
        state = search.tell(state, generation, solutions, fitness)
        np.testing.assert_allclose(state.mean, mean, rtol=2e-4, atol=2e-4)


def test_only_the_order_of_the_fitness_counts() -> None:
    search = outer(**SCHEDULES)
    solutions, _ = search.ask(search.init(), 0)
    fitness = np.random.default_rng(3).normal(size=8)
    one, two = (search.tell(search.init(), 0, solutions, values) for values in (fitness, 1e3 * np.exp(fitness) - 5))
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("mean_decay", [0.0, 0.02])
def test_the_maximum_of_a_quadratic_is_found(mean_decay: float) -> None:
    search = outer(members=20, mean_decay=mean_decay, sigma={"first": 0.1}, learning_rate={"first": 0.1, "decay": 0.99})
    best = np.array([1.0, -1, 2, 0, 0.5])
    curvature = np.array([1.0, 4, 0.5, 2, 10])
    state = search.init()
    for generation in range(300):
        solutions, _ = search.ask(state, generation)
        state = search.tell(state, generation, solutions, -((np.asarray(solutions) - best) ** 2) @ curvature)
    distance = np.abs(np.asarray(state.mean) - best)
    if mean_decay:
        # Decay holds the mean back on the side of 0.
        assert (np.abs(np.asarray(state.mean))[[0, 1, 2]] < np.abs(best)[[0, 1, 2]]).all()
        assert distance.max() > 0.05
    else:
        assert distance.max() < 0.1
