"""Scores against the Gaussian GA, worked out again by hand with NumPy."""

from __future__ import annotations

import math
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qdbench.leaderboard.bbob import normalised, ranks
from qdbench.leaderboard.bbob.functions import GROUPS, HOLD_OUT, TRAINING, shown_splits, title


def trials_of(values: dict[tuple[str, int], list[float]]) -> pd.DataFrame:
    rows = [(name, name, function, value) for (name, function), found in values.items() for value in found]
    return pd.DataFrame(rows, columns=["optimizer", "optimizer_id", "function", "precision"])


VALUES = {
    ("gaussian-ga", 1): [2.0, 4.0, 6.0],
    ("gaussian-ga", 2): [10.0, 10.0, 40.0],
    ("gaussian-ga", 8): [1.0, 2.0, 3.0],
    ("cma-es", 1): [1.0, 1.5, 2.0],
    ("cma-es", 2): [60.0, 90.0, 30.0],
    ("cma-es", 8): [0.5, 0.25, 0.75],
}


def test_the_split_of_the_paper() -> None:
    assert sorted(TRAINING + HOLD_OUT) == list(range(1, 25))
    assert len(TRAINING) == 10
    assert sorted(f for members in GROUPS.values() for f in members) == list(range(1, 25))
    assert title(8) == "f8 Rosenbrock"


def test_ratios_and_their_intervals_by_hand() -> None:
    table = normalised.functions_table(trials_of(VALUES), "gaussian-ga").set_index(["optimizer", "function"])
    for function in (1, 2, 8):
        ours, base = np.array(VALUES["cma-es", function]), np.array(VALUES["gaussian-ga", function])
        row = table.loc[("cma-es", function)]
        ratio = ours.mean() / base.mean()
        assert row["ratio"] == pytest.approx(ratio)
        spread = np.sqrt((ours.std(ddof=1) / ours.mean()) ** 2 / 3 + (base.std(ddof=1) / base.mean()) ** 2 / 3)
        assert row["ratio_low"] == pytest.approx(ratio * np.exp(-1.96 * spread))
        assert row["ratio_high"] == pytest.approx(ratio * np.exp(1.96 * spread))
        assert table.loc[("gaussian-ga", function), "ratio"] == 1
        assert np.isnan(table.loc[("gaussian-ga", function), "ratio_low"])
    assert table.loc[("cma-es", 1), "rank"] == 1
    assert table.loc[("cma-es", 2), "rank"] == 2


def test_overall_by_hand() -> None:
    overall = normalised.overall_table(normalised.functions_table(trials_of(VALUES), "gaussian-ga"))
    row = overall.set_index("optimizer").loc["cma-es"]
    ratios = {1: 1.5 / 4, 2: 60 / 20, 8: 0.5 / 2}
    assert row["all"] == pytest.approx(np.prod(list(ratios.values())) ** (1 / 3))
    assert row["training"] == pytest.approx(np.sqrt(ratios[1] * ratios[8]))
    assert row["hold-out"] == pytest.approx(ratios[2])
    assert (row["won"], row["better_all"], row["functions"], row["place"]) == (2, 2, 3, 1)
    assert (row["better_training"], row["better_hold-out"]) == (2, 0)
    assert row["rank_all"] == pytest.approx(4 / 3)
    assert (row["rank_training"], row["rank_hold-out"]) == (1, 2)
    assert list(overall["optimizer"]) == ["cma-es", "gaussian-ga"]


def test_who_lacks_a_function_has_no_place() -> None:
    values = {key: found for key, found in VALUES.items() if key != ("cma-es", 2)}
    overall = normalised.overall_table(normalised.functions_table(trials_of(values), "gaussian-ga"))
    row = overall.set_index("optimizer").loc["cma-es"]
    assert np.isnan(row["all"])
    assert np.isnan(row["place"])
    assert np.isnan(row["rank_all"])
    assert row["rank_training"] == 1
    intervals = ranks.intervals(trials_of(values)).loc["cma-es"]
    assert np.isnan([intervals["all_low"], intervals["all_high"]]).all()
    assert intervals["training_low"] == 1
    assert row["training"] < 1
    assert list(overall["optimizer"]) == ["gaussian-ga", "cma-es"]


def test_a_trial_without_a_number_spoils_its_mean() -> None:
    values = VALUES | {("cma-es", 1): [1.0, np.nan, 2.0]}
    table = normalised.functions_table(trials_of(values), "gaussian-ga")
    own = table[(table["optimizer"] == "cma-es") & (table["function"] == 1)].iloc[0]
    assert np.isnan(own["mean"])
    assert np.isnan(own["ratio"])
    assert np.isnan(own["rank"])


