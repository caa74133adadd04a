"""Inner loops as a plain Python loop over one member and one task, with the keys that the compiled ones use."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import qdbench
from qdbench.harness.compiled import anonymous
from qdbench.metabbo.noise import KINDS, NONE
from qdbench.protocols import Evaluation, Optimizer, Task
from qdbench.random import derive
from qdbench.tasks.bbob import noise as models
from tests.metabbo import tiny

WORST = np.float32(-1e10)
# Compiled once for all members.
part = jax.jit(derive)
start = eqx.filter_jit(lambda optimizer, key: optimizer.init(key))
ask = eqx.filter_jit(lambda optimizer, *arguments: optimizer.ask(*arguments))
tell = eqx.filter_jit(lambda optimizer, *arguments: optimizer.tell(*arguments))
evaluate = eqx.filter_jit(lambda task, solutions: task.evaluate(None, solutions).objective)


@functools.partial(jax.jit, static_argnums=(2, 3))
def noisy(key: jax.Array, objective: jax.Array, kind: int, dim: int) -> jax.Array:
    """As bbob-noisy has it, of f - f_opt."""
    model, severe = KINDS[kind - 1]
    drawn = models.draw(key, model, objective.shape[0], "float32")
    return -models.apply(model, jnp.maximum(-objective, 0), drawn, severe, dim)


def alone(
    optimizer: Optimizer, task: Task, key_data: tuple[int, int], generations: int, kind: int = NONE
) -> tuple[float, float]:
    """The best objective of the last generation and of all, by the protocol's loop: ask, evaluate, tell."""
    key = jax.random.wrap_key_data(jnp.asarray(key_data, jnp.uint32), impl="threefry2x32")

    def step(state: Any, batch: Any, key: jax.Array) -> tuple[Any, float]:
        solutions, state = ask(optimizer, part(key, 0), state, batch)
        objective = np.asarray(evaluate(task, solutions))
        objective = np.where(objective > WORST, objective, WORST)
        seen = jnp.asarray(objective)
        if kind != NONE:
            seen = noisy(part(part(key, 1), 1), seen, kind, task.spec.dim)
        told = Evaluation(seen, np.zeros((batch.size, 0), np.float32))
        return tell(optimizer, part(key, 2), state, batch, solutions, told), objective.max()

    state, best = start(optimizer, part(key, 0)), -np.inf
    for place, batch in enumerate(optimizer.initial):
        state, reached = step(state, batch, part(key, 1, place))
        best = max(best, reached)
    for index in range(generations):
        found = []
        for place, batch in enumerate(optimizer.iteration):
            state, reached = step(state, batch, part(key, 2, jnp.int32(index), place))
            found.append(reached)
        best, last = max(best, *found), max(found)
    return last, best


def alone_mean(
    optimizer: Optimizer, tasks: Sequence[tuple[str, int]], repetitions: int, generations: int
) -> np.ndarray:
    """The mean over repetitions of the best, with the keys of evaluations; tasks are ids and instances in 2-D."""
    means = []
    for place, (id, instance) in enumerate(tasks):
        task = anonymous(qdbench.make(id, **tiny.PLAIN, instance=instance))
        keys = [
            np.random.default_rng([2**32, 0, place, repetition]).integers(2**32, size=2, dtype=np.uint32)
            for repetition in range(repetitions)
        ]
        means.append(np.mean([alone(optimizer, task, key, generations)[1] for key in keys]))
    return np.array(means)
