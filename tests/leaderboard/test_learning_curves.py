"""Learning curves: panels, means and bands are those of the trials, and bad input is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from typer.testing import CliRunner

from qdbench.cli import app
from qdbench.harness import store
from qdbench.leaderboard import aggregate
from qdbench.leaderboard.learning_curves import draw, learning_curves
from tests.leaderboard.synthetic import POINTS, make_config, make_result, make_spec

SCORES = {"cma-mega": (10.0, 20.0, 60.0), "random-search": (1.0, 2.0, 3.0)}
TASKS = ("Arm-v0", "LP-Rastrigin-v0", "LP-Sphere-v0")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for task in TASKS:
        for optimizer, scores in SCORES.items():
            for repetition, score in enumerate(scores):
                config = make_config(make_spec(task), optimizer, repetition)
                store.save_result(folder, make_result(config, score, 50.0))
    return folder


def test_every_task_has_a_panel_with_means_and_1_96_standard_errors(results: Path) -> None:
    figure = learning_curves(aggregate.read_results(results), columns=2)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [*TASKS, ""]
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == sorted(SCORES)
    for axes in figure.axes[:3]:
        lines = {line.get_label(): np.asarray(line.get_ydata()) for line in axes.get_lines()}
        bands = [found for found in axes.collections if isinstance(found, PolyCollection)]
        assert axes.get_xlim() == (0, 360_100)
        for band, (name, scores) in zip(bands, sorted(SCORES.items()), strict=True):
            error = 1.96 * np.std(scores, ddof=1) / np.sqrt(len(scores))
            assert len(lines[name]) == POINTS
            assert lines[name][-1] == pytest.approx(np.mean(scores))
            corners = band.get_paths()[0].vertices
            last = corners[corners[:, 0] == 360_100, 1]
            assert (last.min(), last.max()) == pytest.approx((np.mean(scores) - error, np.mean(scores) + error))


def test_solved_tasks_and_traces_without_the_metric(tmp_path: Path) -> None:
    solved = make_result(make_config(make_spec(metric="precision")), 10.0, 50.0, best_objective=100.0)
    solved.trace["best_objective"] = 100.0
    store.save_result(tmp_path / "solved", solved)
    assert learning_curves(aggregate.read_results(tmp_path / "solved")).axes[0].get_yscale() == "linear"
    store.save_result(tmp_path / "other", make_result(make_config(make_spec(metric="test_score")), 10.0, 50.0))
    with pytest.raises(ValueError, match="no trial whose trace has the metric"):
        learning_curves(aggregate.read_results(tmp_path / "other"))


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".png", b"\x89PNG")])
def test_the_command_writes_the_same_file_every_time(results: Path, tmp_path: Path, suffix: str, start: bytes) -> None:
    out = tmp_path / f"curves{suffix}"
    found = CliRunner().invoke(app, ["plot", "curves", str(results), "--out", str(out)])
    assert found.exit_code == 0, found.output
    assert out.read_bytes().startswith(start)
    assert out.read_bytes() == draw(results, 4, suffix)


def test_what_cannot_be_drawn_is_told(results: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg or \.png, but the file's suffix is '\.gif'"):
        draw(results, 4, ".gif")
    with pytest.raises(ValueError, match="has no finished trial"):
        draw(tmp_path, 4, ".svg")
