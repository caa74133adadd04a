"""One episode with everything that happens in it, to look at."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int, Key

from qdbench.tasks.neuroevolution.environment import Environment, MeasureSet, State
from qdbench.tasks.neuroevolution.policies import Network
from qdbench.tasks.neuroevolution.rollout import act, draws_of_step, keys_of_episode, move


class Trajectory(NamedTuple):
    """What happened in an episode of n steps, as NumPy arrays.

    Attributes:
        states: The states' leaves by name, ``(n + 1, ...)``: what a picture needs, from the start to the end.
        observations: ``(n, ...)``, as the environment gives them, before each step.
        actions: ``(n,)`` numbers of actions, or ``(n, actions)``.
        rewards: ``(n,)``.
        measures: ``(n, k)``, of each step.
    """

    states: dict[str, np.ndarray]
    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    measures: np.ndarray


def trace_episode(
    environment: Environment, measures: MeasureSet, network: Network, key: Key[Array, ""], steps: int
) -> Trajectory:
    """Runs an episode of a network and keeps every step until its end.

    Args:
        environment: Where it acts.
        measures: What to measure.
        network: The policy.
        key: The episode's source of randomness.
        steps: The most steps.
    """
    first, records = _program(environment, measures, steps, network, key)
    pictures, observations, actions, rewards, measured, terminated, is_valid = jax.device_get(records)
    over = np.flatnonzero(terminated | ~is_valid)
    # A step that is not finite does not count; one that ends the episode does.
    length = steps if not len(over) else int(over[0]) + int(is_valid[over[0]])
    states = {name: np.concatenate([np.asarray(first[name])[None], later[:length]]) for name, later in pictures.items()}
    return Trajectory(states, observations[:length], actions[:length], rewards[:length], measured[:length])


@functools.partial(jax.jit, static_argnames=("environment", "measures", "steps"))
def _program(
    environment: Environment, measures: MeasureSet, steps: int, network: Network, key: Key[Array, ""]
) -> tuple[dict[str, Array], tuple[Any, ...]]:
    start, chance = keys_of_episode(key)
    state = environment.reset(start, jnp.int32(0))

    def body(state: State, number: Int[Array, ""]) -> tuple[State, tuple[Any, ...]]:
        action = act(environment, network, state)
        step = move(environment, measures, state, action, draws_of_step(environment, chance, number))
        record = (
            environment.picture(step.state),
            environment.observe(state),
            step.action,
            step.reward,
            step.measures,
            step.terminated,
            step.is_valid,
        )
        return step.state, record

    _, records = lax.scan(body, state, jnp.arange(steps, dtype=jnp.int32))
    return environment.picture(state), records
