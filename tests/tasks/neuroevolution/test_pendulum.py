"""The pendulum against Gymnasium's, and what all tasks of control have in common on the cheapest of them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qdbench
from qdbench.random import derive
from qdbench.tasks.neuroevolution import control, observations
from qdbench.tasks.neuroevolution.control import Control
from qdbench.tasks.neuroevolution.environment import NO_MEASURES, Environment, Transition
from qdbench.tasks.neuroevolution.pendulum import Pendulum, PendulumState
from qdbench.tasks.neuroevolution.policies import MlpArchitecture
from qdbench.tasks.neuroevolution.rollout import keys_of_episode, run_episodes
from tests.tasks.neuroevolution.networks import linear, mlp

gymnasium = pytest.importorskip("gymnasium")


def make(**arguments: object) -> Control:
    return qdbench.make("Neuro-Pendulum-v0", **{"budget": "smoke", **arguments})


def solutions(task: Control, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, task.spec.dim)).astype(np.float32)


def gymnasiums(state: PendulumState) -> object:
    """Gymnasium's pendulum in a state."""
    from gymnasium.envs.classic_control.pendulum import PendulumEnv

    environment = PendulumEnv()
    environment.state = np.array([state.angle, state.velocity], np.float64)
    return environment


@given(st.floats(-20, 20), st.floats(-8, 8), st.floats(-1, 1))
def test_a_step_is_gymnasiums(angle: float, velocity: float, action: float) -> None:
    state = PendulumState(*(jnp.float32(value) for value in (angle, velocity, 0)))
    theirs = gymnasiums(state)
    observation, reward, *_ = theirs.step(np.array([2 * np.float32(action)]))
    after = _step(state, jnp.array([action], jnp.float32))
    wrapped = (float(state.angle) + np.pi) % (2 * np.pi) - np.pi
    # Where the angle is wrapped, rounding decides on which side, and the square is the same.
    np.testing.assert_allclose(after.reward, reward, rtol=1e-5, atol=1e-5 * (1 + wrapped**2))
    np.testing.assert_allclose(Pendulum().observe(after.state), observation, atol=2e-5)
    assert not after.terminated


@jax.jit
def _step(state: PendulumState, action: jax.Array) -> Transition:
    return Pendulum().step(state, action, jnp.zeros(0))


@pytest.mark.parametrize(("policy", "network"), [("linear", linear), ("mlp", mlp)])
def test_evaluations_are_those_of_a_loop_over_gymnasium(policy: str, network: object) -> None:
    """Networks and sums in NumPy, in float64, the physics Gymnasium's: for 5 policies."""
    task = make(policy=policy, rollouts=2, steps=50)
    key = jax.random.key(3)
    thetas = solutions(task, 5)
    found = task.evaluate(key, thetas)
    for row, theta in enumerate(thetas):
        totals, measures = [], []
        for number in range(2):
            start, _ = keys_of_episode(derive(key, 0, number))
            state = Pendulum().reset(start, jnp.int32(number))
            assert -np.pi <= float(state.angle) < np.pi
            assert -1 <= float(state.velocity) < 1
            theirs = gymnasiums(state)
            seen, rewards, steps = np.asarray(Pendulum().observe(state)), [], []
            for _ in range(50):
                action = network(theta, np.asarray(observations.normalise("Pendulum", seen)), 1)
                seen, reward, *_ = theirs.step(2 * action)
                rewards.append(reward)
                steps.append((abs(theirs.state[1]), abs(2 * action[0])))
            totals.append(sum(rewards))
            measures.append(np.mean(steps, axis=0))
        assert float(found.objective[row]) == pytest.approx(np.mean(totals), rel=2e-3)
        np.testing.assert_allclose(found.measures[row], np.mean(measures, axis=0), rtol=2e-3)


def test_the_number_of_solutions_does_not_matter_to_the_last_bit() -> None:
    task = make()
    thetas = solutions(task, 300)
    key = jax.random.key(0)
    together = task.evaluate(key, thetas)
    for count in (1, 2, 31, 257):
        some = task.evaluate(key, thetas[-count:])
        np.testing.assert_array_equal(some.objective, together.objective[-count:])
        np.testing.assert_array_equal(some.measures, together.measures[-count:])


def test_resampled_noise_is_shared_in_a_batch_and_fixed_noise_by_all() -> None:
    theta = np.repeat(solutions(make(), 1), 3, axis=0)
    keys = [jax.random.key(number) for number in range(2)]
    resampled, fixed = make(rollouts=2), make(rollouts=2, noise="fixed")
    first, second = (resampled.evaluate(key, theta).objective for key in keys)
    assert len(set(np.asarray(first).tolist())) == 1
    assert first[0] != second[0]
    assert not resampled.spec.deterministic
    with pytest.raises(ValueError, match="Neuro-Pendulum-v0 is noisy: evaluate needs a key"):
        resampled.evaluate(None, theta)
    assert fixed.spec.deterministic
    values = {float(fixed.evaluate(key, theta).objective[0]) for key in [*keys, None]}
    assert len(values) == 1
    # The test is noisy in either case, and apart from the training.
    assert len({float(fixed.test(key, theta)[0]) for key in keys}) == 2
    with pytest.raises(ValueError, match="test needs a key"):
        fixed.test(None, theta)


