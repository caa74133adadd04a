"""The noisy BBOB tasks: COCO's values given COCO's random numbers, and noise from keys as it is defined."""

from __future__ import annotations

import cocoex
import jax
import numpy as np
import pytest

import qdbench
from qdbench.protocols import precision_of
from qdbench.tasks.bbob import noise
from tests.reference import bbob, bbob_noisy
from tests.tasks.instances import anonymous, points, stacked

FUNCTIONS = range(101, 131)
SAMPLES = 20_000


def make(function: int, dim: int = 5, instance: int = 1, precision: str = "float64") -> qdbench.Task:
    return qdbench.make("BBOB-Noisy-v0", function=function, dim=dim, instance=instance, precision=precision)


@pytest.mark.parametrize("dim", [2, 5, 40])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_coco_with_its_own_noise(function: int, dim: int) -> None:
    chosen = f"dimensions:{dim} function_indices:{function - 100}"
    # The counters behind COCO's noise start again with a new suite.
    suite, stream = cocoex.Suite("bbob-noisy", "instances:1-15", chosen), bbob_noisy.Stream()
    expected, clear, theta, numbers, tasks = [], [], [], [], []
    for problem in suite:
        assert (problem.id_function, problem.dimension) == (function, dim)
        reference = bbob_noisy.make(function, dim, problem.id_instance)
        x = points(reference.x_opt, seed=100 * dim + problem.id_instance)
        expected.append([problem(row) for row in x])
        drawn = reference.draw(stream, len(x))
        # COCO adds f_opt and takes it away again before it adds noise: of a value of 1e-9, three digits are left, and
        # severe uniform noise raises it to a visible size. Neither we nor the reference lose them.
        clear.append((reference.excess(x) > 1e-2) | (reference.model != "uniform"))
        np.testing.assert_allclose(reference(x, drawn)[clear[-1]], np.array(expected[-1])[clear[-1]], 1e-10, 1e-10)
        tasks.append(make(function, dim, problem.id_instance))
        theta.append(x)
        numbers.append(drawn)
    assert np.shape(expected) == (15, 17)
    assert np.mean(clear) > 0.7
    with precision_of(tasks[0].spec):
        program = jax.jit(jax.vmap(lambda task, x, numbers: task.noisy_regret(x, numbers)))
        drawn = tuple(np.stack(part) for part in zip(*numbers, strict=True))
        regret = np.asarray(program(stacked(tasks), np.stack(theta), drawn))
    f_opt = np.array([task.spec.f_opt for task in tasks])[:, None]
    error = np.abs(f_opt + regret - np.array(expected)) / np.maximum(1, np.abs(expected))
    assert error[np.array(clear)].max() <= 1e-9


def sample(function: int, dim: int, precision: str = "float64") -> tuple[float, np.ndarray]:
    """The value without noise of a solution in the box, and its noisy values."""
    task = make(function, dim, precision=precision)
    x = bbob.make(1, dim, 5).x_opt
    with precision_of(task.spec):
        noisy = jax.jit(lambda key, x: task.evaluate(key, x).objective)(
            jax.random.key(function), np.broadcast_to(x, (SAMPLES, dim)).astype(precision)
        )
    return bbob_noisy.make(function, dim, 1).excess(x[None])[0], -np.asarray(noisy, np.float64) - 1.01e-8


def near(samples: np.ndarray, mean: float, deviation: float | None = None) -> None:
    """Mean and standard deviation (that of a coin if not given) are within five standard errors."""
    deviation = np.sqrt(mean * (1 - mean)) if deviation is None else deviation
    assert abs(samples.mean() - mean) <= 5 * deviation / np.sqrt(len(samples))
    squares = (samples - mean) ** 2
    assert abs(squares.mean() - deviation**2) <= 5 * squares.std() / np.sqrt(len(samples)) + 1e-12


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("function", "beta"), [(101, 0.01), (104, 0.01), (107, 1), (128, 1)])
def test_gaussian_noise_is_lognormal(function: int, beta: float, precision: str) -> None:
    value, noisy = sample(function, 5, precision)
    near(np.log(noisy / value), 0, beta)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("function", "strength"), [(102, 0.01), (105, 0.01), (108, 1), (117, 1)])
