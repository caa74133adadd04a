"""Groups of finished meta-evolutions side by side: what is read, what must agree, and their statistics."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from qdbench.metabbo.folder import CURVE, RECORD

SPLITS = ("seen", "unseen", "networks")
INTERVAL = 1.96
"""Standard errors on either side of a mean, as in lange2023lga."""

_COLUMNS = ("meta_generation", "split", "task", "ratio")
_MAY_DIFFER = ("seed", "checkpoint_every")
_MUST_AGREE = ("seen", "unseen", "networks", "reference", "reference_hyperparameters", "repetitions", "generations")
_TABLED = ("members", "tasks_per_generation")
_ABSENT = "nothing"
_LONGEST_VALUE = 60

TaskName = tuple[str, str]
"""The split and the label of a task of the evaluation."""


class CompareError(ValueError):
    """Runs that are not there, are not whole, or cannot be compared."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished meta-evolution.

    Attributes:
        folder: Where it is.
        config: Its configuration, as its record has it.
        meta_generations: That were done.
        seconds: They took.
        evaluated: After how many meta-generations the mean was evaluated, ``(evaluations,)``, ascending.
        tasks: That it was evaluated on.
        ratios: Precision as a multiple of the reference optimizer's, ``(evaluations, tasks)``.
    """

    folder: Path
    config: dict[str, Any]
    meta_generations: int
    seconds: float
    evaluated: Int[np.ndarray, " evaluations"]
    tasks: tuple[TaskName, ...]
    ratios: Float[np.ndarray, "evaluations tasks"]


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of one configuration that differ in their seeds.

    Attributes:
        name: Of the group.
        runs: At least one.
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def config(self) -> dict[str, Any]:
        """The first run's configuration; the others differ in the seed."""
        return self.runs[0].config

    @property
    def tasks(self) -> tuple[TaskName, ...]:
        """That all runs were evaluated on."""
        return self.runs[0].tasks

    @functools.cached_property
    def evaluated(self) -> Int[np.ndarray, " evaluations"]:
        """After how many meta-generations all of the runs were evaluated, ascending."""
        return functools.reduce(np.intersect1d, [run.evaluated for run in self.runs])

    @functools.cached_property
    def logs(self) -> Float[np.ndarray, "runs evaluations tasks"]:
        """Natural logarithms of the ratios at the common evaluations."""
        return np.stack([np.log(run.ratios[np.isin(run.evaluated, self.evaluated)]) for run in self.runs])

    def of_split(self, split: str) -> list[int]:
        """The places of the split's tasks."""
        return [place for place, task in enumerate(self.tasks) if task[0] == split]