def test_the_test_is_a_mean_over_so_many_other_episodes() -> None:
    task = make(rollouts=3, steps=5)
    assert task.spec.test_episodes == 128
    theta, key = solutions(task, 2), jax.random.key(1)
    numbers = jnp.tile(jnp.arange(128), (2, 1))
    episodes = run_episodes(
        task.environment,
        task.architecture,
        NO_MEASURES,
        theta,
        jax.vmap(jax.vmap(lambda number: derive(key, 1, number)))(numbers),
        numbers,
        jnp.int32(5),
    )
    expected = np.asarray(episodes.total).mean(axis=1)
    np.testing.assert_allclose(task.test(key, theta), expected, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(task.test)(key, theta), expected, rtol=1e-5)
    assert not np.isclose(task.evaluate(key, theta).objective, expected, rtol=1e-3).any()


def test_the_test_of_one_network_fills_its_chunks_with_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make(rollouts=4, steps=2)
    shapes = []

    def counted(*arguments: Any, **named: Any) -> Any:
        shapes.append(named["keys"].shape)
        return run_episodes(*arguments, **named)

    monkeypatch.setattr(control, "run_episodes", counted)
    task.test(jax.random.key(0), solutions(task, 1))
    # The 128 test episodes fit into one chunk.
    assert len(shapes) == 1


def test_a_trajectory_adds_up_to_the_evaluation() -> None:
    task = make(steps=30)
    theta, key = solutions(task, 1), jax.random.key(5)
    # The first episode of an evaluation.
    trajectory = task.rollout(derive(key, 0, 0), theta[0])
    found = task.evaluate(key, theta)
    assert trajectory.rewards.sum() == pytest.approx(float(found.objective[0]), rel=1e-4)
    np.testing.assert_allclose(trajectory.measures.mean(axis=0), found.measures[0], rtol=1e-4)
    assert trajectory.states["observation"].shape == (31, 3)
    np.testing.assert_allclose(trajectory.states["observation"][:-1], trajectory.observations, rtol=1e-5, atol=1e-6)
    assert trajectory.actions.shape == (30, 1)
    with pytest.raises(ValueError, match=r"a solution must have shape \(4,\), but its shape is \(1, 4\)"):
        task.rollout(key, theta)


def test_unflatten_gives_the_network_of_the_documented_order() -> None:
    task = make(policy="mlp")
    theta = solutions(task, 1)[0]
    seen = np.array([0.3, -1.0, 2.0], np.float32)
    np.testing.assert_allclose(task.unflatten(theta)(jnp.asarray(seen)), mlp(theta, seen, 1), rtol=1e-5)


class Exploding(Pendulum):
    """A pendulum that has no number at its third step, and a great reward after that."""

    def step(self, state: PendulumState, action: jax.Array, draws: jax.Array) -> Transition:
        after, _, terminated = super().step(state, action, draws)
        count = state.torque + 1
        reward = jnp.where(count == 3, jnp.nan, jnp.where(count < 3, 1.0, 1e6))
        return Transition(after._replace(torque=count), reward, terminated)


def test_what_is_not_a_number_ends_an_episode_and_does_not_count() -> None:
    environment: Environment = Exploding()
    episodes = run_episodes(
        environment,
        MlpArchitecture((3,), 1),
        NO_MEASURES,
        jnp.zeros((2, 4)),
        jax.random.split(jax.random.key(0), (2, 2)),
        jnp.tile(jnp.arange(2), (2, 1)),
        jnp.int32(10),
    )
    np.testing.assert_array_equal(episodes.total, 2)
    np.testing.assert_array_equal(episodes.length, 2)


def test_huge_weights_have_finite_values() -> None:
    task = make()
    found = task.evaluate(jax.random.key(0), np.full((2, task.spec.dim), 1e30))
    assert np.isfinite(np.asarray(found.objective)).all()
    assert np.isfinite(np.asarray(found.measures)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": "large"}, "budget must be one of paper, small, smoke, but it is 'large'"),
        ({"policy": "cnn"}, "policy must be one of linear, mlp, but it is 'cnn'"),
        ({"noise": "none"}, "noise must be 'resampled' or 'fixed', but it is 'none'"),
        ({"measures": "xy"}, "measures must be one of standard, effort, none, but it is 'xy'"),
        ({"rollouts": 0}, "rollouts must be an integer of at least 1, but it is 0"),
        ({"steps": 0}, "steps must be an integer of at least 1, but it is 0"),
    ],
)
def test_mistakes(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"Neuro-Pendulum-v0: {message}"):
        make(**arguments)
