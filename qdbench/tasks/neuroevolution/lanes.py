"""Episodes of small networks in lanes: where one ends, the next begins, so that no lane waits for the longest."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from qdbench.tasks.neuroevolution.batch_last import batch_last
from qdbench.tasks.neuroevolution.environment import Environment, MeasureSet, State
from qdbench.tasks.neuroevolution.policies import Architecture
from qdbench.tasks.neuroevolution.rollout import (
    Episodes,
    act,
    counting,
    draws_of_step,
    finished,
    keys_of_episode,
    move,
    nothing_yet,
)


class _Lanes(NamedTuple):
    """What is in the lanes: the episode's number in its list, its steps so far, its state, and whether there is one."""

    episode: Int[Array, " lanes"]
    number: Int[Array, " lanes"]
    state: State
    sums: Episodes
    is_busy: Bool[Array, " lanes"]


class _Carry(NamedTuple):
    lanes: _Lanes
    begun: Int[Array, ""]
    results: Episodes


@functools.partial(jax.jit, static_argnames=("environment", "architecture", "measures", "count"))
def run_in_lanes(
    environment: Environment,
    architecture: Architecture,
    measures: MeasureSet,
    solutions: Float[Array, "networks dim"],
    keys: Key[Array, "networks episodes"],
    numbers: Int[Array, "networks episodes"],
    steps: Int[Array, ""],
    valid: Int[Array, ""],
    count: int,
) -> Episodes:
    """As :func:`qdbench.tasks.neuroevolution.rollout.run_episodes`, but for the order in which episodes are run.

    Args:
        environment: As there.
        architecture: As there. Every lane has a copy of its network, so that they should be small.
        measures: As there.
        solutions: As there.
        keys: As there.
        numbers: As there.
        steps: As there.
        valid: Only so many networks are run; what is returned for the others has no meaning.
        count: The number of lanes.
    """
    rows, rollouts = keys.shape
    total = rows * rollouts
    networks = jax.vmap(architecture.unflatten)(solutions)
    starts, chances = jax.vmap(keys_of_episode)(keys.reshape(total))
    first = jax.vmap(environment.reset)(starts, numbers.reshape(total))
    all_act = jax.vmap(functools.partial(act, environment))
    all_move = batch_last(functools.partial(move, environment, measures))
    wanted = valid * rollouts

    def body(carry: _Carry) -> _Carry:
        lanes = carry.lanes
        network = _rows(networks, lanes.episode // rollouts)
        draws = jax.vmap(functools.partial(draws_of_step, environment))(chances[lanes.episode], lanes.number)
        step = all_move(lanes.state, all_act(network, lanes.state), draws)
        counted = lanes.is_busy & step.is_valid
        sums = counting(measures, lanes.sums, step, counted)
        number = lanes.number + 1
        is_over = lanes.is_busy & (~counted | step.terminated | (number >= steps))
        # What is beyond the end is dropped.
        place = jnp.where(is_over, lanes.episode, total)
        results = jax.tree.map(lambda all, some: all.at[place].set(some, mode="drop"), carry.results, sums)
        following = carry.begun + jnp.cumsum(is_over) - 1
        episode = jnp.where(is_over, jnp.minimum(following, total - 1), lanes.episode)
        state = lax.cond(is_over.any(), lambda: _chosen(is_over, _rows(first, episode), step.state), lambda: step.state)
        after = _Lanes(
            episode,
            jnp.where(is_over, 0, number),
            state,
            _chosen(is_over, nothing_yet(measures, (count,)), sums),
            jnp.where(is_over, following < wanted, lanes.is_busy),
        )
        return _Carry(after, carry.begun + is_over.sum(), results)

    begin = jnp.minimum(jnp.arange(count), total - 1)
    lanes = _Lanes(
        begin,
        jnp.zeros(count, jnp.int32),
        _rows(first, begin),
        nothing_yet(measures, (count,)),
        jnp.arange(count) < jnp.minimum(wanted, total),
    )
    carry = _Carry(lanes, jnp.int32(count), nothing_yet(measures, (total,)))
    carry = lax.while_loop(lambda carry: carry.lanes.is_busy.any(), body, carry)
    results = jax.tree.map(lambda leaf: leaf.reshape(rows, rollouts, *leaf.shape[1:]), carry.results)
    return finished(measures, results)


def _rows(tree: Any, numbers: Int[Array, " lanes"]) -> Any:
    return jax.tree.map(lambda leaf: leaf[numbers], tree)


def _chosen(which: Bool[Array, " lanes"], yes: Any, no: Any) -> Any:
    def of(a: Array, b: Array) -> Array:
        return jnp.where(which.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(of, yes, no)
