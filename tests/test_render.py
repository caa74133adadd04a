"""The command ``qdbench render``, as a user types it, and what its pictures show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import qdbench
from qdbench.cli import app
from qdbench.harness import store
from qdbench.tasks.neuroevolution import drawing
from qdbench.tasks.neuroevolution.trajectory import Trajectory


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["render", *arguments], env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def trajectory(**states: np.ndarray) -> Trajectory:
    none = np.zeros(0)
    return Trajectory(states, none, none, none, none)


def test_random_weights_a_file_of_weights_and_a_result(tmp_path: Path) -> None:
    out = tmp_path / "episode.gif"
    first = call("Neuro-Pendulum-v0", "--out", str(out), "--seed", "3")
    assert first.exit_code == 0, first.output
    assert "201 pictures of 200 steps, return -" in first.output
    with Image.open(out) as image:
        assert image.n_frames > 50  # equal ones are stored once

    weights = tmp_path / "weights.npy"
    np.save(weights, np.zeros(4))
    assert call("Neuro-Pendulum-v0", str(weights), "--out", str(tmp_path / "one.png")).exit_code == 0
    with Image.open(tmp_path / "one.png") as image:
        assert image.size == (240, 240)

    task = qdbench.make("Neuro-Pendulum-v0", budget="smoke", steps=7)
    store.save_result(tmp_path, qdbench.run(task, "random-search", budget=36))
    (path,) = store.result_paths(tmp_path)
    from_result = call("Neuro-Pendulum-v0", str(path), "--out", str(out))
    assert from_result.exit_code == 0, from_result.output
    # The arguments are the result's.
    assert "8 pictures of 7 steps" in from_result.output
    wrong = call("Neuro-Breakout-v0", str(path), "--out", str(out))
    assert wrong.exit_code == 2
    assert "is a result on Neuro-Pendulum-v0, not on Neuro-Breakout-v0" in " ".join(wrong.output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Arm-v0",), "Arm-v0 has no episodes to draw: a task of control has, such as Neuro-Pendulum-v0"),
        (("Neuro-Pendulm-v0",), "did you mean Neuro-Pendulum-v0"),
        (("Neuro-Pendulum-v0", "no-such.npy"), "there is no file no-such.npy"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_game_has_a_colour_for_each_channel() -> None:
    grid = np.zeros((1, 10, 10, 4))
    grid[0, 9, 4, 0] = grid[0, 2, 7, 3] = 1
    (image,) = drawing.frames(trajectory(observation=grid))
    pixels = np.asarray(image)
    size = len(pixels) // 10
    colours = {tuple(pixels[row * size, column * size]) for row, column in ((9, 4), (2, 7), (0, 0))}
    assert len(colours) == 3
    assert (pixels.reshape(10, size, 10, size, 3) == pixels[::size, None, ::size, None]).all()


@pytest.mark.parametrize(
    ("cosine", "sine", "half"), [(1, 0, np.s_[:120]), (-1, 0, np.s_[120:]), (0, 1, np.s_[:, 120:])]
)
def test_the_pendulum_is_where_its_angle_says(cosine: float, sine: float, half: object) -> None:
    (image,) = drawing.frames(trajectory(observation=np.array([[cosine, sine, 0.0]])))
    drawn = (np.asarray(image) != 255).any(axis=-1)
    assert drawn[half].sum() > 0.8 * drawn.sum()


def test_robots_are_seen_from_the_side_and_arms_from_above() -> None:
    standing = np.array([[[[5.0, 0, 0.2], [5.0, 0, 1.2]]]])
    arm = np.array([[[[0.0, 0, 0.01], [0.1, 0, 0.01]], [[0.1, 0, 0.01], [0.1, 0.11, 0.01]]]])
    for capsules, rows, columns in (
        (standing, slice(100, 185), slice(110, 130)),
        (arm, slice(85, 125), slice(110, 155)),
    ):
        (image,) = drawing.frames(trajectory(capsules=capsules))
        assert (np.asarray(image)[rows, columns] != 255).any(axis=-1).sum() > 200
    above = np.asarray(next(iter(drawing.frames(trajectory(capsules=arm)))))
    assert (above[200:] == 255).all()


def test_long_episodes_are_thinned(tmp_path: Path) -> None:
    angles = np.linspace(0, 20, 1001)
    states = np.stack([np.cos(angles), np.sin(angles), angles], axis=1)
    assert drawing.save(trajectory(observation=states), tmp_path / "long.gif") <= 250
