"""Tasks that keep all rules, and how the tests look for those that are broken."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp

import qdbench
from qdbench.protocols import Evaluation


def spec_of(**changes: Any) -> qdbench.TaskSpec:
    fields = {
        "id": "Bowl-v0", "arguments": {"dim": 4}, "family": "bowl", "dim": 4, "objective_range": (-9, 0), "budget": 200,
        "measures": (qdbench.Measure(name="first", low=-2, high=2),), "archive_shape": (5,), "differentiable": True,
        "solution_bounds": (-2, 2),
    }  # fmt: skip
    return qdbench.TaskSpec(**{**fields, **changes})


class Bowl(qdbench.Task):
    """Keeps all rules: minus the squared norm, and the first parameter."""

    spec: qdbench.TaskSpec = eqx.field(static=True)

    def _evaluate(self, key: Any, x: Any, gradients: bool) -> Evaluation:
        plain = Evaluation(-(x**2).sum(axis=1), x[:, :1])
        if not gradients:
            return plain
        jacobian = jnp.broadcast_to(jnp.eye(1, self.spec.dim, dtype=x.dtype), (len(x), 1, self.spec.dim))
        return plain._replace(objective_gradient=-2 * x, measures_jacobian=jacobian)


class HostBowl:
    """Keeps all rules, in NumPy."""

    def __init__(self) -> None:
        self.spec = spec_of(differentiable=False)

    def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation:
        return Evaluation(-(solutions**2).sum(axis=1), solutions[:, :1])


def broken_rules(rules: Any, subject: Any) -> dict[str, str]:
    violations = {rule.code: rule.violation(subject) for rule in rules}
    return {code: message for code, message in violations.items() if message is not None}
