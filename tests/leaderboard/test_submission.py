"""Submissions: a run becomes one folder, and everything that is wrong with one is found before a person looks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import qdbench
from qdbench.cli import app
from qdbench.harness import store
from qdbench.harness.fingerprint import fingerprint
from qdbench.harness.result import TrialConfig
from qdbench.leaderboard import aggregate, audit, lint, submission
from qdbench.registry import TASKS
from tests.leaderboard.synthetic import make_result

SUITE = """
name = "small"
repetitions = 3
budget = 400

[[tasks]]
id = "Arm-v0"
arguments = { dim = 6 }

[[tasks]]
id = "LP-Sphere-v0"
arguments = { dim = 8 }

[[optimizers]]
id = "random-search"
"""
SPECS = [qdbench.make("Arm-v0", dim=6).spec, qdbench.make("LP-Sphere-v0", dim=8).spec]
GOLDEN = {spec: fingerprint(qdbench.make(spec.id, **spec.arguments)) for spec in SPECS}


def write_run(
    directory: Path, shift: float = 0.0, repetitions: range = range(3), optimizer: str = "mine:Search"
) -> Path:
    rng = np.random.default_rng(7)
    for spec in SPECS:
        for repetition in repetitions:
            config = TrialConfig(
                task=spec, fingerprint=GOLDEN[spec], optimizer=optimizer, repetition=repetition, budget=400
            )
            made = make_result(config, round(40 + shift + rng.standard_normal(), 6), 50.0)
            assert made.archive is not None
            objective = np.full(made.archive.size, made.metrics["qd_score"] / 0.5)
            archive = submission_archive(made.archive, objective)
            best = float(objective[0])
            trace = made.trace.assign(best_objective=best)
            record = made.record.model_copy(update={"metrics": made.metrics | {"best_objective": best}})
            store.save_result(directory, type(made)(record, trace, archive))
    return directory


def submission_archive(archive: Any, objective: np.ndarray) -> Any:
    return type(archive)(archive.cells, objective, archive.measures, archive.solutions, archive.shape)


@pytest.fixture
def suite(tmp_path: Path) -> str:
    (tmp_path / "small.toml").write_text(SUITE)
    return str(tmp_path / "small.toml")


@pytest.fixture
def folder(tmp_path: Path, suite: str) -> Path:
    run = write_run(tmp_path / "run")
    submission.submit(run, tmp_path / "mine", suite, "mine", "A search of mine.")
    return tmp_path / "mine"


def kinds(found: list[audit.Finding]) -> set[str]:
    return {finding.kind for finding in found}


def again(folder: Path) -> None:
    """Writes the manifest anew, as someone who means harm would."""
    (folder / audit.MANIFEST).write_text(audit.manifest(folder))


def test_a_whole_submission_passes_and_holds_everything(folder: Path, suite: str) -> None:
    assert lint.lint(folder) == []
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "SHA256SUMS",
        "citation.bib",
        "results",
        "submission.json",
    }
    card = submission.load_card(folder)
    assert (card.trials, card.failures, card.suite, card.partial) == (6, 0, suite, "")
    assert card.tasks == {spec.id: (GOLDEN[spec],) for spec in SPECS}
    assert card.run_seconds == 2 * (10 + 11 + 12)
    assert card.provenance["jax"] == ("0.10.1",)
    results = aggregate.read_results(folder)
    assert [trial.has_archive for trial in results.trials.values()] == [True, False, False] * 2
    archive = next(iter(results.trials.values())).archive()
    assert archive is not None
    assert archive.solutions is None


def test_the_board_with_it_is_built_from_one_folder(folder: Path, tmp_path: Path) -> None:
    from qdbench.leaderboard import build

    results = write_run(tmp_path / "board" / "results", 5.0, optimizer="theirs:Search")
    shutil.copytree(folder, results / "mine")
    assert lint.lint(results / "mine", results) == []
    built = build.build(results, tmp_path / "out")
    assert set(built.board.summary["optimizer"]) == {"mine:Search", "theirs:Search"}  # type: ignore[union-attr]


def test_a_part_has_to_say_so(tmp_path: Path, suite: str) -> None:
    run = write_run(tmp_path / "run", repetitions=range(2))
    submission.submit(run, tmp_path / "silent", suite, "silent")
    reasons = [finding.reason for finding in lint.lint(tmp_path / "silent")]
    assert [reason.partition(";")[0] for reason in reasons] == [
        f"no trial of repetition 2 on {spec.id}" for spec in SPECS
    ]
    submission.submit(run, tmp_path / "open", suite, "open", partial="no time")
    assert lint.lint(tmp_path / "open") == []


def test_a_lacking_task_another_budget_and_another_task_are_named(tmp_path: Path, suite: str) -> None:
    text = Path(suite).read_text().replace("dim = 8", "dim = 9").replace("budget = 400", "budget = 500")
    Path(suite).write_text(text)
    submission.submit(write_run(tmp_path / "run"), tmp_path / "mine", suite, "mine")
    text = " ".join(finding.reason for finding in lint.lint(tmp_path / "mine"))
    assert "no trial of 1 of 2 tasks of small (LP-Sphere-v0)" in text
    assert "not in the suite small in this form: LP-Sphere-v0" in text
    assert "its budget is 400, but 500 in small" in text


def edit_card(**changes: Any) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = folder / submission.CARD
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return act


def remove_result(folder: Path) -> None:
    next(folder.rglob("002-*")).unlink()


def add_program(folder: Path) -> None:
    (folder / "results" / "run.py").write_text("print(1)")


def make_large(folder: Path) -> None:
    with (folder / submission.README).open("wb") as file:
        file.truncate(lint.MOST_BYTES + 1)


def change_result(folder: Path) -> None:
    path = next(folder.rglob("001-*"))
    result = store.load(path)
    metrics = result.record.metrics | {"coverage": 99.0}
    record = result.record.model_copy(update={"metrics": metrics})
    store.save_result(path.parents[2], type(result)(record, result.trace, result.archive))


def unlink(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("act", "kind", "part"),
    [
        (unlink(submission.CARD), "schema", "it has no submission.json"),
        (unlink(audit.MANIFEST), "schema", "there is no manifest"),
        (edit_card(more=1), "schema", "is malformed"),
        (edit_card(name="../up"), "schema", "is no name for a folder"),
        (edit_card(suite="no-such"), "schema", "suite: no suite 'no-such'"),
        (edit_card(trials=7), "schema", "trials is 7, but the results give 6"),
        (remove_result, "schema", "trials is 6, but the results give 5"),
        (remove_result, "incomplete", "no trial of repetition 2"),
        (add_program, "schema", "a submission has no such file"),
        (make_large, "size", "bytes; at most"),
        (change_result, "inconsistent", "coverage is 99.0 in the record"),
    ],
)
def test_each_fault_is_found_even_with_a_fitting_manifest(
    folder: Path, act: Callable[[Path], None], kind: str, part: str
) -> None:
    act(folder)
    if act is not unlink(audit.MANIFEST) and (folder / audit.MANIFEST).exists():
        again(folder)
    found = lint.lint(folder)
    assert any(finding.kind == kind and part in finding.reason for finding in found), found


def test_without_a_fitting_manifest_every_change_is_found(folder: Path) -> None:
    change_result(folder)
    assert "tampered" in kinds(lint.lint(folder))


def test_another_fingerprint_and_a_superseded_task(tmp_path: Path, suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    monkeypatch.setitem(GOLDEN, SPECS[0], "0" * 16)
    submission.submit(write_run(tmp_path / "run"), tmp_path / "mine", suite, "mine")
    (finding,) = lint.lint(tmp_path / "mine")
    assert (finding.kind, finding.place) == ("fingerprint", "Arm-v0")
    assert "another task of the same name" in finding.reason
    entries = {**TASKS._entries, "Arm-v0": dataclasses.replace(TASKS.entry("Arm-v0"), superseded_by="Arm-v1")}
    monkeypatch.setattr(TASKS, "_entries", entries)
    assert kinds(lint.lint(tmp_path / "mine")) == {"fingerprint", "deprecated"}


def test_duplicates_and_drift_beside_a_board(folder: Path, tmp_path: Path) -> None:
    same = write_run(tmp_path / "same")
    found = lint.lint(folder, same)
    assert [finding.kind for finding in found] == ["duplicate"] * 6
    moved = write_run(tmp_path / "moved", shift=30.0)
    found = lint.lint(folder, moved)
    assert [finding.kind for finding in found] == ["drift"] * 8  # six trials and two groups
    assert "the same configuration has means" in found[-1].reason
    later = write_run(tmp_path / "later", repetitions=range(3, 6))
    assert lint.lint(folder, later) == []


def test_what_does_not_fit_together_is_not_submitted(tmp_path: Path, suite: str) -> None:
    run = write_run(tmp_path / "run")
    path = next(run.rglob("001-*"))
    path.rename(path.with_name("001-0.safetensors"))
    with pytest.raises(submission.SubmissionError, match="wrong name"):
        submission.submit(run, tmp_path / "out", suite, "mine")
    with pytest.raises(submission.SubmissionError, match="there are no results in it"):
        submission.submit(tmp_path / "nothing", tmp_path / "out", suite, "mine")
    with pytest.raises(submission.SubmissionError, match="is not empty"):
        submission.submit(run, run, suite, "mine")


def test_many_trials_are_packed(tmp_path: Path, suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "PACKED_FROM", 6)
    submission.submit(write_run(tmp_path / "run"), tmp_path / "mine", suite, "mine")
    assert len(list((tmp_path / "mine" / "results").rglob("*.parquet"))) == 2
    assert lint.lint(tmp_path / "mine") == []


def test_the_commands(tmp_path: Path, suite: str) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "mine"
    arguments = ["submit", str(run), "--suite", suite, "--name", "mine", "--out", str(out)]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "6 finished and 0 failed trials" in result.output
    linted = CliRunner().invoke(app, ["leaderboard", "lint", str(out), "--against", str(run)], env={"COLUMNS": "200"})
    assert linted.exit_code == 1
    assert linted.output.count("duplicate") == 6
    assert CliRunner().invoke(app, ["leaderboard", "lint", str(out)]).exit_code == 0
