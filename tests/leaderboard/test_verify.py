"""Verification: honest results agree, and each way of changing them is found."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from qdbench.cli import app
from qdbench.harness import store
from qdbench.harness.executors import local
from qdbench.harness.experiment import plan, run_all
from qdbench.harness.result import TrialResult
from qdbench.leaderboard import aggregate, audit, verify

SAMPLER = f"{Path(__file__).parents[1] / 'harness' / 'optimizers.py'}:Sampler"
TASKS: list[tuple[str, dict[str, Any]]] = [("Arm-v0", {"dim": 6}), ("BBOB-F01-v0", {"dim": 3})]
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [("map-elites", {"sigma": 0.3}), ("random-search", {}), (SAMPLER, {})]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("honest")
    jobs = plan(TASKS, OPTIMIZERS, range(4), 400, keep_solutions=True)
    assert {finished.status for finished in run_all(jobs, directory, local.run_here)} == {"finished"}
    return directory


@pytest.fixture
def copy(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "copy"))


def path_in(directory: Path, optimizer: str = "map-elites", task: str = "Arm-v0", repetition: int = 1) -> Path:
    (path,) = (directory / task / optimizer).glob(f"{repetition:03d}-*{store.SUFFIX}")
    return path


def change(path: Path, **metrics: float) -> TrialResult:
    """Stores a result with other metrics under its old name."""
    result = store.load(path)
    record = result.record.model_copy(update={"metrics": result.record.metrics | metrics})
    return dataclasses.replace(result, record=record)


def digest(path: Path) -> str:
    return path.name.partition("-")[2].partition(".")[0]


def test_honest_results_agree_bit_for_bit(honest: Path) -> None:
    report = verify.verify(honest, trials=6)
    assert report.findings == ()
    assert (len(report.archives), len(report.reruns), report.trials) == (24, 6, 24)
    assert {entry.verdict for entry in report.reruns} == {"identical"}
    assert all(entry.agrees for entry in report.archives)
    assert report.agrees


def test_the_sample_depends_on_the_seed_alone(honest: Path, copy: Path) -> None:
    first, second = aggregate.read_results(honest), aggregate.read_results(copy)
    assert verify.sample(first, 5, 1) == verify.sample(second, 5, 1) != verify.sample(first, 5, 2)
    assert len(set(verify.sample(first, 100, 0))) == 24
    assert verify.verify(honest, 0).reruns == ()


def test_a_chosen_trial_and_names_that_are_of_none_or_many(honest: Path) -> None:
    wanted = digest(path_in(honest))
    (rerun,) = verify.verify(honest, chosen=[wanted[:12]]).reruns
    assert wanted in rerun.place
    for name, count in (("", 24), ("zzz", 0)):
        with pytest.raises(ValueError, match=f"{count} finished trials have a digest"):
            verify.verify(honest, chosen=[name])


def test_a_changed_metric_does_not_fit_the_trace_and_the_archive(copy: Path) -> None:
    path = path_in(copy)
    store.save_result(copy, change(path, qd_score=99.0))
    report = verify.verify(copy, chosen=[digest(path)])
    reasons = [finding.reason for finding in report.findings if finding.kind == "inconsistent"]
    assert len(reasons) == 2
    assert all(reason.startswith("qd_score is 99.0 in the record") for reason in reasons)
    assert not report.agrees


def test_a_consistent_lie_is_found_by_running_the_trial_again(copy: Path) -> None:
    path = path_in(copy, "random-search", "BBOB-F01-v0")
    result = change(path, best_objective=-0.5, precision=0.5)
    trace = result.trace.assign(best_objective=np.minimum(result.trace["best_objective"], -0.5))
    trace.loc[trace.index[-1], "best_objective"] = -0.5
    store.save_result(copy, dataclasses.replace(result, trace=trace, archive=None))
    report = verify.verify(copy, chosen=[digest(path)])
    (rerun,) = report.reruns
    assert rerun.verdict == "differs"
    assert "with the same jax" in rerun.note
    assert rerun.difference > rerun.tolerance == 1e-9


def test_a_tampered_archive_is_found(copy: Path) -> None:
    path = path_in(copy)
    result = store.load(path)
    assert result.archive is not None
    measures = result.archive.measures + 0.5
    store.save_result(copy, dataclasses.replace(result, archive=dataclasses.replace(result.archive, measures=measures)))
    report = verify.verify(copy, 0)
    assert [entry.repetition for entry in report.archives if not entry.agrees] == [1]
    assert not report.agrees


def test_a_wrong_hash_is_found(copy: Path) -> None:
    path = path_in(copy)
    path.rename(path.with_name("001-00000000000000000000.safetensors"))
    (finding,) = audit.audit(copy)[1]
    assert finding.kind == "wrong name"
    assert finding.place.endswith("001-00000000000000000000.safetensors")
    assert digest(path) in finding.reason


@pytest.mark.parametrize("renamed", [False, True])
def test_a_changed_configuration_is_found(copy: Path, renamed: bool) -> None:
    path = path_in(copy)
    result = store.load(path)
    settings = result.record.config.hyperparameters | {"variation.sigma": 0.31}
    config = result.record.config.model_copy(update={"hyperparameters": settings})
    path.unlink()
    written = store.save_result(
        copy, dataclasses.replace(result, record=result.record.model_copy(update={"config": config}))
    )
    if not renamed:
        written.rename(path)
    report = verify.verify(copy, chosen=[config.digest()])
    kinds = {finding.kind for finding in report.findings}
    assert ("wrong name" in kinds) is not renamed
    assert "missing" in kinds  # the group that it was of lacks it
    assert [rerun.verdict for rerun in report.reruns] == ["differs"]


@pytest.mark.parametrize("repetition", [0, 2, 3])
def test_a_missing_repetition_is_found(copy: Path, repetition: int) -> None:
    path_in(copy, repetition=repetition).unlink()
    (finding,) = audit.audit(copy)[1]
    assert finding == ("missing", "map-elites on Arm-v0", f"there is no result of repetition {repetition}")


def test_a_failed_trial_is_not_missing(copy: Path) -> None:
    path = path_in(copy)
    record = store.load(path).record
    path.unlink()
    store.save_failure(copy, record.model_copy(update={"status": "failed", "error": "no", "metrics": {}}))
    assert audit.audit(copy)[1] == []


def test_truncated_and_double_files_are_found(copy: Path) -> None:
    path = path_in(copy)
    shutil.copy(path, path.with_name("001-x.safetensors"))
    other = path_in(copy, repetition=2)
    other.write_bytes(other.read_bytes()[:200])
    kinds = sorted(finding.kind for finding in audit.audit(copy)[1])
    assert kinds == ["duplicate", "missing", "unreadable"]


def test_the_manifest_finds_every_changed_added_and_removed_file(copy: Path) -> None:
    (copy / audit.MANIFEST).write_text(audit.manifest(copy))
    assert audit.audit(copy)[1] == []
    path = path_in(copy)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    (copy / "more.txt").write_text("more")
    path_in(copy, repetition=3).unlink()
    found = [(finding.kind, Path(finding.place).name[:4]) for finding in audit.audit(copy)[1]]
    assert ("tampered", "001-") in found
    assert ("unlisted", "more") in found
    assert ("missing", "003-") in found


def test_the_manifest_is_that_of_sha256sum(copy: Path) -> None:
    import hashlib

    line = audit.manifest(copy).splitlines()[0]
    name = line[66:]
    assert line == f"{hashlib.sha256((copy / name).read_bytes()).hexdigest()}  {name}"


def stored(path: Path) -> aggregate.StoredTrial:
    result = store.load(path)
    return aggregate.StoredTrial(path, result.record, result.trace, False, result.targets)


def moved(result: TrialResult, shift: float, **provenance: str) -> TrialResult:
    """As if a run had ended elsewhere, on a machine with another provenance."""
    trace = result.trace.assign(qd_score=result.trace["qd_score"] + shift)
    metrics = result.record.metrics | {"qd_score": result.record.metrics["qd_score"] + shift}
    record = result.record.model_copy(update={"metrics": metrics, "provenance": result.record.provenance | provenance})
    return TrialResult(record, trace, None, result.targets)


@pytest.mark.parametrize(
    ("shift", "provenance", "verdict"),
    [
        (0.0, {}, "identical"),
        (5e-4, {}, "within rounding"),
        (5e-3, {}, "differs"),
        (5e-3, {"jaxlib": "0.0.1"}, "as another repetition"),
        (50.0, {"jaxlib": "0.0.1"}, "differs"),
    ],
)
def test_verdicts(honest: Path, shift: float, provenance: dict[str, str], verdict: str) -> None:
    paths = [path_in(honest, repetition=repetition) for repetition in range(4)]
    first, *others = (stored(path) for path in paths)
    found = verify.compare(first, moved(store.load(paths[0]), shift, **provenance), others)
    assert found.verdict == verdict
    assert found.tolerance == 1e-5  # of a range of 100
    assert found.difference == pytest.approx(shift / 100, rel=1e-2)
    assert found.agrees is (verdict != "differs")


def test_few_other_repetitions_decide_nothing(honest: Path) -> None:
    path = path_in(honest)
    found = verify.compare(stored(path), moved(store.load(path), 1.0, device="gpu: other"), [stored(path)] * 2)
    assert (found.verdict, found.agrees) == ("undecided", True)


def test_the_prediction_interval_is_that_of_one_more_value() -> None:
    low, high = verify.prediction_interval([1.0, 2.0, 4.0, 5.0])
    # Mean 3, s = sqrt(10/3), t_3(0.9995) = 12.924: 3 -+ 12.924 * 1.8257 * sqrt(1.25).
    assert (low + high) / 2 == pytest.approx(3.0)
    assert (high - low) / 2 == pytest.approx(12.924 * np.sqrt(10 / 3) * np.sqrt(1.25), rel=1e-4)
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((4000, 6))
    inside = 0
    for *sample, one_more in draws.tolist():
        low, high = verify.prediction_interval(sample)
        inside += low <= one_more <= high
    assert stats.binomtest(inside, len(draws), verify.PREDICTION).pvalue > 1e-3


def tamper(path: Path) -> None:
    store.save_result(path.parents[2], change(path, coverage=99.0))


@pytest.mark.parametrize(("action", "code"), [(lambda path: None, 0), (tamper, 1), (Path.unlink, 1)])
def test_the_command(copy: Path, action: Callable[[Path], None], code: int) -> None:
    action(path_in(copy))
    arguments = ["verify", str(copy), "--trials", "2", "--seed", "3"]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == code, result.output
    assert "2 of 2 trials agree" in result.output
    assert ("Audit" in result.output) is bool(code)
