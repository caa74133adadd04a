"""Linting a submission: schema, completeness, fingerprints, duplicates, drift and size, before a person looks at it."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from qdbench.api import make
from qdbench.harness import pack, store
from qdbench.harness.fingerprint import fingerprint
from qdbench.harness.suite import Suite, load_suite
from qdbench.leaderboard.aggregate import Results, metrics_of, read_results, score_of
from qdbench.leaderboard.audit import MANIFEST, Finding, audit, place_of
from qdbench.leaderboard.submission import BIBLIOGRAPHY, CARD, README, Card, SubmissionError, describe, load_card
from qdbench.protocols import Task
from qdbench.registry import TASKS, UnknownNameError
from qdbench.spec import TaskSpec

MOST_BYTES = 20 * 2**20
MOST_FILES = 2000
DRIFT = 1e-3
"""The p-value below which a group of trials is not what the same group of the board is."""

_ADVICE = "`qdbench leaderboard compact --pack` makes them fewer and smaller"
_ALLOWED = {CARD, BIBLIOGRAPHY, README, MANIFEST}
_GAPS = ("missing", "superseded")


def lint(folder: Path, board: Path | None = None) -> list[Finding]:
    """Everything about a submission that a keeper of a board would send back.

    Args:
        folder: The submission.
        board: The results that it would be added to, if duplicates and drift are to be looked for. What lies within
            the submission's own folder does not count.
    """
    findings = [*_files(folder)]
    if not (folder / MANIFEST).is_file():
        findings.append(Finding("schema", MANIFEST, "there is no manifest; `qdbench submit` writes one"))
    try:
        card = load_card(folder)
    except SubmissionError as error:
        return [*findings, Finding("schema", CARD, str(error))]
    results, audited = audit(folder)
    findings += [finding for finding in audited if not (card.partial and finding.kind in _GAPS)]
    findings += _card_differences(card, results)
    findings += _tasks(results)
    try:
        suite = load_suite(card.suite)
    except (UnknownNameError, ValueError) as error:
        findings.append(Finding("schema", CARD, f"suite: {error}"))
    else:
        findings += [] if card.partial else _gaps(results, suite)
    if board is not None:
        findings += _beside(results, read_results(board), folder.resolve())
    return findings


def _files(folder: Path) -> Iterator[Finding]:
    files = [path for path in sorted(folder.rglob("*")) if not path.is_dir()]
    for path in files:
        name = path.relative_to(folder).as_posix()
        ends = name.endswith((store.SUFFIX, store.FAILED_SUFFIX, pack.SUFFIX))
        if path.is_symlink() or not (ends or name in _ALLOWED):
            yield Finding("schema", name, "a submission has no such file")
    total = sum(path.lstat().st_size for path in files)
    if total > MOST_BYTES:
        yield Finding("size", ".", f"{total:,} bytes; at most {MOST_BYTES:,}: {_ADVICE}")
    if len(files) > MOST_FILES:
        yield Finding("size", ".", f"{len(files):,} files; at most {MOST_FILES:,}: {_ADVICE}")


def _card_differences(card: Card, results: Results) -> Iterator[Finding]:
    if not results.records():
        yield Finding("schema", "results", "there are no results")
        return
    found = describe(results, card.name, card.suite, card.summary, card.partial)
    for name in type(card).model_fields:
        if getattr(found, name) != getattr(card, name):
            reason = f"{name} is {getattr(card, name)!r}, but the results give {getattr(found, name)!r}"
            yield Finding("schema", CARD, reason)


def _tasks(results: Results) -> Iterator[Finding]:
    """Tasks that do not exist, are another one here, or have a successor."""
    specs = {record.config.task: record.config.fingerprint for record in results.records().values()}
    for spec, golden in specs.items():
        reason = _difference(spec, golden)
        if reason:
            yield Finding("fingerprint", spec.id, reason)
    for id in sorted({spec.id for spec in specs}):
        if id in TASKS and TASKS.entry(id).superseded_by:
            yield Finding("deprecated", id, f"it is superseded by {TASKS.entry(id).superseded_by}")


def _difference(spec: TaskSpec, golden: str) -> str:
    try:
        task = _made(spec.id, spec.arguments)
        found = fingerprint(task)
    except Exception as error:
        return f"it cannot be made here: {type(error).__name__}: {error}"
    if found != golden:
        return f"the fingerprint is {golden}, but {found} here: another task of the same name"
    return "" if task.spec == spec else "its spec is not the one that is here"


def _gaps(results: Results, suite: Suite) -> Iterator[Finding]:
    """Tasks and repetitions of the suite that an optimizer lacks, and what is not of the suite."""
    wanted = {_made(id, arguments).spec for id, arguments in suite.all_tasks()}
    found: dict[str, dict[TaskSpec, set[int]]] = defaultdict(lambda: defaultdict(set))
    for record in results.records().values():
        config = record.config
        found[config.optimizer][config.task].add(config.repetition)
        if suite.iterations is None and config.budget != _budget(suite, config.task):
            reason = f"its budget is {config.budget:,}, but {_budget(suite, config.task):,} in {suite.name}"
            yield Finding("incomplete", place_of(config), reason)
    advice = "run them, or submit with --partial and why"
    for optimizer, tasks in sorted(found.items()):
        others = sorted({spec.id for spec in tasks if spec not in wanted})
        if others:
            yield Finding("incomplete", optimizer, f"not in the suite {suite.name} in this form: {', '.join(others)}")
        lacking = [spec for spec in wanted if spec not in tasks]
        if lacking:
            names = sorted({spec.id for spec in lacking})
            reason = f"no trial of {len(lacking)} of {len(wanted)} tasks of {suite.name} ({', '.join(names)}); {advice}"
            yield Finding("incomplete", optimizer, reason)
        for spec, repetitions in sorted(tasks.items(), key=lambda item: item[0].model_dump_json()):
            missing = sorted(set(range(suite.repetitions)) - repetitions)
            if missing:
                reason = f"no trial of repetition {', '.join(map(str, missing))} on {spec.id}; {advice}"
                yield Finding("incomplete", optimizer, reason)


def _made(id: str, arguments: Mapping[str, Any]) -> Task:
    """A task, without the warning if it is superseded, which is a finding of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return make(id, **arguments)


