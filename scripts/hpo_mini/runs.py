"""Runs random configurations of a space on a data set, in chunks that survive an interruption."""

from __future__ import annotations

import io
import os
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qdbench.harness.store import write_atomically
from scripts.hpo_mini.spaces import SPACES

FOLDS = 5
CHUNK = 25
SCORE = "accuracy"
_LOADERS = {
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}


def tasks() -> list[tuple[str, str]]:
    """All pairs of a space and a data set."""
    return [(space.name, dataset) for space in SPACES.values() for dataset in space.datasets]


def configurations(space: str, dataset: str, count: int, seed: int) -> np.ndarray:
    """Points of [0, 1]^D, ``(count, D)``, in float32, as HPO-B's tables have them; more begin with the fewer."""
    names = [zlib.crc32(name.encode()) for name in (space, dataset)]
    rng = np.random.default_rng([seed, *names])
    return rng.random((count, len(SPACES[space].parameters)), np.float32)


def accuracy(space: str, dataset: str, unit: np.ndarray, seed: int) -> float:
    """The mean accuracy over the folds of a stratified cross-validation, features scaled by the training rows."""
    features, labels = _LOADERS[dataset](return_X_y=True)
    model = make_pipeline(StandardScaler(), SPACES[space].build(SPACES[space].values(unit), seed))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Few iterations, few samples a tree, and values that overflow are part of the space.
        for category in (ConvergenceWarning, RuntimeWarning, UserWarning):
            warnings.simplefilter("ignore", category)
        return float(cross_val_score(model, features, labels, cv=folds, error_score=0.0).mean())


def run(folder: Path, count: int, seed: int, jobs: int) -> Iterator[tuple[str, str, int]]:
    """Runs what is missing in a folder of chunks; yields a task and the number of configurations of each chunk."""
    wanted = [
        (space, dataset, first)
        for first in range(0, count, CHUNK)
        for space, dataset in tasks()
        if not _path(folder, space, dataset, first).is_file()
    ]
    # A core each: the models' own threads would be in the way of one another.
    os.environ["OMP_NUM_THREADS"] = "1"
    yield from Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_chunk)(folder, *chunk, count, seed) for chunk in wanted
    )


def table(folder: Path, space: str, dataset: str, count: int, seed: int) -> pd.DataFrame:
    """All configurations of a task, one row each: the coordinates in [0, 1], and the accuracy.

    Raises:
        FileNotFoundError: If a chunk is missing.
    """
    units = configurations(space, dataset, count, seed)
    names = [parameter.name for parameter in SPACES[space].parameters]
    scores = [np.load(_path(folder, space, dataset, first)) for first in range(0, count, CHUNK)]
    return pd.DataFrame(units, columns=names).assign(**{SCORE: np.concatenate(scores)})


def _chunk(folder: Path, space: str, dataset: str, first: int, count: int, seed: int) -> tuple[str, str, int]:
    units = configurations(space, dataset, count, seed)[first : first + CHUNK]
    scores = np.array([accuracy(space, dataset, unit, seed) for unit in units])
    content = io.BytesIO()
    np.save(content, scores)
    write_atomically(_path(folder, space, dataset, first), content.getvalue())
    return space, dataset, len(units)


def _path(folder: Path, space: str, dataset: str, first: int) -> Path:
    return folder / f"{space}-{dataset}" / f"{first:05d}.npy"
