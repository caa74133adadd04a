"""Contract tests: small numbered rules that every task and every optimizer keeps, for anyone to run.

>>> from qdbench.testing import check_task, check_optimizer
>>> check_task("LP-Sphere-v0", dim=10)

``docs/rules.md`` lists the rules. In a pytest run of one's own, a test a rule:

.. code-block:: python

    @pytest.mark.parametrize("rule", TASK_RULES, ids=str)
    def test_my_task(rule):
        rule.check(task_subject("MyTask-v0"))
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from qdbench.api import make
from qdbench.harness.plugins import is_pure
from qdbench.harness.trial import OptimizerLike, instantiate
from qdbench.protocols import HostTask, Optimizer, Task
from qdbench.registry import OPTIMIZERS
from qdbench.testing import optimizer_rules, task_rules
from qdbench.testing.optimizer_rules import OptimizerSubject
from qdbench.testing.rule import ContractError, Rule, document, raise_if_any, rules_in
from qdbench.testing.task_rules import TaskSubject

__all__ = [
    "OPTIMIZER_RULES",
    "TASK_RULES",
    "ContractError",
    "Rule",
    "check_optimizer",
    "check_task",
    "optimizer_subject",
    "page",
    "task_subject",
]

TASK_RULES: tuple[Rule, ...] = rules_in(vars(task_rules))
OPTIMIZER_RULES: tuple[Rule, ...] = rules_in(vars(optimizer_rules))

_INTRODUCTION = """\
What every task and every optimizer keeps, as small numbered rules. `qdbench check task ID` and
`qdbench check optimizer NAME` try them and say what was found and what is wanted; so do
`qdbench.testing.check_task` and `check_optimizer` in tests of your own ([plug-in.md](plug-in.md) shows both). The
repository's own tests take everything that is registered through the same rules."""


def check_task(task: str | Task | HostTask, **arguments: Any) -> None:
    """Tries all rules for tasks.

    Args:
        task: A registered id, or a task.
        arguments: The task's, for an id; small ones make it fast.

    Raises:
        ContractError: With what was found and what is wanted, for each rule that is broken.
    """
    subject = task_subject(task, **arguments)
    raise_if_any(rule.violation(subject) for rule in TASK_RULES)


def check_optimizer(optimizer: OptimizerLike, task: Task | None = None, **hyperparameters: Any) -> None:
    """Tries all rules for optimizers.

    Args:
        optimizer: An id, ``"module:Class"``, ``"file.py:Class"``, a class of ``(spec, seed)`` or a pure optimizer.
        task: What it is tried on; LP-Sphere-v0 with 20 parameters if None.
        hyperparameters: For one that is given by name or as a class.

    Raises:
        ContractError: With what was found and what is wanted, for each rule that is broken.
    """
    subject = optimizer_subject(optimizer, task, **hyperparameters)
    raise_if_any(rule.violation(subject) for rule in OPTIMIZER_RULES)


def task_subject(task: str | Task | HostTask, **arguments: Any) -> TaskSubject:
    """A task as the rules take it; the arguments are those of :func:`check_task`."""
    if isinstance(task, str):
        return TaskSubject(task, make(task, **arguments), functools.partial(make, task))
    return TaskSubject(task.spec.id, task)


def optimizer_subject(optimizer: OptimizerLike, task: Task | None = None, **hyperparameters: Any) -> OptimizerSubject:
    """An optimizer as the rules take it; the arguments are those of :func:`check_optimizer`."""
    task = task or make("LP-Sphere-v0", dim=20)
    if isinstance(optimizer, Optimizer):
        return OptimizerSubject(optimizer.id, task, lambda *_: optimizer)

    def made(spec: Any, seed: int, **more: Any) -> Any:
        return instantiate(optimizer, spec, {**hyperparameters, **more}, seed)

    name = optimizer if isinstance(optimizer, str) else getattr(optimizer, "__name__", type(optimizer).__name__)
    return OptimizerSubject(name, task, made, _numbers(optimizer) if isinstance(optimizer, str) else {})


def page() -> str:
    """The page that lists the rules, docs/rules.md."""
    return document("Rules", _INTRODUCTION, [("Tasks", TASK_RULES), ("Optimizers", OPTIMIZER_RULES)])


def _numbers(name: str) -> dict[str, float]:
    """The real hyperparameters of a pure optimizer given by its id, with their defaults."""
    if not is_pure(name):
        return {}
    factory, bound = OPTIMIZERS.resolve(name)
    parameters = inspect.signature(factory).parameters.values()
    return {p.name: p.default for p in parameters if isinstance(p.default, float) and p.name not in bound}
