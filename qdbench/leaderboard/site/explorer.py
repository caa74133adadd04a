"""What the script of a page explores, as plain JSON: rows of scores, curves over the budget, archives.

Numbers keep six significant digits, and archives 16 bits a number, which is more than a page can show.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from qdbench.harness.result import FinalArchive
from qdbench.harness.targets import LOWER_IS_BETTER
from qdbench.leaderboard import aggregate
from qdbench.leaderboard.aggregate import METRIC_NAMES, StoredTrial
from qdbench.leaderboard.board import Board
from qdbench.leaderboard.sectioned.board import SectionedBoard
from qdbench.spec import TaskSpec

COLUMNS = (
    "task", "optimizer", "rank", "mean", "low", "high", "std", "median", "iqm", "iqm_low", "iqm_high", "trials",
    "failures", "evaluations", "gradient_evaluations", "run_seconds",
    "device",
)  # fmt: skip
"""What the numbers of a row are; task, optimizer and device are indices."""

_FEW_GROUPS, _POINTS, _FEW_POINTS = 150, 50, 20
_STEPS = 65535
_LOGARITHMIC = "precision"
_COST = ("evaluations", "gradient_evaluations", "run_seconds")


def of_board(board: Board) -> dict[str, Any]:
    """The data of a general board."""
    names = _names(board.summary["optimizer"])
    places = {task: place for place, task in enumerate(board.specs)}
    finished = board.trials[board.trials["status"] == "finished"]
    members = {key: list(group["digest"]) for key, group in finished.groupby(["task", "optimizer"], sort=True)}
    rows = []
    for group in board.summary.to_dict("records"):
        digests = members.get((group["task"], group["optimizer"]), [])
        group |= {"device": _device(board.results.trials[digest] for digest in digests)}
        rows.append(_row(places[group["task"]], names.index(group["optimizer"]), group, group["metric"]))
    points = _POINTS if len(members) <= _FEW_GROUPS else _FEW_POINTS
    tasks = []
    for task, spec in board.specs.items():
        found = {
            name: [board.results.trials[d] for d in members[task, name]] for name in names if (task, name) in members
        }
        tasks.append(
            _task(task, spec, int(board.summary.loc[board.summary["task"] == task, "budget"].iloc[0]))
            | {
                "curves": {names.index(name): _curve(trials, spec, points) for name, trials in found.items()},
                "archives": _archives(spec, names, found),
            }
        )
    return _whole(names, {name: style.color for name, style in board.look.items()}, tasks, rows)


def of_sections(board: SectionedBoard) -> dict[str, Any]:
    """The data of a board of sections."""
    groups = board.groups
    names = _names(name for group in groups for name in group.trials)
    points = _POINTS if len(groups) * len(names) <= _FEW_GROUPS else _FEW_POINTS
    tasks, rows = [], []
    for place, group in enumerate(groups):
        metric = group.spec.metric
        tables = {name: _measured(trials, metric, board.least) for name, trials in group.trials.items()}
        ranks = pd.Series({name: table[metric].mean(skipna=False) for name, table in tables.items()}).rank()
        for name, table in tables.items():
            summary: dict[str, Any] = {
                f"{metric}_{part}": value for part, value in aggregate.spread_of(table[metric].to_numpy()).items()
            }
            summary |= {"rank": float(ranks[name]), "trials": len(table), "failures": group.failures[name]}
            summary |= {key: float(table[key].median()) for key in _COST}
            summary |= {"device": _device(group.trials[name])}
            rows.append(_row(place, names.index(name), summary, metric))
        curves = {names.index(name): _curve(trials, group.spec, points) for name, trials in group.trials.items()}
        tasks.append(_task(group.label, group.spec, group.budget) | {"curves": curves, "archives": {}})
    return _whole(names, {name: mark.color for name, mark in board.look.items()}, tasks, rows)


def _measured(trials: Sequence[StoredTrial], metric: str, least: float) -> pd.DataFrame:
    """The metric, of which lower is better, and the costs of each trial."""
    table = pd.DataFrame([aggregate.metrics_of(trial.record) for trial in trials]).reindex(columns=[metric, *_COST])
    return table.assign(**{metric: np.maximum(table[metric].to_numpy(np.float64), least)})


def to_json(data: Mapping[str, Any]) -> str:
    """The data as text for a ``<script>`` element, the same for the same data."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")


def _names(column: Iterable[str]) -> list[str]:
    return sorted(set(column))


