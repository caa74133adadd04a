"""What ``qdbench tune`` found: one ``tune.json`` an optimizer, all of the same tasks."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError

from qdbench.harness.tune import FILE, cells
from qdbench.leaderboard.bbob.data import function_in
from qdbench.spec import JsonScalar


class TunedTask(BaseModel):
    """A task of a tuning and its budget, in evaluations a trial."""

    id: str
    arguments: dict[str, JsonScalar]
    fingerprint: str
    budget: PositiveInt


class _Evidence(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonScalar]

    task: str
    mean: FiniteFloat | None
    std: FiniteFloat | None


class _File(BaseModel):
    optimizer: str = Field(min_length=1)
    suite: str
    grid: dict[str, list[JsonScalar]] = Field(min_length=1)
    fixed: dict[str, JsonScalar]
    repetitions: PositiveInt
    tasks: dict[str, TunedTask] = Field(min_length=1)
    evidence: list[_Evidence]
    provenance: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Tuning:
    """One optimizer's tuning on functions of BBOB.

    Attributes:
        optimizer: Its id.
        suite: The suite's name.
        grid: The values that were tried.
        fixed: Hyperparameters that were not tuned.
        repetitions: Trials of each cell on each function.
        tasks: The task of each function.
        means: Mean final precision: one row a cell in the order of the grid, the last name varying fastest, one column
            a function, ascending; infinite where the mean is no number.
        stds: Standard deviations (n - 1) of the same shape; NaN where there is none.
        provenance: What the file says of its making.
    """

    optimizer: str
    suite: str
    grid: dict[str, tuple[JsonScalar, ...]]
    fixed: dict[str, JsonScalar]
    repetitions: int
    tasks: dict[int, TunedTask]
    means: pd.DataFrame
    stds: pd.DataFrame
    provenance: dict[str, str]

    @property
    def cells(self) -> list[dict[str, JsonScalar]]:
        """The hyperparameters of each cell."""
        return cells(self.grid)


def find(directories: Iterable[Path]) -> list[Path]:
    """The ``tune.json`` in each folder, or in the folders in it if it has none itself.

    Raises:
        FileNotFoundError: If there is no such folder, or no ``tune.json``.
    """
    found: list[Path] = []
    for directory in directories:
        advice = f"`qdbench tune gaussian-ga --suite bbob-lga --out {directory}` makes a {FILE}"
        if not directory.is_dir():
            raise FileNotFoundError(f"no folder {directory}; {advice}")
        own = directory / FILE
        files = [own] if own.is_file() else sorted(directory.glob(f"*/{FILE}"))
        if not files:
            raise FileNotFoundError(f"no {FILE} in {directory} or in the folders in it; {advice}")
        found += [path for path in files if path not in found]
    return found


def read_all(paths: Sequence[Path]) -> list[Tuning]:
    """Reads tunings of different optimizers on the same tasks, by the optimizer's id.

    Raises:
        ValueError: If a file is not a tuning on BBOB, an optimizer is there twice, or they differ in the suite, the
            tasks, their budgets or the repetitions.
    """
    tunings: dict[str, tuple[Path, Tuning]] = {}
    for path in paths:
        tuning = read(path)
        if tuning.optimizer in tunings:
            raise ValueError(
                f"{tunings[tuning.optimizer][0]} and {path} both tune {tuning.optimizer!r}: name each optimizer once"
            )
        tunings[tuning.optimizer] = path, tuning
    ordered = [tunings[name] for name in sorted(tunings)]
    for path, tuning in ordered[1:]:
        _check_same(*ordered[0], path, tuning)
    return [tuning for _, tuning in ordered]


def read(path: Path) -> Tuning:
    """Reads one ``tune.json``.

    Raises:
        ValueError: If it is none, lacks the evidence of a cell, or is not of functions of BBOB, each once.
    """
    try:
        file = _File.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise ValueError(f"{path} is not a whole {FILE} of qdbench: {place}: {first['msg']}") from None
    tasks, labels = _by_function(path, file)
    means, stds = _evidence(path, file, labels)
    grid = {name: tuple(values) for name, values in file.grid.items()}
    return Tuning(file.optimizer, file.suite, grid, file.fixed, file.repetitions, tasks, means, stds, file.provenance)


def _by_function(path: Path, file: _File) -> tuple[dict[int, TunedTask], dict[int, str]]:
    """The task and its label of each function, ascending."""
    found: dict[int, str] = {}
    for label, task in file.tasks.items():
        try:
            function = function_in(task.id, task.arguments)
        except ValueError as error:
            raise ValueError(f"{path}: the task {label!r} is not one of BBOB: {error}") from None
        if function in found:
            raise ValueError(
                f"{path}: function {function} is there twice, as {found[function]!r} and {label!r}: tune on each "
                "function in one dimension and one instance"
            )
        found[function] = label
    labels = {function: found[function] for function in sorted(found)}
    return {function: file.tasks[label] for function, label in labels.items()}, labels


def _evidence(path: Path, file: _File, labels: dict[int, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows: dict[tuple[str, tuple[JsonScalar, ...]], _Evidence] = {}
    for entry in file.evidence:
        own = tuple(entry.__pydantic_extra__.get(name) for name in file.grid)
        if (entry.task, own) in rows:
            raise ValueError(f"{path}: there is evidence twice of {_place(entry.task, own, file)}")
        rows[entry.task, own] = entry
    combinations = [tuple(cell.values()) for cell in cells(file.grid)]
    shape = (len(combinations), len(labels))
    means, stds = np.full(shape, np.inf), np.full(shape, np.nan)
    for (row, cell), (column, label) in itertools.product(enumerate(combinations), enumerate(labels.values())):
        found = rows.pop((label, cell), None)
        if found is None:
            raise ValueError(f"{path}: there is no evidence of {_place(label, cell, file)}")
        # A mean that is no number comes from trials that failed to stay finite: it is worse than every other.
        means[row, column] = np.inf if found.mean is None else found.mean
        stds[row, column] = np.nan if found.std is None else found.std
    if rows:
        raise ValueError(f"{path}: there is evidence beyond its grid and tasks, of {_place(*next(iter(rows)), file)}")
    return pd.DataFrame(means, columns=list(labels)), pd.DataFrame(stds, columns=list(labels))


def _place(label: str, cell: Sequence[JsonScalar], file: _File) -> str:
    values = (f"{name}={value}" for name, value in zip(file.grid, cell, strict=True))
    return f"{label!r} with {', '.join(values)}"


def _check_same(first_path: Path, first: Tuning, path: Path, other: Tuning) -> None:
    kinds = {
        "suite": (first.suite, other.suite),
        "repetitions": (first.repetitions, other.repetitions),
        "functions": (list(first.tasks), list(other.tasks)),
    }
    for function, task in first.tasks.items():
        if function in other.tasks:
            kinds[f"function {function}"] = _identity(task), _identity(other.tasks[function])
    for kind, (wanted, found) in kinds.items():
        if wanted != found:
            raise ValueError(
                f"{path} does not compare with {first_path}: {kind}: {found} there, {wanted} here. Tune all optimizers "
                "on the same suite, tasks, budget and repetitions"
            )


def _identity(task: TunedTask) -> str:
    arguments = " ".join(f"{name}={value}" for name, value in sorted(task.arguments.items()))
    return f"{task.id} {arguments}, fingerprint {task.fingerprint}, {task.budget:,} evaluations"
