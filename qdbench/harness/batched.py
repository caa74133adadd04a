"""The batched driver: many small trials that share a program run as one call of one program.

Trials share a program if tasks and optimizers are equal but for their arrays (an instance's rotation, a mutation rate,
a key). Where a trial is small, what costs is everything around it: a compilation, a hundred calls from Python, copies
back and forth. Here the whole trial, trace included, is inside the program, and so is the loop over trials.

Two ways to go through the trials. ``"map"`` takes one after another, so each ends when it is solved and its arrays are
updated in place: that is the faster way on a CPU, and gives the same numbers as the compiled driver. ``"vmap"`` takes
all at once, for accelerators: a trial that is solved keeps its values, and the program ends when all are. A program
with a matrix decomposition is never vmapped on a CPU, because XLA's batched ones can dead-lock there.
"""

from __future__ import annotations

import functools
import operator
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from qdbench.harness import scoring, trace
from qdbench.harness.compiled import (
    INITIAL,
    Carry,
    Hidden,
    Keys,
    Outcome,
    advance_batches,
    anonymous,
    check_valid,
    incumbent_score,
    outcome,
    start_trial,
    stops_of,
)
from qdbench.harness.hits import solved
from qdbench.harness.incumbent import IncumbentTester, is_due
from qdbench.harness.jaxprs import has_decomposition
from qdbench.protocols import Optimizer, Task
from qdbench.spec import TaskSpec

Mode = Literal["map", "vmap"]

# Above it copies of the state cost more than calls of programs.
SMALL_BYTES = 1_000_000


class Trial(NamedTuple):
    """What decides the numbers of a trial, but for its budget; a pytree."""

    task: Task
    optimizer: Optimizer
    keys: Keys


class _History(NamedTuple):
    """What became of one or of many trials.

    Attributes:
        metrics: The metrics at every stop.
        tests: The test score at every stop that is due; None for a task without a test.
        stops: The number of stops that were made.
        score: The final score.
    """

    metrics: scoring.Metrics
    tests: Array | None
    stops: Array
    score: scoring.Score


class _Stops(NamedTuple):
    """Where the trace is read.

    Attributes:
        iterations: ``(100,)``, rising, then repeating the last.
        due: ``(100,)``: whether the incumbent is tested there; None for a task without a test.
        number: How many there are.
    """

    iterations: Any
    due: Any
    number: Any


def signature(task: Task, optimizer: Optimizer) -> Hashable:
    """What trials of one program have in common: structure, shapes and types."""
    leaves, structure = jax.tree.flatten((anonymous(task), optimizer))
    return structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)


def carried_bytes(task: Task, optimizer: Optimizer, keys: Keys, keep_solutions: bool) -> int:
    """The size of what a trial carries from iteration to iteration: the optimizer's state and the score."""
    state = jax.eval_shape(optimizer.init, keys.optimizer)
    score = jax.eval_shape(lambda: scoring.start(task.spec, keep_solutions))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves((state, score)))


def run(
    trials: Sequence[Trial], budget: int, keep_solutions: bool, capacity: int | None = None, mode: Mode | None = None
) -> list[Outcome]:
    """Runs trials of one program; the results are those of the compiled driver (up to rounding if vmapped).

    Seconds are shared out evenly.

    Args:
        trials: At least one; equal in :func:`signature`.
        budget: Evaluations of each.
        keep_solutions: Whether the final archives hold the elites' parameters.
        capacity: The number of trials that the program is made for, at least as many as there are.
        mode: How to go through them; None: what suits the device.

    Raises:
        BudgetError: If the initial batches and one iteration do not fit.
        TrialError: If solutions, objectives or measures of one of them are not finite.
    """
    optimizer = trials[0].optimizer
    stops = stops_of(optimizer, budget)
    distinct = sorted({stop for stop in stops if stop is not None})
    trials = [Trial(anonymous(trial.task), trial.optimizer, trial.keys) for trial in trials]
    spec = trials[0].task.spec
    count = len(trials)
    capacity = max(capacity or count, count)
    began = time.perf_counter()
    stacked = _stack(trials, capacity)
    program = _program(stacked, keep_solutions, mode)
    compiled = time.perf_counter()
    history: _History = jax.device_get(program(stacked, _stops(spec, stops, distinct), np.int32(count)))
    ended = time.perf_counter()
    seconds = (compiled - began) / count, (ended - compiled) / count
    outcomes = []
    for index in range(count):
        metrics, tested, made, score = jax.tree.map(lambda leaf, index=index: leaf[index], history)
        final = distinct[int(made) - 1]
        check_valid(optimizer.id, int(score.invalid), final)
        readings = {
            stop: trace.numbers(scoring.Metrics(*(column[place] for column in metrics)), spec.cells)
            for place, stop in enumerate(distinct[: int(made)])
        }
        tester = IncumbentTester(spec, functools.partial(operator.getitem, tested))
        places = [(point, distinct.index(stop)) for point, stop in enumerate(stops, start=1) if stop is not None]
        tests = [tester.read(point, metrics.best_objective[place], place) for point, place in places if place < made]
        outcomes.append(outcome(optimizer, stops, readings, tests, score, *seconds))
    return outcomes


