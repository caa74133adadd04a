"""Initial designs: the five configurations with which HPO-B's protocol begins, and the accuracies of their real runs.

HPO-B's are in ``hpob-data.zip``: ``bo-initializations.json`` names five rows of ``meta-test-dataset.json`` for each
task and seed. ``qdbench data import hpob-data.zip`` writes those rows alone, as one JSON file.
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from qdbench.data_catalogue import HPOB_DATA, HPOB_DESIGNS
from qdbench.datasets import DataError, Progress, data_folder, inspect
from qdbench.harness.store import StoreError, write_atomically
from qdbench.tasks.hpob.names import META_TEST, key_of
from qdbench.tasks.hpob.sources import MEBIBYTE, Kind, Source, opened
from qdbench.tasks.hpob.xgboost_json import read_json

SEEDS = ("test0", "test1", "test2", "test3", "test4")
POINTS = 5
TABLES, ROWS = "meta-test-dataset.json", "bo-initializations.json"
FORMAT = "qdbench-hpob-designs-1"
KIND = Kind(
    HPOB_DATA,
    lambda name: name in (TABLES, ROWS),
    member_limit=2048 * MEBIBYTE,
    total_limit=4096 * MEBIBYTE,
)
"""The tables of all runs are one file, of some hundred million bytes."""


class Design(NamedTuple):
    """The configurations with which a search begins.

    Attributes:
        solutions: ``(5, D)``, in [0, 1].
        accuracy: ``(5,)``, of the real runs, not normalised.
    """

    solutions: np.ndarray
    accuracy: np.ndarray


def no_design(dim: int) -> Design:
    """That of a task which has none."""
    return Design(np.zeros((0, dim)), np.zeros(0))


def read_design(path: Path, space: str, dataset: str, seed: str, dim: int) -> Design:
    """A task's design of a seed, from the file that :func:`import_designs` wrote.

    Raises:
        DataError: If the file is something else or has no such design, or one of another dimension.
    """
    designs = _read(path, path.stat().st_mtime_ns)
    try:
        entry = designs[key_of(space, dataset)][seed]
        design = Design(np.asarray(entry["X"], np.float64), np.asarray(entry["y"], np.float64))
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path} has no initial design {seed} of space {space} on data set {dataset}") from None
    return _checked(design, f"{path}: {key_of(space, dataset)} {seed}", dim)


def holds_designs(path: Path) -> bool:
    """Whether a path is ``hpob-data.zip``, by its name or by what is in it, or a folder laid out like it."""
    if path.is_dir():
        return any(path.glob(ROWS)) or any(path.glob(f"*/{ROWS}"))
    if path.name == Path(HPOB_DATA.name).name:
        return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(PurePosixPath(name).name == ROWS for name in archive.namelist())


def import_designs(
    path: Path, out: Path | None = None, *, data_home: Path | None = None, progress: Progress | None = None
) -> tuple[Path, int]:
    """Takes the initial designs of the 86 meta-test tasks out of HPO-B's ``hpob-data.zip`` or its unpacked folder.

    Args:
        path: What to import.
        out: The file to write. Default: ``hpob/designs.json`` in the data folder.
        data_home: The data folder; see :func:`qdbench.datasets.data_folder`.
        progress: Is told how much is done.

    Returns:
        Where the designs are, and for how many tasks.

    Raises:
        DataError: If a file is missing or damaged, or a row is not there. Nothing is written then.
    """
    with opened(path, KIND) as source:
        rows, tables = (_member(source, name, step, progress) for step, name in enumerate((ROWS, TABLES)))
        content = {
            "format": FORMAT,
            "source": source.path.name,
            "sha256": source.sha256 or "",
            "designs": {
                key_of(space, dataset): _designs_of(source, rows, tables, space, dataset)
                for space, datasets in META_TEST.items()
                for dataset in datasets
                if dataset in tables.get(space, {})
            },
        }
    target = out or data_folder(data_home) / HPOB_DESIGNS.name
    try:
        write_atomically(target, json.dumps(content).encode())
    except StoreError as error:
        raise DataError(str(error)) from error
    return target, len(content["designs"])


def finish(root: Path, progress: Progress | None) -> None:
    """Makes the file of designs after a download, unless it is there and whole; see :func:`qdbench.datasets.fetch`."""
    state = inspect(HPOB_DESIGNS, root)
    if state.size is None or state.problem:
        import_designs(root / HPOB_DATA.name, root / HPOB_DESIGNS.name, progress=progress)


def verify(path: Path) -> None:
    """Reads the file.

    Raises:
        DataError: If it is not whole.
    """
    for key, designs in _read(path, path.stat().st_mtime_ns).items():
        space, dataset = key.split("-")[1:]
        for seed in designs:
            dim = len(designs[seed]["X"][0])
            read_design(path, space, dataset, seed, dim)


def _member(source: Source, name: str, step: int, progress: Progress | None) -> Any:
    if progress is not None:
        progress(step, 2, name)
    if name not in source.members:
        raise DataError(f"{source.path} has no {name}; it should be laid out like HPO-B's hpob-data.zip")
    content = read_json(source.members[name](), f"{source.path}: {name}")
    if not isinstance(content, dict):
        raise DataError(f"{source.path}: {name} should hold an object of spaces, not {type(content).__name__}")
    return content


def _designs_of(source: Source, rows: Any, tables: Any, space: str, dataset: str) -> dict[str, Any]:
    found = {}
    for seed in SEEDS:
        name = f"{source.path}: {key_of(space, dataset)} {seed}"
        try:
            table, chosen = tables[space][dataset], rows[space][dataset][seed]
            design = Design(
                np.asarray([table["X"][row] for row in chosen], np.float64),
                np.asarray([table["y"][row] for row in chosen], np.float64).reshape(-1),
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise DataError(
                f"{name}: {ROWS} should name {POINTS} rows of {TABLES} ({type(error).__name__}: {error})"
            ) from error
        _checked(design, name, design.solutions.shape[-1])
        found[seed] = {"X": design.solutions.tolist(), "y": design.accuracy.tolist()}
    return found


def _checked(design: Design, name: str, dim: int) -> Design:
    wanted = (POINTS, dim), (POINTS,)
    if (design.solutions.shape, design.accuracy.shape) != wanted:
        raise DataError(
            f"{name}: the configurations have the shape {design.solutions.shape} and the accuracies "
            f"{design.accuracy.shape}; they should have {wanted[0]} and {wanted[1]}"
        )
    if not (np.isfinite(design.accuracy).all() and ((design.solutions >= 0) & (design.solutions <= 1)).all()):
        raise DataError(f"{name}: configurations should lie in [0, 1], and accuracies be finite")
    return design


@functools.lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Mapping[str, Any]:
    del changed
    content = read_json(path.read_bytes(), str(path))
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("designs"), dict):
        raise DataError(f"{path} is no file of initial designs: {HPOB_DESIGNS.command}")
    designs: Mapping[str, Any] = content["designs"]
    return designs
