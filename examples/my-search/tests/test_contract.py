"""qdbench's contract tests, a rule at a time."""

import pytest

from qdbench.testing import OPTIMIZER_RULES, TASK_RULES, optimizer_subject, task_subject


@pytest.mark.parametrize("rule", TASK_RULES, ids=str)
def test_task(rule):
    rule.check(task_subject("MyRings-v0"))


@pytest.mark.parametrize("rule", OPTIMIZER_RULES, ids=str)
def test_optimizer(rule):
    rule.check(optimizer_subject("my-search"))
