"""Inner loops: many members of a meta-population on many tasks, as one program for each shape.

Members differ in arrays only, so they run side by side under ``vmap``; tasks run one after another, so that what a task
needs stays in the cache, and so that the switch to its function is a branch of the program and nothing is computed for
the functions that were not asked for. Keys belong to tasks: random numbers are made once and shared by all members.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float

from qdbench.leaves import named_leaves
from qdbench.metabbo import noise
from qdbench.protocols import Evaluation, Optimizer, Task
from qdbench.random import derive

WORST = -1e10
"""Smaller objectives count as this one, so that one diverging member does not hide the others."""

AXIS = "members"


Numbers = Any
"""A JAX array inside a program, a NumPy array outside."""


class Draw(NamedTuple):
    """One task, or a stack of them: which family and which of its pool, its noise, its key, and drawn arrays."""

    family: Numbers
    instance: Numbers
    noise: Numbers
    key: Numbers
    values: dict[str, Numbers]


class Result(NamedTuple):
    """The best objective of the last generation, and of all; ``(members, tasks)``."""

    final: Numbers
    best: Numbers


def evolved_arrays(optimizer: Optimizer, evolve: Sequence[str]) -> dict[str, Array]:
    """The optimizer's arrays of floating-point numbers whose names are, or start with, one of some names.

    Raises:
        ValueError: If there is nothing under one of the names.
    """
    arrays = {name: leaf for name, leaf in named_leaves(optimizer).items() if jnp.issubdtype(leaf.dtype, jnp.floating)}
    for prefix in evolve:
        if not any(_is_under(name, prefix) for name in arrays):
            raise ValueError(f"{optimizer.id!r} has no arrays under {prefix!r}: it has {', '.join(arrays)}")
    return {name: leaf for name, leaf in arrays.items() if any(_is_under(name, prefix) for prefix in evolve)}


def with_arrays(optimizer: Optimizer, arrays: Mapping[str, Numbers]) -> Optimizer:
    """The optimizer with some of its arrays replaced, by name."""
    leaves = [
        jnp.asarray(arrays[name], leaf.dtype) if name in arrays else leaf
        for name, leaf in named_leaves(optimizer).items()
    ]
    return jax.tree.unflatten(jax.tree.structure(optimizer), leaves)


def program(
    optimizer: Optimizer,
    generations: int,
    count: int,
    mesh: Mesh | None = None,
    block: int | None = None,
    noisy: bool = True,
) -> Any:
    """A compiled function of evolved arrays (with a leading axis), pools of tasks, stacked draws and their number.

    A pool is a stack of tasks, and the pools share the spec that the optimizer was made for in all that it can tell.

    Args:
        optimizer: What the evolved and the drawn arrays are put into.
        generations: Of an inner loop.
        count: The number of draws that the program has room for.
        mesh: The devices to spread the members over; None: one device.
        block: How many members run side by side, block after block, so that a block stays in the cache; None: all.
        noisy: Whether draws may have noise; without, there is less to compile.
    """

    def of_task(evolved: dict[str, Array], pools: Sequence[Task], draw: Draw) -> Result:
        drawn = with_arrays(optimizer, draw.values)
        evaluate = functools.partial(_evaluate, pools, draw, noisy)
        search = functools.partial(_search, drawn, evaluate, draw.key, generations)
        return search(evolved) if block is None else _in_blocks(search, evolved, block)

    def run(evolved: dict[str, Array], pools: Sequence[Task], draws: Draw, filled: Array) -> Result:
        members = jax.tree.leaves(evolved)[0].shape[0]
        room = jnp.zeros((count, members), jnp.float32)

        def body(index: Array, results: Result) -> Result:
            result = of_task(evolved, pools, jax.tree.map(lambda leaf: leaf[index], draws))
            return Result(*(all.at[index].set(one) for all, one in zip(results, result, strict=True)))

        results = lax.fori_loop(0, filled, body, Result(room, room))
        return Result(results.final.T, results.best.T)

    if mesh is None:
        return jax.jit(run)
    along, everywhere = PartitionSpec(AXIS), PartitionSpec()
    spread = jax.shard_map(
        run, mesh=mesh, in_specs=(along, everywhere, everywhere, everywhere), out_specs=along, check_vma=False
    )
    return jax.jit(spread)


def _in_blocks(search: Callable[[dict[str, Array]], Result], evolved: dict[str, Array], block: int) -> Result:
    """The results of all members, so many at a time; the last block is smaller if it has to be."""
    members = jax.tree.leaves(evolved)[0].shape[0]
    whole = members - members % block
    parts = []
    if whole:
        blocks = jax.tree.map(lambda leaf: leaf[:whole].reshape(-1, block, *leaf.shape[1:]), evolved)
        parts.append(jax.tree.map(jnp.ravel, lax.map(search, blocks)))
    if members % block:
        parts.append(search(jax.tree.map(lambda leaf: leaf[whole:], evolved)))
    return jax.tree.map(lambda *results: jnp.concatenate(results), *parts)


def _search(
    optimizer: Optimizer,
    evaluate: Callable[[Array, Array], tuple[Array, Array]],
    key_data: Numbers,
    generations: int,
    evolved: dict[str, Array],
) -> Result:
    """The inner loops of all members on a task."""
    key = jax.random.wrap_key_data(key_data, impl="threefry2x32")
    member = functools.partial(with_arrays, optimizer)
    state = jax.vmap(lambda arrays: member(arrays).init(derive(key, 0)))(evolved)
    best = jnp.full(jax.tree.leaves(evolved)[0].shape[0], WORST, jnp.float32)

    def step(state: Any, batch: Any, key: Array) -> tuple[Any, Array]:
        solutions, state = jax.vmap(lambda arrays, state: member(arrays).ask(derive(key, 0), state, batch))(
            evolved, state
        )
        objective, seen = evaluate(derive(key, 1), solutions)
        nothing = jnp.zeros((*objective.shape, 0), objective.dtype)
        state = jax.vmap(
            lambda arrays, state, solutions, objective, measures: member(arrays).tell(
                derive(key, 2), state, batch, solutions, Evaluation(objective, measures)
            )
        )(evolved, state, solutions, seen, nothing)
        return state, objective.max(axis=1)

    for place, batch in enumerate(optimizer.initial):
        state, reached = step(state, batch, derive(key, 1, place))
        best = jnp.maximum(best, reached)

    def generation(carry: tuple[Any, Array, Array], index: Array) -> tuple[tuple[Any, Array, Array], None]:
        state, best, _ = carry
        reached = jnp.full_like(best, WORST)
        for place, batch in enumerate(optimizer.iteration):
            state, found = step(state, batch, derive(key, 2, index, place))
            reached = jnp.maximum(reached, found)
        return (state, jnp.maximum(best, reached), reached), None

    (_, best, final), _ = lax.scan(generation, (state, best, best), jnp.arange(generations, dtype=jnp.int32))
    return Result(final, best)


def _evaluate(
    pools: Sequence[Task], draw: Draw, noisy: bool, key: Array, solutions: Float[Array, "members batch dim"]
) -> tuple[Array, Array]:
    """The objective of all members' solutions, and what they see of it."""
    members, batch, dim = solutions.shape

    def objective_of(pool: Task) -> Callable[[Array], Array]:
        def objective(solutions: Array) -> Array:
            task = jax.tree.map(lambda leaf: leaf[draw.instance], pool)
            return task.evaluate(key, solutions).objective

        return objective

    # One flat batch of all members, so that a product with a rotation is one product.
    flat = solutions.reshape(members * batch, dim)
    objective = lax.switch(draw.family, [objective_of(pool) for pool in pools], flat).reshape(members, batch)
    objective = jnp.where(objective > WORST, objective, WORST).astype(jnp.float32)
    return objective, noise.add(key, draw.noise, objective, dim) if noisy else objective


def _is_under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def stack(trees: Sequence[Any]) -> Any:
    """Trees of one structure as one with a leading axis, on the host."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)
