"""Reading, grouping, means, intervals and ranks."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qdbench.harness import store
from qdbench.leaderboard import aggregate
from qdbench.leaderboard.labels import label_groups
from qdbench.leaderboard.tables import task_table
from tests.leaderboard.synthetic import make_config, make_result, make_spec, save, save_failed


def summary_of(directory: Path) -> pd.DataFrame:
    return aggregate.summarize(aggregate.trial_table(aggregate.read_results(directory)))


def test_interval_by_hand() -> None:
    # Mean 4, s^2 = (4 + 0 + 4) / 2 = 4, t_{0.975, 2} = 4.302653.
    interval = aggregate.mean_interval([2.0, 4.0, 6.0])
    half = 4.302652729696142 * 2 / np.sqrt(3)
    np.testing.assert_allclose(interval, (4, 2, 4 - half, 4 + half), rtol=1e-10)


def test_interval_equals_scipy() -> None:
    values = np.random.default_rng(1).normal(70, 3, 20)
    low, high = stats.t.interval(0.95, 19, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose(aggregate.mean_interval(values)[2:], (low, high), rtol=1e-12)


def test_interval_of_one_none_and_bad_values() -> None:
    assert aggregate.mean_interval([3.0])[0] == 3
    assert np.isnan(aggregate.mean_interval([3.0])[1:]).all()
    assert np.isnan(aggregate.mean_interval([])).all()
    assert np.isnan(aggregate.mean_interval([1.0, np.inf, 2.0])).all()


def test_summary_counts_means_costs_and_ranks(tmp_path: Path) -> None:
    for repetition, score in enumerate((10.0, 12.0, 14.0)):
        save(tmp_path, make_config(repetition=repetition), score, coverage=50 + repetition)
    save(tmp_path, make_config(optimizer="map-elites"), 11.0)
    save_failed(tmp_path, make_config(optimizer="map-elites", repetition=1))
    save_failed(tmp_path, make_config(optimizer="omg-mega"))
    summary = summary_of(tmp_path).set_index("optimizer")
    best = summary.loc["cma-mega"]
    assert (best["trials"], best["failures"], best["rank"]) == (3, 0, 1)
    assert (best["qd_score_mean"], best["qd_score_std"], best["coverage_mean"]) == (12, 2, 51)
    assert (best["run_seconds"], best["compile_seconds"], best["evaluations"]) == (11, 2.5, 360_100)
    assert (summary.loc["map-elites", "trials"], summary.loc["map-elites", "failures"]) == (1, 1)
    assert summary.loc["map-elites", "rank"] == 2
    assert summary.loc["omg-mega", "trials"] == 0
    assert np.isnan(summary.loc["omg-mega", "rank"])


def test_corrected_scores_and_tests_are_shown_where_a_task_has_them(tmp_path: Path) -> None:
    stochastic = make_spec("Noisy-v0")
    for repetition, corrected in enumerate((5.0, 7.0)):
        result = make_result(make_config(stochastic, repetition=repetition), 10, 50)
        more = {"corrected_qd_score": corrected, "corrected_coverage": 30.0}
        record = result.record.model_copy(update={"metrics": {**result.record.metrics, **more}})
        store.save_result(tmp_path, dataclasses.replace(result, record=record))
    save(tmp_path, make_config(), 10.0)
    summary = summary_of(tmp_path)
    shown = {task: [column.group for column in task_table(task, summary).columns] for task in summary["task"]}
    assert summary.set_index("task_id").loc["Noisy-v0", "corrected_qd_score_mean"] == 6
    assert shown["Noisy-v0"].count("Corrected QD-score") == shown["Noisy-v0"].count("Corrected coverage (%)") == 2
    assert not {"Corrected QD-score", "Corrected coverage (%)", "Test score"} & set(shown["LP-Sphere-v0"])
    assert "Test score" not in shown["Noisy-v0"]


def test_rank_by_the_tasks_metric(tmp_path: Path) -> None:
    spec = make_spec("Sphere-v0", measures=0, metric="best_objective")
    for optimizer, best in (("a", 3.0), ("b", 7.0)):
        save(tmp_path, make_config(spec, optimizer), 99 - best, best_objective=best, with_archive=False)
    assert list(summary_of(tmp_path)["optimizer"]) == ["b", "a"]


def test_equal_means_share_a_rank_and_incomplete_optimizers_take_no_place(tmp_path: Path) -> None:
    sphere, arm = make_spec("LP-Sphere-v0"), make_spec("Arm-v0")
    for spec, optimizer, score in ((sphere, "a", 5), (sphere, "b", 5), (arm, "a", 4), (arm, "b", 3), (arm, "c", 9)):
        save(tmp_path, make_config(spec, optimizer), score)
    overall = aggregate.rank_overall(summary_of(tmp_path)).set_index("optimizer")
    assert list(overall.index) == ["a", "b", "c"]
    assert overall.loc["a", "mean_rank"] == (1.5 + 2) / 2
    assert list(overall["place"])[:2] == [1, 2]
    assert np.isnan(overall.loc["c", "place"])
    assert overall.loc["c", "tasks"] == 1


def test_different_fingerprints_specs_and_budgets_are_kept_apart(tmp_path: Path) -> None:
    spec = make_spec(dim=100)
    other_shape = spec.model_copy(update={"archive_shape": (50, 50)})
    for config in (
        make_config(spec, fingerprint="a" * 16),
        make_config(spec, fingerprint="b" * 16, repetition=1),
        make_config(spec, fingerprint="a" * 16, repetition=2, budget=1000),
        make_config(make_spec(dim=20), fingerprint="a" * 16),
        make_config(other_shape, fingerprint="a" * 16, repetition=3),
    ):
        save(tmp_path, config, 10.0, with_archive=False)
    summary = summary_of(tmp_path)
    assert len(summary) == 5
    assert summary["task"].is_unique
    assert (summary["trials"] == 1).all()
    labels = " ".join(summary["task"])
    for part in ("dim=100", "dim=20", "budget=1,000", "fingerprint=aaaaaaaaaaaa", "fingerprint=bbbbbbbbbbbb", "spec="):
        assert part in labels


def test_labels_name_only_what_differs() -> None:
    sphere, arm = make_spec("LP-Sphere-v0"), make_spec("Arm-v0")
    configs = {
        "1": make_config(sphere, "es", hyperparameters={"sigma": 0.5, "size": 4}),
        "2": make_config(sphere, "es", hyperparameters={"sigma": 0.1, "size": 4}),
        "3": make_config(arm, "es", hyperparameters={"sigma": 0.1, "size": 9}),
        "4": make_config(sphere, "ga", hyperparameters={"rate": 1}),
        "5": make_config(arm, "ga", hyperparameters={"rate": 2}),
    }
    labels = label_groups(configs)
    assert [labels[key][1] for key in "12345"] == ["es (sigma=0.5)", "es (sigma=0.1)", "es (sigma=0.1)", "ga", "ga"]
    assert {labels[key][0] for key in "12345"} == {"LP-Sphere-v0", "Arm-v0"}


def test_unreadable_files_are_listed_and_stop_nothing(tmp_path: Path) -> None:
    good = save(tmp_path, make_config(), 10.0)
    truncated = good.with_name("001-0123.safetensors")
    truncated.write_bytes(good.read_bytes()[:-100])
    good.with_name("002-0123.safetensors").write_bytes(b"")
    good.with_name("003-0123.failed.json").write_text("{")
    results = aggregate.read_results(tmp_path)
    assert len(results.trials) == 1
    assert [(problem.kind, Path(problem.file).name) for problem in results.problems] == [
        ("unreadable", "001-0123.safetensors"),
        ("unreadable", "002-0123.safetensors"),
        ("unreadable", "003-0123.failed.json"),
    ]
    assert not any(str(tmp_path) in problem.reason for problem in results.problems)


def test_archive_with_cells_outside_the_grid_is_unreadable(tmp_path: Path) -> None:
    config = make_config()
    result = make_result(config, 10.0, 1.0)
    assert result.archive is not None
    result.archive.cells[-1] = 10_000
    aggregate.store.save_result(tmp_path, result)
    (problem,) = aggregate.read_results(tmp_path).problems
    assert "outside its 10000 cells" in problem.reason


def test_duplicates_count_once_and_are_listed(tmp_path: Path) -> None:
    config = make_config()
    save(tmp_path / "a", config, 10.0)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    save(tmp_path / "c", config, 11.0)
    results = aggregate.read_results(tmp_path)
    assert [trial.record.metrics["qd_score"] for trial in results.trials.values()] == [10.0]
    same, different = results.problems
    assert (same.kind, different.kind) == ("duplicate", "duplicate")
    assert "the same metrics" in same.reason
    assert "DIFFERENT metrics" in different.reason


def test_a_failure_that_finished_elsewhere_does_not_count(tmp_path: Path) -> None:
    save(tmp_path / "a", make_config(), 10.0)
    save_failed(tmp_path / "b", make_config())
    save_failed(tmp_path / "b", make_config(repetition=1))
    save_failed(tmp_path / "c", make_config(repetition=1))
    results = aggregate.read_results(tmp_path)
    assert [problem.kind for problem in results.problems] == ["superseded", "duplicate"]
    assert summary_of(tmp_path).loc[0, "failures"] == 1


def test_curve_is_the_mean_over_traces() -> None:
    traces = [make_result(make_config(repetition=i), score, 50).trace for i, score in enumerate((10.0, 14.0))]
    curve = aggregate.mean_curve(traces, "qd_score")
    assert curve["mean"].iloc[-1] == pytest.approx(12)
    assert curve["low"].iloc[-1] == pytest.approx(12 - stats.t.ppf(0.975, 1) * 2)
    assert curve["evaluations"].iloc[-1] == 360_100
    shorter = aggregate.mean_curve([traces[0], traces[1].iloc[:4]], "qd_score")
    assert len(shorter) == 4


def test_a_metric_that_is_not_finite_shows_instead_of_vanishing(tmp_path: Path) -> None:
    save(tmp_path, make_config(), 10.0)
    save(tmp_path, make_config(repetition=1), float("nan"))
    summary = summary_of(tmp_path)
    assert summary.loc[0, "trials"] == 2
    assert np.isnan(summary.loc[0, "qd_score_mean"])
    assert np.isnan(summary.loc[0, "rank"])
