"""Runtimes against closed forms, brute force and properties; tests/interop compares them with cocopp."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qdbench.leaderboard.bbob import runtime

# Three trials and three targets: all reach the first, two the second, none the third.
HITS = np.array([[1, 10, 0], [2, 0, 0], [3, 30, 0]])
SPENT = np.array([100, 200, 300])


@st.composite
def experiments(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Trials that reach ever harder targets ever later, and some of them not at all."""
    trials, targets = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    steps = draw(hnp.arrays(np.int64, (trials, targets), elements=st.integers(0, 40)))
    hits = 1 + np.cumsum(steps, axis=1)
    last = draw(hnp.arrays(np.int64, trials, elements=st.integers(0, targets)))
    hits[np.arange(targets) >= last[:, None]] = 0
    return hits, hits.max(axis=1) + draw(hnp.arrays(np.int64, trials, elements=st.integers(1, 50)))


def test_expected_running_time_by_hand() -> None:
    times = runtime.expected_running_time(HITS, SPENT)
    assert list(times) == [(1 + 2 + 3) / 3, (10 + 200 + 30) / 2, np.inf]
    assert list(runtime.successes(HITS)) == [3, 2, 0]


@given(experiments())
def test_expected_running_time_is_the_sum_over_the_successes(experiment: tuple[np.ndarray, np.ndarray]) -> None:
    hits, spent = experiment
    for target, time in enumerate(runtime.expected_running_time(hits, spent)):
        column = hits[:, target]
        reached = [t for t in column if t]
        failed = [spent[i] for i, t in enumerate(column) if not t]
        assert time == pytest.approx((sum(reached) + sum(failed)) / len(reached) if reached else np.inf)


@given(experiments())
def test_harder_targets_never_take_less(experiment: tuple[np.ndarray, np.ndarray]) -> None:
    hits, spent = experiment
    simulated = runtime.simulate_restarts(hits, spent, samples=4)
    assert (simulated[:, 1:] >= simulated[:, :-1]).all()
    times = runtime.expected_running_time(hits, spent)
    assert (times[1:] >= times[:-1]).all()


@given(experiments())
def test_restarts_start_with_every_trial_and_end_with_a_success(experiment: tuple[np.ndarray, np.ndarray]) -> None:
    hits, spent = experiment
    samples = 3
    simulated = runtime.simulate_restarts(hits, spent, samples=samples)
    assert simulated.shape == (samples * len(hits), hits.shape[1])
    first = np.tile(np.arange(len(hits)), samples)
    own, cost = hits[first], spent[first][:, None]
    assert (simulated[own > 0] == own[own > 0]).all()
    possible = (hits > 0).any(axis=0)
    failed = (own == 0) & possible
    assert (simulated >= np.where(failed, cost + 1, 0)).all()
    assert np.isinf(simulated[:, ~possible]).all()
    assert np.isfinite(simulated[:, possible]).all()


def test_the_mean_of_simulated_runtimes_is_the_expected_running_time() -> None:
    rng = np.random.default_rng(1)
    hits, spent = rng.integers(1, 50, (15, 1)), rng.integers(60, 100, 15)
    hits[rng.random(15) < 0.7] = 0
    simulated = runtime.simulate_restarts(hits, spent, samples=4000)[:, 0]
    expected = runtime.expected_running_time(hits, spent)[0]
    error = simulated.std() / np.sqrt(len(simulated))
    assert abs(simulated.mean() - expected) < 5 * error
    assert error < 0.01 * expected


def test_draws_depend_on_the_seed_alone() -> None:
    again = runtime.simulate_restarts(HITS, SPENT, seed=3)
    assert np.array_equal(runtime.simulate_restarts(HITS, SPENT, seed=3), again)
    assert not np.array_equal(runtime.simulate_restarts(HITS, SPENT, samples=50, seed=4), again)


def test_a_failing_trial_adds_whole_trials() -> None:
    simulated = runtime.simulate_restarts(HITS, SPENT, samples=500)[1::3, 1]
    # The second trial fails, so its 200 are followed by more of the same and then 10 or 30.
    assert {int(total) % 100 for total in simulated} == {10, 30}
    assert set(simulated // 200) >= {1.0, 2.0}


def test_distribution_is_the_share_of_runtimes() -> None:
    points = np.array([0.5, 1.0, 5.0, 1e9])
    assert list(runtime.distribution(np.array([[1.0, 4.0], [6.0, np.inf]]), points)) == [0, 0.25, 0.5, 0.75]


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(1, 1e6)), st.floats(1, 1e6))
def test_distribution_by_counting(runtimes: np.ndarray, point: float) -> None:
    (share,) = runtime.distribution(runtimes, np.array([point]))
    assert share == pytest.approx(sum(1 for t in runtimes if t <= point) / len(runtimes))


def test_area_of_known_curves() -> None:
    points = np.linspace(0, 5, 501)
    assert runtime.area(points, np.ones(501), 4.0) == pytest.approx(1)
    assert runtime.area(points, np.zeros(501), 4.0) == 0
    assert runtime.area(points, points / 5, 4.0) == pytest.approx(0.4)
    assert runtime.area(points, points / 5, 3.333) == pytest.approx(0.3333)


@given(experiments(), st.integers(2, 9))
def test_the_area_of_a_trial_is_that_of_its_own_distribution(
    experiment: tuple[np.ndarray, np.ndarray], dim: int
) -> None:
    hits, budget = experiment[0], 500
    log_points = np.linspace(0.0, np.log10(budget / dim), 20_001)
    for own, area in zip(hits, runtime.trial_areas(hits, dim, budget), strict=True):
        runtimes = np.where(own > 0, own, np.inf)
        shares = runtime.distribution(runtimes, dim * 10**log_points)
        assert area == pytest.approx(runtime.area(log_points, shares, log_points[-1]), abs=1e-4)


def test_the_area_of_a_trial_by_hand() -> None:
    # At once, within the first evaluation a dimension, half way on the logarithmic axis, beyond the budget, never.
    hits = np.array([[1, 10, 100, 1001, 0]])
    assert list(runtime.trial_areas(hits, 10, 1000)) == pytest.approx([(1 + 1 + 0.5 + 0 + 0) / 5])