def _budget(suite: Suite, spec: TaskSpec) -> int:
    rule = suite.rule()
    if rule.evaluations is not None:
        return rule.evaluations
    return spec.budget if rule.per_dim is None else rule.per_dim * spec.dim


def _beside(results: Results, board: Results, own: Path) -> Iterator[Finding]:
    """The same trials, and the same groups with other scores, among those of the board."""
    others = {digest: trial for digest, trial in board.trials.items() if own not in trial.path.resolve().parents}
    for digest in sorted(results.trials.keys() & others):
        ours, theirs = results.trials[digest].record, others[digest].record
        metric = ours.config.task.metric
        here, there = metrics_of(ours)[metric], metrics_of(theirs)[metric]
        reason = (
            "the board has this trial" if here == there else f"{metric} is {there!r} on the board, but {here!r} here"
        )
        yield Finding("duplicate" if here == there else "drift", place_of(ours.config), reason)
    ours_by, theirs_by = _samples(results), _samples(Results(board.directory, others, {}, ()))
    for key in sorted(ours_by.keys() & theirs_by):
        p = _different(ours_by[key], theirs_by[key])
        if p < DRIFT:
            means = f"{np.mean(theirs_by[key]):.6g} there and {np.mean(ours_by[key]):.6g} here"
            yield Finding("drift", f"{key[1]} on {key[0]}", f"the same configuration has means {means} (p = {p:.1e})")


def _samples(results: Results) -> Mapping[tuple[str, str, str], list[float]]:
    """The ranking metric of every configuration but for its repetition; logarithms where lower is better."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for trial in results.trials.values():
        config = trial.record.config
        key = config.task.id, config.optimizer, config.model_copy(update={"repetition": 0}).digest()
        found[key].append(score_of(trial.record))
    return found


def _different(first: list[float], second: list[float]) -> float:
    """The p-value of Welch's t-test; 0 for two different constants, 1 where there is too little to tell."""
    if min(len(first), len(second)) < 2:
        return 1.0
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return float(first[0] == second[0])
    return float(stats.ttest_ind(first, second, equal_var=False).pvalue)