@dataclasses.dataclass(frozen=True)
class Band:
    """A geometric mean over runs with its interval, in each case of some shape.

    Attributes:
        mean: Over runs.
        low: 1.96 standard errors of the logarithm below; NaN with one run.
        high: As much above.
        log_error: The standard error of the mean natural logarithm; NaN with one run.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    log_error: np.ndarray


def over_runs(logs: Float[np.ndarray, "*shape"]) -> Band:
    """The mean over runs in log space, with 1.96 standard errors (sample standard deviation / sqrt(runs)).

    Args:
        logs: Natural logarithms, runs along the first axis.
    """
    mean, count = np.asarray(logs.mean(axis=0)), len(logs)
    error = logs.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full_like(mean, np.nan)
    low, high = (np.asarray(np.exp(mean + sign * INTERVAL * error)) for sign in (-1, 1))
    return Band(np.asarray(np.exp(mean)), low, high, np.asarray(error))


def band(group: Group, places: Sequence[int]) -> Band:
    """The geometric mean over some tasks, over the runs, at each common evaluation."""
    return over_runs(group.logs[:, :, list(places)].mean(axis=2))


def better(group: Group, split: str) -> int:
    """On how many tasks of a split the last ratio, as its geometric mean over runs, is below 1."""
    return int((group.logs[:, -1, group.of_split(split)].mean(axis=0) < 0).sum())


def read_groups(named: Mapping[str, Sequence[Path]]) -> list[Group]:
    """Reads groups of runs, and makes sure that they can be compared.

    Args:
        named: The folders of each group's runs, by the name of the group.

    Raises:
        CompareError: If a file is missing or broken, a folder is named twice, runs of a group differ in more than
            their seeds, or runs differ in what they were evaluated on.
    """
    folders = [folder.resolve() for some in named.values() for folder in some]
    if repeated := {str(folder) for folder in folders if folders.count(folder) > 1}:
        raise CompareError(f"{min(repeated)} is named more than once; name each run once, or its errors look smaller")
    groups = [Group(name, tuple(read_run(folder) for folder in some)) for name, some in named.items()]
    for group in groups:
        _check_group(group)
    for group in groups[1:]:
        _check_evaluation(groups[0].runs[0], group.runs[0])
    return groups


def read_run(folder: Path) -> Run:
    """Reads the curve and the record of a run.

    Raises:
        CompareError: If one of them is missing or broken, or they are not of the same run.
    """
    text = _file(folder, RECORD).read_text()
    try:
        record = json.loads(text)
        config, done, seconds = dict(record["config"]), int(record["meta_generations"]), float(record["seconds"])
        missing = {"seed", "evaluation", *_TABLED} - config.keys()
        if missing or not isinstance(config["evaluation"], dict):
            raise ValueError(f"its configuration has no {min(missing, default='evaluation')}")
    except (KeyError, TypeError, ValueError) as error:
        raise CompareError(f"{folder / RECORD} is not the record of a meta-evolution: {error!r}") from error
    evaluated, tasks, ratios = _read_curve(_file(folder, CURVE))
    if evaluated[-1] != done:
        raise CompareError(
            f"{folder} holds files of different runs: {CURVE} ends at meta-generation {evaluated[-1]}, but {RECORD} "
            f"says that {done} were done; let `qdbench meta-train` finish in that folder"
        )
    return Run(folder, config, done, seconds, evaluated, tasks, ratios)


def entries(value: Any, name: str = "") -> dict[str, Any]:
    """A nested configuration as flat entries, such as ``evaluation.seen[0].id``.

    Examples:
        >>> entries({"noise": 0.5, "tasks": [{"id": "A"}, {"id": "B"}], "evolve": ["operators"]})
        {'noise': 0.5, 'tasks[0].id': 'A', 'tasks[1].id': 'B', 'evolve': ['operators']}
    """
    if isinstance(value, dict) and value:
        parts = [(f"{name}.{key}" if name else str(key), part) for key, part in value.items()]
    elif isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        parts = [(f"{name}[{place}]", part) for place, part in enumerate(value)]
    else:
        return {name: value}
    return {key: leaf for part_name, part in parts for key, leaf in entries(part, part_name).items()}


def differing(groups: Sequence[Group]) -> dict[str, list[str]]:
    """The entries of the configurations in which groups differ, with each group's value as text."""
    flat = [entries(group.config) for group in groups]
    names = dict.fromkeys(name for some in flat for name in some if name not in _MAY_DIFFER)
    return {
        name: [_text(some[name]) if name in some else _ABSENT for some in flat]
        for name in names
        if any((name in some) != (name in flat[0]) or some.get(name) != flat[0].get(name) for some in flat)
    }


def summary(groups: Sequence[Group]) -> pd.DataFrame:
    """One row a group: its runs, its size, what they took, and the last ratios of each split."""
    return pd.DataFrame([dict(_summary_row(group)) for group in groups])


def _summary_row(group: Group) -> Iterator[tuple[str, Any]]:
    yield "group", group.name
    yield "runs", len(group.runs)
    yield "seeds", " ".join(str(run.config["seed"]) for run in group.runs)
    yield "meta_generations", group.runs[0].meta_generations
    for name in _TABLED:
        yield name, group.config[name]
    yield "seconds", float(np.mean([run.seconds for run in group.runs]))
    for split in SPLITS:
        places = group.of_split(split)
        last = over_runs(group.logs[:, -1, places].mean(axis=1)) if places else None
        for field in dataclasses.fields(Band):
            yield f"{split}_{field.name}", float(getattr(last, field.name)) if last else np.nan
        yield f"{split}_better", better(group, split)
        yield f"{split}_tasks", len(places)


