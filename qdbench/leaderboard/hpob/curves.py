"""Curves of the best normalised accuracy over evaluations, and what HPO-B's authors make of them.

A table of curves has one row a series, indexed by :data:`INDEX`, and one column for each number of evaluations after
the initial design: column i holds the best after i of them, column 0 the best of the design. Values are in [0, 1], and
the regret is 1 minus the value.

Source: pineda2021hpob.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qdbench.datasets import DataError
from qdbench.leaderboard.robust import ranks as ranks_of
from qdbench.tasks.hpob.names import is_degenerate

INDEX = ("method", "space", "dataset", "seed")
TASK = ("space", "dataset")
DECIMALS = 8
"""Regrets that are equal after rounding share a rank, as in HPO-B's code."""


def read_published(path: Path, method: str) -> pd.DataFrame:
    """The curves of a method as HPO-B's authors publish them: JSON, ``{space: {data set: {seed: [values]}}}``.

    Raises:
        DataError: If the file is something else, or its curves differ in length.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as HPO-B's results: {error}") from error
    rows = {
        (method, space, dataset, seed): _values(path, values)
        for space, datasets in _items(path, content)
        for dataset, seeds in _items(path, datasets)
        for seed, values in _items(path, seeds)
    }
    lengths = {len(values) for values in rows.values()}
    if len(lengths) != 1:
        raise DataError(f"{path}: all curves should be of one length, but their lengths are {sorted(lengths)}")
    index = pd.MultiIndex.from_tuples(list(rows), names=INDEX)
    return pd.DataFrame(np.stack(list(rows.values())), index=index).sort_index()


def without_degenerate(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves without the tasks whose range of accuracies is far too narrow; see :func:`is_degenerate`."""
    spaces, datasets = (curves.index.get_level_values(name) for name in TASK)
    kept = [not is_degenerate(space, dataset) for space, dataset in zip(spaces, datasets, strict=True)]
    return curves[kept]


def common_series(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves of the series that every method has: only those can be ranked."""
    series = curves.index.droplevel("method")
    methods = curves.index.get_level_values("method").nunique()
    counts = series.value_counts()
    return curves[series.isin(counts.index[counts == methods])]


def mean_regret(curves: pd.DataFrame, evaluations: Iterable[int], by: Iterable[str] = ()) -> pd.DataFrame:
    """The mean regret of each method over all series: one row a method, one column for each number of evaluations.

    Args:
        curves: The curves.
        evaluations: After how many.
        by: More levels of the index to keep apart, such as ``("space",)``.
    """
    regret = 1 - curves[list(evaluations)]
    return regret.groupby(level=["method", *by]).mean()


def ranks(curves: pd.DataFrame, evaluations: Iterable[int]) -> pd.DataFrame:
    """The rank of each method in each series, 1 the best; methods with equal regrets share the mean of their ranks.

    Raises:
        ValueError: If a method lacks a series that another one has.
    """
    columns = list(evaluations)
    wide = curves[columns].round(DECIMALS).unstack("method")
    if wide.isna().to_numpy().any():
        lacking = wide.columns[wide.isna().any()].get_level_values("method").unique()
        raise ValueError(f"ranks need the same series of every method: {', '.join(lacking)} lacks some")
    methods = wide.columns.get_level_values("method").unique()
    values = wide.to_numpy().reshape(len(wide), len(columns), len(methods))
    ranked = pd.DataFrame(ranks_of(-values).reshape(len(wide), -1), index=wide.index, columns=wide.columns)
    return ranked.stack("method", future_stack=True)[columns].reorder_levels(list(INDEX)).sort_index()


def mean_rank(curves: pd.DataFrame, evaluations: Iterable[int], by: Iterable[str] = ()) -> pd.DataFrame:
    """The mean over all series of :func:`ranks`; see :func:`mean_regret`."""
    return ranks(curves, evaluations).groupby(level=["method", *by]).mean()


def _items(path: Path, part: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(part, dict) or not part:
        raise DataError(f"{path} should hold objects of spaces, data sets and seeds, not {type(part).__name__}")
    return part.items()


def _values(path: Path, values: Any) -> np.ndarray:
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise DataError(f"{path}: a curve should be a list of finite numbers")
    return found
