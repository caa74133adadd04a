"""Episodes of many networks at once: the one engine behind all tasks of control."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from qdbench.random import derive, uniform
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
    all_move = jax.vmap(jax.vmap(functools.partial(move, environment, measures)))

    def goes_on(carry: tuple[Any, ...]) -> Bool[Array, ""]:
        number, _, alive, _ = carry
        return (number < steps) & alive.any()

    def body(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        number, states, alive, sums = carry
        draws = jax.vmap(jax.vmap(functools.partial(draws_of_step, environment, step=number)))(chances)
        step = all_move(states, all_act(networks, states), draws)
        counted = alive & step.is_valid
        sums = counting(measures, sums, step, counted)
        return number + 1, step.state, counted & ~step.terminated, sums

    start = (jnp.int32(0), states, jnp.ones(counts, bool), nothing_yet(measures, counts))
    _, _, _, sums = lax.while_loop(goes_on, body, start)
    return finished(measures, sums)


def nothing_yet(measures: MeasureSet, shape: tuple[int, ...]) -> Episodes:
    """The sums of as many episodes before their first steps."""
    return Episodes(jnp.zeros(shape), jnp.zeros((*shape, len(measures.measures))), jnp.zeros(shape, jnp.int32))


def counting(measures: MeasureSet, sums: Episodes, step: Step, counted: Bool[Array, ...]) -> Episodes:
    """The sums with a step where it counts."""
    measured = step.measures + (sums.measures if measures.reduction == "mean" else 0)
    return Episodes(
        jnp.where(counted, sums.total + step.reward, sums.total),
        jnp.where(counted[..., None], measured, sums.measures),
        sums.length + counted,
    )


def finished(measures: MeasureSet, sums: Episodes) -> Episodes:
    """Means in place of sums where the measures are means."""
    if measures.reduction == "mean":
        return sums._replace(measures=sums.measures / jnp.maximum(sums.length, 1)[..., None])
    return sums
