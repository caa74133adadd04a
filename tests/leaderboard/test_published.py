"""Table 1 beside ours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from qdbench.leaderboard import aggregate, published
from tests.leaderboard.synthetic import fill, make_config, make_spec, save


def compare(directory: Path) -> pd.DataFrame:
    results = aggregate.read_results(directory)
    summary = aggregate.summarize(aggregate.trial_table(results))
    return published.compare(summary, aggregate.task_specs(results))


def test_every_published_mean_has_a_tolerance() -> None:
    assert {task: set(row) for task, row in published.TABLE_1.items()} == {
        task: set(row) for task, row in published.TOLERANCES.items()
    }
    assert all(len(row) == 8 for row in published.TABLE_1.values())
    assert all(entry.qd_score <= entry.coverage for row in published.TABLE_1.values() for entry in row.values())


@pytest.mark.parametrize(
    ("task", "optimizer", "off", "agrees"),
    [
        ("LP-Sphere-v0", "cma-mega", 0.1, True),
        ("LP-Sphere-v0", "cma-mega", -0.11, False),
        ("LP-Rastrigin-v0", "omg-mega", 1.5, True),
        ("LP-Sphere-v0", "map-elites", 0.15, True),
        ("LP-Sphere-v0", "map-elites", 0.17, False),
        ("Arm-v0", "cma-me", -5.59, True),
        ("Arm-v0", "cma-me", 5.61, False),
        ("Arm-v0", "cma-mega-adam", 1.99, True),
    ],
)
def test_agreement_is_the_tolerance(tmp_path: Path, task: str, optimizer: str, off: float, agrees: bool) -> None:
    entry = published.TABLE_1[task][optimizer]
    fill(tmp_path, {(task, optimizer): (entry.qd_score + off, 0.0, entry.coverage)}, repetitions=2)
    rows = compare(tmp_path).set_index("metric")
    assert rows.loc["qd_score", "difference"] == pytest.approx(off)
    assert rows.loc["qd_score", "agrees"] == agrees
    assert rows.loc["coverage", "agrees"]


@pytest.mark.parametrize("changes", [{"dim": 100}, {"budget": 36_100}, {"archive_shape": (50, 50)}])
def test_only_the_papers_setting_is_compared(tmp_path: Path, changes: dict[str, object]) -> None:
    save(tmp_path, make_config(make_spec(**changes)), 75.0)
    assert compare(tmp_path).empty


def test_unpublished_optimizers_and_tasks_are_not_compared(tmp_path: Path) -> None:
    save(tmp_path, make_config(optimizer="random-search"), 0.4)
    save(tmp_path, make_config(make_spec("Other-v0")), 0.4)
    assert compare(tmp_path).empty


def test_columns_that_were_not_run_are_shown_with_the_command(tmp_path: Path) -> None:
    from qdbench.leaderboard.board import assemble
    from qdbench.leaderboard.render import to_markdown

    entry = published.TABLE_1["LP-Sphere-v0"]["cma-mega"]
    fill(tmp_path, {("LP-Sphere-v0", "cma-mega"): (entry.qd_score, 0.0, entry.coverage)}, repetitions=2)
    text = to_markdown(assemble(aggregate.read_results(tmp_path)))
    assert "not yet reproduced here" in text
    assert published.REPRODUCE in text
    assert "| cma-mega-adam | 21.82 | 30.73 |" in text