def _whole(
    names: Sequence[str], colors: Mapping[str, str], tasks: Sequence[Mapping[str, Any]], rows: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    optimizers = [{"name": name, "color": colors.get(name, "#5c6675")} for name in names]
    devices = sorted({row[-1] for row in rows})
    found = [[*row[:-1], devices.index(row[-1])] for row in rows]
    return {
        "columns": list(COLUMNS), "optimizers": optimizers, "tasks": list(tasks), "devices": devices, "rows": found
    }  # fmt: skip


def _task(name: str, spec: TaskSpec, budget: int) -> dict[str, Any]:
    return {
        "name": name,
        "id": spec.id,
        "metric": METRIC_NAMES.get(spec.metric, spec.metric),
        "lower": spec.metric in LOWER_IS_BETTER,
        "log": spec.metric == _LOGARITHMIC,
        "budget": budget,
    }


def _row(task: int, optimizer: int, group: Mapping[str, Any], metric: str) -> list[Any]:
    scores = [
        group[f"{metric}_{part}"] for part in ("mean", "low", "high", "std", "median", "iqm", "iqm_low", "iqm_high")
    ]
    counts = [int(group["trials"]), int(group["failures"])]
    return [
        task,
        optimizer,
        _short(group["rank"]),
        *map(_short, scores),
        *counts,
        *(_short(group[key]) for key in _COST),
        group["device"],
    ]


def _device(trials: Iterable[StoredTrial]) -> str:
    """What trials ran on: the provenance's words behind the platform, such as ``NVIDIA H100 80GB HBM3``, or ``cpu``."""
    found = {trial.record.provenance.get("device", "") for trial in trials}
    return ", ".join(sorted({name.partition(": ")[2] or name for name in found})) or "–"


def _short(value: int | float) -> float | int | None:
    """Six significant digits; None where there is no number."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _curve(trials: Sequence[StoredTrial], spec: TaskSpec, points: int) -> list[list[float | int | None]]:
    """Evaluations, mean, low and high; of precisions, of their logarithms."""
    length = min(len(trial.trace) for trial in trials)
    kept = np.unique(np.linspace(0, length - 1, points).round().astype(int))
    traces = [aggregate.with_metric(trial.trace, spec) for trial in trials]
    values = np.stack([trace[spec.metric].to_numpy(np.float64)[kept] for trace in traces])
    evaluations = np.stack([trace["evaluations"].to_numpy(np.float64)[kept] for trace in traces]).mean(axis=0)
    if spec.metric == _LOGARITHMIC:
        values = np.log10(np.maximum(values, 1e-12))
    with np.errstate(invalid="ignore"):
        mean = values.mean(axis=0)
        half = np.full(len(kept), np.nan)
        if len(trials) > 1:
            quantile = stats.t.ppf(0.975, len(trials) - 1)
            half = quantile * values.std(axis=0, ddof=1) / math.sqrt(len(trials))
    bands = (mean - half, mean + half) if len(trials) > 1 else ()
    return [[_short(value) for value in column] for column in (evaluations, mean, *bands)]


def _archives(spec: TaskSpec, names: Sequence[str], found: Mapping[str, Sequence[StoredTrial]]) -> dict[str, Any]:
    """The first stored archive of each optimizer, for tasks with two measures or one."""
    if spec.num_measures not in (1, 2):
        return {}
    archives = {}
    for name, trials in found.items():
        archive = next((stored for trial in trials if trial.has_archive and (stored := trial.archive())), None)
        if archive is not None and archive.size:
            archives[names.index(name)] = _archive(archive)
    if not archives:
        return {}
    measures = [
        {"name": measure.name, "low": measure.low, "high": measure.high, "unit": measure.unit}
        for measure in spec.measures
    ]
    return {
        "shape": list(spec.archive_shape),
        "measures": measures,
        "range": list(spec.objective_range),
        "of": archives,
    }


def _archive(archive: FinalArchive) -> dict[str, Any]:
    kind = "<u2" if archive.cells.max() < 2**16 else "<u4"
    columns = [archive.objective, *archive.measures.T]
    return {
        "wide": kind == "<u4",
        "cells": _text(archive.cells.astype(kind)),
        "columns": [_quantised(np.asarray(column, np.float64)) for column in columns],
    }


def _quantised(values: np.ndarray) -> dict[str, Any]:
    low, high = float(values.min()), float(values.max())
    steps = np.rint((values - low) / (high - low) * _STEPS) if high > low else np.zeros(len(values))
    return {"low": low, "high": high, "data": _text(steps.astype("<u2"))}


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()
