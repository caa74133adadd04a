"""Every statistic over a suite beside an independent library or a worked example, on the same numbers."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rliable import metrics
from scipy import stats
from statsmodels.stats.multitest import multipletests

from qdbench.leaderboard import robust

RNG = np.random.default_rng(3)
MATRIX = {name: 10 * RNG.random((9, 4)) + shift for name, shift in (("a", 0.0), ("b", 1.0), ("c", 4.0))}
SCORES = {f"T{task}": {name: runs[:, task] for name, runs in MATRIX.items()} for task in range(4)}


def scaled_matrix(name: str) -> np.ndarray:
    scaled = robust.normalise(SCORES)
    return np.stack([scaled[task][name] for task in sorted(scaled)], axis=1)


@pytest.mark.parametrize("name", MATRIX)
def test_iqm_and_its_interval_are_rliables(name: str) -> None:
    matrix = scaled_matrix(name)
    ours = robust.aggregate(SCORES).loc[name]
    assert ours["value"] == pytest.approx(metrics.aggregate_iqm(matrix), rel=1e-12)
    # SciPy draws each of several samples by itself, so the bootstrap is stratified by task.
    theirs = stats.bootstrap(
        tuple(matrix.T),
        lambda *tasks, axis: stats.trim_mean(np.concatenate(tasks, axis=axis), 0.25, axis=axis),
        method="percentile",
        n_resamples=4000,
        rng=1,
    ).confidence_interval
    width = theirs.high - theirs.low
    assert (ours["low"], ours["high"]) == pytest.approx((theirs.low, theirs.high), abs=0.06 * width)


def test_iqm_of_one_sample() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0, 100.0])
    assert robust.iqm(values) == pytest.approx(2.0)  # one is left out at each end
    found = robust.iqm_estimate(np.arange(40.0))
    assert found.value == pytest.approx(19.5)
    theirs = stats.bootstrap(
        (np.arange(40.0),),
        lambda x, axis: stats.trim_mean(x, 0.25, axis=axis),
        method="percentile",
        n_resamples=4000,
        rng=1,
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.7)
    assert robust.iqm_estimate(np.array([2.0]))[0] == 2.0
    assert np.isnan(robust.iqm_estimate(np.array([2.0])).low)
    assert np.isnan(robust.iqm_estimate(np.array([2.0, np.nan])).value)
    assert np.isnan(robust.iqm_estimate(np.array([])).value)


def test_normalised_means_span_0_to_1() -> None:
    scaled = robust.normalise(SCORES)
    for groups in scaled.values():
        means = [values.mean() for values in groups.values()]
        assert (min(means), max(means)) == pytest.approx((0, 1))
    same = robust.normalise({"T": {"a": np.array([1.0, 1.0]), "b": np.array([1.0])}})["T"]
    assert same["a"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("pair", [("a", "b"), ("c", "a")])
def test_probability_of_improvement_is_rliables(pair: tuple[str, str]) -> None:
    first, second = pair
    ours = robust.probability_of_improvement(SCORES, first, second)
    assert ours.value == pytest.approx(metrics.probability_of_improvement(MATRIX[first], MATRIX[second]), rel=1e-12)
    samples = (*MATRIX[first].T, *MATRIX[second].T)
    theirs = stats.bootstrap(
        samples,
        lambda *runs: metrics.probability_of_improvement(np.stack(runs[:4], 1), np.stack(runs[4:], 1)),
        method="percentile",
        vectorized=False,
        n_resamples=1000,
        rng=1,
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.1 * (theirs.high - theirs.low))
    back = robust.probability_of_improvement(SCORES, second, first)
    assert ours.value + back.value == pytest.approx(1)


def test_ties_count_half() -> None:
    scores = {"T": {"a": np.array([1.0, 2.0]), "b": np.array([1.0, 0.0, 2.0])}}
    # (1 > 0) + half (1 = 1); (2 > 1, 0) + half (2 = 2): 1.5 + 2.5 of 6.
    assert robust.probability_of_improvement(scores, "a", "b").value == pytest.approx(4 / 6)


@pytest.mark.parametrize("name", MATRIX)
def test_performance_profile_is_rliables(name: str) -> None:
    points = np.linspace(-0.5, 1.5, 21)
    ours = robust.performance_profile(SCORES, name, points)
    matrix = scaled_matrix(name)
    assert ours["value"].to_numpy() == pytest.approx(rliable_profile(matrix, points), abs=1e-12)
    rng = np.random.default_rng(5)
    drawn = [
        rliable_profile(np.stack([rng.choice(column, len(column)) for column in matrix.T], axis=1), points)
        for _ in range(2000)
    ]
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    assert np.abs(ours["low"] - low).max() < 0.06
    assert np.abs(ours["high"] - high).max() < 0.06


@functools.cache
def run_score_deviation() -> Callable[[np.ndarray, float], float]:
    """``rliable.library.run_score_deviation``, whose module asks for a package that pandas 3 breaks."""
    stub = types.SimpleNamespace(IIDBootstrap=object, IndependentSamplesBootstrap=object)
    arch = types.SimpleNamespace(bootstrap=stub)
    with mock.patch.dict(sys.modules, {"arch": arch, "arch.bootstrap": stub}):
        from rliable.library import run_score_deviation
    return run_score_deviation


def rliable_profile(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.array([run_score_deviation()(matrix, point) for point in points])


def test_welch_anova_is_scipys_and_the_worked_formula() -> None:
    groups = [np.array([1.0, 2.0, 4.0, 6.0]), np.array([5.0, 5.5, 6.5]), np.array([9.0, 3.0, 7.0, 8.0, 12.0])]
    ours = robust.welch_anova(groups)
    assert (ours.statistic, ours.p) == pytest.approx(tuple(stats.f_oneway(*groups, equal_var=False)), rel=1e-9)
    n = np.array([len(group) for group in groups])
    mean = np.array([group.mean() for group in groups])
    w = n / np.array([group.var(ddof=1) for group in groups])
    grand, k = (w * mean).sum() / w.sum(), len(groups)
    lam = ((1 - w / w.sum()) ** 2 / (n - 1)).sum()
    f = (w * (mean - grand) ** 2).sum() / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * lam)
    assert ours.statistic == pytest.approx(f)
    assert (ours.df, ours.df_residual) == pytest.approx((k - 1, (k**2 - 1) / (3 * lam)))


def test_games_howell_is_scipys() -> None:
    groups = [RNG.normal(loc, scale, size) for loc, scale, size in ((0, 1, 6), (1, 3, 9), (2, 0.5, 7), (2.2, 1, 5))]
    theirs = stats.tukey_hsd(*groups, equal_var=False)
    for i, j in robust.pairs_of(list("0123")):
        ours = robust.games_howell(groups[int(i)], groups[int(j)], 4)
        assert ours.p == pytest.approx(theirs.pvalue[int(i), int(j)], abs=1e-8)
        welch = stats.ttest_ind(groups[int(i)], groups[int(j)], equal_var=False)
        assert (ours.statistic, ours.df_residual) == pytest.approx((welch.statistic, welch.df))


def test_holm_by_hand_and_by_statsmodels() -> None:
    # 4 x 0.005, max(0.02, 3 x 0.01), max(0.03, 2 x 0.03), max(0.06, 0.04).
    assert robust.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    some = robust.holm([0.01, np.nan, 0.03])
    assert some[[0, 2]] == pytest.approx(multipletests([0.01, 0.03], method="holm")[1])
    assert np.isnan(some[1])


def test_friedman_and_critical_difference_are_demsars_example() -> None:
    # Demsar 2006, section 3.2.2 and Table 6: four classifiers on 14 data sets.
    auc = np.array(
        [
            [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
            [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
            [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
            [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
            [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
        ]
    )  # fmt: skip
    table = np.array([stats.rankdata(-row) for row in auc])
    assert table.mean(axis=0) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    found = robust.friedman(table)
    assert found.statistic == pytest.approx(3.69, abs=5e-3)
    assert (found.df, found.df_residual) == (3, 39)
    assert found.p == pytest.approx(stats.f.sf(3.69, 3, 39), rel=1e-2)
    assert robust.critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)
    assert robust.critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=5e-3)


def test_friedman_without_ties_is_scipys() -> None:
    table = np.array([stats.rankdata(RNG.random(5)) for _ in range(8)])
    chi = stats.friedmanchisquare(*table.T).statistic
    assert robust.friedman(table).statistic == pytest.approx(7 * chi / (8 * 4 - chi))
    assert robust.friedman(np.tile([1.0, 2.0, 3.0], (4, 1))).p == 0


def test_cliques() -> None:
    mean = {"a": 1.0, "b": 1.5, "c": 2.4, "d": 4.0}
    assert robust.cliques(mean, 1.0) == [("a", "b"), ("b", "c")]
    assert robust.cliques(mean, 5.0) == [("a", "b", "c", "d")]
    assert robust.cliques(mean, 0.1) == []


def test_mean_ranks() -> None:
    found = robust.mean_ranks(SCORES)
    means = pd.DataFrame(
        {task: {name: values.mean() for name, values in groups.items()} for task, groups in SCORES.items()}
    )
    assert found["value"].to_dict() == pytest.approx(means.rank(ascending=False).mean(axis=1).to_dict())
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()
    single = {"T": {"a": np.array([1.0]), "b": np.array([2.0])}}
    assert robust.mean_ranks(single)["low"].isna().all()
    assert robust.mean_ranks(single)["value"].to_dict() == {"a": 2.0, "b": 1.0}


def test_who_lacks_a_task_is_not_aggregated() -> None:
    scores = {**SCORES, "T9": {name: values for name, values in SCORES["T0"].items() if name != "b"}}
    assert robust.complete(scores) == ["a", "c"]
    assert list(robust.aggregate(scores).index) == ["a", "c"]


@settings(max_examples=10)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_the_trials_does_not_matter(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert robust.iqm_estimate(np.array(values)) == robust.iqm_estimate(np.array(shuffled))
    found = robust.iqm_estimate(np.array(values))
    assert found.low <= found.high
