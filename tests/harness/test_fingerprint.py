"""Fingerprints: they follow what a task says, not what it is called."""

from __future__ import annotations

import dataclasses

import pytest

import qdbench
from qdbench.harness.fingerprint import _program, fingerprint, golden_solutions
from tests import registered

DQD = ("Arm-v0", "LP-Rastrigin-v0", "LP-Sphere-v0")
# Their data is not in the repository, nor was it at hand; its files have hashes of their own.
UNPINNED = {"HPOB-v0", "Neuro-KMNIST-v0"}
# Those of control are pinned beside their golden values.
ELSEWHERE = {f"Neuro-{name}-v0" for name in registered.CONTROL} | set(registered.NEEDED) | registered.WEIGHTS
PINNED = {
    "Arm-v0": "a6606c2ab2e3f618",
    "LP-Rastrigin-v0": "8828c86fbc36af37",
    "LP-Sphere-v0": "2959e46d5ad9baa5",
    "HPO-Mini-v0": "b5dfc803f44d2e80",
    "LSI-Digits-v0": "522330e86503b817",
    "LSI-Digits-CLIP-v0": "a9b021da943047aa",
    "LSI-Fashion-v0": "99fc0a383c3f8911",
    "BBOB-v0": "ffcf0625bbc83cd5",
    "BBOB-Noisy-v0": "8e581b9289f623c9",
    "BBOB-F01-v0": "ffcf0625bbc83cd5",
    "BBOB-F02-v0": "0897eab54695ac6a",
    "BBOB-F03-v0": "664d89c1507379ca",
    "BBOB-F04-v0": "9c1bb045c912bef7",
    "BBOB-F05-v0": "294124d884bb2306",
    "BBOB-F06-v0": "43beca0e94d50ca6",
    "BBOB-F07-v0": "47039700ecd53072",
    "BBOB-F08-v0": "39f3e30efe39b48f",
    "BBOB-F09-v0": "5664db7a463c68dd",
    "BBOB-F10-v0": "d45319380c3bb6d1",
    "BBOB-F11-v0": "a8a0e94bf526d489",
    "BBOB-F12-v0": "d6d015fe50352e1b",
    "BBOB-F13-v0": "d54417fc5e045ab7",
    "BBOB-F14-v0": "296165720e0a12ed",
    "BBOB-F15-v0": "7d48a2e271cbaf9d",
    "BBOB-F16-v0": "d64d8597b1f91ad8",
    "BBOB-F17-v0": "fe636e340c10fb58",
    "BBOB-F18-v0": "6c4bb06c1bffbf06",
    "BBOB-F19-v0": "865ecc572b5aae1e",
    "BBOB-F20-v0": "f4cb34c69f18adf8",
    "BBOB-F21-v0": "aa5499e745e4a3a4",
    "BBOB-F22-v0": "1088e934422fcd78",
    "BBOB-F23-v0": "9b5a309dbe54342c",
    "BBOB-F24-v0": "2fb0caf65fe21111",
    "Neuro-Digits-v0": "eb44606b8127a8bd",
    "Neuro-MNIST-v0": "b95845e11dfe45fd",
    "Neuro-FashionMNIST-v0": "d448dc73622d4e5e",
}


@pytest.mark.parametrize("id", [*DQD, "BBOB-F01-v0", "BBOB-F24-v0"])
def test_names_do_not_matter_and_precision_does_not_hide(id: str) -> None:
    task = qdbench.make(id, dim=20)
    renamed = dataclasses.replace(task, spec=task.spec.model_copy(update={"id": "Other-v7", "summary": "other"}))
    assert fingerprint(task) == fingerprint(renamed)
    assert len(fingerprint(task)) == 16
    assert golden_solutions(task.spec).shape == (8, 20)


def test_different_tasks_differ() -> None:
    tasks = [qdbench.make(id, dim=dim) for id in [*DQD, "BBOB-F01-v0", "BBOB-F02-v0"] for dim in (20, 21)]
    assert len({fingerprint(task) for task in tasks}) == len(tasks)


def test_the_same_spec_with_another_function_differs() -> None:
    task = qdbench.make("LP-Sphere-v0", dim=20)
    assert fingerprint(task) != fingerprint(dataclasses.replace(task, function="rastrigin"))


def test_golden() -> None:
    """A change here is a change of the task: it needs a new version of the id."""
    ids = set(qdbench.list_tasks()) - ELSEWHERE
    found = {id: fingerprint(qdbench.make(id)) for id in ids if id in registered.AVAILABLE and id not in UNPINNED}
    assert found == {id: PINNED[id] for id in found}
    assert ids == set(PINNED) | UNPINNED


def test_instances_share_a_program_and_differ() -> None:
    first, *others = (qdbench.make("BBOB-v0", function=8, dim=5, instance=instance) for instance in (1, 2, 3))
    found = [fingerprint(first)]
    programs = _program._cache_size()
    found += [fingerprint(task) for task in others]
    assert _program._cache_size() == programs
    assert len(set(found)) == 3
