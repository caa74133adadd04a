"""What a folder of results says about itself: whether files, records, traces and archives fit together.

Nothing is evaluated here, so an audit of thousands of trials takes seconds.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qdbench.harness import pack, store
from qdbench.harness.result import FinalArchive, TrialConfig, TrialRecord
from qdbench.leaderboard.aggregate import Results, StoredTrial, read_results

MANIFEST = "SHA256SUMS"
ROUNDING = {"float32": 1e-6, "float64": 1e-12}
"""How far sums over an archive, which are taken in another order, may be from the recorded ones, relative to the range
of the objective or to the value."""


class Finding(NamedTuple):
    """Something that is not as it should be: its kind, where it is, and what was found and wanted."""

    kind: str
    place: str
    reason: str


def audit(directory: Path) -> tuple[Results, list[Finding]]:
    """Reads a folder of results and checks all that can be checked without evaluating anything.

    Files that cannot be read or come twice; files whose name is not the hash of their configuration; files that the
    manifest of the folder (``SHA256SUMS``) does not list or lists with another hash; records whose metrics are not
    those of their traces, targets and archives; and repetitions that a group lacks.

    Args:
        directory: A folder of results, or one above several.
    """
    results = read_results(directory)
    findings = [Finding(problem.kind, problem.file, problem.reason) for problem in results.problems]
    findings += _wrong_names(results)
    findings += [finding for path in sorted(directory.rglob(MANIFEST)) for finding in check_manifest(path)]
    for trial in results.trials.values():
        place = place_of(trial.record.config)
        findings += [Finding("inconsistent", place, reason) for reason in inconsistencies(trial)]
    return results, findings + missing_repetitions(results)


def place_of(config: TrialConfig) -> str:
    """A text that names a trial: optimizer, task, repetition and digest."""
    return f"{config.optimizer} on {config.task.id}, repetition {config.repetition} ({config.digest()})"


def manifest(directory: Path) -> str:
    """The SHA-256 of every file below a folder but the manifest itself, in the format of ``sha256sum``."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(directory).as_posix()}"
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path != directory / MANIFEST
    ]
    return "\n".join(lines) + "\n"


def check_manifest(path: Path) -> list[Finding]:
    """What differs between a manifest and the files that it lists."""
    wanted, found = _hashes(path.read_text()), _hashes(manifest(path.parent))
    findings = [Finding("missing", name, f"{MANIFEST} lists it, but it is not there") for name in wanted.keys() - found]
    findings += [Finding("unlisted", name, f"{MANIFEST} does not list it") for name in found.keys() - wanted]
    findings += [
        Finding("tampered", name, f"its SHA-256 is {found[name]}, but {MANIFEST} says {wanted[name]}")
        for name in found.keys() & wanted
        if found[name] != wanted[name]
    ]
    return sorted(findings, key=lambda finding: finding.place)


def _hashes(text: str) -> dict[str, str]:
    lines = (line.partition("  ") for line in text.splitlines())
    return {name: digest for digest, separator, name in lines if separator}


def missing_repetitions(results: Results) -> list[Finding]:
    """The repetitions that some group of a task has, and another group lacks; a failed trial is not missing."""
    groups: dict[tuple[str, str], set[int]] = defaultdict(set)
    for digest, record in results.records().items():
        groups[results.labels[digest]].add(record.config.repetition)
    most: dict[str, int] = {}
    for (task, _), found in groups.items():
        most[task] = max(most.get(task, 0), *found)
    findings = []
    for (task, optimizer), found in sorted(groups.items()):
        lacking = sorted(set(range(most[task] + 1)) - found)
        if lacking:
            numbers = ", ".join(map(str, lacking))
            findings.append(Finding("missing", f"{optimizer} on {task}", f"there is no result of repetition {numbers}"))
    return findings


def inconsistencies(trial: StoredTrial) -> list[str]:
    """What does not fit together within a finished trial."""
    record, config, metrics = trial.record, trial.record.config, trial.record.metrics
    reasons = []
    if metrics.get("evaluations", 0) > config.budget:
        reasons.append(f"it spent {metrics['evaluations']:,} evaluations of {config.budget:,}")
    last = trial.trace.iloc[-1] if len(trial.trace) else None
    for name in ("qd_score", "coverage", "best_objective", "evaluations", "gradient_evaluations"):
        if last is not None and name in metrics and not _close(float(last[name]), float(metrics[name]), record):
            found = float(last[name])
            reasons.append(f"{name} is {metrics[name]!r} in the record, but {found!r} at the end of the trace")
    if not trial.trace["evaluations"].is_monotonic_increasing:
        reasons.append("the evaluations of the trace go down")
    reasons += _target_reasons(trial)
    archive = trial.archive()
    return reasons + ([] if archive is None else list(_archive_reasons(archive, record)))


def _target_reasons(trial: StoredTrial) -> list[str]:
    metrics = trial.record.metrics
    reasons = []
    if "precision" in metrics and metrics["precision"] != 0 - metrics["best_objective"]:
        reasons.append(f"precision is {metrics['precision']!r}, but the best objective {metrics['best_objective']!r}")
    if trial.targets is not None and "targets_reached" in metrics:
        hits = trial.targets["evaluations"].to_numpy()
        reached = int((hits > 0).sum())
        if reached != metrics["targets_reached"]:
            reasons.append(f"targets_reached is {metrics['targets_reached']}, but the file has {reached}")
        if (np.diff(hits[hits > 0]) < 0).any() or (hits[reached:] > 0).any():
            reasons.append("a harder target was reached before an easier one")
    return reasons


def _archive_reasons(archive: FinalArchive, record: TrialRecord) -> Iterator[str]:
    spec, metrics = record.config.task, record.metrics
    sums = {
        "qd_score": float(np.sum(archive.objective.astype(np.float64) - spec.qd_score_offset)) / spec.cells,
        "coverage": 100 * archive.size / spec.cells,
        "best_objective": float(archive.objective.max(initial=-math.inf)),
    }
    for name, value in sums.items():
        if name in metrics and not _close(value, float(metrics[name]), record):
            yield f"{name} is {metrics[name]!r} in the record, but {value!r} of its archive"


def _close(first: float, second: float, record: TrialRecord) -> bool:
    if first == second or (math.isnan(first) and math.isnan(second)):
        return True
    low, high = record.config.task.objective_range
    return abs(first - second) <= ROUNDING[record.config.task.precision] * max(high - low, abs(first), abs(second))


def _wrong_names(results: Results) -> list[Finding]:
    findings = []
    for trial in results.trials.values():
        if trial.path.suffix == pack.SUFFIX:
            continue
        wanted = store.path_of(Path(), trial.record.config)
        if trial.path.parts[-3:] != wanted.parts:
            file = trial.path.relative_to(results.directory).as_posix()
            findings.append(Finding("wrong name", file, f"the hash of its configuration gives {wanted.as_posix()}"))
    return findings
