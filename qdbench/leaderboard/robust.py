r"""Statistics over a suite, as pure functions of scores: higher is better, ``{task: {optimizer: (trials,)}}``.

Numbers of trials may differ. Bootstraps draw trials again within each task and optimizer (stratified), 2,000 times with
a fixed seed, and give percentile intervals at 95 %. The order of the trials does not matter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.oneway import anova_oneway

RESAMPLES = 2000
LEVEL = 0.95
ALPHA = 0.05
_SEED = 0
_TAILS = (100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2)

Scores = Mapping[str, Mapping[str, np.ndarray]]


class Estimate(NamedTuple):
    """A number and its interval; NaN where there is none."""

    value: float
    low: float
    high: float


def ranks(means: np.ndarray) -> np.ndarray:
    """The ranks along the last axis, of the same shape: 1 is the least, equal values share the mean of their ranks.

    NaN has no rank, and the others are ranked without it.
    """
    own, others = means[..., :, None], means[..., None, :]
    below, equal = (others < own).sum(axis=-1), (others == own).sum(axis=-1)
    return np.where(np.isnan(means), np.nan, below + (equal + 1) / 2)


def iqm(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """The interquartile mean: the mean without the lowest and the highest quarter (agarwal2021precipice).

    Of n values, ``floor(n / 4)`` are left out at each end.

    Args:
        values: Of any shape.
        axis: The axis to go; None: all.
    """
    return np.asarray(stats.trim_mean(values, 0.25, axis=axis))


def iqm_estimate(values: np.ndarray) -> Estimate:
    """The interquartile mean of one sample with its bootstrap interval; without one for a single value."""
    sample = np.sort(np.asarray(values, np.float64))
    if sample.size == 0 or not np.isfinite(sample).all():
        return Estimate(np.nan, np.nan, np.nan)
    value = float(iqm(sample))
    if sample.size == 1:
        return Estimate(value, np.nan, np.nan)
    drawn = _draws(sample, np.random.default_rng(_SEED))
    return Estimate(value, *_interval(iqm(drawn, axis=1)))


def normalise(scores: Scores) -> dict[str, dict[str, np.ndarray]]:
    r"""Scores between tasks made comparable: :math:`(x - a) / (b - a)`.

    a and b are the lowest and the highest mean of an optimizer on the task, so 0 is the worst optimizer's mean on this
    board and 1 the best's. Single trials may lie beyond. Where all means are equal, all scores are 0.5.
    """
    scaled = {}
    for task, groups in scores.items():
        means = [float(values.mean()) for values in groups.values()]
        low, width = min(means), max(means) - min(means)
        scaled[task] = {
            name: (values - low) / width if width > 0 else np.full(len(values), 0.5) for name, values in groups.items()
        }
    return scaled


def complete(scores: Scores) -> list[str]:
    """The optimizers that have scores on every task, in order of their names."""
    return sorted(set.intersection(*(set(groups) for groups in scores.values()))) if scores else []


def aggregate(scores: Scores) -> pd.DataFrame:
    """The interquartile mean of all normalised trials of every task, one row an optimizer (the index).

    Columns value, low, high: the stratified bootstrap of agarwal2021precipice. Only optimizers with scores on every
    task are there.
    """
    scaled = normalise(scores)
    rows = {}
    for name in complete(scores):
        groups = [np.sort(scaled[task][name]) for task in sorted(scaled)]
        generator = np.random.default_rng(_SEED)
        drawn = np.concatenate([_draws(group, generator) for group in groups], axis=1)
        low, high = _interval(iqm(drawn, axis=1)) if _vary(groups) else (np.nan, np.nan)
        rows[name] = Estimate(float(iqm(np.concatenate(groups))), low, high)
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(Estimate._fields))


def mean_ranks(scores: Scores) -> pd.DataFrame:
    """The mean over tasks of the rank by mean score (1 is best, equal means share), one row an optimizer (the index).

    Columns value, low, high. Only optimizers with scores on every task are ranked, among themselves.
    """
    names, tasks = complete(scores), sorted(scores)
    generator = np.random.default_rng(_SEED)
    means = np.array([[scores[task][name].mean() for name in names] for task in tasks])
    value = ranks(-means).mean(axis=0)
    drawn = [
        ranks(-np.stack([_draws(np.sort(scores[task][name]), generator).mean(axis=1) for name in names], axis=1))
        for task in tasks
    ]
    low, high = np.percentile(np.mean(drawn, axis=0), _TAILS, axis=0)
    if not _vary([scores[task][name] for task in tasks for name in names]):
        low, high = np.full(len(names), np.nan), np.full(len(names), np.nan)
    return pd.DataFrame({"value": value, "low": low, "high": high}, index=names)


def probability_of_improvement(scores: Scores, first: str, second: str) -> Estimate:
    r"""How likely a trial of the first is better than one of the second, averaged over the tasks.

    On a task with n and m trials it is :math:`U / (n m)`, with the Mann-Whitney statistic
    :math:`U = \sum_{i,j} [x_i > y_j] + \frac12 [x_i = y_j]` (agarwal2021precipice).
    """
    tasks = [task for task in sorted(scores) if {first, second} <= set(scores[task])]
    pairs = [(np.sort(scores[task][first]), np.sort(scores[task][second])) for task in tasks]
    value = float(np.mean([_superiority(np.ones((1, len(x))), np.ones((1, len(y))), x, y)[0] for x, y in pairs]))
    if not _vary([sample for pair in pairs for sample in pair]):
        return Estimate(value, np.nan, np.nan)
    generator = np.random.default_rng(_SEED)
    drawn = [_superiority_drawn(x, y, generator) for x, y in pairs]
    return Estimate(value, *_interval(np.mean(drawn, axis=0)))


def performance_profile(scores: Scores, name: str, points: np.ndarray) -> pd.DataFrame:
    """The share of an optimizer's normalised trials above each point, averaged over the tasks (agarwal2021precipice).

    Args:
        scores: Scores; they are normalised here.
        name: An optimizer with scores on every task.
        points: ``(n,)``.

    Returns:
        One row a point: columns point, value, low, high.
    """
    scaled = normalise(scores)
    groups = [np.sort(scaled[task][name]) for task in sorted(scaled)]
    generator = np.random.default_rng(_SEED)
    shares = [_share_above(np.ones((1, len(group))), group, points)[0] for group in groups]
    drawn = [_share_above(_times_drawn(group, generator), group, points) for group in groups]
    low, high = np.percentile(np.mean(drawn, axis=0), _TAILS, axis=0)
    return pd.DataFrame({"point": points, "value": np.mean(shares, axis=0), "low": low, "high": high})


class Test(NamedTuple):
    """A test's statistic, its degrees of freedom and its p-value."""

    statistic: float
    df: float
    df_residual: float
    p: float