def _stops(spec: TaskSpec, stops: Sequence[int | None], distinct: Sequence[int]) -> _Stops:
    """The stops as the program takes them."""
    iterations = np.full(trace.POINTS, distinct[-1], np.int32)
    iterations[: len(distinct)] = distinct
    due = None
    if spec.test_episodes is not None:
        due = np.isin(
            iterations, [stop for point, stop in enumerate(stops, start=1) if stop is not None and is_due(point)]
        )
    return _Stops(iterations, due, np.int32(len(distinct)))


def _stack(trials: Sequence[Trial], capacity: int) -> Trial:
    """The trials as one pytree with a leading axis; the last one fills the places that are left."""
    flat = [jax.tree.flatten(trial) for trial in trials]
    structure = flat[0][1]
    columns = zip(*(leaves for leaves, _ in flat), strict=True)
    return jax.tree.unflatten(structure, [_column(column, capacity) for column in columns])


def _column(leaves: Sequence[Any], capacity: int) -> Any:
    padded = [*leaves, *[leaves[-1]] * (capacity - len(leaves))]
    if jnp.issubdtype(leaves[0].dtype, jax.dtypes.prng_key):
        words = np.stack([np.asarray(jax.random.key_data(leaf)) for leaf in padded])
        return jax.random.wrap_key_data(jnp.asarray(words), impl=jax.random.key_impl(leaves[0]))
    return np.stack([np.asarray(leaf) for leaf in padded])


def _program(stacked: Trial, keep_solutions: bool, mode: Mode | None) -> Any:
    leaves, structure = jax.tree.flatten(stacked)
    shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)
    return _compile(structure, shapes, keep_solutions, mode, Hidden(stacked))


@functools.lru_cache(maxsize=16)
def _compile(structure: Any, shapes: Any, keep_solutions: bool, mode: Mode | None, stacked: Hidden) -> Any:
    del structure, shapes
    # Its own function to JAX, so that it is traced once for its shapes and for the loop.
    run_one = jax.jit(functools.partial(_one, keep_solutions=keep_solutions))
    run_all = functools.partial(_all_at_once, keep_solutions=keep_solutions)
    in_turn = functools.partial(_in_turn, run_one)
    number = jax.ShapeDtypeStruct((), "int32")
    spec = stacked.value.task.spec
    due = None if spec.test_episodes is None else jax.ShapeDtypeStruct((trace.POINTS,), "bool")
    on_cpu = jax.default_backend() == "cpu"
    arguments = stacked.value, _Stops(jax.ShapeDtypeStruct((trace.POINTS,), "int32"), due, number), number
    traced = jax.jit(in_turn if mode == "map" or (mode is None and on_cpu) else run_all).trace(*arguments)
    if on_cpu and mode == "vmap" and has_decomposition(traced.jaxpr):
        traced = jax.jit(in_turn).trace(*arguments)
    return traced.lower().compile()


def _one(trial: Trial, stops: _Stops, *, keep_solutions: bool) -> _History:
    """One whole trial."""
    begin, carry = _begin(trial, keep_solutions)

    def advance(carry: Carry, first: Array, last: Array) -> Carry:
        return lax.fori_loop(first, last, lambda iteration, carry: _step(trial, carry, iteration), carry)

    return _stop_by_stop(
        trial.task.spec, carry, advance, _Reader(scoring.measure, functools.partial(_test, trial)), begin, stops
    )


def _starts_like_an_iteration(optimizer: Optimizer) -> bool:
    """Whether the start is one batch and so is an iteration, of the same size: a genetic algorithm's generations."""
    shapes = [[(batch.size, batch.gradients) for batch in part] for part in (optimizer.initial, optimizer.iteration)]
    return len(shapes[0]) == 1 and shapes[0] == shapes[1]


def _begin(trial: Trial, keep_solutions: bool) -> tuple[int, Carry]:
    """The first iteration's number and what is carried to it: -1 where the start is one more turn of the loop."""
    task, optimizer, keys = trial
    if _starts_like_an_iteration(optimizer):
        return -1, (optimizer.init(keys.of_init()), scoring.start(task.spec, keep_solutions))
    return 0, start_trial(task, optimizer, keys, keep_solutions=keep_solutions)[0]


def _step(trial: Trial, carry: Carry, iteration: Array) -> Carry:
    """One iteration; number -1 is the start."""
    task, optimizer, keys = trial
    if not _starts_like_an_iteration(optimizer):
        return advance_batches(task, optimizer, keys, carry, optimizer.iteration, iteration)
    # Task and score are in the program once then, which takes a third less time to compile.
    (first,), (later,) = optimizer.initial, optimizer.iteration
    state, score = carry
    (key,) = keys.of_iteration(jnp.where(iteration < 0, jnp.uint32(INITIAL), iteration.astype(jnp.uint32)), 1)
    solutions, state = lax.cond(
        iteration < 0,
        lambda state: optimizer.ask(key.ask, state, first),
        lambda state: optimizer.ask(key.ask, state, later),
        state,
    )
    evaluation = task.evaluate(key.evaluation, solutions, gradients=later.gradients)
    state = lax.cond(
        iteration < 0,
        lambda state: optimizer.tell(key.tell, state, first, solutions, evaluation),
        lambda state: optimizer.tell(key.tell, state, later, solutions, evaluation),
        state,
    )
    return state, scoring.record(score, [(solutions, evaluation)])


