"""qdbench's side of the BBOB benchmarks."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

import baselines
import qdbench
from benchmarks import stopwatch
from qdbench.metabbo import distribution, inner
from qdbench.metabbo.config import TaskFamily
from qdbench.metabbo.loops import Loops
from qdbench.protocols import Batch, Optimizer, Task
from qdbench.random import derive

_INIT = 2**32 - 1


def time_function(
    function: int, dim: int, precision: str, situations: Sequence[tuple[str, int]], seconds: float
) -> dict[str, Any]:
    """Evaluations a second of a BBOB function, instance 1."""
    stopwatch.set_precision(precision)
    task: Any = make_task(function, dim, precision)

    def evaluate(task: Task, solutions: jax.Array) -> Any:
        return task.evaluate(None, solutions).objective

    evaluator = stopwatch.Evaluator(evaluate, task, precision)
    records, mean = stopwatch.time_evaluator(evaluator, situations, dim, seconds)
    return {"version": qdbench.__version__, "records": records, "mean_value": float(task.f_opt) - mean}


def make_task(function: int, dim: int, precision: str) -> Task:
    """A BBOB task without measures."""
    return qdbench.make("BBOB-v0", function=function, dim=dim, precision=precision, measures=False)


def time_runs(
    function: int,
    dim: int,
    precision: str,
    algorithm: str,
    hyperparameters: Mapping[str, Any],
    generations: int,
    seeds: int,
    arrangements: Sequence[str],
    seconds: float,
) -> dict[str, Any]:
    """Whole runs of an optimizer with several seeds."""
    stopwatch.set_precision(precision)
    task = make_task(function, dim, precision)
    optimizer = baselines.make(algorithm, task.spec, **hyperparameters)
    run = functools.partial(_search, generations)
    results = stopwatch.time_seeds(run, (task, optimizer), seeds, arrangements, seconds)
    evaluations = seeds * generations * optimizer.iteration[0].size
    return {"version": qdbench.__version__, "evaluations": evaluations, "results": results}


def time_inner_loops(
    members: int, tasks: int, dim: int, batch: int, generations: int, seconds: float
) -> dict[str, Any]:
    """Inner loops of a meta-population of learned GAs on the sphere."""
    family = TaskFamily(
        id="BBOB-F01-v0",
        arguments={"precision": "float32", "measures": False, "dim": dim},
        pool={"instance": tuple(range(1, tasks + 1))},
    )
    built = distribution.build([family])
    loops = Loops(built, "baselines.learned_ga.lga:make_zero", {"batch_size": batch}, generations)
    evolved = stopwatch.members(inner.evolved_arrays(loops.optimizers[0], ["operators"]), members)
    rows = distribution.sample(built, 0, 0, tasks, 0.0, {})
    began = time.perf_counter()
    loops.run(evolved, rows)
    compile_seconds = time.perf_counter() - began
    taken = stopwatch.fastest(lambda: loops.run(evolved, rows), seconds)
    return {"version": qdbench.__version__, "run_seconds": taken, "compile_seconds": compile_seconds}


def _search(generations: int, instance: tuple[Task, Optimizer], key: Any) -> tuple[Any, Any]:
    """A run of so many batches, the initial population included; returns the best solution and its precision."""
    task, optimizer = instance
    (batch,) = optimizer.iteration

    def turn(batch: Batch, number: Any, carry: Any) -> Any:
        state, best, best_objective = carry
        solutions, state = optimizer.ask(derive(key, number, 0), state, batch)
        evaluation = task.evaluate(None, solutions)
        state = optimizer.tell(derive(key, number, 1), state, batch, solutions, evaluation)
        # evosax's tell keeps the best solution, too.
        index = jnp.argmax(evaluation.objective)
        objective = evaluation.objective[index]
        better = objective > best_objective
        best = jnp.where(better, solutions[index], best)
        return state, best, jnp.where(better, objective, best_objective)

    start = jnp.zeros(task.spec.dim, task.spec.precision), jnp.asarray(-jnp.inf, task.spec.precision)
    carry = (optimizer.init(derive(key, _INIT)), *start)
    for number, initial in enumerate(optimizer.initial):
        carry = turn(initial, number, carry)
    first = len(optimizer.initial)
    _, best, objective = lax.fori_loop(first, generations, functools.partial(turn, batch), carry)
    return best, -objective
