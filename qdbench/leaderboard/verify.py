"""Verifying a board: its files are audited, stored archives evaluated again, and a sample of its trials run again."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from qdbench.harness import jobs, store
from qdbench.harness import verify as archives
from qdbench.harness.rebuild import RebuildError, job_of
from qdbench.harness.result import TRACE_COLUMNS, TrialRecord, TrialResult
from qdbench.harness.targets import LOWER_IS_BETTER
from qdbench.harness.verify import ArchiveReport
from qdbench.leaderboard.aggregate import Results, StoredTrial, score_of
from qdbench.leaderboard.audit import Finding, audit, place_of
from qdbench.leaderboard.labels import label_groups

Verdict = Literal["identical", "within rounding", "as another repetition", "undecided", "differs", "cannot be run"]

TOLERANCE = {
    ("cpu", "float32"): 1e-5,
    ("cpu", "float64"): 1e-9,
    ("gpu", "float32"): 1e-3,
    ("gpu", "float64"): 1e-6,
}
"""How far the scores of a trial that is run again may be off, relative to the range of the score, by the kind of device
and the precision. Accelerators add in an order that may differ between calls."""

PREDICTION = 0.999
"""The level of the interval in which one more repetition falls; see :func:`compare`."""

_SAME = ("jax", "jaxlib", "device", "processor")
_COUNTS = ("evaluations", "gradient_evaluations", "iterations")
_SCORES = ("qd_score", "coverage", "best_objective")


@dataclasses.dataclass(frozen=True)
class Rerun:
    """A trial that was run again.

    Attributes:
        place: Which trial.
        verdict: ``"identical"``: every number of metrics, trace and targets, bit for bit; ``"within rounding"``: within
            :data:`TOLERANCE`; ``"as another repetition"``: off by more, but on another machine or with other versions,
            where rounding takes a search elsewhere, and where another repetition could be; ``"undecided"``: the same,
            with fewer than three other repetitions to tell by; ``"differs"``: none of these; ``"cannot be run"``: no
            job here has this record.
        difference: The largest difference of a score, relative to its range; NaN if there is none.
        tolerance: What it was compared with.
        note: What stands in the way, or what differs.
    """

    place: str
    verdict: Verdict
    difference: float
    tolerance: float
    note: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing speaks against the record, as far as this machine can tell."""
        return self.verdict not in ("differs", "cannot be run")


@dataclasses.dataclass(frozen=True)
class Report:
    """What verifying a folder gave: findings of the audit, archives and trials."""

    findings: tuple[Finding, ...]
    archives: tuple[ArchiveReport, ...]
    reruns: tuple[Rerun, ...]
    trials: int

    @property
    def agrees(self) -> bool:
        """Whether nothing was found."""
        checked: Iterable[ArchiveReport | Rerun] = (*self.archives, *self.reruns)
        return not self.findings and all(entry.agrees for entry in checked)


