"""Suites: the ones that come along, and files."""

from __future__ import annotations

from pathlib import Path

import pytest

import baselines
import qdbench
from qdbench.harness.suite import load_suite, suite_names
from qdbench.registry import UnknownNameError


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_names_things_that_exist_and_fit(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    for task_choice in suite.tasks:
        task = qdbench.make(task_choice.id, **task_choice.arguments)
        budget = suite.budget or task.spec.budget
        for choice in suite.optimizers:
            optimizer = baselines.make(choice.id, task.spec, **choice.hyperparameters)
            assert sum(batch.size for batch in optimizer.initial + optimizer.iteration) <= budget


def test_the_dqd_suite_is_the_paper_s_experiment() -> None:
    suite = load_suite("dqd")
    assert suite.repetitions == 20
    assert [choice.id for choice in suite.tasks] == ["LP-Sphere-v0", "LP-Rastrigin-v0", "Arm-v0"]
    assert len(suite.optimizers) == 8
    for choice in suite.tasks:
        spec = qdbench.make(choice.id).spec
        assert (spec.dim, spec.archive_shape, suite.budget or spec.budget) == (1000, (100, 100), 100 + 36 * 10_000)


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="the suites are dqd, quick"):
        load_suite("dqdd")
    path = tmp_path / "mine.toml"
    with pytest.raises(UnknownNameError):
        load_suite(str(path))
    path.write_text("name = ")
    with pytest.raises(ValueError, match="is not valid"):
        load_suite(str(path))
    path.write_text('name = "a"\nrepetitions = 0\ntasks = []\noptimizers = []\nother = 1')
    with pytest.raises(ValueError, match="is not valid") as error:
        load_suite(str(path))
    assert all(word in str(error.value) for word in ("repetitions", "tasks", "optimizers", "other"))
