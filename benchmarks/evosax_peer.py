"""evosax's side: its BBOB functions, and its algorithms on them in one compiled program."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import optax
from evosax.algorithms import algorithms
from evosax.algorithms.population_based.base import PopulationBasedAlgorithm
from evosax.problems.bbob.bbob import BBOBProblem
from evosax.problems.bbob.bbob_fns import bbob_fns
from jax import lax

from benchmarks import stopwatch

_BOUND = 5.0
_NAMES = tuple(bbob_fns)


def time_function(
    function: int, dim: int, precision: str, situations: Sequence[tuple[str, int]], seconds: float
) -> dict[str, Any]:
    """Evaluations a second of a BBOB function, on an instance of evosax's."""
    stopwatch.set_precision(precision)
    problem = _problem(function, dim)
    key = jax.random.key(0)
    state = problem.init(key)

    def evaluate(instance: Any, solutions: jax.Array) -> Any:
        del instance
        return problem.eval(key, solutions, state)[0]

    records, mean = stopwatch.time_evaluator(stopwatch.Evaluator(evaluate, (), precision), situations, dim, seconds)
    return {"version": version("evosax"), "records": records, "mean_value": mean}


def _problem(function: int, dim: int) -> Any:
    return BBOBProblem(_NAMES[function - 1], dim)


def time_runs(
    function: int,
    dim: int,
    precision: str,
    algorithm: str,
    settings: dict[str, Any],
    generations: int,
    seeds: int,
    arrangements: Sequence[str],
    seconds: float,
) -> dict[str, Any]:
    """Whole runs of an algorithm with several seeds."""
    stopwatch.set_precision(precision)
    population_size = settings["population_size"]
    chosen, params = _algorithm(algorithm, dim, **settings)
    run = functools.partial(_search, chosen, params, _problem(function, dim), generations)
    results = stopwatch.time_seeds(run, (), seeds, arrangements, seconds)
    evaluations = seeds * generations * population_size
    return {"version": version("evosax"), "evaluations": evaluations, "results": results}


def time_inner_loops(
    members: int, tasks: int, dim: int, batch: int, generations: int, seconds: float
) -> dict[str, Any]:
    """Inner loops of a meta-population of learned GAs on the sphere."""
    stopwatch.set_precision("float32")
    chosen = algorithms["LGA"](population_size=batch, solution=jnp.zeros(dim))
    params = chosen.default_params
    population = stopwatch.members(params.params, members)
    problem = _problem(1, dim)

    def loops(population: Any, keys: Any) -> Any:
        def of_member(parameters: Any, key: Any) -> Any:
            return _search(chosen, params.replace(params=parameters), problem, generations + 1, None, key)[1]

        return lax.map(lambda key: jax.vmap(of_member, in_axes=(0, None))(population, key), keys)

    keys = jax.random.split(jax.random.key(1), tasks)
    compile_seconds, program = stopwatch.compiled(loops, population, keys)
    taken = stopwatch.fastest(lambda: jax.block_until_ready(program(population, keys)), seconds)
    return {"version": version("evosax"), "run_seconds": taken, "compile_seconds": compile_seconds}


def _algorithm(
    name: str,
    dim: int,
    population_size: int,
    sigma: float,
    elite_ratio: float | None = None,
    learning_rate: float | None = None,
    num_groups: int | None = None,
) -> tuple[Any, Any]:
    """An algorithm with its parameters."""
    extra: dict[str, Any] = {}
    if name in ("SimpleGA", "Open_ES"):
        extra["std_schedule"] = optax.constant_schedule(sigma)
    if learning_rate is not None:
        extra["optimizer"] = optax.adam(learning_rate)
    if num_groups is not None:
        extra["num_groups"] = num_groups
    chosen = algorithms[name](population_size=population_size, solution=jnp.zeros(dim), **extra)
    if elite_ratio is not None:
        # An attribute, to be set before the first call of a jitted method.
        chosen.elite_ratio = elite_ratio
    params = chosen.default_params
    if hasattr(params, "std_init"):
        params = params.replace(std_init=sigma)
    return chosen, params


def _search(algorithm: Any, params: Any, problem: Any, generations: int, instance: Any, key: Any) -> tuple[Any, Any]:
    """A run of so many batches, the initial population included; returns the best solution and its precision."""
    del instance
    key_start, key_init, key_problem, key_evaluate, key = jax.random.split(key, 5)
    problem_state = problem.init(key_problem)
    if isinstance(algorithm, PopulationBasedAlgorithm):
        shape = (algorithm.population_size, algorithm.num_dims)
        population = jax.random.uniform(key_start, shape, minval=-_BOUND, maxval=_BOUND)
        fitness, problem_state, _ = problem.eval(key_evaluate, population, problem_state)
        state = algorithm.init(key_init, population, fitness, params)
        generations -= 1
    else:
        mean = jax.random.uniform(key_start, (algorithm.num_dims,), minval=-_BOUND, maxval=_BOUND)
        state = algorithm.init(key_init, mean, params)

    def step(carry: Any, key: Any) -> tuple[Any, None]:
        state, problem_state = carry
        key_ask, key_evaluate, key_tell = jax.random.split(key, 3)
        population, state = algorithm.ask(key_ask, state, params)
        fitness, problem_state, _ = problem.eval(key_evaluate, population, problem_state)
        state, _ = algorithm.tell(key_tell, population, fitness, state, params)
        return (state, problem_state), None

    (state, _), _ = lax.scan(step, (state, problem_state), jax.random.split(key, generations))
    return state.best_solution, state.best_fitness - problem.f_opt
