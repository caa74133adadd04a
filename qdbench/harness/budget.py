"""Budgets as suites give them."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Budget:
    """How many evaluations a trial has; without any of the three, the task's standard budget.

    Attributes:
        evaluations: So many.
        per_dim: So many times the task's number of parameters.
        iterations: So many times the evaluations of one iteration of the optimizer: generations, of which an initial
            population is the first.
    """

    evaluations: int | None = None
    per_dim: int | None = None
    iterations: int | None = None
