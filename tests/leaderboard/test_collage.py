"""The collage: which elite is shown where, the same bytes every time, and what it says when it cannot be drawn."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import image

import qdbench
from qdbench.harness.result import FinalArchive
from qdbench.harness.store import save_result
from qdbench.leaderboard.collage import collage, draw, find, lay_out, pictures
from qdbench.leaderboard.figures import EMPTY
from qdbench.spec import Measure, TaskSpec

SPEC = TaskSpec(
    id="Some-v0",
    family="some",
    dim=1,
    measures=(Measure(name="x", low=0, high=10), Measure(name="y", low=0, high=20)),
    archive_shape=(10, 10),
    objective_range=(0, 1),
    budget=1,
)


def archive(cells: list[tuple[int, int]], objective: list[float]) -> FinalArchive:
    flat = np.array([10 * x + y for x, y in cells])
    return FinalArchive(flat, np.array(objective), np.zeros((len(flat), 2)), np.zeros((len(flat), 1)), (10, 10))


def test_the_best_elite_of_each_block_is_shown_over_the_occupied_part() -> None:
    # Cells 2..5 along x and 4..7 along y, in blocks of 2 x 2.
    found = lay_out(archive([(2, 4), (3, 5), (5, 7), (2, 7)], [1.0, 3.0, 2.0, 0.5]), SPEC, rows=2, columns=2)
    assert found.elites.tolist() == [[1, -1], [3, 2]]
    assert found.extent == (2, 6, 8, 16)


def test_there_are_never_more_pictures_than_cells() -> None:
    found = lay_out(archive([(0, 0), (2, 1)], [1.0, 1.0]), SPEC, rows=50, columns=50)
    assert found.elites.tolist() == [[0, -1, -1], [-1, -1, 1]]


def test_pictures_stand_where_their_measures_are() -> None:
    layout = lay_out(archive([(0, 0), (1, 1)], [1.0, 1.0]), SPEC, rows=2, columns=2)
    tiles = np.zeros((2, 8, 8, 1), np.float32)
    tiles[1] = 1
    axes = draw(layout, tiles, SPEC, "title").axes[0]
    shown = axes.get_images()[0].get_array()
    half = shown.shape[0] // 2
    # The first pixels are the top: low measures are at the bottom left, high ones at the top right. Grey is around.
    inner = slice(4, half - 4)
    assert shown[half:, :half][inner, inner].max() == 0
    assert shown[:half, half:][inner, inner].min() == 1
    np.testing.assert_allclose(shown[0, half + 8], mpl.colors.to_rgb(EMPTY), atol=1e-6)
    np.testing.assert_allclose(
        shown[:half, :half], np.broadcast_to(mpl.colors.to_rgb(EMPTY), (half, half, 3)), atol=1e-6
    )
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")


def test_a_run_gives_the_same_bytes_twice_and_its_tiles_are_the_tasks_pictures(tmp_path: Path) -> None:
    result = qdbench.run("LSI-Digits-v0", "random-search", budget=360)
    save_result(tmp_path, result)
    first = collage(tmp_path, 4, 5)
    assert first == collage(find(tmp_path), 4, 5)
    (tmp_path / "one.png").write_bytes(first)
    pixels = image.imread(tmp_path / "one.png")
    assert pixels.shape[1] > pixels.shape[0] > 300
    task = qdbench.make("LSI-Digits-v0")
    expected = np.clip(np.asarray(task.images(jnp.asarray(result.archive.solutions[:20]))), 0, 1)
    np.testing.assert_allclose(pictures(task.spec, result.archive.solutions[:20]), expected, atol=1e-5)


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds 0 results; name the \.safetensors file"):
        collage(tmp_path, 2, 2)
    save_result(tmp_path, qdbench.run("LSI-Digits-v0", "random-search", budget=36, keep_solutions=False))
    with pytest.raises(ValueError, match="holds no solutions: run it again with --keep-solutions"):
        collage(tmp_path, 2, 2)
    other = tmp_path / "other"
    save_result(other, qdbench.run(qdbench.make("LP-Sphere-v0", dim=4), "random-search", budget=36))
    with pytest.raises(ValueError, match="LP-Sphere-v0 has no pictures"):
        collage(other, 2, 2)
    save_result(other, qdbench.run(qdbench.make("BBOB-F01-v0", dim=4, measures=False), "random-search", budget=36))
    with pytest.raises(ValueError, match="holds 2 results"):
        collage(other, 2, 2)
    with pytest.raises(ValueError, match="has 0 measures; a collage needs 2"):
        collage(next(other.glob("BBOB*/*/*")), 2, 2)
