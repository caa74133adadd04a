"""The compiled driver: pure task, pure optimizer, one program for a whole stretch of iterations.

A trial is one compiled loop that is entered once for each point of the trace, with the state donated, so that arrays
are updated in place and Python sees a trial a hundred times only. The program depends on shapes and static fields, not
on seeds or arrays, and is kept for the next trial of the same kind.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from qdbench.harness import scoring, trace
from qdbench.harness.errors import BudgetError, TrialError
from qdbench.harness.hits import solved
from qdbench.harness.incumbent import IncumbentTester
from qdbench.protocols import Batch, Optimizer, Task
from qdbench.random import derive

Carry = tuple[Any, scoring.Score]
Progress = Callable[[float, scoring.Metrics], None]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a driver returns: trace rows, the final score and counts, and seconds of compilation and of running."""

    rows: list[trace.Row]
    score: scoring.Score
    iterations: int
    evaluations: int
    gradient_evaluations: int
    compile_seconds: float
    run_seconds: float


class BatchKeys(NamedTuple):
    """The keys of one batch."""

    evaluation: Any
    ask: Any
    tell: Any


class Keys(NamedTuple):
    """The two streams of a trial: one for evaluations, the same for all optimizers, and one for the optimizer."""

    evaluation: Any
    optimizer: Any

    def of_evaluation(self, iteration: int | Array, index: int | Array) -> Key[Array, ""]:
        """The key of the evaluation of an iteration's batch."""
        return derive(self.evaluation, iteration, index)

    def of_ask(self, iteration: int | Array, index: int | Array) -> Key[Array, ""]:
        """The optimizer's key for asking for an iteration's batch."""
        return derive(self.optimizer, iteration, 2 * index)

    def of_tell(self, iteration: int | Array, index: int | Array) -> Key[Array, ""]:
        """The optimizer's key for being told about it."""
        return derive(self.optimizer, iteration, 2 * index + 1)

    def of_iteration(self, iteration: int | Array, batches: int) -> list[BatchKeys]:
        """All keys of an iteration's batches, the same as one by one."""
        # Two vectors of blocks in place of six blocks for each batch: half of a small program would be ciphers.
        if not batches:
            return []
        number = jnp.asarray(iteration, jnp.uint32)
        roots = jax.vmap(derive, (0, None))(jnp.stack([self.evaluation, self.optimizer]), number)
        owners = np.array([0] * batches + [1] * 2 * batches, np.int32)
        numbers = np.concatenate([np.arange(batches), np.arange(2 * batches)]).astype(np.uint32)
        keys = jax.vmap(derive)(roots[owners], jnp.asarray(numbers))
        return [
            BatchKeys(keys[index], keys[batches + 2 * index], keys[batches + 2 * index + 1]) for index in range(batches)
        ]

    def of_test(self) -> Key[Array, ""]:
        """The key of the test stream, which no evaluation has."""
        return derive(self.evaluation, _TEST, 0)

    def of_correction(self, number: int) -> Key[Array, ""]:
        """The key with which the elites of a numbered chunk are evaluated again."""
        return derive(self.evaluation, _CORRECTION, number)

    def of_init(self) -> Key[Array, ""]:
        """The optimizer's key for its first state."""
        return derive(self.optimizer, _INIT, 0)


# Numbers from 0 are the iterations'.
INITIAL = 2**32 - 2
_INIT = 2**32 - 1
_TEST = 2**32 - 3
_CORRECTION = 2**32 - 4


def sizes(batches: tuple[Batch, ...]) -> tuple[int, int]:
    """Evaluations, and evaluations with gradients, of a sequence of batches."""
    return sum(batch.size for batch in batches), sum(batch.size for batch in batches if batch.gradients)