def _all_at_once(trials: Trial, stops: _Stops, filled: Array, *, keep_solutions: bool) -> _History:
    """All trials side by side."""
    del filled
    begin = -1 if _starts_like_an_iteration(trials.optimizer) else 0
    carry = jax.vmap(lambda trial: _begin(trial, keep_solutions)[1])(trials)

    def step(iteration: Array, carry: Carry) -> Carry:
        return jax.vmap(lambda trial, carry: _step(trial, carry, iteration))(trials, carry)

    def advance(carry: Carry, first: Array, last: Array) -> Carry:
        # The bounds are the same for all, so that the loop is one of vmapped steps and selects nothing within.
        return lax.fori_loop(first, last, step, carry)

    reader = _Reader(jax.vmap(scoring.measure), functools.partial(jax.vmap(_test), trials))
    history = _stop_by_stop(trials.task.spec, carry, advance, reader, begin, stops)
    metrics, tests = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), (history.metrics, history.tests))
    return history._replace(metrics=metrics, tests=tests)


def _in_turn(run_one: Callable[[Trial, _Stops], _History], trials: Trial, stops: _Stops, filled: Array) -> _History:
    """One trial after another, as many as there are."""

    def pick(index: int | Array) -> Trial:
        return jax.tree.map(lambda leaf: leaf[index], trials)

    capacity = trials.keys.evaluation.shape[0]
    shapes = jax.eval_shape(run_one, pick(0), stops)
    room = jax.tree.map(lambda leaf: jnp.zeros((capacity, *leaf.shape), leaf.dtype), shapes)

    def body(index: Array, histories: _History) -> _History:
        return jax.tree.map(lambda all, one: all.at[index].set(one), histories, run_one(pick(index), stops))

    return lax.fori_loop(0, filled, body, room)


class _Reader(NamedTuple):
    """What is read of the score at a stop: the metrics, and where it is due the test score."""

    measure: Callable[[scoring.Score], scoring.Metrics]
    test: Callable[[scoring.Score], Array]

    def read(self, score: scoring.Score, due: Array | None) -> tuple[scoring.Metrics, Array | None]:
        """Both; None in place of the test score where it is never due."""
        if due is None:
            return self.measure(score), None
        shape = jax.eval_shape(self.test, score)
        tested = lax.cond(due, self.test, lambda _: jnp.zeros(shape.shape, shape.dtype), score)
        return self.measure(score), tested


def _test(trial: Trial, score: scoring.Score) -> Array:
    """The test score of a trial's incumbent."""
    return incumbent_score(trial.task, trial.keys, score.incumbent)


def _stop_by_stop(
    spec: TaskSpec,
    carry: Carry,
    advance: Callable[[Carry, Array, Array], Carry],
    reader: _Reader,
    begin: int,
    stops: _Stops,
) -> _History:
    """Runs from stop to stop until all trials (of a carry with a leading axis, or the one of a carry without) end."""
    metrics = reader.measure(carry[1])
    shapes = jax.eval_shape(reader.read, carry[1], None if stops.due is None else stops.due[0])
    room = jax.tree.map(lambda leaf: jnp.zeros((trace.POINTS, *leaf.shape), leaf.dtype), shapes)
    done = jnp.zeros(metrics.invalid.shape, bool)
    made = jnp.zeros(metrics.invalid.shape, jnp.int32)

    def goes_on(place: tuple[Any, ...]) -> Array:
        stop, _, done, _, _ = place
        return (stop < stops.number) & ~done.all()

    def body(place: tuple[Any, ...]) -> tuple[Any, ...]:
        stop, carry, done, made, rows = place
        first = jnp.where(stop == 0, begin, stops.iterations[jnp.maximum(stop - 1, 0)])
        advanced = advance(carry, first, stops.iterations[stop])
        if done.ndim:
            advanced = jax.tree.map(lambda old, new: _where(done, old, new), carry, advanced)
        read = reader.read(advanced[1], None if stops.due is None else stops.due[stop])
        rows = jax.tree.map(lambda column, value: column.at[stop].set(value), rows, read)
        made = jnp.where(done, made, stop + 1)
        return stop + 1, advanced, done | solved(spec, read[0].best_objective), made, rows

    _, carry, _, made, (metrics, tests) = lax.while_loop(goes_on, body, (jnp.int32(0), carry, done, made, room))
    return _History(metrics, tests, made, carry[1])


def _where(done: Array, old: Array, new: Array) -> Array:
    return jnp.where(done.reshape(done.shape + (1,) * (new.ndim - 1)), old, new)