def welch_anova(groups: Sequence[np.ndarray]) -> Test:
    r"""Whether means differ where variances do (welch1951comparison).

    With :math:`w_i = n_i / s_i^2`, :math:`W = \sum w_i`, :math:`\tilde x = \sum w_i \bar x_i / W` and
    :math:`L = \sum (1 - w_i / W)^2 / (n_i - 1)`,

    .. math:: F = \frac{\sum w_i (\bar x_i - \tilde x)^2 / (k - 1)}{1 + \frac{2 (k - 2)}{k^2 - 1} L}

    has :math:`k - 1` and :math:`(k^2 - 1) / (3 L)` degrees of freedom.

    Args:
        groups: Two or more samples, each of two or more values that vary.
    """
    found = anova_oneway(list(groups), use_var="unequal", welch_correction=True)
    return Test(float(found.statistic), float(found.df_num), float(found.df_denom), float(found.pvalue))


def games_howell(first: np.ndarray, second: np.ndarray, groups: int) -> Test:
    r"""Whether two of several means differ, with the family-wise error of all pairs (games1976pairwise).

    .. math:: q = \frac{|\bar x - \bar y| \sqrt 2}{\sqrt{s_x^2 / n + s_y^2 / m}}

    is compared with the studentized range of ``groups`` means and Welch's degrees of freedom. The statistic that is
    returned is Welch's t, which has the sign of the difference.

    Args:
        first: ``(n,)``, two or more values; one of both samples varies.
        second: ``(m,)``.
        groups: How many means are compared in all.
    """
    t, df = _welch_t(first, second)
    p = float(stats.studentized_range.sf(abs(t) * np.sqrt(2), groups, df))
    return Test(t, float(groups), df, min(max(p, 0.0), 1.0))


def differ(first: np.ndarray, second: np.ndarray, groups: int) -> bool:
    """Whether the p-value of :func:`games_howell` is below 5 %, without computing it where bounds decide.

    It is no less than that of Welch's t-test and, by Bonferroni's inequality, no more than that times the number of
    pairs; the studentized range itself takes thousands of times longer.
    """
    t, df = _welch_t(first, second)
    least = 2 * float(special.stdtr(df, -abs(t)))
    if least >= ALPHA or least * math.comb(groups, 2) < ALPHA:
        return least < ALPHA
    return games_howell(first, second, groups).p < ALPHA


def holm(p: Sequence[float]) -> np.ndarray:
    """P-values corrected for their number by Holm's step-down procedure (holm1979simple); NaN stays, uncounted."""
    values = np.asarray(p, np.float64)
    known = np.isfinite(values)
    corrected = np.full(len(values), np.nan)
    if known.any():
        corrected[known] = multipletests(values[known], method="holm")[1]
    return corrected


