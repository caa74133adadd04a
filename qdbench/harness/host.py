"""The host driver: a Python loop for optimizers or tasks that cannot be traced, over the same scoring code."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from qdbench.harness import scoring, trace
from qdbench.harness.compiled import INITIAL, Keys, Outcome, Progress, check_size, incumbent_score, sizes
from qdbench.harness.errors import BudgetError, TrialError
from qdbench.harness.evaluator import evaluator
from qdbench.harness.hits import solved
from qdbench.harness.incumbent import IncumbentTester
from qdbench.protocols import Batch, Evaluation, HostOptimizer, HostTask, Optimizer, Task, check_solutions
from qdbench.spec import TaskSpec


class Asked(NamedTuple):
    """What to evaluate: its iteration and batch, the solutions, whether with gradients, and whom to tell.

    ``ahead`` is the number of evaluations until the iteration is whole, at its first batch, and 0 at the others; None
    says that the batch is the iteration. The trace is read between iterations.
    """

    iteration: int
    batch: int
    ahead: int | None
    solutions: Any
    gradients: bool
    tell: Callable[[Evaluation], None]


def run(
    task: Task | HostTask,
    optimizer: Optimizer | HostOptimizer,
    name: str,
    keys: Keys,
    budget: int,
    keep_solutions: bool,
    progress: Progress | None = None,
) -> Outcome:
    """Runs a trial until the next iteration no longer fits the budget, or until its task is solved.

    One call of ask and tell is one iteration of a host optimizer. Its errors, and what is wrong with its solutions,
    are raised with its name.

    Raises:
        BudgetError: If not even one batch fits.
        TrialError: If the optimizer raises, or its solutions or their evaluation are not usable.
    """
    began = time.perf_counter()
    spec = task.spec
    batches = (
        _pure_batches(optimizer, keys, budget) if isinstance(optimizer, Optimizer) else _host_batches(optimizer, name)
    )
    evaluate = evaluator(task)
    evaluation_key = jax.jit(keys.of_evaluation)
    score = scoring.start(spec, keep_solutions)
    tester = IncumbentTester(spec, _tester(task, keys))
    iterations, evaluations, gradient_evaluations = 0, 0, 0
    rows: list[trace.Row] = []
    pending = list(enumerate(trace.marks(budget), start=1))

    def read_trace(until: int) -> bool:
        """Appends the rows of all points before so many evaluations; whether there were any."""
        if not (pending and pending[0][1] < until):
            return False
        metrics = scoring.measure(score)
        values = trace.numbers(metrics, spec.cells)
        while pending and pending[0][1] < until:
            point, _ = pending.pop(0)
            test = tester.read(point, metrics.best_objective, score.incumbent)
            rows.append(trace.row(point, iterations, evaluations, gradient_evaluations, values, test))
        if progress is not None:
            progress(rows[-1][0], metrics)
        return True

    for asked in batches:
        try:
            solutions = check_solutions(spec, asked.solutions)
        except (ValueError, TypeError) as error:
            raise TrialError(f"optimizer {name!r} asked for something that cannot be evaluated: {error}") from error
        if evaluations + len(solutions) > budget:
            break
        if asked.gradients and not spec.differentiable:
            raise TrialError(f"optimizer {name!r} asked for gradients, but {spec.id} is not differentiable")
        if ahead := len(solutions) if asked.ahead is None else asked.ahead:
            was_read = read_trace(until=evaluations + ahead)
            if was_read and solved(spec, np.asarray(score.best_objective)):
                break
        key = evaluation_key(np.uint32(asked.iteration), np.uint32(asked.batch))
        evaluation = checked(spec, evaluate(key, solutions.copy(), asked.gradients), solutions)
        # Copies, because a program may still read NumPy's memory when the optimizer, which is told next, writes to it.
        score = record(score, jnp.asarray(solutions), evaluation.objective.copy(), evaluation.measures.copy())
        asked.tell(_read_only(evaluation))
        iterations = 0 if asked.iteration == INITIAL else asked.iteration + 1
        evaluations += len(solutions)
        gradient_evaluations += len(solutions) * asked.gradients
    if evaluations == 0:
        raise BudgetError(f"optimizer {name!r}: its first batch is larger than the budget of {budget} evaluations")
    read_trace(until=budget + 1)
    return Outcome(rows, score, iterations, evaluations, gradient_evaluations, 0.0, time.perf_counter() - began)


def _host_batches(optimizer: HostOptimizer, name: str) -> Iterator[Asked]:
    for iteration in itertools.count():
        try:
            asked = optimizer.ask()
        except Exception as error:
            raise TrialError(f"optimizer {name!r} raised in ask(): {type(error).__name__}: {error}") from error
        solutions, gradients = asked if isinstance(asked, tuple) else (asked, False)

        def tell(evaluation: Evaluation, solutions: Any = solutions) -> None:
            try:
                optimizer.tell(solutions, evaluation)
            except Exception as error:
                raise TrialError(f"optimizer {name!r} raised in tell(): {type(error).__name__}: {error}") from error

        yield Asked(iteration, 0, None, solutions, bool(gradients), tell)


def _pure_batches(optimizer: Optimizer, keys: Keys, budget: int) -> Iterator[Asked]:
    """The batches of a pure optimizer, with the keys and the budget rule of the compiled driver."""
    ask = jax.jit(lambda key, state, batch: optimizer.ask(key, state, batch), static_argnums=2)
    tell = jax.jit(lambda key, state, batch, *told: optimizer.tell(key, state, batch, *told), static_argnums=2)
    ask_key, tell_key = jax.jit(keys.of_ask), jax.jit(keys.of_tell)
    state = optimizer.init(keys.of_init())
    used = 0
    for iteration in itertools.chain([INITIAL], itertools.count()):
        batches: tuple[Batch, ...] = optimizer.initial if iteration == INITIAL else optimizer.iteration
        if used + sizes(batches)[0] > budget:
            return
        for index, batch in enumerate(batches):
            place = np.uint32(iteration), np.uint32(index)
            solutions, state = ask(ask_key(*place), state, batch)
            check_size(optimizer.id, batch, solutions)
            received: list[Evaluation] = []
            ahead = sizes(batches)[0] if index == 0 else 0
            yield Asked(iteration, index, ahead, np.asarray(solutions), batch.gradients, received.append)
            evaluation = Evaluation(*(None if part is None else jnp.asarray(part) for part in received[0]))
            state = tell(tell_key(*place), state, batch, solutions, evaluation)
            used += batch.size


def _tester(task: Task | HostTask, keys: Keys) -> Callable[[Array], Any]:
    if isinstance(task, Task):
        program = jax.jit(incumbent_score)
        return lambda incumbent: program(task, keys, incumbent)

    def test(incumbent: Array) -> Any:
        found = getattr(task, "test", None)
        if found is None:
            raise TrialError(f"task {task.spec.id} has test_episodes in its spec, but no test(key, solutions)")
        return np.asarray(found(keys.of_test(), np.asarray(incumbent)[None]))[0]

    return test


def checked(spec: TaskSpec, evaluation: Evaluation, solutions: np.ndarray) -> Evaluation:
    """The evaluation with its shapes checked and its values finite."""
    batch = len(solutions)
    objective = np.asarray(evaluation.objective, spec.precision)
    measures = np.asarray(evaluation.measures, spec.precision)
    if objective.shape != (batch,) or measures.shape != (batch, spec.num_measures):
        raise TrialError(
            f"task {spec.id} returned objective {objective.shape} and measures {measures.shape} for {batch} solutions; "
            f"wanted ({batch},) and ({batch}, {spec.num_measures})"
        )
    if not (np.isfinite(objective).all() and np.isfinite(measures).all()):
        raise TrialError(f"task {spec.id} returned an objective or a measure that is not finite")
    return evaluation._replace(objective=objective, measures=measures)


def _read_only(evaluation: Evaluation) -> Evaluation:
    """The evaluation as arrays that raise an error when they are written to."""
    parts = [None if part is None else np.asarray(part).view() for part in evaluation]
    for part in parts:
        if part is not None:
            part.flags.writeable = False
    return Evaluation(*parts)


@functools.partial(jax.jit, donate_argnums=0)
def record(score: scoring.Score, solutions: Array, objective: Array, measures: Array) -> scoring.Score:
    """The score with a batch; the one that is given is used up."""
    return scoring.record(score, [(solutions, Evaluation(objective, measures))])
