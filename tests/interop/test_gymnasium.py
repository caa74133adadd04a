"""Tasks as Gymnasium environments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import qdbench
from qdbench.harness.errors import BudgetError
from qdbench.interop.gymnasium import TaskEnv
from qdbench.protocols import Evaluation
from qdbench.registry import TASKS
from tests.registered import PARAMETERS, SMALL

ROOT = Path(__file__).parents[2]


def make(id: str, **arguments: Any) -> Any:
    own = {name: value for name, value in SMALL.get(id, {}).items() if name not in arguments or name == "budget"}
    return gymnasium.make(f"qdbench/{id}", task_arguments=own, **arguments)


@pytest.mark.parametrize("id", PARAMETERS)
def test_every_task_passes_gymnasiums_own_check(id: str) -> None:
    env = make(id, batch_size=5, budget=1000, render_mode="rgb_array")
    # Warnings are errors here.
    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("order", ["import gymnasium, qdbench", "import qdbench, gymnasium"])
def test_an_import_of_both_registers_the_tasks_whichever_comes_first(order: str) -> None:
    code = f"{order}\nenv = gymnasium.make('qdbench/LP-Sphere-v0', dim=4)\nprint(env.reset(seed=0)[0]['used'])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[0.]\n"


def test_an_import_of_qdbench_imports_neither_gymnasium_nor_jax() -> None:
    code = "import sys, qdbench; print(sorted({'gymnasium', 'jax', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


def test_tasks_that_are_registered_later_are_environments_too() -> None:
    qdbench.register("Later-v0", "qdbench.tasks.arm:make")
    try:
        assert gymnasium.make("qdbench/Later-v0", dim=3).unwrapped.task.spec.id == "Later-v0"
    finally:
        del TASKS._entries["Later-v0"], gymnasium.registry["qdbench/Later-v0"]


class Replays:
    """Asks for what an agent did, and for the last of it again where the budget has ended."""

    def __init__(self, actions: list[np.ndarray]) -> None:
        self.actions = list(actions)

    def ask(self) -> Any:
        return self.actions.pop(0) if len(self.actions) > 1 else self.actions[0]

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        pass


@pytest.mark.parametrize(
    ("id", "arguments"),
    [
        ("LP-Sphere-v0", {"dim": 6}),
        ("BBOB-v0", {"function": 8, "dim": 3, "measures": False}),
        ("BBOB-Noisy-v0", {"function": 101, "dim": 3}),
    ],
)
def test_the_return_of_a_random_policy_is_the_trials_final_score(id: str, arguments: dict[str, Any]) -> None:
    env = make(id, batch_size=10, budget=95, **arguments)
    env.action_space.seed(1)
    observation, info = env.reset(seed=1, options={"repetition": 2})
    actions, rewards, truncated = [], [], False
    while not truncated:
        actions.append(env.action_space.sample())
        observation, reward, terminated, truncated, info = env.step(actions[-1])
        assert not terminated
        rewards.append(reward)
    assert len(actions) == 9
    assert observation["used"] == pytest.approx(90 / 95)
    trial = qdbench.run(env.unwrapped.task, Replays(actions), repetition=2, budget=95)
    measured = bool(env.unwrapped.task.spec.measures)
    score = "qd_score" if measured else "best_objective"
    assert sum(rewards) == pytest.approx(trial.metrics[score], rel=1e-9)
    assert info == {name: trial.metrics[name] for name in info}
    if measured:
        grid = trial.archive.grid()
        np.testing.assert_array_equal(observation["occupied"], np.isfinite(grid))
        np.testing.assert_array_equal(observation["objective"], np.nan_to_num(grid))
    else:
        assert observation["best_objective"] == [trial.metrics["best_objective"]]
    with pytest.raises(RuntimeError, match=r"the budget of 95 evaluations is used up; call reset\(\)"):
        env.step(actions[0])


def test_seeds_decide_the_noise_alone() -> None:
    env = make("BBOB-Noisy-v0", batch_size=4, measures=False)
    action = np.ones((4, 7))
    rewards = []
    for seed in (3, 3, 4, None):
        env.reset(seed=seed)
        rewards.append(env.step(action)[1])
    assert rewards[0] == rewards[1]
    assert len(set(rewards)) == 3


def test_vectors_of_environments() -> None:
    env = gymnasium.make_vec("qdbench/Arm-v0", num_envs=3, dim=4, batch_size=5, budget=20)
    env.action_space.seed(0)
    observation, _ = env.reset(seed=[1, 2, 3])
    assert observation["objective"].shape == (3, 100, 100)
    for step in range(4):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert not terminated.any()
        assert truncated.all() == (step == 3)
    assert (observation["used"] == 1).all()
    assert reward.shape == (3,)
    env.close()


def test_bounds_of_actions() -> None:
    assert make("BBOB-v0").action_space.high.max() == 5
    space = make("LP-Sphere-v0", dim=7, batch_size=3).action_space
    assert (space.low.min(), space.high.max(), space.shape, space.dtype) == (-10, 10, (3, 7), np.float32)


def test_the_picture_has_the_elites_where_their_measures_are() -> None:
    env = make("Arm-v0", dim=2, batch_size=1, render_mode="rgb_array")
    env.reset(seed=0)
    blank = env.render()
    assert (blank == 255).all()
    # A straight arm along x: the right edge, in the middle of the height; its objective is the best.
    env.step(np.zeros((1, 2)))
    rows, columns = np.nonzero((env.render() != blank).any(axis=2))
    assert env.render().shape == (200, 200, 3)
    assert (columns >= 198).all()
    assert set(rows) == {98, 99}
    assert tuple(env.render()[98, 199]) == (253, 231, 36)


def test_mistakes_are_named() -> None:
    with pytest.raises(BudgetError, match=r"a batch of 30 solutions is larger than the budget of 20"):
        TaskEnv("Arm-v0", batch_size=30, budget=20)
    env = TaskEnv("Arm-v0", batch_size=3, dim=4)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="an action is 3 solutions, but these are 2"):
        env.step(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="solutions must be finite"):
        env.step(np.full((3, 4), np.nan))
