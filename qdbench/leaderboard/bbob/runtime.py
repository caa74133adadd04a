r"""Runtimes to targets as COCO defines them: expected running time, simulated restarts and their distribution.

A trial that reached a target after :math:`t` evaluations has that runtime; one that did not has none, and spent all
its evaluations. Everything here is a pure function of two arrays: ``hits (trials, targets)``, the evaluations at which
each trial first reached each target (0: never), and ``evaluations (trials,)``, what each trial spent in all.
"""

from __future__ import annotations

import numpy as np

SEED = 2010
SAMPLES = 10
"""Simulated runtimes for each trial and target."""


def successes(hits: np.ndarray) -> np.ndarray:
    """How many trials reached each target, ``(targets,)``."""
    return (hits > 0).sum(axis=0)


def expected_running_time(hits: np.ndarray, evaluations: np.ndarray) -> np.ndarray:
    r"""ERT, ``(targets,)``: the evaluations of all trials until the target, divided by the number of successes.

    .. math:: \mathrm{ERT} = \frac{\sum_{i\ \mathrm{reached}} t_i + \sum_{i\ \mathrm{not}} T_i}{\#\mathrm{reached}}

    It is infinite where no trial reached the target.
    """
    reached = successes(hits)
    spent = _cost(hits, evaluations).sum(axis=0)
    return np.divide(spent, reached, out=np.full(len(reached), np.inf), where=reached > 0)


def simulate_restarts(
    hits: np.ndarray, evaluations: np.ndarray, samples: int = SAMPLES, seed: int | tuple[int, ...] = SEED
) -> np.ndarray:
    """Runtimes of an optimizer that starts again whenever a trial fails, ``(samples * trials, targets)``.

    Each trial is the first one ``samples`` times. While a trial fails, its evaluations are counted and another one is
    drawn, uniformly and with replacement from all trials; the first that succeeds ends the run. One sequence of draws
    serves all targets, so that a harder target never takes less. A target that no trial reached has infinite runtimes.
    The expectation over the draws is the ERT.

    Args:
        hits: ``(trials, targets)``.
        evaluations: ``(trials,)``.
        samples: Runtimes for each trial.
        seed: Decides the draws.
    """
    trials = len(hits)
    generator = np.random.default_rng(seed)
    reached, cost = hits > 0, _cost(hits, evaluations)
    possible = reached.any(axis=0)
    first = np.tile(np.arange(trials), samples)
    total = cost[first]
    unfinished = ~reached[first] & possible
    rows = np.flatnonzero(unfinished.any(axis=1))
    while rows.size:
        drawn = generator.integers(trials, size=rows.size)
        total[rows] += np.where(unfinished[rows], cost[drawn], 0.0)
        unfinished[rows] &= ~reached[drawn]
        rows = rows[unfinished[rows].any(axis=1)]
    total[:, ~possible] = np.inf
    return total


def distribution(runtimes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The share of runtimes that are at most each of ``points``; infinite ones count as never.

    Args:
        runtimes: Of any shape, at least one.
        points: ``(n,)``.
    """
    return np.searchsorted(np.sort(runtimes, axis=None), points, side="right") / runtimes.size


def area(log_points: np.ndarray, shares: np.ndarray, end: float) -> float:
    """The mean height of a distribution over a logarithmic axis from its first point to ``end``.

    It is 1 for one that reaches every target at once and 0 for one that reaches none.

    Args:
        log_points: ``(n,)``, ascending.
        shares: ``(n,)``.
        end: Within ``log_points``.
    """
    inside = log_points < end
    x = np.append(log_points[inside], end)
    y = np.append(shares[inside], np.interp(end, log_points, shares))
    return float(np.trapezoid(y, x) / (end - log_points[0]))


def trial_areas(hits: np.ndarray, dim: int, budget: int) -> np.ndarray:
    r"""The :func:`area` under the distribution of each trial's own runtimes, without restarts: ``(trials,)`` in [0, 1].

    .. math:: \frac1m \sum_{j\ \mathrm{reached}} \Big(1 - \frac{\log \max(t_j / D, 1)}{\log(B / D)}\Big)

    over m targets, with D dimensions and a budget of B evaluations, more than D.

    Args:
        hits: ``(trials, targets)``; none is beyond the budget by more than a batch, which counts as at the budget.
        dim: D.
        budget: B.
    """
    share = np.log(np.maximum(hits / dim, 1.0)) / np.log(budget / dim)
    return np.where(hits > 0, 1 - np.minimum(share, 1.0), 0.0).mean(axis=1)


def _cost(hits: np.ndarray, evaluations: np.ndarray) -> np.ndarray:
    return np.where(hits > 0, hits, np.asarray(evaluations)[:, None]).astype(np.float64)
