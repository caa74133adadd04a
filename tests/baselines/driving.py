"""Small tasks and drivers for the tests of single-objective optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import baselines
from qdbench.numerics import row_sum
from qdbench.protocols import Batch, Evaluation, Optimizer, Task
from qdbench.random import derive, integers, normal
from qdbench.spec import Start, TaskSpec

UNIFORM = Start(kind="uniform", low=-5, high=5)

# Compiled, because these are hundreds of small operations.
draw_integers = jax.jit(integers, static_argnums=1)
draw_normal = jax.jit(normal, static_argnums=(1, 2))
part_key = jax.jit(derive)


def sphere(x: Any) -> Any:
    return row_sum(x * x)


def ellipsoid(x: Any) -> Any:
    conditions = 10.0 ** (6 * np.arange(x.shape[-1]) / (x.shape[-1] - 1))
    return row_sum(conditions.astype(x.dtype) * x * x)


def rosenbrock(x: Any) -> Any:
    return row_sum(100 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1 - x[..., :-1]) ** 2)


def rastrigin(x: Any) -> Any:
    return row_sum(x * x + 10 - 10 * jnp.cos(2 * np.pi * x))


def different_powers(x: Any) -> Any:
    return row_sum(jnp.abs(x) ** (2 + 4 * np.arange(x.shape[-1]) / (x.shape[-1] - 1)).astype(x.dtype))


def attractive_sector(x: Any) -> Any:
    return row_sum(jnp.where(x > 1, 100 * (x - 1), x - 1) ** 2)


FUNCTIONS = {
    function.__name__: function
    for function in (sphere, ellipsoid, rosenbrock, rastrigin, different_powers, attractive_sector)
}


class Function(Task):
    """A minimized function of a batch as a task without measures."""

    function: Callable[[Any], Any] = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)

    def _evaluate(self, key: Any, solutions: jax.Array, gradients: bool) -> Evaluation:
        return Evaluation(-self.function(solutions), jnp.zeros((solutions.shape[0], 0), self.spec.precision))


def function_task(
    function: Callable[[Any], Any], dim: int, precision: str = "float64", start: Start = UNIFORM
) -> Function:
    spec = TaskSpec(
        id="Function-v0", family="function", dim=dim, objective_range=(-1, 0), budget=1000, precision=precision,
        start=start, metric="precision",
    )  # fmt: skip
    return Function(function=function, spec=spec)


class Step(NamedTuple):
    """One ask and tell: what was asked with which keys, its objective, and the states before and after."""

    batch: Batch
    ask_key: jax.Array
    tell_key: jax.Array
    before: Any
    solutions: np.ndarray
    objective: np.ndarray
    state: Any


@eqx.filter_jit
def _init(optimizer: Optimizer, key: jax.Array) -> Any:
    return optimizer.init(key)


# Compiled once for all that differ in arrays only, such as hyperparameters.
@eqx.filter_jit
def _step(task: Task, optimizer: Optimizer, ask_key: jax.Array, tell_key: jax.Array, state: Any, batch: Batch) -> Any:
    solutions, state = optimizer.ask(ask_key, state, batch)
    evaluation = task.evaluate(None, solutions)
    return solutions, evaluation.objective, optimizer.tell(tell_key, state, batch, solutions, evaluation)


def drive(task: Task, optimizer: Optimizer, iterations: int, seed: int = 0) -> Iterator[Step]:
    """Runs an optimizer with a key of its own for every call; call it in the task's precision."""
    state = _init(optimizer, jax.random.key(seed))
    for number, batch in enumerate(optimizer.initial + optimizer.iteration * iterations):
        ask_key, tell_key = jax.random.split(jax.random.key(1000 * seed + number + 1), 2)
        before = state
        solutions, objective, state = _step(task, optimizer, ask_key, tell_key, state, batch)
        yield Step(batch, ask_key, tell_key, before, np.asarray(solutions), np.asarray(objective), state)


def make(id: str, task: Task, **hyperparameters: Any) -> Any:
    return baselines.make(id, task.spec, **hyperparameters)


def best_after(task: Task, optimizer: Any, key: jax.Array, iterations: int) -> jax.Array:
    """The best objective after some iterations; traceable."""

    def advance(state: Any, best: jax.Array, key: jax.Array, batches: tuple[Batch, ...]) -> tuple[Any, jax.Array]:
        for index, batch in enumerate(batches):
            solutions, state = optimizer.ask(derive(key, 2 * index), state, batch)
            evaluation = task.evaluate(None, solutions)
            state = optimizer.tell(derive(key, 2 * index + 1), state, batch, solutions, evaluation)
            best = jnp.maximum(best, evaluation.objective.max())
        return state, best

    carry = advance(optimizer.init(derive(key, 0)), jnp.asarray(-jnp.inf, task.spec.precision), key, optimizer.initial)
    return lax.fori_loop(
        0, iterations, lambda i, carry: advance(*carry, derive(key, 1, i), optimizer.iteration), carry
    )[1]


def evaluations_to(task: Task, optimizer: Any, key: jax.Array, target: float, iterations: int) -> jax.Array:
    """Evaluations until the minimized function is below a target, infinite if that takes more iterations."""
    (batch,) = optimizer.iteration

    def proceed(carry: tuple[Any, jax.Array, jax.Array]) -> jax.Array:
        return (carry[1] <= -target) & (carry[2] < iterations)

    def advance(carry: tuple[Any, jax.Array, jax.Array]) -> tuple[Any, jax.Array, jax.Array]:
        state, best, number = carry
        solutions, state = optimizer.ask(derive(key, 1, number), state, batch)
        evaluation = task.evaluate(None, solutions)
        state = optimizer.tell(derive(key, 2, number), state, batch, solutions, evaluation)
        return state, jnp.maximum(best, evaluation.objective.max()), number + 1

    start = optimizer.init(derive(key, 0)), jnp.asarray(-jnp.inf, task.spec.precision), jnp.int32(0)
    _, best, number = lax.while_loop(proceed, advance, start)
    return jnp.where(best > -target, number * batch.size, jnp.inf)
