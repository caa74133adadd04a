"""From a folder of stored results to labelled tables: one row a trial, then one row a group.

A group is one optimizer configuration on one *task variant*: a task spec, its fingerprint, the budget and the result
format. Whatever differs in one of these is never averaged together; the labels say what differs.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from qdbench.harness import pack, store
from qdbench.harness.result import FinalArchive, TrialConfig, TrialRecord, TrialResult
from qdbench.harness.targets import LOWER_IS_BETTER
from qdbench.leaderboard import robust
from qdbench.leaderboard.labels import label_groups
from qdbench.spec import TaskSpec

METRIC_NAMES = {
    "qd_score": "QD-score",
    "coverage": "Coverage (%)",
    "best_objective": "Best objective",
    "precision": "Precision f - f_opt",
    "regret": "Regret",
    "test_score": "Test score",
    "corrected_qd_score": "Corrected QD-score",
    "corrected_coverage": "Corrected coverage (%)",
}
METRICS = ("qd_score", "coverage", "best_objective")
FURTHER = ("corrected_qd_score", "corrected_coverage", "test_score")
"""Metrics that only some tasks have beside those they rank by."""
COSTS = ("evaluations", "gradient_evaluations", "run_seconds", "compile_seconds")
CONFIDENCE = 0.95


class Problem(NamedTuple):
    """A file that does not count, and why: it is unreadable, a duplicate, or a failure that finished later."""

    kind: Literal["unreadable", "duplicate", "superseded"]
    file: str
    reason: str


@dataclasses.dataclass(frozen=True)
class StoredTrial:
    """A finished trial: record, trace and targets in memory, its archive on the disk until it is asked for."""

    path: Path
    record: TrialRecord
    trace: pd.DataFrame
    has_archive: bool
    targets: pd.DataFrame | None = None

    def archive(self) -> FinalArchive | None:
        """Reads the final archive from the file; None where it was not stored."""
        return store.load(self.path).archive if self.has_archive else None


@dataclasses.dataclass(frozen=True)
class Results:
    """Everything in a folder of results.

    Attributes:
        directory: The folder.
        trials: Finished trials by the digest of their configuration, in the order of their files.
        failures: Records of failed trials by digest; a trial that finished as well is not among them.
        problems: Every file that is in neither, with the reason.
    """

    directory: Path
    trials: dict[str, StoredTrial]
    failures: dict[str, TrialRecord]
    problems: tuple[Problem, ...]

    def records(self) -> dict[str, TrialRecord]:
        """The records of all trials, finished and failed, by digest."""
        return {digest: trial.record for digest, trial in self.trials.items()} | self.failures

    @functools.cached_property
    def labels(self) -> dict[str, tuple[str, str]]:
        """The labels of the task variant and the optimizer configuration of all trials, by digest."""
        return label_groups({digest: record.config for digest, record in self.records().items()})


class Interval(NamedTuple):
    """The mean of a sample, its standard deviation and the Student-t confidence interval of the mean."""

    mean: float
    std: float
    low: float
    high: float


def read_results(directory: Path) -> Results:
    """Reads all results below a folder; a file that cannot be read is listed under ``problems`` and stops nothing.

    Two files with the same configuration are one trial: the first in the order of the paths counts and the other one
    is listed, with whether its metrics agree.

    Args:
        directory: A folder as :mod:`qdbench.harness.store` or :mod:`qdbench.harness.pack` writes it, or one above
            several of them.
    """
    trials: dict[str, StoredTrial] = {}
    failures: dict[str, TrialRecord] = {}
    problems: list[Problem] = []
    for path in [*store.result_paths(directory), *pack.pack_paths(directory)]:
        file = path.relative_to(directory).as_posix()
        try:
            found = pack.load(path) if path.suffix == pack.SUFFIX else [store.load(path)]
            for result in found:
                _check_archive(result.archive)
        except (store.StoreError, ValueError) as error:
            problems.append(Problem("unreadable", file, _reason(error, path)))
            continue
        for result in found:
            digest = result.record.config.digest()
            if result.record.status == "failed":
                failures.setdefault(digest, result.record)
            elif digest in trials:
                problems.append(_duplicate(file, result, trials[digest], directory))
            else:
                has_archive = result.archive is not None
                trials[digest] = StoredTrial(path, result.record, result.trace, has_archive, result.targets)
    for path in store.failure_paths(directory):
        file = path.relative_to(directory).as_posix()
        try:
            record = store.load_failure(path)
        except (store.StoreError, ValueError) as error:
            problems.append(Problem("unreadable", file, _reason(error, path)))
            continue
        digest = record.config.digest()
        if digest in trials:
            problems.append(Problem("superseded", file, "the same trial finished; its failure is not counted"))
        elif digest in failures:
            problems.append(Problem("duplicate", file, "another file records the failure of the same trial"))
        else:
            failures[digest] = record
    return Results(directory, trials, failures, tuple(problems))


def task_specs(results: Results) -> dict[str, TaskSpec]:
    """The spec of every task variant by its label, in the order of the labels."""
    specs = {results.labels[digest][0]: record.config.task for digest, record in results.records().items()}
    return {label: specs[label] for label in sorted(specs)}


def trial_table(results: Results) -> pd.DataFrame:
    """One row for each trial, finished or failed, sorted by task, optimizer, repetition and digest.

    Columns: ``task`` and ``optimizer`` (labels, unique for each task variant and optimizer configuration), their
    plain ids, the task's arguments, fingerprint, budget, hyperparameters (JSON), repetition, digest, status, error,
    ranking metric, every metric, and ``provenance.<key>`` for every key of the provenance.
    """
    rows = [_row(digest, record, *results.labels[digest]) for digest, record in results.records().items()]
    table = pd.DataFrame(rows, columns=None if rows else ["task", "optimizer", "repetition", "digest"])
    for name in (*METRICS, *COSTS):
        if name not in table:
            table[name] = np.nan
    return table.sort_values(["task", "optimizer", "repetition", "digest"], ignore_index=True)


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each group: trials, failures, metrics with intervals, median cost and rank on the task.

    For each of qd_score, coverage, best_objective, the task's ranking metric and what it has of :data:`FURTHER`:
    ``<name>_mean``, ``<name>_std`` (n - 1 in the denominator), ``<name>_low``, ``<name>_high``, ``<name>_median``,
    ``<name>_iqm``, ``<name>_iqm_low`` and ``<name>_iqm_high`` (:func:`spread_of`).
    The ``rank`` is 1 for the best mean of the task's ranking metric: the highest, or the lowest of a metric in
    :data:`LOWER_IS_BETTER`. Equal means share the mean of their ranks, and a group without a finite mean has none.

    Args:
        table: From :func:`trial_table`.
    """
    rows = [_summary_row(group) for _, group in table.groupby(["task", "optimizer"], sort=True)]
    summary = pd.DataFrame(rows)
    gain = summary["score_mean"].where(~summary["metric"].isin(LOWER_IS_BETTER), -summary["score_mean"])
    summary["rank"] = gain.groupby(summary["task"]).rank(ascending=False, method="average")
    return summary.sort_values(["task", "rank", "optimizer"], ignore_index=True)