def run(
    task: Task, optimizer: Optimizer, keys: Keys, budget: int, keep_solutions: bool, progress: Progress | None = None
) -> Outcome:
    """Runs a trial to the last whole iteration that fits the budget, or until its task is solved.

    Raises:
        BudgetError: If the initial batches and one iteration do not fit.
        TrialError: If solutions, objectives or measures are not finite.
    """
    stops = stops_of(optimizer, budget)
    task = anonymous(task)
    began = time.perf_counter()
    start, advance, test = _programs(task, optimizer, keys, keep_solutions)
    compiled = time.perf_counter()

    carry, metrics = start(task, optimizer, keys)
    readings: dict[int, trace.Numbers] = {}
    tester = IncumbentTester(task.spec, lambda incumbent: test(task, keys, incumbent))
    tests = []
    iteration = 0
    for point, stop in enumerate(stops, start=1):
        if stop is None:
            continue
        if stop > iteration:
            carry, metrics = advance(task, optimizer, keys, carry, np.int32(iteration), np.int32(stop))
            iteration = stop
        if iteration not in readings:
            check_valid(optimizer.id, int(metrics.invalid), iteration)
            readings[iteration] = trace.numbers(metrics, task.spec.cells)
        tests.append(tester.read(point, metrics.best_objective, carry[1].incumbent))
        if progress is not None:
            progress(point / trace.POINTS, metrics)
        if solved(task.spec, np.asarray(metrics.best_objective)):
            break
    jax.block_until_ready(carry)
    ended = time.perf_counter()
    return outcome(optimizer, stops, readings, tests, carry[1], compiled - began, ended - compiled)


