"""Times what a child process was started for: calls from Python, evaluations in a compiled loop, compiled programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

REPETITIONS = 5
# By how much solutions change from turn to turn of a compiled loop.
_SHIFT = 1e-3

Evaluate = Callable[[Any, Any], Any]
"""An instance's arrays (any pytree) and ``(batch, dim)`` solutions to ``(batch,)`` values."""


class Evaluator(NamedTuple):
    """A batched function that JAX compiles.

    Attributes:
        evaluate: The function of an instance and solutions.
        instance: The instance's arrays: an argument of the compiled loop and a constant of the compiled call.
        dtype: Of the solutions.
    """

    evaluate: Evaluate
    instance: Any
    dtype: str


def set_precision(precision: str) -> None:
    """Sets the precision of the whole process; for a process that has not computed anything yet."""
    jax.config.update("jax_enable_x64", precision == "float64")


def solutions(count: int, dim: int) -> np.ndarray:
    """The batch that every implementation evaluates: uniform on BBOB's domain, the same in every process."""
    return np.random.default_rng(1).uniform(-5, 5, (count, dim))


def fastest(call: Callable[[], object], seconds: float) -> float:
    """Seconds of a call: the fastest of several repetitions of about ``seconds``."""
    count = 1
    while (taken := _timed(call, count)) < seconds / 4:
        count *= 4
    count = max(1, round(count * seconds / taken))
    return min(_timed(call, count) for _ in range(REPETITIONS)) / count


def _timed(call: Callable[[], object], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - began


def time_evaluator(
    evaluator: Evaluator, situations: Sequence[tuple[str, int]], dim: int, seconds: float
) -> tuple[list[dict[str, Any]], float]:
    """Times a function in several situations.

    Args:
        evaluator: The function.
        situations: ``"call"`` or ``"loop"`` with the size of the batch.
        dim: Number of parameters.
        seconds: About how long a repetition should run.

    Returns:
        A record for each situation, and the mean value over the largest batch.
    """
    largest = max(batch for _, batch in situations)
    rows = solutions(largest, dim).astype(evaluator.dtype)
    records = []
    for situation, batch in situations:
        timed = _time_call if situation == "call" else _time_loop
        compile_seconds, taken = timed(evaluator, jnp.asarray(rows[:batch]), seconds)
        records.append(record(situation, batch, batch / taken, compile_seconds))
    values = jax.jit(evaluator.evaluate)(evaluator.instance, jnp.asarray(rows))
    return records, float(np.mean(np.asarray(values, np.float64)))


def record(situation: str, batch: int, rate: float, compile_seconds: float | None) -> dict[str, Any]:
    """One figure of a child process."""
    return {
        "situation": situation,
        "batch": batch,
        "evaluations_per_second": rate,
        "compile_seconds": compile_seconds,
    }


def _time_call(evaluator: Evaluator, batch: jax.Array, seconds: float) -> tuple[float, float]:
    """A call of a jitted function with an array on the device, until the values are there.

    The compilation is the first call. A program compiled ahead of time would be called more slowly.
    """
    program = jax.jit(lambda rows: evaluator.evaluate(evaluator.instance, rows))
    began = time.perf_counter()
    program(batch).block_until_ready()
    compile_seconds = time.perf_counter() - began
    return compile_seconds, fastest(lambda: program(batch).block_until_ready(), seconds)


def _time_loop(evaluator: Evaluator, batch: jax.Array, seconds: float) -> tuple[float, float]:
    """A turn of a compiled loop. Its solutions depend on the values of the turn before, so nothing can be hoisted."""

    def loop(turns: Any, instance: Any, start: jax.Array) -> jax.Array:
        def turn(_: Any, rows: jax.Array) -> jax.Array:
            values = evaluator.evaluate(instance, rows)
            return start + _SHIFT * (values / (1 + jnp.abs(values)))[:, None]

        result: jax.Array = lax.fori_loop(0, turns, turn, start)
        return result

    compile_seconds, program = compiled(loop, np.int32(0), evaluator.instance, batch)

    def run(turns: int) -> float:
        began = time.perf_counter()
        program(np.int32(turns), evaluator.instance, batch).block_until_ready()
        return time.perf_counter() - began

    turns = 10
    while (taken := run(turns)) < seconds / 4:
        turns *= 4
    turns = max(1, round(turns * seconds / taken))
    return compile_seconds, min(run(turns) for _ in range(REPETITIONS)) / turns


def members(parameters: Any, count: int) -> Any:
    """A meta-population around given parameters, the same in every process."""
    rng = np.random.default_rng(2)
    return jax.tree.map(
        lambda leaf: jnp.asarray(np.asarray(leaf) + 0.1 * rng.normal(size=(count, *leaf.shape)), jnp.float32),
        parameters,
    )


def compiled(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Compiles a function for its arguments; returns the seconds and the program."""
    began = time.perf_counter()
    program = jax.jit(function).lower(*arguments).compile()
    return time.perf_counter() - began, program


def time_seeds(
    search: Callable[[Any, Any], tuple[Any, Any]],
    instance: Any,
    seeds: int,
    arrangements: Sequence[str],
    seconds: float,
) -> list[dict[str, Any]]:
    """Times a search with several seeds as one program.

    Args:
        search: An instance (any pytree) and a key to the best solution and its precision.
        instance: The argument of all seeds.
        seeds: Their number.
        arrangements: ``"together"``, by ``vmap``, or ``"one by one"``, by ``lax.map``.
        seconds: About how long a repetition should run.

    Returns:
        For each arrangement: seconds of the program, of its compilation, and the median precision that it reached.
    """
    keys = jax.random.split(jax.random.key(1), seeds)

    def together(instance: Any, keys: Any) -> Any:
        return jax.vmap(search, in_axes=(None, 0))(instance, keys)

    def one_by_one(instance: Any, keys: Any) -> Any:
        return lax.map(lambda key: search(instance, key), keys)

    programs = {"together": together, "one by one": one_by_one}
    results = []
    for arrangement in arrangements:
        compile_seconds, program = compiled(programs[arrangement], instance, keys)
        _, reached = jax.block_until_ready(program(instance, keys))
        taken = fastest(lambda program=program: jax.block_until_ready(program(instance, keys)), seconds)  # type: ignore[misc]
        results.append(
            {
                "arrangement": arrangement,
                "run_seconds": taken,
                "compile_seconds": compile_seconds,
                "precision_reached": float(np.median(np.asarray(reached))),
            }
        )
    return results
