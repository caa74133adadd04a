"""Results of BBOB as one table of trials: what was run, the precision at the end, and when each target was reached."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from qdbench.harness.result import TrialConfig, TrialRecord
from qdbench.leaderboard.aggregate import Results, metrics_of
from qdbench.spec import JsonScalar

FLOOR = 1e-8
"""COCO's last target; a smaller precision counts as this one, because what is below it is rounding."""


class Setting(NamedTuple):
    """What is compared with each other: one dimension and one budget. The batch size is there if all share one."""

    dim: int
    budget: int
    batch_size: int | None = None

    @property
    def title(self) -> str:
        """Such as ``D = 20, N = 32, 1,600 evaluations``."""
        batch = f"N = {self.batch_size}, " if self.batch_size else ""
        return f"D = {self.dim}, {batch}{self.budget:,} evaluations"

    @property
    def short(self) -> str:
        """The title without the budget where the batch size says it: ``D = 20, N = 32``."""
        size = f"N = {self.batch_size}" if self.batch_size else f"{self.budget:,} evaluations"
        return f"D = {self.dim}, {size}"

    @property
    def name(self) -> str:
        """For file names: ``d20-1600``."""
        return f"d{self.dim}-{self.budget}"


@dataclasses.dataclass(frozen=True)
class Experiment:
    """All finished trials of BBOB results.

    Attributes:
        trials: One row a trial, by setting, function, optimizer, instance and repetition: ``optimizer`` (label),
            ``optimizer_id``, ``hyperparameters``, ``function``, ``dim``, ``budget``, ``instance``, ``repetition``,
            ``evaluations``, ``precision`` (at least :data:`FLOOR`), ``digest``.
        hits: ``(trials, targets)``, when each target was first reached (0: never); None if a trial has no record of it.
        targets: ``(targets,)``.
        settings: In ascending order.
    """

    trials: pd.DataFrame
    hits: np.ndarray | None
    targets: np.ndarray
    settings: tuple[Setting, ...]

    def of(self, setting: Setting) -> pd.DataFrame:
        """The trials of a setting; the index is the row of ``hits``."""
        rows = (self.trials["dim"] == setting.dim) & (self.trials["budget"] == setting.budget)
        return self.trials[rows]


def is_bbob(results: Results) -> bool:
    """Whether every trial, finished or failed, is on a BBOB task that ranks by precision."""
    specs = [record.config.task for record in results.records().values()]
    return bool(specs) and all(spec.family == "bbob" and spec.metric == "precision" for spec in specs)


def gather(results: Results) -> Experiment:
    """The table of trials.

    Raises:
        ValueError: If a function, dimension, instance and budget is there in two versions, which must not be pooled.
    """
    _check_one_version(results.records())
    rows = [_row(digest, trial.record, results.labels[digest][1]) for digest, trial in results.trials.items()]
    columns = list(_row_names())
    table = pd.DataFrame(rows, columns=columns)
    order = ["dim", "budget", "function", "optimizer", "instance", "repetition", "digest"]
    table = table.sort_values(order, ignore_index=True)
    hits, targets = _hits(results, list(table["digest"]))
    return Experiment(table, hits, targets, _settings(table))


def failures_of(results: Results) -> Counter[str]:
    """How many trials of each optimizer failed, by its label."""
    return Counter(results.labels[digest][1] for digest in results.failures)


def _row_names() -> tuple[str, ...]:
    return (
        "optimizer",
        "optimizer_id",
        "hyperparameters",
        "batch_size",
        "function",
        "dim",
        "budget",
        "instance",
        "repetition",
        "evaluations",
        "precision",
        "run_seconds",
        "digest",
    )


def _row(digest: str, record: TrialRecord, label: str) -> tuple[Any, ...]:
    config, metrics = record.config, metrics_of(record)
    return (
        label,
        config.optimizer,
        ", ".join(f"{name}={value}" for name, value in sorted(config.hyperparameters.items())),
        _batch_size(config),
        function_of(config),
        config.task.dim,
        config.budget,
        instance_of(config),
        config.repetition,
        int(metrics["evaluations"]),
        # A precision that is not a number stays one: leaving the trial out would flatter the optimizer.
        float(np.maximum(metrics["precision"], FLOOR)),
        float(metrics.get("run_seconds", np.nan)),
        digest,
    )


def _batch_size(config: TrialConfig) -> int | None:
    """The size of the optimizer's batches; None if they differ."""
    sizes = {size for name, size in config.hyperparameters.items() if name.startswith("batch.")}
    (size,) = sizes if len(sizes) == 1 else (None,)
    return size if isinstance(size, int) else None


def function_of(config: TrialConfig) -> int:
    """The number of the function of a trial's task."""
    return function_in(config.task.id, config.task.arguments)


def function_in(id: str, arguments: Mapping[str, JsonScalar]) -> int:
    """The number of the function, 1 to 24: an argument of the task, or in its id, such as ``BBOB-F08-v0``.

    Raises:
        ValueError: If it is in neither.
    """
    named = re.fullmatch(r"BBOB-F(\d+)-v\d+", id)
    return int(named[1]) if named else _argument(id, arguments, "function")


def instance_of(config: TrialConfig) -> int:
    """The number of the instance."""
    return _argument(config.task.id, config.task.arguments, "instance")


def _argument(id: str, arguments: Mapping[str, JsonScalar], name: str) -> int:
    value = arguments.get(name)
    if not isinstance(value, int):
        raise ValueError(f"{id}: the argument {name!r} of a BBOB task is a number, not {value!r}")
    return value


def _check_one_version(records: Mapping[str, TrialRecord]) -> None:
    versions: dict[tuple[int, int, int, int], tuple[Any, ...]] = {}
    for record in records.values():
        config = record.config
        key = (function_of(config), config.task.dim, instance_of(config), config.budget)
        version = (config.task.id, config.fingerprint, config.task.precision, config.version)
        if versions.setdefault(key, version) != version:
            raise ValueError(
                f"function {key[0]} in dimension {key[1]}, instance {key[2]}, is there in two versions (id, "
                f"fingerprint, precision, result format): {versions[key]} and {version}. Trials of different versions "
                "are never pooled: keep each in a folder of its own"
            )


def _hits(results: Results, digests: list[str]) -> tuple[np.ndarray | None, np.ndarray]:
    tables = [results.trials[digest].targets for digest in digests]
    found = [table for table in tables if table is not None]
    if not found or len(found) < len(tables):
        return None, np.empty(0)
    targets = found[0]["target"].to_numpy(np.float64)
    if any(not np.array_equal(table["target"].to_numpy(np.float64), targets) for table in found):
        raise ValueError("the trials record different targets, so their runtimes do not compare")
    return np.stack([table["evaluations"].to_numpy(np.int64) for table in found]), targets


def _settings(trials: pd.DataFrame) -> tuple[Setting, ...]:
    settings = []
    for (dim, budget), group in trials.groupby(["dim", "budget"], sort=True):
        sizes = set(group["batch_size"].dropna())
        settings.append(Setting(int(dim), int(budget), int(sizes.pop()) if len(sizes) == 1 else None))
    return tuple(settings)
