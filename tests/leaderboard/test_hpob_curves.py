"""Regret and ranks: HPO-B's published means come out of the published curves, and small cases by hand."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qdbench.datasets import FOLDER_VARIABLE, DataError
from qdbench.leaderboard.hpob import curves
from qdbench.tasks.hpob.names import META_TEST

# Mean regret over all 430 series after 0, 10, 25, 50 and 100 evaluations, as published.
PUBLISHED = {
    "RS": (0.1835, 0.0917, 0.0777, 0.0660, 0.0561),
    "GP": (0.1835, 0.0822, 0.0525, 0.0428, 0.0358),
    "DGP": (0.1835, 0.0835, 0.0576, 0.0417, 0.0301),
    "FSBO2": (0.1835, 0.0693, 0.0400, 0.0294, 0.0224),
}
AT = (0, 10, 25, 50, 100)


def table(values: dict[tuple[str, str, str, str], list[float]]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(list(values), names=curves.INDEX)
    return pd.DataFrame(list(values.values()), index=index)


SMALL = table(
    {
        ("a", "1", "x", "test0"): [0.5, 0.6],
        ("a", "1", "x", "test1"): [0.5, 0.9],
        ("a", "2", "y", "test0"): [0.0, 1.0],
        ("b", "1", "x", "test0"): [0.5 + 1e-10, 0.7],
        ("b", "1", "x", "test1"): [0.4, 0.8],
        ("b", "2", "y", "test0"): [0.2, 1.0],
        ("c", "1", "x", "test0"): [0.1, 0.5],
        ("c", "1", "x", "test1"): [0.3, 0.9],
        ("c", "2", "y", "test0"): [0.1, 1.0],
    }
)


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    folder = Path(os.environ.get(FOLDER_VARIABLE, "")) / "hpob" / "results"
    if not os.environ.get(FOLDER_VARIABLE) or not folder.is_dir():
        pytest.skip(f"needs HPO-B's published results in ${FOLDER_VARIABLE}/hpob/results")
    return pd.concat([curves.read_published(folder / f"{method}-C.json", method) for method in PUBLISHED])


def test_the_published_means_come_out(published: pd.DataFrame) -> None:
    found = curves.mean_regret(published, AT)
    assert {method: tuple(found.loc[method].round(4)) for method in PUBLISHED} == PUBLISHED


def test_the_published_curves_are_of_the_86_tasks(published: pd.DataFrame) -> None:
    tasks = set(published.loc["RS"].index.droplevel("seed"))
    assert tasks == {(space, dataset) for space, datasets in META_TEST.items() for dataset in datasets}
    assert published.shape == (4 * 430, 101)
    # What the degenerate view is for: without a fifth of the designs that start at the best.
    start = published.loc["RS"][0]
    assert (start == 1).sum() == 79
    assert len(curves.without_degenerate(published)) == 4 * (430 - 5 * 7)


def test_ranks_of_the_published_curves_are_scipys(published: pd.DataFrame) -> None:
    found = curves.ranks(published, (50,))[50]
    series = published[50].round(8).unstack("method")
    expected = stats.rankdata(-series.to_numpy(), axis=1)
    np.testing.assert_array_equal(found.unstack("method")[list(series.columns)].to_numpy(), expected)


def test_ranks_by_hand() -> None:
    found = curves.ranks(SMALL, (0, 1))
    first = found[0].unstack("method")
    # Equal after rounding to 8 decimals: the first two share the ranks 1 and 2.
    assert list(first.loc[("1", "x", "test0")]) == [1.5, 1.5, 3]
    assert list(first.loc[("1", "x", "test1")]) == [1, 2, 3]
    assert list(first.loc[("2", "y", "test0")]) == [3, 1, 2]
    assert list(found[1].unstack("method").loc[("2", "y", "test0")]) == [2, 2, 2]
    means = curves.mean_rank(SMALL, (0, 1))
    np.testing.assert_allclose(means.loc["a"], [5.5 / 3, (2 + 1.5 + 2) / 3])
    by_space = curves.mean_rank(SMALL, (0,), by=("space",))
    assert by_space.loc[("a", "1"), 0] == 1.25
    assert by_space.loc[("a", "2"), 0] == 3


def test_mean_regret_by_hand() -> None:
    assert curves.mean_regret(SMALL, (1,)).loc["a", 1] == pytest.approx((0.4 + 0.1 + 0) / 3)
    assert curves.mean_regret(SMALL, (1,), by=("space",)).loc[("b", "1"), 1] == pytest.approx(0.25)


def test_ranks_need_the_same_series() -> None:
    with pytest.raises(ValueError, match=r"ranks need the same series of every method: b lacks some"):
        curves.ranks(SMALL.drop(("b", "2", "y", "test0")), (0,))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "should hold objects of spaces, data sets and seeds, not list"),
        ({}, "should hold objects"),
        ({"1": {"x": [0.5]}}, "should hold objects of spaces, data sets and seeds, not list"),
        ({"1": {"x": {"test0": [0.5, "high"]}}}, "a curve should be a list of finite numbers"),
        ({"1": {"x": {"test0": []}}}, "a curve should be a list of finite numbers"),
        ({"1": {"x": {"test0": [0.5, float("nan")]}}}, "a curve should be a list of finite numbers"),
        ({"1": {"x": {"test0": [0.5], "test1": [0.5, 0.6]}}}, "their lengths are [1, 2]"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=re.escape(message)):
        curves.read_published(path, "mine")


def test_missing_and_broken_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(DataError, match=r"results\.json cannot be read as HPO-B's results"):
        curves.read_published(path, "mine")
    path.write_text('{"1": {"x"')
    with pytest.raises(DataError, match=r"results\.json cannot be read as HPO-B's results"):
        curves.read_published(path, "mine")
