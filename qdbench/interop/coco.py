"""Results on BBOB in COCO's data format, which COCO's own post-processing (cocopp) reads.

One folder an optimizer, as ``cocoex.Observer("bbob", ...)`` lays it out: ``bbobexp_f1.info`` lists the trials of a
function by dimension, ``data_f1/bbobexp_f1_DIM2.dat`` says when each trial improved, ``.tdat`` where it was after some
numbers of evaluations. qdbench does not record every improvement but when each of the 51 targets from 1e2 to 1e-8 was
first reached, which are the very targets that cocopp looks at, so its runtimes and expected running times are exact
for them. Two things are not recorded and left out or stated otherwise:

- the parameters: the columns x1, x2, ... are absent, which cocopp does not read;
- the value of the first evaluation, without which cocopp does not work, unless it reached a target: the line of
  evaluation 1 then holds the smallest 10^(k/5) above all that is recorded of the trial, at least 10^2.2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from qdbench.harness import store
from qdbench.leaderboard import aggregate
from qdbench.leaderboard.aggregate import Results, StoredTrial
from qdbench.leaderboard.bbob import data

PRECISION = 1e-8
_HEAD = (
    "%% f evaluations | g evaluations | best noise-free fitness - Fopt (%.12e) + sum g_i+ | measured fitness | "
    "best measured fitness or single-digit g-values | x1 | x2...\n"
)
_COMMENT = "% exported by qdbench: hits of the targets 10^(2-k/5); evaluation 1 is a placeholder unless it hit one\n"
_STEPS = 5
"""Targets in a power of ten."""

Line = tuple[int, float]
"""Evaluations, and the best precision after them."""


class Exported(NamedTuple):
    """A folder that was written: the optimizer, where, and how many trials it holds."""

    optimizer: str
    folder: Path
    trials: int


def export(results: Path, out: Path) -> list[Exported]:
    """Writes a folder for each optimizer of a folder of results.

    Args:
        results: Stored trials, all of them on BBOB and with a record of their targets; failed ones are left out.
        out: The folder of the optimizers' folders.

    Raises:
        FileNotFoundError: If there is no such folder, or no finished trial in it.
        ValueError: If a trial is not of BBOB or has no record of its targets, or if an optimizer has two budgets in one
            dimension, which the format cannot tell apart.
        StoreError: If a file cannot be written.
    """
    if not results.is_dir():
        raise FileNotFoundError(f"no folder {results}: COCO's format is made from a folder of results")
    found = aggregate.read_results(results)
    files = render(found)
    for folder, contents in files.items():
        for name, text in contents.items():
            store.write_atomically(out / folder / name, text.encode())
    trials = data.gather(found).trials["optimizer"].value_counts()
    return [Exported(label, out / folder_name(label), int(count)) for label, count in sorted(trials.items())]


def render(results: Results) -> dict[str, dict[str, str]]:
    """The files of each optimizer's folder: ``{folder: {path within it: text}}``.

    Raises:
        FileNotFoundError: If there is no finished trial.
        ValueError: As :func:`export`.
    """
    if not results.trials:
        raise FileNotFoundError("there is no finished trial to export")
    if not data.is_bbob(results):
        raise ValueError("COCO's format is for results on BBOB only, and there are trials on other tasks")
    experiment = data.gather(results)
    if experiment.hits is None:
        raise ValueError("some trials have no record of when they reached which target: run them again")
    _check_folders(experiment.trials["optimizer"])
    files: dict[str, dict[str, str]] = {}
    for (optimizer, function), trials in experiment.trials.groupby(["optimizer", "function"], sort=True):
        contents = files.setdefault(folder_name(str(optimizer)), {})
        entries = []
        for dim, group in trials.groupby("dim", sort=True):
            budgets = sorted(set(group["budget"]))
            if len(budgets) > 1:
                raise ValueError(
                    f"{optimizer} has trials of function {function} in dimension {dim} with the budgets {budgets}, "
                    "which COCO's format cannot tell apart: export each from a folder of its own"
                )
            name = f"data_f{function}/bbobexp_f{function}_DIM{dim}"
            stored = [results.trials[digest] for digest in group["digest"]]
            contents[f"{name}.dat"] = "".join(_block(trial, _improvements(trial)) for trial in stored)
            contents[f"{name}.tdat"] = "".join(_block(trial, _moments(trial)) for trial in stored)
            entries.append(_entry(str(optimizer), int(function), int(dim), name, stored))
        contents[f"bbobexp_f{function}.info"] = "".join(entries)
    return files


def folder_name(optimizer: str) -> str:
    """The folder of an optimizer: its label without the characters that a path does not take."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", optimizer).strip("_")