def test_no_normalisation_without_exactly_one_gaussian_ga() -> None:
    assert normalised.baseline_of(trials_of(VALUES)) == ("gaussian-ga", "")
    without = trials_of({key: found for key, found in VALUES.items() if key[0] == "cma-es"})
    label, note = normalised.baseline_of(without)
    assert label is None
    assert "no trial of gaussian-ga" in note
    overall = normalised.overall_table(normalised.functions_table(without, None))
    assert overall["all"].isna().all()
    assert list(overall["place"]) == [1]
    twice = trials_of(VALUES)
    twice.loc[0, "optimizer"] = "gaussian-ga (sigma=1)"
    label, note = normalised.baseline_of(twice)
    assert label is None
    assert "2 configurations" in note


def test_equal_means_are_both_won() -> None:
    values = {("gaussian-ga", 1): [1.0, 1.0], ("cma-es", 1): [1.0, 1.0], ("openai-es", 1): [2.0, 2.0]}
    overall = normalised.overall_table(normalised.functions_table(trials_of(values), "gaussian-ga"))
    assert dict(zip(overall["optimizer"], overall["won"], strict=True)) == {
        "cma-es": 1,
        "gaussian-ga": 1,
        "openai-es": 0,
    }


@given(st.floats(1e-6, 1e6), st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=5))
def test_scores_do_not_depend_on_the_unit(factor: float, values: list[float]) -> None:
    base = {("gaussian-ga", 1): [3.0, 5.0], ("cma-es", 1): values}
    scaled = {key: [factor * value for value in found] for key, found in base.items()}
    plain, other = (normalised.functions_table(trials_of(v), "gaussian-ga") for v in (base, scaled))
    for name in ("ratio", "ratio_low", "ratio_high", "rank"):
        np.testing.assert_allclose(plain[name], other[name], rtol=1e-9)


def test_steps_line_up_and_hold_their_last_value() -> None:
    long = (np.array([0.25, 0.5, 0.75, 1.0]), np.array([8.0, 4.0, 2.0, 1.0]))
    short = (np.array([0.5]), np.array([1e-12]))
    steps = normalised.precision_steps([long, short], np.array([0.2, 0.25, 0.5, 0.6, 1.0]))
    np.testing.assert_array_equal(steps[0], [np.nan, 8, 4, 4, 1])
    np.testing.assert_array_equal(steps[1], [np.nan, np.nan, 1e-8, 1e-8, 1e-8])
    mean, error = normalised.mean_steps(steps[:1])
    np.testing.assert_array_equal(mean, steps[0])
    assert np.isnan(error).all()


def test_log_scores_by_hand() -> None:
    rng = np.random.default_rng(0)
    steps = {1: rng.uniform(1, 2, (4, 3)), 2: rng.uniform(1, 2, (5, 3))}
    logs = normalised.log_score_steps(steps, {1: 2.0, 2: 5.0})
    expected = [np.log10(np.sqrt(steps[1][run] / 2.0 * steps[2][run] / 5.0)) for run in range(4)]
    np.testing.assert_allclose(logs, expected)
    mean, error = normalised.mean_steps(logs)
    np.testing.assert_allclose(mean, np.mean(expected, axis=0))
    np.testing.assert_allclose(error, 1.96 * np.std(expected, axis=0, ddof=1) / 2)


def test_a_function_that_one_solves_and_another_misses_does_not_decide_alone() -> None:
    assert normalised.geometric_mean(pd.Series([1e-9, 1.0])) == pytest.approx(0.1)
    assert normalised.geometric_mean(pd.Series([1e12, 1.0, 1.0])) == pytest.approx(100 ** (1 / 3))
    assert np.isnan(normalised.geometric_mean(pd.Series([np.nan, 1.0])))


# Mean ranks.


@given(st.lists(st.lists(st.integers(0, 4), min_size=4, max_size=4), min_size=1, max_size=5))
def test_ranks_are_those_of_scipy(means: list[list[int]]) -> None:
    values = np.array(means, dtype=np.float64)
    np.testing.assert_array_equal(ranks.ranks(values), stats.rankdata(values, axis=-1))


def test_what_is_no_number_has_no_rank() -> None:
    found = ranks.ranks(np.array([np.inf, np.nan, 1.0, 1.0]))
    np.testing.assert_array_equal(found, [3, np.nan, 1.5, 1.5])


