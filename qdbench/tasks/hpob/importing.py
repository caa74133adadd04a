"""``qdbench data import``: reads models, checks them and writes one pack."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from qdbench.data_catalogue import HPOB_PACK, HPOB_SURROGATES
from qdbench.datasets import DataError, Progress, data_folder, inspect
from qdbench.tasks.hpob.names import SUMMARY, in_meta_test, key_of, task_of
from qdbench.tasks.hpob.pack import Pack, Surrogate, save_pack
from qdbench.tasks.hpob.sources import Source, opened
from qdbench.tasks.hpob.xgboost_json import parse, read_json

OWN_SPACE = "own"
"""The space of a model whose file is not named as HPO-B's are."""
_OFFICIAL_NAME = Path(HPOB_SURROGATES.name).name


def import_surrogates(
    path: Path,
    out: Path | None = None,
    *,
    unofficial: bool = False,
    every_split: bool = False,
    y_range: tuple[float, float] = (0.0, 1.0),
    data_home: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Path, Pack]:
    """Makes a pack of HPO-B's ``saved-surrogates.zip``, of a folder laid out like it, or of one xgboost model.

    Args:
        path: What to import.
        out: The pack. Default: ``hpob/surrogates.npz`` in the data folder for the official file, else
            ``hpob/unofficial-<name>.npz``, so that the two cannot be mistaken.
        unofficial: Whether a file of the official name may have another content.
        every_split: Whether models are imported that are not among the 86 of the meta-test split.
        y_range: For one model: the values whose normalised accuracy is 0 and 1. Others have ``summary-stats.json``.
        data_home: The data folder; see :func:`qdbench.datasets.data_folder`.
        progress: Is told how much is done.

    Returns:
        Where the pack is, and the pack.

    Raises:
        DataError: If anything is wrong with what is there or what is read, or if the pack cannot be written. No file
            is left or changed then.
    """
    if out is not None and out.is_dir():
        raise DataError(f"{out} is a folder; name a file: --out {out / 'surrogates.npz'}")
    with opened(path) as source:
        _check_hash(source, unofficial)
        pack = _read(source, every_split, y_range, progress)
    target = out or data_folder(data_home) / _default_name(pack, path)
    save_pack(target, pack)
    return target, pack


def finish(root: Path, progress: Progress | None) -> None:
    """Makes the official pack after a download, unless it is there and whole; see :func:`qdbench.datasets.fetch`."""
    state = inspect(HPOB_PACK, root)
    if state.size is None or state.problem:
        import_surrogates(root / HPOB_SURROGATES.name, root / HPOB_PACK.name, progress=progress)


def _check_hash(source: Source, unofficial: bool) -> None:
    if source.path.name != _OFFICIAL_NAME or source.official or unofficial:
        return
    raise DataError(
        f"{source.path} ({source.path.stat().st_size:,} bytes) has the sha256 {source.sha256}; HPO-B's has "
        f"{HPOB_SURROGATES.size:,} bytes and {HPOB_SURROGATES.sha256}.\n"
        f"  Get it again with: {HPOB_SURROGATES.command}\n"
        f"  Or import this as surrogates of your own: qdbench data import {source.path} --unofficial"
    )


def _read(source: Source, every_split: bool, y_range: tuple[float, float], progress: Progress | None) -> Pack:
    names = [name for name in source.members if name != SUMMARY]
    single = source.path.name in names
    if SUMMARY not in source.members and not single:
        raise DataError(
            f"{source.path} has no {SUMMARY}"
            + ("" if names else " and no surrogate-<space>-<dataset>.json")
            + "; it should be laid out like HPO-B's saved-surrogates.zip"
        )
    tasks = {name: (task_of(name) or (OWN_SPACE, Path(name).stem)) for name in names}
    chosen = sorted((task, name) for name, task in tasks.items() if single or every_split or in_meta_test(*task))
    if not chosen:
        raise DataError(
            f"{source.path} has {len(names)} surrogates, none of them of HPO-B's 86 meta-test tasks"
            + ("; import the others with --every-split" if names else "")
        )
    summary = None if single else read_json(source.members[SUMMARY](), f"{source.path}: {SUMMARY}")
    surrogates = {}
    for done, (task, name) in enumerate(chosen):
        if progress is not None:
            progress(done, len(chosen), name)
        y_min, y_max = _check_range(*y_range, name) if summary is None else _y_range(summary, *task)
        trees = parse(source.members[name](), name if single else f"{source.path}: {name}")
        surrogates[task] = Surrogate(*task, trees, y_min, y_max)
    if progress is not None:
        progress(len(chosen), len(chosen), "writing")
    return Pack(surrogates, source.official, source.path.name, source.sha256 or "")


def _y_range(summary: Any, space: str, dataset: str) -> tuple[float, float]:
    key = key_of(space, dataset)
    try:
        entry = summary[key]
        low, high = float(entry["y_min"]), float(entry["y_max"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{SUMMARY} has no y_min and y_max for {key} ({type(error).__name__}: {error}); each imported surrogate "
            'needs them, as {"surrogate-4796-23": {"y_min": 0.5, "y_max": 0.9}}'
        ) from error
    return _check_range(low, high, f"{SUMMARY}: {key}")


def _check_range(low: float, high: float, name: str) -> tuple[float, float]:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise DataError(f"{name}: y_min is {low} and y_max is {high}; they should be finite, and y_min the less")
    return low, high


def _default_name(pack: Pack, path: Path) -> str:
    return HPOB_PACK.name if pack.official else f"hpob/unofficial-{path.resolve().stem}.npz"