def scores_of(table: pd.DataFrame) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, int]]:
    """The ranking metric by task and optimizer, higher is better, and how many trials of an optimizer have none.

    Of a metric in :data:`LOWER_IS_BETTER` it is minus log10, of values of 1e-12 at least. A trial that failed, or whose
    metric is not a number, has no score.

    Args:
        table: From :func:`trial_table`.
    """
    scores: dict[str, dict[str, np.ndarray]] = {}
    failures: dict[str, int] = {}
    for (task, optimizer, metric), group in table.groupby(["task", "optimizer", "metric"], sort=True):
        finished = group[group["status"] == "finished"]
        values = finished[metric].to_numpy(np.float64) if len(finished) else np.empty(0)
        if metric in LOWER_IS_BETTER:
            values = -np.log10(np.maximum(values, 1e-12))
        known = values[np.isfinite(values)]
        failures[optimizer] = failures.get(optimizer, 0) + len(group) - len(known)
        if len(known):
            scores.setdefault(task, {})[optimizer] = known
    return scores, failures


def rank_overall(summary: pd.DataFrame) -> pd.DataFrame:
    """One row for each optimizer: its mean rank over the tasks that it has a rank on.

    Only optimizers with a rank on every task take a place, because a mean over fewer tasks does not compare; the
    others follow with the number of tasks that they have.

    Args:
        summary: From :func:`summarize`.
    """
    tasks = summary["task"].nunique()
    overall = summary.groupby("optimizer", sort=True)["rank"].agg(mean_rank="mean", tasks="count").reset_index()
    overall["complete"] = overall["tasks"] == tasks
    overall["place"] = overall["mean_rank"].where(overall["complete"]).rank(method="min")
    return overall.sort_values(
        ["complete", "mean_rank", "optimizer"], ascending=[False, True, True], na_position="last", ignore_index=True
    )