def _check_folders(optimizers: Iterable[str]) -> None:
    labels: dict[str, str] = {}
    for label in sorted(set(optimizers)):
        other = labels.setdefault(folder_name(label), label)
        if other != label:
            raise ValueError(f"the optimizers {other!r} and {label!r} would share the folder {folder_name(label)}")


def _entry(optimizer: str, function: int, dim: int, name: str, trials: list[StoredTrial]) -> str:
    """Three lines of the index: what was run, a comment, and the data file with each trial's instance and end."""
    algorithm = optimizer.replace("'", "").replace(",", ";")
    head = (
        f"suite = 'bbob', funcId = {function}, DIM = {dim}, Precision = {PRECISION:.3e}, algId = '{algorithm}', "
        "logger = 'bbob', data_format = 'bbob-new2'\n"
    )
    ends = []
    for trial in trials:
        evaluations, precision = _end(trial)
        ends.append(f"{data.instance_of(trial.record.config)}:{evaluations}|{precision:.1e}")
    return head + _COMMENT + f"{name}.dat, " + ", ".join(ends) + "\n"


def _improvements(trial: StoredTrial) -> list[Line]:
    """When the trial improved, as far as it is recorded: above the first target from the trace, then from the hits."""
    hits = _targets(trial)
    hits = hits[hits["evaluations"] > 0]
    reached = {int(t): float(p) for t, p in zip(hits["evaluations"], hits["precision"], strict=True)}
    first = min(reached, default=_end(trial)[0] + 1)
    before = {t: p for t, p in _trace(trial) if t < first}
    return _whole(trial, sorted((before | reached).items()))


def _moments(trial: StoredTrial) -> list[Line]:
    """Where the trial was at the points of its trace."""
    return _whole(trial, _trace(trial))


def _whole(trial: StoredTrial, lines: list[Line]) -> list[Line]:
    """Lines that improve, from the first evaluation to the last."""
    end, final = _end(trial)
    kept: list[Line] = []
    for line in lines:
        if line[0] < end and (not kept or line[1] < kept[-1][1]):
            kept.append(line)
    if not kept or kept[0][0] > 1:
        largest = max(10.0**2, final if math.isfinite(final) else 0.0, *(precision for _, precision in kept))
        placeholder = 10 ** ((math.floor(math.log10(largest) * _STEPS + 1e-9) + 1) / _STEPS)
        kept.insert(0, (1, placeholder))
    last = min(final, kept[-1][1])
    return [*kept, (end, last)] if end > 1 else [(1, last)]


def _trace(trial: StoredTrial) -> list[Line]:
    trace = trial.trace
    precision = 0.0 - trace["best_objective"].to_numpy(np.float64)
    known = np.isfinite(precision) & (trace["evaluations"].to_numpy() > 0)
    return [(int(t), float(p)) for t, p in zip(trace["evaluations"].to_numpy()[known], precision[known], strict=True)]


def _end(trial: StoredTrial) -> Line:
    metrics = trial.record.metrics
    precision = float(metrics["precision"] if "precision" in metrics else 0.0 - metrics["best_objective"])
    return int(metrics["evaluations"]), precision if math.isfinite(precision) else math.inf


def _targets(trial: StoredTrial) -> pd.DataFrame:
    table = getattr(trial, "targets", None)
    assert table is not None
    return table


def _block(trial: StoredTrial, lines: list[Line]) -> str:
    f_opt = trial.record.config.task.f_opt or 0.0
    rows = (f"{t} 0 {p:+.15e} {p + f_opt:+.9e} {p + f_opt:+.9e}\n" for t, p in lines)
    return _HEAD % f_opt + "".join(rows)