def friedman(rank_table: np.ndarray) -> Test:
    r"""Whether mean ranks differ: Friedman's test with Iman and Davenport's correction (demsar2006statistical).

    .. math:: \chi^2 = \frac{12 N}{k (k + 1)} \Big(\sum_j R_j^2 - \frac{k (k + 1)^2}{4}\Big), \qquad
        F = \frac{(N - 1) \chi^2}{N (k - 1) - \chi^2}

    with :math:`k - 1` and :math:`(k - 1)(N - 1)` degrees of freedom.

    Args:
        rank_table: ``(N tasks, k optimizers)``, ranks within each task.
    """
    tasks, count = rank_table.shape
    means = rank_table.mean(axis=0)
    chi = 12 * tasks / (count * (count + 1)) * ((means**2).sum() - count * (count + 1) ** 2 / 4)
    rest = tasks * (count - 1) - chi
    statistic = (tasks - 1) * chi / rest if rest > 1e-12 else np.inf
    df, df_residual = count - 1, (count - 1) * (tasks - 1)
    return Test(float(statistic), df, df_residual, float(stats.f.sf(statistic, df, df_residual)))


def critical_difference(optimizers: int, tasks: int, alpha: float = ALPHA) -> float:
    r"""How far apart two mean ranks are if they differ significantly: Nemenyi's test (demsar2006statistical).

    .. math:: CD = q_\alpha \sqrt{\frac{k (k + 1)}{6 N}}

    with the quantile of the studentized range of k means and infinite degrees of freedom, divided by :math:`\sqrt 2`.
    """
    quantile = float(stats.studentized_range.ppf(1 - alpha, optimizers, np.inf)) / np.sqrt(2)
    return float(quantile * np.sqrt(optimizers * (optimizers + 1) / (6 * tasks)))


def cliques(mean: Mapping[str, float], difference: float) -> list[tuple[str, ...]]:
    """The largest sets of optimizers whose mean ranks lie within a critical difference, the best first."""
    order = sorted(mean, key=lambda name: (mean[name], name))
    found: list[tuple[str, ...]] = []
    for start, name in enumerate(order):
        members = tuple(other for other in order[start:] if mean[other] - mean[name] <= difference)
        if len(members) > 1 and not any(set(members) <= set(earlier) for earlier in found):
            found.append(members)
    return found


def is_constant(values: np.ndarray) -> bool:
    """Whether values differ by no more than rounding, which a test would take for a tiny but real variance."""
    return bool(np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())))


def pairs_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """All pairs in order."""
    return list(itertools.combinations(names, 2))


def _welch_t(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Welch's t and its degrees of freedom."""
    errors = np.var(first, ddof=1) / len(first), np.var(second, ddof=1) / len(second)
    t = (first.mean() - second.mean()) / np.sqrt(sum(errors))
    df = sum(errors) ** 2 / (errors[0] ** 2 / (len(first) - 1) + errors[1] ** 2 / (len(second) - 1))
    return float(t), float(df)


def _draws(sample: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """``(RESAMPLES, n)`` draws with replacement."""
    return sample[generator.integers(len(sample), size=(RESAMPLES, len(sample)))]


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, _TAILS)
    return float(low), float(high)


def _vary(groups: Sequence[np.ndarray]) -> bool:
    """Whether every group has more than one trial: a single one shows no spread."""
    return all(len(group) > 1 for group in groups)


def _times_drawn(sample: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """``(RESAMPLES, n)``: how often each value is drawn, in the draws of :func:`_draws`."""
    size = len(sample)
    places = generator.integers(size, size=(RESAMPLES, size)) + size * np.arange(RESAMPLES)[:, None]
    return np.bincount(places.ravel(), minlength=RESAMPLES * size).reshape(RESAMPLES, size).astype(np.float64)


def _superiority_drawn(first: np.ndarray, second: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return _superiority(_times_drawn(first, generator), _times_drawn(second, generator), first, second)


def _superiority(times: np.ndarray, others: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """``(draws,)`` of U / (n m), from how often each of the sorted values is drawn: ``(draws, n)``, ``(draws, m)``."""
    up_to = _cumulated(others)
    below, not_above = (up_to[:, np.searchsorted(second, first, side=side)] for side in ("left", "right"))
    # Twice U has whole terms, so that no order of summing changes it.
    return (times * (below + not_above)).sum(axis=1) / (2 * len(first) * len(second))


def _share_above(times: np.ndarray, sample: np.ndarray, points: np.ndarray) -> np.ndarray:
    """``(draws, points)`` from ``(draws, n)`` how often each of the sorted values is drawn."""
    return 1 - _cumulated(times)[:, np.searchsorted(sample, points, side="right")] / len(sample)


def _cumulated(times: np.ndarray) -> np.ndarray:
    """``(draws, n + 1)``: how often one of the first 0, 1, ... values is drawn."""
    return np.concatenate([np.zeros((len(times), 1)), np.cumsum(times, axis=1)], axis=1)