def mean_interval(values: Sequence[float] | np.ndarray, standard_errors: float | None = None) -> Interval:
    r"""The mean and its 95 % confidence interval :math:`\bar x \pm t_{0.975, n-1} s / \sqrt n`.

    One value has no interval (NaN). If any value is not finite or there is none, everything is NaN: leaving a bad
    trial out would flatter the group.

    Args:
        values: ``(n,)``.
        standard_errors: How many of :math:`s / \sqrt n` to either side, in place of t's quantile: papers draw 1.96.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0 or not np.isfinite(sample).all():
        return Interval(np.nan, np.nan, np.nan, np.nan)
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, np.nan, np.nan, np.nan)
    std = float(sample.std(ddof=1))
    factor = float(stats.t.ppf((1 + CONFIDENCE) / 2, sample.size - 1)) if standard_errors is None else standard_errors
    half = factor * std / np.sqrt(sample.size)
    return Interval(mean, std, float(mean - half), float(mean + half))


def spread_of(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """What a board says of a sample: mean, std, low, high, median, iqm, iqm_low, iqm_high; NaN if one is not finite.

    The first four are :func:`mean_interval`'s, the last three :func:`qdbench.leaderboard.robust.iqm_estimate`'s.
    """
    sample = np.asarray(values, np.float64)
    middle = robust.iqm_estimate(sample)
    known = sample.size > 0 and bool(np.isfinite(sample).all())
    median = float(np.median(sample)) if known else np.nan
    last = {"median": median, "iqm": middle.value, "iqm_low": middle.low, "iqm_high": middle.high}
    return mean_interval(sample)._asdict() | last


def with_metric(trace: pd.DataFrame, spec: TaskSpec) -> pd.DataFrame:
    """A trace with the column of the task's metric, one of :data:`LOWER_IS_BETTER`, made of the best objective."""
    if spec.metric in trace:
        return trace
    return trace.assign(**{spec.metric: spec.objective_range[1] - trace["best_objective"]})


def mean_curve(traces: Sequence[pd.DataFrame], metric: str, standard_errors: float | None = None) -> pd.DataFrame:
    """The mean of a metric over the traces of a group, at the fractions of the budget that all of them have.

    Returns:
        Columns fraction, evaluations (mean), mean, low, high (of :func:`mean_interval`, NaN for one trace).
    """
    pooled = pd.concat(list(traces), ignore_index=True).groupby("fraction", sort=True)
    rows = [
        (fraction, group["evaluations"].mean(), *mean_interval(group[metric].to_numpy(), standard_errors))
        for fraction, group in pooled
        if len(group) == len(traces)
    ]
    curve = pd.DataFrame(rows, columns=["fraction", "evaluations", "mean", "std", "low", "high"])
    return curve.drop(columns="std")


def mean_curves(
    results: Results,
    spec: TaskSpec,
    metric: str,
    digests: Mapping[str, Sequence[str]],
    standard_errors: float | None = None,
) -> dict[str, pd.DataFrame]:
    """The :func:`mean_curve` of each optimizer on a task, without those whose traces lack the metric.

    Args:
        results: Where the trials are.
        spec: The task.
        metric: A column of the traces, or the task's metric where that is made of the best objective.
        digests: The finished trials of each optimizer.
        standard_errors: As in :func:`mean_interval`.
    """
    curves = {}
    for optimizer, found in digests.items():
        traces = [results.trials[digest].trace for digest in found]
        if spec.metric in LOWER_IS_BETTER:
            traces = [with_metric(trace, spec) for trace in traces]
        if all(metric in trace for trace in traces):
            curves[optimizer] = mean_curve(traces, metric, standard_errors)
    return {optimizer: curve for optimizer, curve in curves.items() if len(curve)}


