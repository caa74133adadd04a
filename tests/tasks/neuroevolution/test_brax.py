"""Robots against a plain loop over Brax's own environments, for 5 policies; a program takes 20 seconds to compile."""

from __future__ import annotations

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qdbench
from qdbench.random import derive
from qdbench.tasks.neuroevolution import observations
from qdbench.tasks.neuroevolution.rollout import keys_of_episode
from tests.registered import BRAX
from tests.tasks.neuroevolution.networks import linear

pytestmark = pytest.mark.skipif(importlib.util.find_spec("brax") is None, reason="needs brax")

POLICIES = 5
# In more steps, the half-cheetah's rounding errors grow beyond any tolerance that would show a mistake.
STEPS = {"HalfCheetah": 5}
FEET = {"Ant": (), "HalfCheetah": (3, 6), "Hopper": (3,), "Reacher": (), "Walker2d": (3, 6)}


@pytest.mark.slow  # each takes 20 to 60 seconds to compile; the golden values guard Reacher in the quick tests
@pytest.mark.filterwarnings("ignore")  # Brax's own, about its successor and what MuJoCo has deprecated
@pytest.mark.parametrize("name", BRAX)
def test_evaluations_are_those_of_a_loop_over_brax(name: str) -> None:
    """Networks and sums in NumPy; contacts as Brax's own pipeline finds them with ``debug``."""
    steps = STEPS.get(name, 20)
    task = qdbench.make(f"Neuro-{name}-v0", budget="smoke", steps=steps)
    thetas = np.random.default_rng(3).normal(size=(POLICIES, task.spec.dim)).astype(np.float32)
    key = jax.random.key(11)
    found = task.evaluate(key, thetas)

    from brax import envs

    environment = envs.get_environment(task.environment.brax_name, backend="spring", debug=bool(FEET[name]))
    start, _ = keys_of_episode(derive(key, 0, 0))
    state = jax.vmap(environment.reset)(jnp.stack([start] * POLICIES))
    step = jax.jit(jax.vmap(environment.step))
    alive, totals, measured = np.ones(POLICIES, bool), np.zeros(POLICIES), [[] for _ in range(POLICIES)]
    for _ in range(steps):
        seen = np.asarray(observations.normalise(task.environment.name, state.obs))
        actions = [linear(theta, row, task.environment.num_actions) for theta, row in zip(thetas, seen, strict=True)]
        state = step(state, jnp.asarray(np.stack(actions)))
        rewards, values = np.asarray(state.reward), measures(name, state)
        for row in np.flatnonzero(alive):
            totals[row] += rewards[row]
            measured[row].append(values[row])
        alive &= np.asarray(state.done) == 0
    reduce = np.mean if task.measure_set.reduction == "mean" else lambda rows, axis: rows[-1]
    expected = np.array([reduce(np.array(rows), axis=0) for rows in measured])
    # Physics is chaotic: rounding errors of another program have grown a thousandfold after some steps.
    np.testing.assert_allclose(found.objective, totals, rtol=5e-3, atol=2e-2)
    np.testing.assert_allclose(found.measures, expected, rtol=5e-3, atol=5e-3)
    assert len(set(np.asarray(found.objective).tolist())) == POLICIES


def measures(name: str, state: object) -> np.ndarray:
    """What the documentation says, from Brax's state."""
    positions = np.asarray(state.pipeline_state.x.pos)
    if name == "Ant":
        return positions[:, 0, :2]
    if name == "Reacher":
        # The tip is 0.11 from the second link's joint. (Joints are springs: from their angles it would be less exact.)
        turn = np.asarray(state.pipeline_state.x.rot)[:, 1]
        angle = 2 * np.arctan2(turn[:, 3], turn[:, 0])
        return positions[:, 1, :2] + 0.11 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    contact = state.pipeline_state.contact
    near = np.asarray(contact.dist) <= 0
    links = [np.broadcast_to(np.asarray(link), near.shape) for link in contact.link_idx]
    feet = [(near & ((links[0] == foot) | (links[1] == foot))).any(axis=1) for foot in FEET[name]]
    columns = [*feet, positions[:, 0, 2]] if name == "Hopper" else feet
    return np.stack(columns, axis=1).astype(float)


def test_a_picture_has_the_parts_where_the_links_are() -> None:
    environment = qdbench.make("Neuro-Reacher-v0").environment
    state, picture = jax.jit(lambda key: (state := environment.reset(key, jnp.int32(0)), environment.picture(state)))(
        jax.random.key(0)
    )
    ends = np.asarray(picture["capsules"])
    # The first link begins in the middle, the second at the end of the first.
    elbow = np.asarray(state.physics.x.pos)[1]
    distances = np.linalg.norm(ends - elbow, axis=-1)
    assert distances.min() < 1e-4
    # The arm is 0.01 above the middle.
    assert np.linalg.norm(ends, axis=-1).min() == pytest.approx(0.01, abs=1e-4)
    assert np.linalg.norm(elbow[:2]) == pytest.approx(0.1, abs=1e-4)
    assert np.abs(ends).max() < 0.5


def test_the_scaling_of_observations_fits_every_environment() -> None:
    for name in (*BRAX, "Pendulum"):
        task = qdbench.make(f"Neuro-{name}-v0")
        mean, scale = observations._constants()[name]
        assert mean.shape == scale.shape == task.environment.observation_shape
        assert (scale >= observations.SMALLEST_SCALE).all()
        seen = np.asarray(observations.normalise(name, jnp.asarray(mean + 1e6)))
        assert (seen == observations.CLIP).all()
    image = jnp.ones((10, 10, 4))
    assert observations.normalise("Breakout", image) is image