def test_uniform_noise(function: int, strength: float, precision: str) -> None:
    """The logarithm of the ratio is beta log u1 + alpha log(1e9 / v) u2, as values are below 1e9."""
    dim = 4
    value, noisy = sample(function, dim, precision)
    spread = (0.49 + 1 / dim) * strength * np.log(1e9 / value)
    assert spread > 0
    near(np.log(noisy / value), spread / 2 - strength, np.hypot(strength, spread / np.sqrt(12)))


@pytest.mark.parametrize(
    ("function", "alpha", "p"), [(103, 0.01, 0.05), (106, 0.01, 0.05), (109, 1, 0.2), (130, 1, 0.2)]
)
def test_cauchy_noise(function: int, alpha: float, p: float) -> None:
    """A share p of the values gets a Cauchy number, whose median is 0 and whose quartiles are -1 and 1."""
    value, noisy = sample(function, 5)
    cauchy = (noisy - value) / alpha - 1000
    assert cauchy.min() >= -1000 - 1e-9
    chosen = np.abs(cauchy) > 1e-6  # the others are 0 but for rounding
    near(chosen, p)
    for x in (-5, -1, 0, 1, 5):
        near(cauchy[chosen] < x, 0.5 + np.arctan(x) / np.pi)


@pytest.mark.parametrize("function", [101, 102, 103])
def test_noise_is_a_function_of_the_key_and_the_row(function: int) -> None:
    task = make(function)
    x = np.ones((64, 5))
    with precision_of(task.spec):
        program = jax.jit(lambda key: task.evaluate(key, x).objective)
        one, again, other = (np.asarray(program(jax.random.key(seed))) for seed in (0, 0, 1))
        eager = np.asarray(task.evaluate(jax.random.key(0), x).objective)
    np.testing.assert_array_equal(one, again)
    np.testing.assert_allclose(one, eager, rtol=1e-12)
    share = 0.05 if function == 103 else 1
    assert (one != other).mean() >= share / 2
    assert len(np.unique(one)) >= share * 64 / 2
    correlation = np.corrcoef(one[:-1], one[1:])[0, 1]
    assert abs(correlation) < 0.5


@pytest.mark.parametrize("model", ["gaussian", "uniform", "cauchy"])
def test_models_draw_independent_numbers(model: str) -> None:
    for precision in ("float32", "float64"):
        with jax.enable_x64(precision == "float64"):
            numbers = [np.asarray(part) for part in noise.draw(jax.random.key(3), model, SAMPLES, precision)]
        assert all(part.shape == (SAMPLES,) and part.dtype == precision for part in numbers)
        if len(numbers) > 1:
            assert np.abs(np.corrcoef(numbers) - np.eye(len(numbers))).max() < 5 / np.sqrt(SAMPLES)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_specs_and_instances(function: int) -> None:
    tasks = [make(function, 10, instance) for instance in (1, 2)]
    one, two = (task.spec for task in tasks)
    assert one.f_opt == bbob_noisy.make(function, 10, 1).f_opt
    assert (one.deterministic, one.differentiable, one.target) == (False, False, None)
    assert (one.arguments["function"], two.arguments["instance"]) == (function, 2)
    assert (one == two, one.structure() == two.structure()) == (False, True)
    assert jax.tree.structure(anonymous(tasks[0])) == jax.tree.structure(anonymous(tasks[1]))


@pytest.mark.parametrize("function", [100, 131, 1, True])
def test_impossible_functions(function: object) -> None:
    with pytest.raises(ValueError, match=rf"BBOB-Noisy-v0: function must be .*101 to 130.* but it is {function!r}"):
        qdbench.make("BBOB-Noisy-v0", function=function)


def test_a_key_is_needed() -> None:
    with pytest.raises(ValueError, match="BBOB-Noisy-v0 is noisy: evaluate needs a key"):
        make(101).evaluate(None, np.zeros((1, 5)))