def _check_archive(archive: FinalArchive | None) -> None:
    if archive is None:
        return
    total = int(np.prod(archive.shape, dtype=int))
    if archive.objective.shape != archive.cells.shape:
        raise ValueError(f"the archive has {archive.size} cells but objectives of shape {archive.objective.shape}")
    if archive.size and not (archive.cells.min() >= 0 and archive.cells.max() < total):
        raise ValueError(f"the archive has cell indices outside its {total} cells")


def _reason(error: Exception, path: Path) -> str:
    """The message without the absolute path, which would make the board depend on where the folder lies."""
    return " ".join(str(error).replace(str(path), path.name).split())


def _duplicate(file: str, result: TrialResult, kept: StoredTrial, directory: Path) -> Problem:
    same = all(_equal(result.metrics.get(name), kept.record.metrics.get(name)) for name in METRICS)
    verdict = "the same metrics" if same else "DIFFERENT metrics"
    other = kept.path.relative_to(directory).as_posix()
    return Problem("duplicate", file, f"the same trial as {other}, with {verdict}; only that one counts")


def _equal(first: int | float | None, second: int | float | None) -> bool:
    return first == second or (first != first and second != second)


def _row(digest: str, record: TrialRecord, task: str, optimizer: str) -> dict[str, Any]:
    config = record.config
    return {
        "task": task,
        "optimizer": optimizer,
        **_identity(config),
        "repetition": config.repetition,
        "digest": digest,
        "status": record.status,
        "error": record.error,
        **metrics_of(record),
        **{f"provenance.{key}": value for key, value in record.provenance.items()},
    }


def metrics_of(record: TrialRecord) -> dict[str, int | float]:
    """The metrics, with one of :data:`LOWER_IS_BETTER` that the task ranks by where it is not recorded."""
    metrics, task = record.metrics, record.config.task
    if task.metric in LOWER_IS_BETTER and task.metric not in metrics and "best_objective" in metrics:
        # The best is 0 for precisions: 0 - 0 is 0, and not -0, which minus the objective would be.
        return metrics | {task.metric: task.objective_range[1] - metrics["best_objective"]}
    return metrics


def score_of(record: TrialRecord) -> float:
    """The ranking metric; log10 of one of :data:`LOWER_IS_BETTER`, at least -12, which spreads over many orders."""
    metric = record.config.task.metric
    value = float(metrics_of(record)[metric])
    return float(np.log10(max(value, 1e-12))) if metric in LOWER_IS_BETTER else value


def _identity(config: TrialConfig) -> dict[str, Any]:
    return {
        "task_id": config.task.id,
        "arguments": ", ".join(f"{name}={value}" for name, value in sorted(config.task.arguments.items())),
        "fingerprint": config.fingerprint,
        "budget": config.budget,
        "optimizer_id": config.optimizer,
        "hyperparameters": json.dumps(config.hyperparameters, sort_keys=True),
        "metric": config.task.metric,
    }


def _summary_row(group: pd.DataFrame) -> dict[str, Any]:
    first = group.iloc[0]
    finished = group[group["status"] == "finished"]
    identity = ("task", "optimizer", "task_id", "arguments", "fingerprint", "budget", "optimizer_id")
    row: dict[str, Any] = {name: first[name] for name in (*identity, "hyperparameters", "metric")}
    row |= {"trials": len(finished), "failures": len(group) - len(finished)}
    further = [name for name in FURTHER if name in finished and finished[name].notna().any()]
    for name in dict.fromkeys((*METRICS, first["metric"], *further)):
        values = finished[name].to_numpy() if name in finished else ()
        row |= {f"{name}_{part}": value for part, value in spread_of(values).items()}
    row["score_mean"] = row[f"{first['metric']}_mean"]
    for name in COSTS:
        row[name] = finished[name].median() if len(finished) else np.nan
    return row