def verify(
    directory: Path,
    trials: int = 5,
    chosen: Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Audits a folder of results, evaluates its archives again, and runs some of its trials again.

    Args:
        directory: A folder of results, or a board's folder that has one.
        trials: How many finished trials to draw at random and run again.
        chosen: Digests of trials to run again, or how they begin; given some, none is drawn.
        seed: Decides which trials are drawn.
        progress: Is told what comes next.

    Raises:
        ValueError: If the folder has no results, or a chosen digest is that of no trial or of several.
    """
    results, findings = audit(directory)
    if not (results.records() or findings):
        raise ValueError(f"no results in {directory}: name a folder that `qdbench run` or a board wrote")
    reports = []
    for trial in results.trials.values():
        if _has_solutions(trial):
            progress(f"archive of {place_of(trial.record.config)}")
            try:
                reports.append(archives.verify(store.load(trial.path)))
            except Exception as error:
                reason = f"its archive cannot be evaluated: {type(error).__name__}: {error}"
                findings.append(Finding("archive", place_of(trial.record.config), reason))
    digests = [_find(results, name) for name in chosen] or sample(results, trials, seed)
    groups = _groups(results)
    reruns = []
    for digest in digests:
        trial = results.trials[digest]
        progress(place_of(trial.record.config))
        reruns.append(rerun(trial, [other for other in groups[digest] if other is not trial]))
    return Report(tuple(findings), tuple(reports), tuple(reruns), len(results.trials))


def sample(results: Results, count: int, seed: int) -> list[str]:
    """Digests of finished trials, drawn without replacement; the files' order and place do not matter."""
    digests = sorted(results.trials)
    drawn = np.random.default_rng(seed).permutation(len(digests))[:count]
    return [digests[index] for index in sorted(drawn)]


def rerun(trial: StoredTrial, others: Sequence[StoredTrial] = ()) -> Rerun:
    """Runs a trial again from its record alone and compares.

    Args:
        trial: The trial.
        others: The other repetitions of its group.
    """
    place, tolerance = place_of(trial.record.config), tolerance_of(trial.record)
    try:
        job = job_of(trial.record.config)
    except RebuildError as error:
        return Rerun(place, "cannot be run", math.nan, tolerance, str(error))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            (again,) = jobs.results_of([job])
    except Exception as error:
        return Rerun(place, "differs", math.nan, tolerance, f"it fails here: {type(error).__name__}: {error}")
    return compare(trial, again, others)


def compare(trial: StoredTrial, again: TrialResult, others: Sequence[StoredTrial] = ()) -> Rerun:
    r"""Compares a stored trial with the same one run again.

    The difference is the largest of the traces' QD-score, coverage and best objective, relative to the range of the
    objective, to 100 and to the range of the objective. Where it exceeds the tolerance, and JAX, device or processor
    are not known to be those of the record, the ranking metric of the new run has to lie in the prediction interval
    :math:`\bar x \pm t_{n-1} s \sqrt{1 + 1/n}` (level :data:`PREDICTION`) of the n other repetitions.

    Args:
        trial: The stored one.
        again: The new one.
        others: The other repetitions of its group.
    """
    record = trial.record
    place, tolerance = place_of(record.config), tolerance_of(record)
    if _identical(trial, again):
        return Rerun(place, "identical", 0.0, tolerance)
    difference = _difference(trial, again)
    counts = [name for name in _COUNTS if record.metrics.get(name) != again.metrics.get(name)]
    if difference <= tolerance and not counts:
        return Rerun(place, "within rounding", difference, tolerance)
    if _same_machine(record, again.record):
        theirs = ", ".join(f"{key} {record.provenance[key]}" for key in _SAME)
        return Rerun(place, "differs", difference, tolerance, f"with the same {theirs}")
    found, name = score_of(again.record), _score_name(record)
    low, high = prediction_interval([score_of(other.record) for other in others])
    note = f"{name} {score_of(record):.6g}, here {found:.6g}"
    if math.isnan(low):
        return Rerun(place, "undecided", difference, tolerance, f"{note}; fewer than three other repetitions")
    verdict: Verdict = "as another repetition" if low <= found <= high else "differs"
    return Rerun(place, verdict, difference, tolerance, f"{note}; another repetition: {low:.6g} to {high:.6g}")


def prediction_interval(values: Sequence[float]) -> tuple[float, float]:
    r"""The interval :math:`\bar x \pm t_{n-1} s \sqrt{1 + 1/n}` for one more value; empty (NaN) for fewer than three.

    Metrics of which lower is better spread over orders of magnitude; their logarithms should be given.
    """
    sample = np.asarray(values, np.float64)
    if len(sample) < 3 or not np.isfinite(sample).all():
        return math.nan, math.nan
    quantile = float(stats.t.ppf((1 + PREDICTION) / 2, len(sample) - 1))
    half = quantile * float(sample.std(ddof=1)) * math.sqrt(1 + 1 / len(sample))
    return float(sample.mean()) - half, float(sample.mean()) + half


def tolerance_of(record: TrialRecord) -> float:
    """The tolerance for the device and the precision of a record."""
    device = record.provenance.get("device", "cpu").partition(":")[0]
    return TOLERANCE["cpu" if device == "cpu" else "gpu", record.config.task.precision]


def _groups(results: Results) -> Mapping[str, list[StoredTrial]]:
    labels = label_groups({digest: trial.record.config for digest, trial in results.trials.items()})
    members: dict[tuple[str, str], list[StoredTrial]] = {}
    for digest, label in labels.items():
        members.setdefault(label, []).append(results.trials[digest])
    return {digest: members[label] for digest, label in labels.items()}


def _score_name(record: TrialRecord) -> str:
    metric = record.config.task.metric
    return f"log10 {metric}" if metric in LOWER_IS_BETTER else metric


def _identical(trial: StoredTrial, again: TrialResult) -> bool:
    same = all(np.array_equal(trial.trace[name], again.trace[name], equal_nan=True) for name in TRACE_COLUMNS)
    names = [name for name in trial.record.metrics if not name.endswith("_seconds")]
    same = same and all(repr(trial.record.metrics[name]) == repr(again.metrics.get(name)) for name in names)
    return same and _same_targets(trial.targets, again.targets)


def _same_targets(first: pd.DataFrame | None, second: pd.DataFrame | None) -> bool:
    if first is None or second is None:
        return first is second
    return all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)


def _difference(trial: StoredTrial, again: TrialResult) -> float:
    low, high = trial.record.config.task.objective_range
    widths = {"qd_score": high - low, "coverage": 100.0, "best_objective": high - low}
    if len(trial.trace) != len(again.trace):
        return math.inf
    largest = 0.0
    for name in _SCORES:
        first, second = trial.trace[name].to_numpy(), again.trace[name].to_numpy()
        if not np.array_equal(np.isfinite(first), np.isfinite(second)):
            return math.inf
        gaps = np.abs(first - second)[np.isfinite(first)]
        largest = max(largest, float(gaps.max(initial=0.0)) / widths[name])
    return largest


def _same_machine(recorded: TrialRecord, here: TrialRecord) -> bool:
    return all(key in recorded.provenance and recorded.provenance[key] == here.provenance.get(key) for key in _SAME)


def _has_solutions(trial: StoredTrial) -> bool:
    if not (trial.has_archive and trial.record.config.task.deterministic):
        return False
    archive = trial.archive()
    return archive is not None and archive.solutions is not None


def _find(results: Results, name: str) -> str:
    found = [digest for digest in results.trials if digest.startswith(name)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} finished trials have a digest that begins with {name!r}: name one of them")
    return found[0]
