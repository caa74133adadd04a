"""Evaluation outside of a compiled loop: for the host driver, environments, and archives evaluated again."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from qdbench.harness.compiled import anonymous
from qdbench.protocols import Evaluation, HostTask, Task


def evaluator(task: Task | HostTask) -> Callable[[Key[Array, ""], np.ndarray, bool], Evaluation]:
    """The function of a key, solutions and whether gradients are wanted.

    That of a pure task is compiled, once for all equal tasks.
    """
    if not isinstance(task, Task):
        return task.evaluate
    nameless = anonymous(task)

    def evaluate(key: Key[Array, ""], solutions: np.ndarray, gradients: bool) -> Evaluation:
        # A host optimizer may change its batch size at will; padding keeps the number of compilations small.
        padded = 1 << (len(solutions) - 1).bit_length()
        rows = np.concatenate([solutions, np.repeat(solutions[-1:], padded - len(solutions), axis=0)])
        evaluation = _evaluate(nameless, key, rows, gradients)
        return Evaluation(*(None if part is None else np.array(part)[: len(solutions)] for part in evaluation))

    return evaluate


@functools.partial(jax.jit, static_argnums=3)
def _evaluate(task: Task, key: Key[Array, ""], rows: Float[Array, "batch dim"], gradients: bool) -> Evaluation:
    return task.evaluate(key, rows, gradients)
