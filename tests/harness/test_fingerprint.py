"""Fingerprints: they follow what a task says, not what it is called."""

from __future__ import annotations

import dataclasses

import pytest

import qdbench
from qdbench.harness.fingerprint import _program, fingerprint, golden_solutions

PINNED = {
    "Arm-v0": "a6606c2ab2e3f618",
    "LP-Rastrigin-v0": "8828c86fbc36af37",
    "LP-Sphere-v0": "2959e46d5ad9baa5",
}


@pytest.mark.parametrize("id", [*PINNED, "BBOB-F01-v0", "BBOB-F24-v0"])
def test_names_do_not_matter_and_precision_does_not_hide(id: str) -> None:
    task = qdbench.make(id, dim=20)
    renamed = dataclasses.replace(task, spec=task.spec.model_copy(update={"id": "Other-v7", "summary": "other"}))
    assert fingerprint(task) == fingerprint(renamed)
    assert len(fingerprint(task)) == 16
    assert golden_solutions(task.spec).shape == (8, 20)


def test_different_tasks_differ() -> None:
    tasks = [qdbench.make(id, dim=dim) for id in [*PINNED, "BBOB-F01-v0", "BBOB-F02-v0"] for dim in (20, 21)]
    assert len({fingerprint(task) for task in tasks}) == len(tasks)


def test_the_same_spec_with_another_function_differs() -> None:
    task = qdbench.make("LP-Sphere-v0", dim=20)
    assert fingerprint(task) != fingerprint(dataclasses.replace(task, function="rastrigin"))


def test_golden() -> None:
    """A change here is a change of the task: it needs a new version of the id."""
    assert {id: fingerprint(qdbench.make(id)) for id in PINNED} == PINNED


def test_instances_share_a_program_and_differ() -> None:
    first, *others = (qdbench.make("BBOB-v0", function=8, dim=5, instance=instance) for instance in (1, 2, 3))
    found = [fingerprint(first)]
    programs = _program._cache_size()
    found += [fingerprint(task) for task in others]
    assert _program._cache_size() == programs
    assert len(set(found)) == 3
