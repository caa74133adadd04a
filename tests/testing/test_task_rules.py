"""Every rule for tasks finds the task that breaks it, and no other rule does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qdbench
from qdbench.protocols import Evaluation
from qdbench.testing import TASK_RULES, ContractError, check_task
from qdbench.testing.task_rules import TaskSubject
from tests.testing.bowls import Bowl, HostBowl, broken_rules, spec_of


class WrongShape(HostBowl):
    def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation:
        result = super().evaluate(key, solutions, gradients)
        return result._replace(objective=result.objective[:, None])


class WrongPrecision(HostBowl):
    def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation:
        result = super().evaluate(key, solutions, gradients)
        return result._replace(objective=result.objective.astype(np.float64))


class NotFinite(Bowl):
    def _evaluate(self, key: Any, x: Any, gradients: bool) -> Evaluation:
        result = super()._evaluate(key, x, gradients)
        return result._replace(objective=jnp.where(x[:, 0] > -1.5, jnp.nan, result.objective))


class Draws(HostBowl):
    """Draws from a stream of its own."""

    stream = np.random.default_rng(0)

    def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation:
        result = super().evaluate(key, solutions, gradients)
        return result._replace(objective=(result.objective + 1e-6 * self.stream.normal()).astype(np.float32))


class NoisyButNotSaid(Bowl):
    def _evaluate(self, key: Any, x: Any, gradients: bool) -> Evaluation:
        result = super()._evaluate(key, x, gradients)
        noise = jax.random.normal(jax.random.key(0) if key is None else key, ()) * 1e-5
        return result._replace(objective=result.objective + noise)


class Relative(HostBowl):
    """Subtracts the batch's mean."""

    def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation:
        result = super().evaluate(key, solutions, gradients)
        return result._replace(objective=result.objective - result.objective.mean())


class WritesToSolutions(HostBowl):
    def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation:
        result = super().evaluate(key, np.array(solutions), gradients)
        solutions[...] = 0
        return result


class WrongGradient(Bowl):
    def _evaluate(self, key: Any, x: Any, gradients: bool) -> Evaluation:
        result = super()._evaluate(key, x, gradients)
        return result._replace(objective_gradient=-2.1 * x) if gradients else result


class WrongJacobian(Bowl):
    def _evaluate(self, key: Any, x: Any, gradients: bool) -> Evaluation:
        result = super()._evaluate(key, x, gradients)
        return result._replace(measures_jacobian=-result.measures_jacobian) if gradients else result


class LeavesTheBounds(Bowl):
    def _evaluate(self, key: Any, x: Any, gradients: bool) -> Evaluation:
        result = super()._evaluate(key, x, gradients)
        jacobian = None if result.measures_jacobian is None else 3 * result.measures_jacobian
        return result._replace(measures=3 * result.measures, measures_jacobian=jacobian)


class TakesAnything(Bowl):
    def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation:
        if not isinstance(solutions, jax.core.Tracer):
            solutions = np.nan_to_num(np.asarray(solutions, self.spec.precision))
        return super().evaluate(key, solutions, gradients)


class SetsPrecision(Bowl):
    def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation:
        result = super().evaluate(key, solutions, gradients)
        if not isinstance(solutions, jax.core.Tracer):
            jax.config.update("jax_enable_x64", True)
        return result


class Recompiles(Bowl):
    """Has a static field that is equal to itself only."""

    function: Any = eqx.field(static=True, default_factory=lambda: lambda x: x)


class KnowsTheTrace(Bowl):
    def _evaluate(self, key: Any, x: Any, gradients: bool) -> Evaluation:
        result = super()._evaluate(key, x, gradients)
        return result._replace(objective=result.objective + 0.01) if isinstance(x, jax.core.Tracer) else result


def task_case(code: str, kind: Callable[..., Any], remake: bool = False, **changes: Any) -> Any:
    """A broken task with the number of the rule that it breaks; with ``remake``, made as a registered one is."""

    def make(dim: int = 3) -> Any:
        return kind(spec=spec_of(**{"dim": dim, "arguments": {"dim": dim}, **changes}))

    if issubclass(kind, qdbench.Task):
        subject = TaskSubject("Bowl-v0", make(dim=4), make if remake else None)
    else:
        task = kind()
        task.spec = task.spec.model_copy(update=changes)
        subject = TaskSubject("Bowl-v0", task)
    return pytest.param(code, subject, id=f"{code}-{kind.__name__}")


BROKEN_TASKS = [
    task_case("", Bowl, remake=True),
    task_case("", HostBowl),
    task_case("QDB101", Bowl, remake=True, arguments={}),
    task_case("QDB102", WrongPrecision),
    task_case("QDB102", WrongShape),
    task_case("QDB103", NotFinite, differentiable=False),
    task_case("QDB104", Draws),
    task_case("QDB104", NoisyButNotSaid, differentiable=False),
    task_case("QDB104", HostBowl, deterministic=False),
    task_case("QDB105", Relative),
    task_case("QDB106", WritesToSolutions),
    task_case("QDB107", WrongGradient),
    task_case("QDB107", WrongJacobian),
    task_case("QDB108", LeavesTheBounds),
    task_case("", LeavesTheBounds, measures=(qdbench.Measure(name="first", low=-2, high=2, bounded=False),)),
    task_case("QDB109", TakesAnything),
    task_case("QDB110", SetsPrecision),
    task_case("QDB111", Recompiles, remake=True),
    task_case("QDB112", KnowsTheTrace),
]


@pytest.mark.parametrize(("code", "subject"), BROKEN_TASKS)
def test_a_broken_task_breaks_its_rule_alone(code: str, subject: TaskSubject) -> None:
    broken = broken_rules(TASK_RULES, subject)
    assert set(broken) == ({code} if code else set()), broken
    if code:
        assert f"docs/rules.md#{code.lower()}" in broken[code]
        assert "found: " in broken[code]
        assert "wanted:" in broken[code]


def test_every_rule_has_a_broken_example() -> None:
    assert {case.values[0] for case in BROKEN_TASKS} - {""} == {rule.code for rule in TASK_RULES}


def test_a_check_lists_what_is_broken() -> None:
    check_task("LP-Sphere-v0", dim=4)
    check_task(Bowl(spec=spec_of()))
    with pytest.raises(ContractError, match=r"(?s)QDB106 Bowl-v0: What is handed in.*wanted: solutions as they were"):
        check_task(WritesToSolutions())
