"""Our games against the original package, step by step, and whole evaluations against a loop over it."""

from __future__ import annotations

import importlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qdbench
from qdbench.random import derive
from qdbench.tasks.neuroevolution.minatar.asterix import Asterix
from qdbench.tasks.neuroevolution.minatar.breakout import Breakout
from qdbench.tasks.neuroevolution.minatar.game import Game
from qdbench.tasks.neuroevolution.minatar.space_invaders import SpaceInvaders
from qdbench.tasks.neuroevolution.rollout import draws_of_step, keys_of_episode
from tests.tasks.neuroevolution.networks import minatar_cnn

pytest.importorskip("minatar")

STEPS = 2_000
# The original's numbers of our actions.
ACTIONS = {"Breakout": (0, 1, 3), "SpaceInvaders": (0, 1, 3, 5), "Asterix": (0, 1, 2, 3, 4)}
MODULES = {"Breakout": "breakout", "SpaceInvaders": "space_invaders", "Asterix": "asterix"}
GAMES = {"Breakout": Breakout, "SpaceInvaders": SpaceInvaders, "Asterix": Asterix}


class Chance:
    """Stands in for the original's random generator: hands out the numbers that our game is given."""

    def __init__(self) -> None:
        self.draws: list[float] = []

    def rand(self) -> float:
        return self.draws.pop(0)

    def randint(self, bound: int) -> int:
        return int(self.draws.pop(0) * bound)


def original(name: str, start: int = 0) -> Any:
    """The original game, which begins with a given start."""
    module = importlib.import_module(f"minatar.environments.{MODULES[name]}")
    game = module.Env()
    game.random = Chance()
    game.random.draws = [start / 2]
    game.reset()
    return game


def feed(game: Any, draws: np.ndarray) -> None:
    """The numbers of one step, as float32 products, which is what our game computes."""
    game.random.draws = [np.float32(value) for value in draws]


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("name", GAMES)
def test_every_step_is_the_originals(name: str, start: int) -> None:
    environment = GAMES[name]()
    rng = np.random.default_rng(start)
    step, observe = jax.jit(environment.step), jax.jit(environment.observe)
    reset = jax.jit(environment.reset)
    key = jax.random.key(0)
    state, theirs = reset(key, jnp.int32(start)), original(name, start)
    rewards, ends, action = 0.0, 0, 0
    for number in range(STEPS):
        np.testing.assert_array_equal(np.asarray(observe(state)), theirs.state(), err_msg=f"step {number}")
        # Long stretches of one direction, so that borders and rare places are met.
        action = int(rng.integers(environment.num_actions)) if rng.random() < 0.5 else action
        draws = rng.random(environment.num_draws, np.float32)
        feed(theirs, draws)
        state, reward, terminated = step(state, jnp.int32(action), jnp.asarray(draws))
        assert (float(reward), bool(terminated)) == theirs.act(ACTIONS[name][action]), f"step {number}"
        rewards, ends = rewards + float(reward), ends + bool(terminated)
        if terminated:
            state, theirs = reset(key, jnp.int32(start)), original(name, start)
    assert rewards > 5
    assert ends > 5


def test_breakout_with_a_player_that_follows_the_ball() -> None:
    environment, theirs = Breakout(), original("Breakout")
    step = jax.jit(environment.step)
    state = environment.reset(jax.random.key(0), jnp.int32(0))
    total = 0.0
    for _ in range(STEPS):
        game = state.game
        # Where the ball will be: one column further if it falls.
        target = int(np.clip(game.ball_x + game.move_x, 0, 9))
        action = 0 if target == game.paddle else 2 if target > game.paddle else 1
        state, reward, terminated = step(state, jnp.int32(action), jnp.zeros(0))
        assert (float(reward), bool(terminated)) == theirs.act(ACTIONS["Breakout"][action])
        np.testing.assert_array_equal(np.asarray(environment.observe(state)), theirs.state())
        total += float(reward)
        if terminated:
            break
    assert total > 15


def test_asterix_with_all_rows_taken_lets_nothing_in() -> None:
    """Where gymnax 1.0.1 deletes what is there."""
    environment = Asterix()
    state = environment.reset(jax.random.key(0), jnp.int32(0))
    full = state.game.entities._replace(
        x=jnp.full(8, 9), goes_right=jnp.zeros(8, bool), is_gold=jnp.ones(8, bool), there=jnp.ones(8, bool)
    )
    state = state._replace(game=state.game._replace(entities=full, spawn_timer=jnp.int32(0)))
    after = environment.step(state, jnp.int32(0), jnp.array([0.1, 0.9, 0.5]))
    for name, old, new in zip(full._fields, full, after.state.game.entities, strict=True):
        np.testing.assert_array_equal(old, new, err_msg=name)


@pytest.mark.parametrize("sticky", [0.3, 0.9])
def test_sticky_actions_repeat_what_was_done(sticky: float) -> None:
    environment = SpaceInvaders(sticky=sticky)
    assert environment.num_draws == 1
    rng = np.random.default_rng(0)
    step = jax.jit(environment.step)
    state, theirs = environment.reset(jax.random.key(0), jnp.int32(0)), original("SpaceInvaders")
    last = 0
    for _ in range(100):
        action, draw = int(rng.integers(4)), rng.random(1, np.float32)
        last = last if draw[0] < sticky else action
        state, reward, terminated = step(state, jnp.int32(action), jnp.asarray(draw))
        assert (float(reward), bool(terminated)) == theirs.act(ACTIONS["SpaceInvaders"][last])
        if terminated:
            break


@pytest.mark.parametrize("name", GAMES)
def test_evaluations_are_those_of_a_loop_over_the_original(name: str) -> None:
    """Networks in NumPy, the original game, Python's sums: for 5 policies."""
    task = qdbench.make(f"Neuro-{name}-v0", budget="small", steps=100)
    key = jax.random.key(7)
    solutions = np.random.default_rng(2).normal(size=(5, task.spec.dim)).astype(np.float32) * 0.1
    evaluation = task.evaluate(key, solutions)
    for row, solution in enumerate(solutions):
        totals, measures = zip(*(play(task, key, solution, number) for number in range(task.rollouts)), strict=True)
        assert float(evaluation.objective[row]) == np.mean(totals)
        np.testing.assert_allclose(evaluation.measures[row], np.mean(measures, axis=0), rtol=1e-5)
    # The policies are not all the same.
    assert len(set(evaluation.measures[:, 0].tolist())) > 2


def play(task: Any, key: jax.Array, solution: np.ndarray, number: int) -> tuple[float, np.ndarray]:
    """The return and the mean measures of one episode in the original."""
    environment: Game = task.environment
    theirs = original(environment.name, number)
    _, chance = keys_of_episode(derive(key, 0, number))
    total, measures = 0.0, []
    for step in range(task.steps):
        action = int(minatar_cnn(solution, theirs.state()).argmax())
        feed(theirs, np.asarray(draws_of_step(environment, chance, jnp.int32(step))))
        reward, terminated = theirs.act(ACTIONS[environment.name][action])
        total += reward
        measures.append(measured(environment.name, theirs, action))
        if terminated:
            break
    return total, np.mean(measures, axis=0)


def measured(name: str, game: Any, action: int) -> tuple[float, float]:
    if name == "Asterix":
        return game.player_x, game.player_y
    return game.pos, action == {"Breakout": 0, "SpaceInvaders": 3}[name]
