"""The compiled driver: pure task, pure optimizer, one program for a whole stretch of iterations.

A trial is one compiled loop that is entered once for each point of the trace, with the state donated, so that arrays
are updated in place and Python sees a trial a hundred times only. The program depends on shapes and static fields, not
on seeds or arrays, and is kept for the next trial of the same kind.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jaxtyping import Array, Key

from qdbench.harness import scoring, trace
from qdbench.harness.errors import BudgetError, TrialError
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

    def of_init(self) -> Key[Array, ""]:
        """The optimizer's key for its first state."""
        return derive(self.optimizer, _INIT, 0)


# Numbers from 0 are the iterations'.
INITIAL = 2**32 - 2
_INIT = 2**32 - 1


def sizes(batches: tuple[Batch, ...]) -> tuple[int, int]:
    """Evaluations, and evaluations with gradients, of a sequence of batches."""
    return sum(batch.size for batch in batches), sum(batch.size for batch in batches if batch.gradients)


def run(
    task: Task, optimizer: Optimizer, keys: Keys, budget: int, keep_solutions: bool, progress: Progress | None = None
) -> Outcome:
    """Runs a trial to the last whole iteration that fits the budget.

    Raises:
        BudgetError: If the initial batches and one iteration do not fit.
        TrialError: If solutions, objectives or measures are not finite.
    """
    initial, initial_gradients = sizes(optimizer.initial)
    each, each_gradients = sizes(optimizer.iteration)
    if initial + each > budget:
        raise BudgetError(
            f"optimizer {optimizer.id!r} needs {initial} evaluations to start and {each} for an iteration, "
            f"but the budget is {budget}"
        )
    # Instances that differ in arrays only (or in names) share one program.
    task = dataclasses.replace(task, spec=task.spec.structure())
    began = time.perf_counter()
    start, advance = _programs(task, optimizer, keys, keep_solutions)
    compiled = time.perf_counter()

    carry, metrics = start(task, optimizer, keys)
    values = trace.numbers(metrics, task.spec.cells)
    rows = []
    iteration = 0
    for point, mark in enumerate(trace.marks(budget), start=1):
        if mark < initial:
            rows.append(trace.row(point, 0, 0, 0, trace.NOTHING))
            continue
        target = (mark - initial) // each
        if target > iteration:
            carry, metrics = advance(task, optimizer, keys, carry, np.int32(iteration), np.int32(target))
            iteration = target
            _check(optimizer.id, metrics, iteration)
            values = trace.numbers(metrics, task.spec.cells)
        counts = initial + iteration * each, initial_gradients + iteration * each_gradients
        rows.append(trace.row(point, iteration, *counts, values))
        if progress is not None:
            progress(point / trace.POINTS, metrics)
    jax.block_until_ready(carry)
    ended = time.perf_counter()
    return Outcome(rows, carry[1], iteration, *counts, compiled - began, ended - compiled)


def _check(optimizer_id: str, metrics: scoring.Metrics, iteration: int) -> None:
    if int(metrics.invalid) > 0:
        raise TrialError(
            f"optimizer {optimizer_id!r}: {int(metrics.invalid)} evaluated rows held a solution, objective or measure "
            f"that is not finite (seen by iteration {iteration}); solutions must be finite real numbers"
        )


def _advance_batches(
    task: Task, optimizer: Optimizer, keys: Keys, carry: Carry, batches: tuple[Batch, ...], iteration: int | Array
) -> Carry:
    state, score = carry
    evaluated = []
    for index, batch in enumerate(batches):
        solutions, state = optimizer.ask(keys.of_ask(iteration, index), state, batch)
        evaluation = task.evaluate(keys.of_evaluation(iteration, index), solutions, gradients=batch.gradients)
        state = optimizer.tell(keys.of_tell(iteration, index), state, batch, solutions, evaluation)
        evaluated.append((solutions, evaluation))
    return state, scoring.record(score, evaluated) if evaluated else score


def _start(task: Task, optimizer: Optimizer, keys: Keys, *, keep_solutions: bool) -> tuple[Carry, scoring.Metrics]:
    score = scoring.start(task.spec, keep_solutions)
    carry = optimizer.init(keys.of_init()), score
    carry = _advance_batches(task, optimizer, keys, carry, optimizer.initial, INITIAL)
    return carry, scoring.measure(carry[1])


def _advance(
    task: Task, optimizer: Optimizer, keys: Keys, carry: Carry, first: Array, last: Array
) -> tuple[Carry, scoring.Metrics]:
    def body(iteration: Array, carry: Carry) -> Carry:
        return _advance_batches(task, optimizer, keys, carry, optimizer.iteration, iteration)

    carry = lax.fori_loop(first, last, body, carry)
    return carry, scoring.measure(carry[1])


def _programs(task: Task, optimizer: Optimizer, keys: Keys, keep_solutions: bool) -> tuple[Any, Any]:
    leaves, structure = jax.tree.flatten((task, optimizer, keys))
    shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)
    return _compile(structure, shapes, keep_solutions, _Hidden((task, optimizer, keys)))


class _Hidden:
    """Carries arguments past a cache's key: all instances are equal."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hidden)

    def __hash__(self) -> int:
        return 0


@functools.lru_cache(maxsize=64)
def _compile(structure: Any, shapes: Any, keep_solutions: bool, arguments: _Hidden) -> tuple[Any, Any]:
    del structure, shapes
    start = jax.jit(functools.partial(_start, keep_solutions=keep_solutions))
    advance = jax.jit(_advance, donate_argnums=3)
    carry, _ = jax.eval_shape(start, *arguments.value)
    number = jax.ShapeDtypeStruct((), "int32")
    return (
        start.lower(*arguments.value).compile(),
        advance.lower(*arguments.value, carry, number, number).compile(),
    )
