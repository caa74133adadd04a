"""Sampling the tasks of a meta-generation, grouped by what shares a program."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import qdbench
from qdbench.harness.compiled import anonymous
from qdbench.metabbo import inner
from qdbench.metabbo.config import TaskFamily
from qdbench.metabbo.noise import KINDS, NONE
from qdbench.protocols import Task
from qdbench.spec import JsonScalar, TaskSpec


@dataclasses.dataclass(frozen=True)
class Variant:
    """One combination of a family's grid, with its stacked pool.

    Attributes:
        id: Of the task.
        arguments: Without the pool's.
        pool: The stacked tasks.
        size: How many there are.
    """

    id: str
    arguments: dict[str, JsonScalar]
    pool: Task
    size: int


@dataclasses.dataclass(frozen=True)
class Group:
    """Variants that share a program, because an optimizer cannot tell their specs apart.

    Attributes:
        spec: Of the first.
        variants: At least one.
    """

    spec: TaskSpec
    variants: tuple[Variant, ...]

    @property
    def pools(self) -> tuple[Task, ...]:
        """The variants' pools, in the order of :attr:`inner.Draw.family`."""
        return tuple(variant.pool for variant in self.variants)


@dataclasses.dataclass(frozen=True)
class Distribution:
    """The groups, and where in them the variants of each family are: ``(group, place)``."""

    groups: tuple[Group, ...]
    families: tuple[tuple[tuple[int, int], ...], ...]


def build(families: Sequence[TaskFamily], noise: float = 0.0) -> Distribution:
    """Makes all tasks of all pools.

    Raises:
        ValueError: If the tasks of a pool differ in more than their arrays, a task cannot be traced, or there is to be
            noise and a task does not count by its precision.
    """
    groups: dict[Any, list[Variant]] = {}
    specs: dict[Any, TaskSpec] = {}
    places: list[tuple[tuple[Any, int], ...]] = []
    for family in families:
        found = []
        for arguments in family.variants():
            spec, variant = _variant(family, arguments)
            if spec.precision != "float32":
                raise ValueError(
                    f"{family.id}: inner loops compute in float32, but the task is of {spec.precision}: add "
                    'precision = "float32" to its arguments'
                )
            if noise and spec.metric != "precision":
                raise ValueError(f"{family.id}: only tasks that count by their precision can have noise")
            shape = (spec.dim, spec.precision, spec.num_measures, spec.start, spec.solution_bounds, spec.outside)
            specs.setdefault(shape, spec)
            members = groups.setdefault(shape, [])
            found.append((shape, len(members)))
            members.append(variant)
        places.append(tuple(found))
    order = {shape: index for index, shape in enumerate(groups)}
    return Distribution(
        tuple(Group(specs[shape].structure(), tuple(members)) for shape, members in groups.items()),
        tuple(tuple((order[shape], place) for shape, place in found) for found in places),
    )


def sample(
    distribution: Distribution,
    seed: int,
    generation: int,
    count: int,
    noise: float,
    intervals: dict[str, tuple[float, float]],
) -> list[tuple[inner.Draw, int]]:
    """The tasks of a meta-generation: stacked draws of each group, with room for all, and how many there are.

    Families take turns in a random order, so that their numbers differ by one at most; the rest is uniform.
    """
    rng = np.random.default_rng([seed, generation])
    turns = rng.permutation(len(distribution.families))
    families = rng.permutation(turns[np.arange(count) % len(turns)])
    rows: list[list[tuple[Any, ...]]] = [[] for _ in distribution.groups]
    for family in families:
        variants = distribution.families[family]
        group, place = variants[rng.integers(len(variants))]
        instance = rng.integers(distribution.groups[group].variants[place].size)
        noisy, kind = rng.random() < noise, int(rng.integers(len(KINDS)))
        key = rng.integers(2**32, size=2, dtype=np.uint32)
        values = {name: np.float32(rng.uniform(*interval)) for name, interval in intervals.items()}
        rows[group].append((place, instance, 1 + kind if noisy else NONE, key, values))
    return [(draws(some, count), len(some)) for some in rows]


def draws(rows: Sequence[tuple[Any, ...]], room: int) -> inner.Draw:
    """Stacks draws; the room that is left is filled with zeros."""
    shape = [(), (), (), (2,)]
    types = [np.int32, np.int32, np.int32, np.uint32]
    columns = [np.zeros((room, *part), type) for part, type in zip(shape, types, strict=True)]
    names = rows[0][4] if rows else {}
    values: dict[str, inner.Numbers] = {name: np.zeros(room, np.float32) for name in names}
    for index, row in enumerate(rows):
        for column, entry in zip(columns, row[:4], strict=True):
            column[index] = entry
        for name in names:
            values[name][index] = row[4][name]
    family, instance, noise, key = columns
    return inner.Draw(family, instance, noise, key, values)


def _variant(family: TaskFamily, arguments: dict[str, JsonScalar]) -> tuple[TaskSpec, Variant]:
    ((name, values),) = family.pool.items() or (("", (None,)),)
    made = [qdbench.make(family.id, **arguments, **({name: value} if name else {})) for value in values]
    if not all(isinstance(task, Task) for task in made):
        raise ValueError(f"{family.id} cannot be traced, so it cannot be part of a compiled inner loop")
    tasks = [anonymous(task) for task in made]
    structures = {jax.tree.structure(task) for task in tasks}
    shapes = {tuple(jnp.shape(leaf) for leaf in jax.tree.leaves(task)) for task in tasks}
    if len(structures) > 1 or len(shapes) > 1:
        raise ValueError(f"{family.id}: tasks that differ in {name} alone do not share a program; put it into the grid")
    return made[0].spec, Variant(family.id, arguments, inner.stack(tasks), len(tasks))
