"""Episodes of many networks at once: the one engine behind all tasks of control."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from qdbench.random import derive, uniform
from qdbench.tasks.neuroevolution.batch_last import batch_last
from qdbench.tasks.neuroevolution.environment import Action, Environment, MeasureSet, State
from qdbench.tasks.neuroevolution.observations import normalise
from qdbench.tasks.neuroevolution.policies import Architecture, Network

_RESET, _CHANCE = 0, 1


class Episodes(NamedTuple):
    """What became of every network's episodes.

    Attributes:
        total: ``(networks, episodes)``, the sum of rewards.
        measures: ``(networks, episodes, k)``.
        length: ``(networks, episodes)``, the number of steps that counted.
    """

    total: Float[Array, "networks episodes"]
    measures: Float[Array, "networks episodes k"]
    length: Int[Array, "networks episodes"]


class Step(NamedTuple):
    """One step of one episode; ``is_valid`` is whether all of its numbers are finite."""

    state: State
    action: Action
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]
    measures: Float[Array, " k"]
    is_valid: Bool[Array, ""]


def keys_of_episode(key: Key[Array, ""]) -> tuple[Key[Array, ""], Key[Array, ""]]:
    """The keys of an episode's start and of its steps."""
    return derive(key, _RESET), derive(key, _CHANCE)


def draws_of_step(environment: Environment, chance: Key[Array, ""], step: Int[Array, ""]) -> Float[Array, " draws"]:
    """The uniform numbers of a step; they depend on the episode and the step, not on what was done before."""
    if not environment.num_draws:
        return jnp.zeros(0)
    return uniform(derive(chance, step), (environment.num_draws,))


def act(environment: Environment, network: Network, state: State) -> Action:
    """Observes and decides."""
    output = network(normalise(environment.name, environment.observe(state)))
    return jnp.argmax(output).astype(jnp.int32) if environment.is_discrete else output


def move(
    environment: Environment, measures: MeasureSet, state: State, action: Action, draws: Float[Array, " draws"]
) -> Step:
    """Moves on and measures."""
    after, reward, terminated = environment.step(state, action, draws)
    values = measures.of_state(after)
    measured = jnp.stack(values) if values else jnp.zeros(0)
    return Step(after, action, reward, terminated, measured, jnp.isfinite(reward) & jnp.isfinite(measured).all())


@functools.partial(jax.jit, static_argnames=("environment", "architecture", "measures"))
def run_episodes(
    environment: Environment,
    architecture: Architecture,
    measures: MeasureSet,
    solutions: Float[Array, "networks dim"],
    keys: Key[Array, "networks episodes"],
    numbers: Int[Array, "networks episodes"],
    steps: Int[Array, ""],
) -> Episodes:
    """Runs episodes with every network, to their ends or to a number of steps.

    Episodes of the same key and number start the same whatever the network, and chance is the same step by step
    (common random numbers). An episode ends when the environment says so, or before a step in which a reward or a
    measure is not finite (physics that explodes); nothing that happens afterwards counts. The loop ends when all
    episodes have. Nothing but sums is kept.

    Args:
        environment: Where they act.
        architecture: What makes a network from a solution.
        measures: What to measure.
        solutions: The weights, one row a network.
        keys: Of each network's episodes.
        numbers: Of each network's episodes in the evaluation.
        steps: The most steps of an episode.
    """
    counts = keys.shape
    networks = jax.vmap(architecture.unflatten)(solutions)
    starts, chances = jax.vmap(jax.vmap(keys_of_episode))(keys)
    states = jax.vmap(jax.vmap(environment.reset))(starts, numbers)

    all_act = jax.vmap(jax.vmap(functools.partial(act, environment), in_axes=(None, 0)))
    all_move = _of_all(environment, functools.partial(move, environment, measures))

    def goes_on(carry: tuple[Any, ...]) -> Bool[Array, ""]:
        number, _, alive, _ = carry
        return (number < steps) & alive.any()

    def body(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        number, states, alive, sums = carry
        draws = jax.vmap(jax.vmap(functools.partial(draws_of_step, environment, step=number)))(chances)
        step = all_move(states, all_act(networks, states), draws)
        counted = alive & step.is_valid
        measured = step.measures + (sums.measures if measures.reduction == "mean" else 0)
        sums = Episodes(
            jnp.where(counted, sums.total + step.reward, sums.total),
            jnp.where(counted[..., None], measured, sums.measures),
            sums.length + counted,
        )
        return number + 1, step.state, counted & ~step.terminated, sums

    sums = Episodes(jnp.zeros(counts), jnp.zeros((*counts, len(measures.measures))), jnp.zeros(counts, jnp.int32))
    _, _, _, sums = lax.while_loop(goes_on, body, (jnp.int32(0), states, jnp.ones(counts, bool), sums))
    if measures.reduction == "mean":
        return sums._replace(measures=sums.measures / jnp.maximum(sums.length, 1)[..., None])
    return sums


def _of_all(environment: Environment, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of one episode, for arrays with the axes of networks and episodes before their own."""
    if not environment.is_batched_last:
        return jax.vmap(jax.vmap(function))
    mapped = batch_last(function)

    def of_rows(*arguments: Any) -> Any:
        counts = jax.tree.leaves(arguments)[0].shape[:2]
        found = mapped(*jax.tree.map(lambda leaf: leaf.reshape(math.prod(counts), *leaf.shape[2:]), arguments))
        return jax.tree.map(lambda leaf: leaf.reshape(*counts, *leaf.shape[1:]), found)

    return of_rows
