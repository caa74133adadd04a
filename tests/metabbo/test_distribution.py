"""Sampling the tasks of a meta-generation."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import qdbench
from qdbench.harness.compiled import anonymous
from qdbench.metabbo import distribution
from qdbench.metabbo.config import TaskFamily
from qdbench.metabbo.noise import KINDS, NONE
from qdbench.registry import UnknownNameError
from tests.metabbo import tiny

INTERVALS = {"sigma": (0.01, 0.5), "start": (-3.0, -2.0)}


def families(*parts: dict[str, Any]) -> list[TaskFamily]:
    return [TaskFamily.model_validate(part) for part in parts]


SPHERE = {
    "id": "BBOB-F01-v0",
    "arguments": {"precision": "float32", "measures": False},
    "grid": {"dim": [2, 3]},
    "pool": {"instance": "1-4"},
}


@pytest.fixture(scope="module")
def built() -> distribution.Distribution:
    return distribution.build(families(SPHERE, tiny.ROSENBROCK, {"id": "BBOB-F15-v0", "arguments": tiny.PLAIN}))


def drawn(built: distribution.Distribution, generation: int, count: int = 7, seed: int = 3, noise: float = 0.3) -> Any:
    return distribution.sample(built, seed, generation, count, noise, INTERVALS)


def records(rows: Any) -> list[tuple[Any, ...]]:
    """One entry a task that was drawn: group, place, instance, noise, key and values."""
    found = []
    for group, (draws, count) in enumerate(rows):
        for index in range(count):
            values = {name: float(column[index]) for name, column in draws.values.items()}
            key = tuple(draws.key[index])
            found.append((group, draws.family[index], draws.instance[index], draws.noise[index], key, values))
    return found


def test_what_shares_a_program(built: distribution.Distribution) -> None:
    assert [group.spec.dim for group in built.groups] == [2, 3]
    flat, other = built.groups
    assert [(variant.id, variant.size) for variant in flat.variants] == [
        ("BBOB-F01-v0", 4),
        ("BBOB-F08-v0", 2),
        ("BBOB-F15-v0", 1),
    ]
    assert [variant.arguments["dim"] for variant in other.variants] == [3]
    assert built.families == (((0, 0), (1, 0)), ((0, 1),), ((0, 2),))


@pytest.mark.parametrize("change", [{"dim": 3}, {"measures": True}])
def test_what_an_optimizer_can_tell_apart_does_not(change: dict[str, Any]) -> None:
    other = {"id": "BBOB-F01-v0", "arguments": tiny.PLAIN | change}
    assert len(distribution.build(families(tiny.SPHERE, other)).groups) == 2
    assert len(distribution.build(families(tiny.SPHERE, tiny.ROSENBROCK)).groups) == 1


def test_pools_are_the_tasks(built: distribution.Distribution) -> None:
    for variant, instances in zip(built.groups[0].variants, ([1, 2, 3, 4], [4, 5], [1]), strict=True):
        for place, instance in enumerate(instances):
            alone = anonymous(qdbench.make(variant.id, **variant.arguments, instance=instance))
            taken = jax.tree.map(lambda leaf, place=place: leaf[place], variant.pool)
            assert jax.tree.structure(taken) == jax.tree.structure(alone)
            for one, two in zip(jax.tree.leaves(taken), jax.tree.leaves(alone), strict=True):
                np.testing.assert_array_equal(one, two)


def test_a_function_of_seed_and_generation(built: distribution.Distribution) -> None:
    assert records(drawn(built, 5)) == records(drawn(built, 5))
    assert records(drawn(built, 5)) != records(drawn(built, 6))
    assert records(drawn(built, 5)) != records(drawn(built, 5, seed=4))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_families_take_turns(built: distribution.Distribution, count: int) -> None:
    family_of = {place: number for number, places in enumerate(built.families) for place in places}
    firsts = set()
    for generation in range(20):
        rows = drawn(built, generation, count)
        assert sum(filled for _, filled in rows) == count
        # Room for all in every group, so that one program serves whatever is drawn.
        assert {len(column) for draws, _ in rows for column in jax.tree.leaves(draws)} == {count}
        seen = np.bincount([family_of[entry[:2]] for entry in records(rows)], minlength=3)
        assert seen.max() - seen.min() <= 1
        firsts.add(tuple(seen))
    # Who gets what is left over changes: each family is as likely as another.
    assert len(firsts) == (1 if count == 3 else 3)


def test_everything_is_drawn_about_as_often(built: distribution.Distribution) -> None:
    entries = [entry for generation in range(300) for entry in records(drawn(built, generation, 9))]
    assert len({entry[4] for entry in entries}) == len(entries)
    counts: dict[tuple[int, ...], int] = {}
    for entry in entries:
        counts[entry[:3]] = counts.get(entry[:3], 0) + 1
    # 900 tasks of each family.
    expected = {(group, 0, instance): 900 / 8 for group in range(2) for instance in range(4)}
    expected |= {(0, 1, 0): 450, (0, 1, 1): 450, (0, 2, 0): 900}
    assert counts.keys() == expected.keys()
    for which, mean in expected.items():
        assert abs(counts[which] - mean) < 5 * np.sqrt(mean), which
    noise = np.bincount([entry[3] for entry in entries], minlength=len(KINDS) + 1)
    assert len(noise) == len(KINDS) + 1
    assert abs(noise[NONE] / len(entries) - 0.7) < 0.05
    assert (np.abs(noise[1:] - 0.05 * len(entries)) < 5 * np.sqrt(0.05 * len(entries))).all()
    for name, (low, high) in INTERVALS.items():
        values = np.array([entry[5][name] for entry in entries])
        assert np.float32(low) <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= np.float32(high)
        assert abs(values.mean() - (low + high) / 2) < 0.05 * (high - low)


@pytest.mark.parametrize(("noise", "all_noisy"), [(0.0, False), (1.0, True)])
def test_all_or_nothing_is_noisy(built: distribution.Distribution, noise: float, all_noisy: bool) -> None:
    kinds = {entry[3] for generation in range(20) for entry in records(drawn(built, generation, noise=noise))}
    assert kinds == (set(range(1, 1 + len(KINDS))) if all_noisy else {NONE})


def test_the_share_of_noise_changes_nothing_else(built: distribution.Distribution) -> None:
    quiet, loud = (records(drawn(built, 1, noise=noise)) for noise in (0.0, 1.0))
    assert [(*entry[:3], *entry[4:]) for entry in quiet] == [(*entry[:3], *entry[4:]) for entry in loud]


def test_only_precision_can_be_noisy() -> None:
    family = families({"id": "LP-Sphere-v0", "arguments": {"dim": 4}})
    assert len(distribution.build(family).groups) == 1
    with pytest.raises(ValueError, match="LP-Sphere-v0: only tasks that count by their precision can have noise"):
        distribution.build(family, 0.1)


def test_a_pool_cannot_change_shapes() -> None:
    with pytest.raises(ValueError, match=r"BBOB-F01-v0: tasks that differ in dim alone .* put it into the grid"):
        distribution.build(families({"id": "BBOB-F01-v0", "arguments": {"measures": False}, "pool": {"dim": [2, 3]}}))


def test_misspelt_names() -> None:
    with pytest.raises(UnknownNameError, match="BBOB-F1-v0"):
        distribution.build(families(tiny.SPHERE | {"id": "BBOB-F1-v0"}))
    with pytest.raises(TypeError, match="no argument instanc; it has dim, instance"):
        distribution.build(families(tiny.SPHERE | {"pool": {"instanc": [1]}}))
