"""CMA-ES against pycma, and every algorithm whose rule evosax shares against evosax, by statistics."""

from __future__ import annotations

import math
import statistics
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy.stats import ks_2samp

from qdbench.protocols import precision_of
from qdbench.spec import Start
from tests.baselines.driving import FUNCTIONS, UNIFORM, best_after, evaluations_to, function_task, make

TARGET = 1e-8
SEEDS = 50


def pycma_evaluations(name: str, dim: int, seeds: int, sigma: float, mean: float) -> list[float]:
    """Evaluations to the target of pycma with its default options, infinite where it stops before."""
    cma = pytest.importorskip("cma", reason="pycma is in the extras `test` and `cma`")
    conditions = 10.0 ** (6 * np.arange(dim) / (dim - 1))
    function = {
        "sphere": lambda x: float((x**2).sum()),
        "ellipsoid": lambda x: float((conditions * x**2).sum()),
        "rosenbrock": lambda x: float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()),
    }[name]
    result = []
    for seed in range(1, seeds + 1):
        start = mean + np.random.default_rng(seed).normal(size=dim)
        strategy = cma.CMAEvolutionStrategy(start, sigma, {"ftarget": TARGET, "seed": seed, "verbose": -9})
        while not strategy.stop():
            solutions = strategy.ask()
            strategy.tell(solutions, [function(x) for x in solutions])
        result.append(float(strategy.countevals) if strategy.best.f < TARGET else math.inf)
    return result


def check_against_pycma(name: str, dim: int, seeds: int) -> None:
    task = function_task(FUNCTIONS[name], dim, start=Start(mean=1.0, scale=1.0))
    with precision_of(task.spec):
        optimizer = make("cma-es", task, sigma=0.5)
        run = eqx.filter_jit(lambda key: evaluations_to(task, optimizer, key, TARGET, 10_000))
        ours = [float(run(jax.random.key(seed))) for seed in range(seeds)]
    theirs = pycma_evaluations(name, dim, seeds, 0.5, 1.0)
    ratio = statistics.median(ours) / statistics.median(theirs)
    assert 0.75 < ratio < 1.25, (ratio, statistics.median(ours), statistics.median(theirs))


@pytest.mark.parametrize("name", ["sphere", "ellipsoid", "rosenbrock"])
def test_cma_es_needs_the_evaluations_of_pycma(name: str) -> None:
    """Within 25 % in the median, active weights and default batch in both, 5 dimensions."""
    check_against_pycma(name, 5, 15)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sphere", "ellipsoid", "rosenbrock"])
def test_cma_es_needs_the_evaluations_of_pycma_in_20_dimensions(name: str) -> None:
    check_against_pycma(name, 20, 11)


def evosax_best(name: str, function: Any, dim: int, size: int, iterations: int, sigma: float) -> np.ndarray:
    """The best value of each seed's run of an evosax algorithm from a uniform start."""
    algorithms = pytest.importorskip("evosax.algorithms", reason="evosax is optional").algorithms
    settings: dict[str, Any] = {}
    if name == "Open_ES":
        optax = pytest.importorskip("optax")
        settings = {"optimizer": optax.adam(0.05), "std_schedule": optax.constant_schedule(sigma)}
    algorithm = algorithms[name](population_size=size, solution=jnp.zeros(dim), **settings)
    if name == "CMA_ES":
        algorithm.use_negative_weights = False
    parameters = algorithm.default_params
    if name != "Open_ES":
        parameters = parameters.replace(std_init=sigma)

    def run(key: jax.Array) -> jax.Array:
        start_key, init_key, key = jax.random.split(key, 3)
        mean = jax.random.uniform(start_key, (dim,), minval=-5, maxval=5)
        state = algorithm.init(init_key, mean, parameters)

        def step(carry: tuple[Any, jax.Array], key: jax.Array) -> tuple[tuple[Any, jax.Array], None]:
            state, best = carry
            ask_key, tell_key = jax.random.split(key)
            population, state = algorithm.ask(ask_key, state, parameters)
            value = function(population)
            state, _ = algorithm.tell(tell_key, population, value, state, parameters)
            return (state, jnp.minimum(best, value.min())), None

        return lax.scan(step, (state, jnp.asarray(jnp.inf)), jax.random.split(key, iterations))[0][1]

    return np.asarray(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(1), SEEDS)))


SHARED = {
    "openai-es": ("Open_ES", {"learning_rate": 0.05}),
    "sep-cma-es": ("Sep_CMA_ES", {"speedup": 1.0}),
    "cma-es": ("CMA_ES", {"active": False}),
}


@pytest.mark.slow
@pytest.mark.parametrize("function", list(FUNCTIONS))
@pytest.mark.parametrize("id", list(SHARED))
def test_same_distribution_as_evosax(id: str, function: str) -> None:
    """The best of 50 iterations over 50 seeds; two samples of one distribution are told apart once in 1000 tests."""
    dim, size, iterations, sigma = 6, 16, 50, 0.7
    name, settings = SHARED[id]
    task = function_task(FUNCTIONS[function], dim, "float32", start=UNIFORM)
    theirs = evosax_best(name, FUNCTIONS[function], dim, size, iterations, sigma)
    optimizer = make(id, task, sigma=sigma, batch_size=size, **settings)
    run = jax.jit(jax.vmap(lambda key: best_after(task, optimizer, key, iterations)))
    ours = -np.asarray(run(jax.random.split(jax.random.key(0), SEEDS)))
    assert ks_2samp(ours, theirs).pvalue > 1e-3, (np.median(ours), np.median(theirs))