def stops_of(optimizer: Optimizer, budget: int) -> list[int | None]:
    """The last whole iteration at each point of the trace; None where not even the initial batches fit.

    Raises:
        BudgetError: If the initial batches and one iteration do not fit the budget.
    """
    initial, _ = sizes(optimizer.initial)
    each, _ = sizes(optimizer.iteration)
    if initial + each > budget:
        raise BudgetError(
            f"optimizer {optimizer.id!r} needs {initial} evaluations to start and {each} for an iteration, "
            f"but the budget is {budget}"
        )
    return [None if mark < initial else (mark - initial) // each for mark in trace.marks(budget)]


def outcome(
    optimizer: Optimizer,
    stops: Sequence[int | None],
    readings: Mapping[int, trace.Numbers],
    tests: Sequence[float | None],
    score: scoring.Score,
    compile_seconds: float,
    run_seconds: float,
) -> Outcome:
    """What became of a trial: rows for all points of the trace; those after an early end repeat the last reading.

    Args:
        optimizer: What was run.
        stops: The iteration at each point, from :func:`stops_of`.
        readings: The trace's numbers at each of these iterations that was reached.
        tests: The latest test score at each point that has an iteration and was reached; Nones without a test.
        score: The final score.
        compile_seconds: Seconds of compilation.
        run_seconds: Seconds of running.
    """
    initial, initial_gradients = sizes(optimizer.initial)
    each, each_gradients = sizes(optimizer.iteration)

    def counts(iteration: int) -> tuple[int, int]:
        return initial + iteration * each, initial_gradients + iteration * each_gradients

    ended = max(readings)
    rows = []
    waiting = list(tests)
    test = None if waiting[0] is None else math.nan
    for point, stop in enumerate(stops, start=1):
        if stop is None:
            rows.append(trace.row(point, 0, 0, 0, trace.NOTHING, test))
        else:
            iteration = min(stop, ended)
            test = waiting.pop(0) if waiting else test
            rows.append(trace.row(point, iteration, *counts(iteration), readings[iteration], test))
    return Outcome(rows, score, ended, *counts(ended), compile_seconds, run_seconds)


def anonymous(task: Task) -> Task:
    """The task without its names: instances that differ in arrays only (or in names) share one program."""
    return dataclasses.replace(task, spec=task.spec.structure())


def check_valid(optimizer_id: str, invalid: int, iteration: int) -> None:
    """Raises TrialError if rows were not finite."""
    if invalid > 0:
        raise TrialError(
            f"optimizer {optimizer_id!r}: {invalid} evaluated rows held a solution, objective or measure "
            f"that is not finite (seen by iteration {iteration}); solutions must be finite real numbers"
        )


def check_size(optimizer_id: str, batch: Batch, solutions: Array) -> None:
    """Raises TrialError if there are not as many solutions as the batch declares: they would not be counted."""
    if solutions.ndim != 2 or solutions.shape[0] != batch.size:
        raise TrialError(
            f"optimizer {optimizer_id!r} declares {batch.size} solutions for its batch {batch.name!r}, "
            f"but asked for an array of shape {solutions.shape}"
        )


def advance_batches(
    task: Task, optimizer: Optimizer, keys: Keys, carry: Carry, batches: tuple[Batch, ...], iteration: int | Array
) -> Carry:
    """One iteration, or the start: every batch asked for, evaluated and told, and then all of them scored."""
    state, score = carry
    evaluated = []
    for batch, key in zip(batches, keys.of_iteration(iteration, len(batches)), strict=True):
        solutions, state = optimizer.ask(key.ask, state, batch)
        check_size(optimizer.id, batch, solutions)
        evaluation = task.evaluate(key.evaluation, solutions, gradients=batch.gradients)
        state = optimizer.tell(key.tell, state, batch, solutions, evaluation)
        evaluated.append((solutions, evaluation))
    return state, scoring.record(score, evaluated) if evaluated else score


def start_trial(task: Task, optimizer: Optimizer, keys: Keys, *, keep_solutions: bool) -> tuple[Carry, scoring.Metrics]:
    """The first state with the initial batches, and its metrics."""
    score = scoring.start(task.spec, keep_solutions)
    carry = optimizer.init(keys.of_init()), score
    carry = advance_batches(task, optimizer, keys, carry, optimizer.initial, INITIAL)
    return carry, scoring.measure(carry[1])


def _advance(
    task: Task, optimizer: Optimizer, keys: Keys, carry: Carry, first: Array, last: Array
) -> tuple[Carry, scoring.Metrics]:
    def body(iteration: Array, carry: Carry) -> Carry:
        return advance_batches(task, optimizer, keys, carry, optimizer.iteration, iteration)

    carry = lax.fori_loop(first, last, body, carry)
    return carry, scoring.measure(carry[1])


def incumbent_score(task: Task, keys: Keys, incumbent: Float[Array, " dim"] | None) -> Float[Array, ""]:
    """The incumbent's test score, of a task with a test."""
    assert incumbent is not None
    return task.test(keys.of_test(), incumbent[None])[0]


def _programs(task: Task, optimizer: Optimizer, keys: Keys, keep_solutions: bool) -> tuple[Any, Any, Any]:
    leaves, structure = jax.tree.flatten((task, optimizer, keys))
    shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)
    return _compile(structure, shapes, keep_solutions, Hidden((task, optimizer, keys)))


class Hidden:
    """Carries arguments past a cache's key: all instances are equal."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden)

    def __hash__(self) -> int:
        return 0


@functools.lru_cache(maxsize=64)
def _compile(structure: Any, shapes: Any, keep_solutions: bool, arguments: Hidden) -> tuple[Any, Any, Any]:
    del structure, shapes
    task, _, keys = arguments.value
    start = jax.jit(functools.partial(start_trial, keep_solutions=keep_solutions))
    advance = jax.jit(_advance, donate_argnums=3)
    carry, _ = jax.eval_shape(start, *arguments.value)
    number = jax.ShapeDtypeStruct((), "int32")
    best = carry[1].incumbent
    return (
        start.lower(*arguments.value).compile(),
        advance.lower(*arguments.value, carry, number, number).compile(),
        None if best is None else jax.jit(incumbent_score).lower(task, keys, best).compile(),
    )
