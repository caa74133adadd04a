"""The incumbent, the best solution so far, and its test score, for tasks that have a test.

The test score says how good a solution is on what the objective never saw. It is computed at every fifth point of the
trace, the last among them, which is the result; tests are not counted as evaluations. Both drivers use this code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qdbench.harness.trace import shortest
from qdbench.spec import TaskSpec

EVERY = 5
"""At how many points of the trace the incumbent is tested once."""


def none_yet(spec: TaskSpec) -> Float[Array, " dim"] | None:
    """The incumbent before anything was evaluated; None for a task without a test."""
    return None if spec.test_episodes is None else jnp.zeros(spec.dim, spec.precision)


def better(
    incumbent: Float[Array, " dim"],
    best_objective: Float[Array, ""],
    solutions: Float[Array, "batch dim"],
    objective: Float[Array, " batch"],
) -> Float[Array, " dim"]:
    """The incumbent after a batch; the first among equals stays.

    Args:
        incumbent: So far.
        best_objective: Its objective.
        solutions: The batch.
        objective: Minus infinity where a row does not count.
    """
    best = jnp.argmax(objective)
    return jnp.where(objective[best] > best_objective, solutions[best], incumbent)


def is_due(point: int) -> bool:
    """Whether the incumbent is tested at a point of the trace, 1 .. 100."""
    return point % EVERY == 0


class IncumbentTester:
    """Reads test scores along the trace; an incumbent is tested once."""

    def __init__(self, spec: TaskSpec, test: Callable[[Any], Any]) -> None:
        """Starts before the first point.

        Args:
            spec: The task's spec; without a test, nothing is read.
            test: An incumbent's test score.
        """
        self._is_tested = spec.test_episodes is not None
        self._test = test
        self._objective = -math.inf
        self._value = math.nan

    def read(self, point: int, best_objective: Any, incumbent: Any) -> float | None:
        """The latest test score at a point of the trace: NaN before the first test, None without a test."""
        if not self._is_tested:
            return None
        objective = float(np.asarray(best_objective))
        if is_due(point) and objective > self._objective:
            self._objective, self._value = objective, shortest(self._test(incumbent))
        return self._value