def drawn(functions: tuple[int, ...], optimizers: str = "abc", count: int = 6, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return trials_of(
        {(name, f): list(rng.lognormal(0.3 * ord(name), 1.0, count)) for name in optimizers for f in functions}
    )


def test_intervals_of_mean_ranks_by_a_plain_bootstrap() -> None:
    trials = drawn((1, 2, 3, 4, 8), count=12)
    found = ranks.intervals(trials)
    groups = {key: group.to_numpy() for key, group in trials.groupby(["function", "optimizer"])["precision"]}
    rng = np.random.default_rng(99)
    means = []
    for _ in range(2000):
        again = [[rng.choice(groups[f, name], size=12).mean() for name in "abc"] for f in (1, 4, 8)]
        means.append(stats.rankdata(again, axis=1).mean(axis=0))
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    # Mean ranks of three functions come in steps of 1/3, and a percentile may fall on the next one.
    np.testing.assert_allclose(found["training_low"], low, atol=0.34)
    np.testing.assert_allclose(found["training_high"], high, atol=0.34)


def test_two_identical_optimizers_share_their_ranks() -> None:
    values = {("a", 1): [2.0, 2.0], ("b", 1): [2.0, 2.0], ("c", 1): [1.0, 1.0]}
    table = normalised.functions_table(trials_of(values), None)
    np.testing.assert_array_equal(ranks.mean_ranks(table)["all"], [2.5, 2.5, 1])
    np.testing.assert_array_equal(ranks.intervals(trials_of(values))["all_low"], [2.5, 2.5, 1])
    np.testing.assert_array_equal(ranks.intervals(trials_of(values))["all_high"], [2.5, 2.5, 1])
    spread = drawn(tuple(range(1, 25)), "a", 20)
    twins = pd.concat([spread.assign(optimizer="a"), spread.assign(optimizer="b")])
    np.testing.assert_array_equal(ranks.mean_ranks(normalised.functions_table(twins, None)), 1.5)
    both = ranks.intervals(twins)
    # Each comparison is a fair coin: the mean of 24 has a standard deviation of 0.5 / sqrt(24) around 1.5.
    np.testing.assert_allclose(both["all_low"], 1.5 - 1.96 * 0.5 / np.sqrt(24), atol=0.05)
    np.testing.assert_allclose(both["all_high"], 1.5 + 1.96 * 0.5 / np.sqrt(24), atol=0.05)


@given(st.randoms(use_true_random=False), st.integers(0, 10))
def test_mean_ranks_and_intervals_do_not_depend_on_the_order(random: random.Random, seed: int) -> None:
    trials = drawn((1, 2, 8), seed=seed)
    order = list(range(len(trials)))
    random.shuffle(order)
    mixed = trials.iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(ranks.intervals(trials, 50), ranks.intervals(mixed, 50))
    plain, other = (ranks.mean_ranks(normalised.functions_table(table, None)) for table in (trials, mixed))
    pd.testing.assert_frame_equal(plain, other)


def test_mean_ranks_lie_in_their_intervals_and_narrow_with_the_trials() -> None:
    few, many = (drawn(tuple(range(1, 25)), "abcdefghi", count) for count in (5, 50))
    widths = []
    for trials in (few, many):
        scored = normalised.functions_table(trials, None)
        mean, interval = ranks.mean_ranks(scored), ranks.intervals(trials)
        assert ((interval["all_low"] - 0.5 <= mean["all"]) & (mean["all"] <= interval["all_high"] + 0.5)).all()
        widths.append((interval["all_high"] - interval["all_low"]).mean())
    assert widths[1] < widths[0]


def test_a_single_trial_shows_no_spread() -> None:
    values = {("a", 1): [2.0, 3.0], ("b", 1): [1.0, 4.0], ("a", 2): [1.0], ("b", 2): [2.0, 3.0]}
    found = ranks.intervals(trials_of(values))
    assert found[["training_low", "training_high"]].notna().all(axis=None)
    assert found[["all_low", "all_high", "hold-out_low", "hold-out_high"]].isna().all(axis=None)


def test_one_split_is_shown_alone() -> None:
    assert shown_splits({1, 2}) == ["all", "training", "hold-out"]
    assert shown_splits({1, 8}) == ["training"]
    assert shown_splits({2, 3}) == ["hold-out"]


def test_intervals_have_the_digits_of_the_c_library_on_every_processor() -> None:
    generator = np.random.default_rng(0)
    optimizers = ["gaussian-ga", *(f"other-{i}" for i in range(500))]
    table = pd.DataFrame({"function": 1, "optimizer": optimizers, "trials": 4})
    table["mean"], table["std"] = generator.uniform(1, 2, (2, len(table)))
    found = normalised.compared(table, "gaussian-ga").iloc[1:]
    base = table.iloc[0]
    for row in found.to_dict("records"):
        spread = np.hypot(row["std"] / 2 / row["mean"], base["std"] / 2 / base["mean"])
        assert row["ratio_high"] == row["ratio"] * math.exp(1.96 * spread)
        assert row["ratio_low"] == row["ratio"] / math.exp(1.96 * spread)
