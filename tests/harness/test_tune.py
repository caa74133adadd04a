"""Tuning: a cell is its trials, and the choice follows the rule."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import qdbench
from qdbench.harness import tune, tune_report
from qdbench.harness.budget import Budget
from tests.harness import quadratic

pytestmark = pytest.mark.usefixtures("registered")
TASKS = [("Quadratic-v0", {"dim": 3, "instance": instance, "target": None}) for instance in (1, 2)]
GRID = {"elite_ratio": (0.0, 1.0), "sigma": (0.1, 1.0)}


@pytest.fixture(scope="module")
def tuned() -> tune.Tuned:
    return tune.tune("shrinking", TASKS, Budget(iterations=20), 2, GRID, {"batch_size": 10})


def test_a_cell_has_the_numbers_of_its_trials(tuned: tune.Tuned) -> None:
    assert len(tuned.table) == 2 * 4 * 2
    for row in tuned.table.iloc[::3].to_dict("records"):
        _, arguments = TASKS[list(tuned.tasks).index(row["task"])]
        result = qdbench.run(
            quadratic.make(**arguments),
            "shrinking",
            row["repetition"],
            200,
            hyperparameters={"sigma": row["sigma"], "elite_ratio": row["elite_ratio"], "batch_size": 10},
        )
        assert row["precision"] == pytest.approx(result.metrics["precision"], rel=1e-9)
    assert {task["budget"] for task in tuned.tasks.values()} == {200}


def test_progress_shows_while_trials_are_long_and_changes_nothing(
    tuned: tune.Tuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "_SECONDS", 0.0)
    seen: list[tuple[float, str]] = []
    found = tune.tune(
        "shrinking", TASKS, Budget(iterations=20), 2, GRID, {"batch_size": 10}, lambda *told: seen.append(told)
    )
    assert [label for _, label in seen] == [label for label in tuned.tasks for _ in range(8)]
    np.testing.assert_allclose([fraction for fraction, _ in seen], np.arange(1, 17) / 16)
    pd.testing.assert_frame_equal(found.table, tuned.table)


def test_repetitions_may_be_others_than_those_of_a_board(tuned: tune.Tuned) -> None:
    second = tune.tune("shrinking", TASKS, Budget(iterations=20), 1, GRID, {"batch_size": 10}, first_repetition=1)
    known = tuned.table[tuned.table["repetition"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(second.table, known)
    content = json.loads(tune.to_json(second, "mine", {}))
    assert (content["repetitions"], content["first_repetition"]) == (1, 1)


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 250), (1e-9, 250), (0.1, 50), (3.0, 1), (5.0, 1), (60.0, 1)])
def test_a_call_has_as_many_trials_as_fit_into_its_seconds(seconds: float, expected: int) -> None:
    assert tune._as_many_as_fit(seconds, 250) == expected


def test_the_choice_follows_the_rule() -> None:
    means = {"a": [1.0, 4.0, 2.0], "b": [1e5, 1.0, 2.0], "c": [1e-9, 1e-12, 1e-10]}
    rows = [
        {"task": task, "cell": cell, "sigma": float(cell), "repetition": repetition, "precision": value * factor}
        for task, values in means.items()
        for cell, value in enumerate(values)
        for repetition, factor in enumerate((0.5, 1.5))
    ]
    described = {task: {"id": task} for task in means}
    found = tune.Tuned("x", {"sigma": (0.0, 1.0, 2.0)}, {}, pd.DataFrame(rows), described, dict.fromkeys(means, 1e-8))
    np.testing.assert_allclose(found.scores(), np.cbrt([10.0, 4.0, 4.0]))
    assert found.best() == {"sigma": 1.0}
    assert found.best_per_task() == {"a": {"sigma": 0.0}, "b": {"sigma": 1.0}, "c": {"sigma": 1.0}}


def test_the_report_holds_choices_and_evidence(tmp_path: Path, tuned: tune.Tuned) -> None:
    files = tune_report.write(tuned, "mine", tmp_path)
    assert {path.name for path in files} == {"tune.json", "trials.csv", "tune.md", "tune.png"}
    content = json.loads((tmp_path / "tune.json").read_text())
    assert content["global"]["hyperparameters"] == tuned.best()
    assert content["fixed"] == {"batch_size": 10}
    assert set(content["per_task"]) == set(tuned.tasks)
    assert len(content["evidence"]) == 8
    assert "geometric mean" in content["rule"]
    assert len(pd.read_csv(tmp_path / "trials.csv")) == 16
    words = (tmp_path / "tune.md").read_text()
    assert "16 trials on 2 tasks." in words
    assert f"{tuned.scores().min():.3f}" in words
    assert (tmp_path / "tune.png").read_bytes().startswith(b"\x89PNG")
    assert tune_report.summary(tuned).row_count == 4


def test_only_what_an_optimizer_has_is_tuned() -> None:
    assert tune.default_grid("shrinking") == tune.PAPER_GRID
    assert list(tune.default_grid("map-elites")) == ["sigma"]
    assert tune.default_grid("shrinking", ["bbob", "bbob-noisy"]) == tune.PAPER_GRID
    with pytest.raises(ValueError, match="bbob, neuro-brax have different grids: choose tasks of one family"):
        tune.default_grid("shrinking", ["neuro-brax", "bbob"])
    with pytest.raises(ValueError, match=r"random-search.*neither elite_ratio nor sigma.*batch_size"):
        tune.default_grid("random-search")
    with pytest.raises(ValueError, match="decides shapes"):
        tune.tune("shrinking", TASKS[:1], Budget(40), 1, {"batch_size": (4, 8)})
    mixed = [("Arm-v0", {"dim": 5}), TASKS[0]]
    with pytest.raises(
        ValueError, match=r"rank by one metric, but Arm-v0 dim=5 by qd_score, Quadratic-v0 .* by precision"
    ):
        tune.tune("map-elites", mixed, Budget(200), 1, {"sigma": (0.1,)})


@pytest.mark.parametrize(
    ("task", "sigmas"),
    [
        ("Neuro-Pendulum-v0", (0.025, 0.05, 0.1)),
        ("Neuro-Asterix-v0", (0.05, 0.075, 0.1)),
        ("Neuro-Digits-v0", (0.01, 0.025, 0.05)),
    ],
)
def test_networks_have_the_papers_grids(task: str, sigmas: tuple[float, ...]) -> None:
    family = qdbench.make(task, budget="smoke").spec.family
    assert tune.default_grid("gaussian-ga", [family]) == {"elite_ratio": (0.0, 0.25, 0.5, 1.0), "sigma": sigmas}


def test_without_a_grid_the_tasks_family_decides() -> None:
    found = tune.tune(
        "gaussian-ga", [("Neuro-Breakout-v0", {"budget": "smoke", "measures": "none"})], Budget(iterations=2), 1
    )
    assert found.grid == tune.PAPER_GRIDS["neuro-minatar"]
    assert len(found.table) == 12


def test_tasks_may_rank_by_a_score(tmp_path: Path) -> None:
    task = ("Arm-v0", {"dim": 5})
    found = tune.tune("map-elites", [task], Budget(200), 2, {"sigma": (1e-6, 0.3)})
    assert (found.metric, found.floors) == ("qd_score", {})
    for row in found.table.to_dict("records"):
        alone = qdbench.run(
            qdbench.make("Arm-v0", dim=5), "map-elites", row["repetition"], 200, hyperparameters={"sigma": row["sigma"]}
        )
        assert row["qd_score"] == pytest.approx(alone.metrics["qd_score"], rel=1e-6)
    # More variation fills more cells, and the first rank is the best.
    assert found.best() == found.best_per_task()[tune.label_of(*task)] == {"sigma": 0.3}
    np.testing.assert_array_equal(found.scores(), [2, 1])
    tune_report.write(found, "mine", tmp_path)
    assert "greatest mean qd_score" in json.loads((tmp_path / "tune.json").read_text())["rule"]
    words = (tmp_path / "tune.md").read_text()
    assert "4 trials on 1 task." in words
    assert "mean qd_score" in words


def test_of_a_regret_the_least_is_best() -> None:
    task = ("HPO-Mini-v0", {"space": "svm", "dataset": "iris"})
    found = tune.tune("gaussian-ga", [task], Budget(iterations=5), 2, {"sigma": (1e-6, 0.3)}, {"batch_size": 4})
    assert found.metric == "regret"
    for row in found.table.to_dict("records"):
        made = {"sigma": row["sigma"], "batch_size": 4}
        alone = qdbench.run(
            qdbench.make(task[0], **task[1]), "gaussian-ga", row["repetition"], 20, hyperparameters=made
        )
        assert row["regret"] == pytest.approx(1 - alone.metrics["best_objective"], abs=1e-6)
    means = found.table.groupby("sigma")["regret"].mean()
    assert found.best() == found.best_per_task()[tune.label_of(*task)] == {"sigma": means.idxmin()}
    assert "least mean final regret" in found.rule