def _file(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise CompareError(f"there is no folder {folder}; name the --out folders of `qdbench meta-train`")
    if not (folder / name).is_file():
        raise CompareError(
            f"{folder} has no {name}, which a meta-evolution with tasks of evaluation writes at its end; "
            "`qdbench meta-train` with the same options goes on"
        )
    return folder / name


def _read_curve(path: Path) -> tuple[np.ndarray, tuple[TaskName, ...], np.ndarray]:
    try:
        table = pd.read_csv(path, dtype={"split": str, "task": str, "meta_generation": int, "ratio": float})
    except (OSError, ValueError) as error:
        raise CompareError(f"{path} is not the curve of a meta-evolution: {error}") from error
    if absent := [name for name in _COLUMNS if name not in table]:
        raise CompareError(f"{path} has no column {absent[0]!r}: its columns are {', '.join(table)}")
    if table.empty:
        raise CompareError(f"{path} has no rows; an evaluation at the start and at the end are the least")
    if unknown := set(table["split"]) - set(SPLITS):
        raise CompareError(f"{path}: a split is {' or '.join(SPLITS)}, but there is {min(map(str, unknown))!r}")
    bad = table[~(np.isfinite(table["ratio"]) & (table["ratio"] > 0))]
    if len(bad):
        raise CompareError(
            f"{path}: ratios are finite and positive, but that of {bad['task'].iloc[0]} after "
            f"{bad['meta_generation'].iloc[0]} meta-generations is {bad['ratio'].iloc[0]}"
        )
    parts = list(table.groupby("meta_generation", sort=True))
    names = [tuple(zip(part["split"], part["task"], strict=True)) for _, part in parts]
    for (generation, _), some in zip(parts, names, strict=True):
        if some != names[0]:
            raise CompareError(
                f"{path}: the tasks after {generation} meta-generations ({len(some)}) are not those after "
                f"{parts[0][0]} ({len(names[0])}); let `qdbench meta-train` write it again"
            )
    return (
        np.array([generation for generation, _ in parts], np.int64),
        names[0],
        np.stack([part["ratio"].to_numpy(np.float64) for _, part in parts]),
    )


def _check_group(group: Group) -> None:
    first = group.runs[0]
    seeds: dict[Any, Path] = {}
    for run in group.runs:
        rest = [{name: run.config[name] for name in run.config if name not in _MAY_DIFFER} for run in (first, run)]
        _check_same(f"group {group.name!r}", "make another group of the other", first, run, *rest)
        if (seed := run.config["seed"]) in seeds:
            raise CompareError(
                f"group {group.name!r}: {seeds[seed]} and {run.folder} both have seed {seed}, so they are the same "
                "run; give `qdbench meta-train` another --seed"
            )
        seeds[seed] = run.folder
        _check_tasks(first, run)


def _check_evaluation(first: Run, other: Run) -> None:
    parts = [
        {"evaluation": {name: run.config["evaluation"].get(name) or None for name in _MUST_AGREE}}
        for run in (first, other)
    ]
    _check_same("all groups", "only runs with the same tasks and reference compare", first, other, *parts)
    _check_tasks(first, other)


def _check_same(
    whose: str, advice: str, first: Run, other: Run, expected: dict[str, Any], found: dict[str, Any]
) -> None:
    wanted, got = entries(expected), entries(found)
    for name in dict.fromkeys([*wanted, *got]):
        left, right = (_text(some[name]) if name in some else _ABSENT for some in (wanted, got))
        if (name in wanted) != (name in got) or wanted.get(name) != got.get(name):
            raise CompareError(
                f"{whose} must agree in {name}, but it is {left} in {first.folder} and {right} in {other.folder}; "
                f"{advice}"
            )


def _check_tasks(first: Run, other: Run) -> None:
    if first.tasks == other.tasks:
        return
    only = [task for task in first.tasks if task not in other.tasks]
    also = [task for task in other.tasks if task not in first.tasks]
    has, lacks = (first, other) if only else (other, first)
    split, task = (only or also or [("", "")])[0]
    what = f"{has.folder} has the {split} task {task} and {lacks.folder} has not" if task else "their order differs"
    raise CompareError(f"{CURVE} of {first.folder} and {other.folder} are of different tasks: {what}")


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 12]} ... {text[-7:]}"
