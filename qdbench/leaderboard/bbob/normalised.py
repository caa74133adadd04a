r"""Precision within a fixed budget, as multiples of the Gaussian GA's: pure functions of the table of trials.

For optimizer :math:`a` and function :math:`f`, :math:`m_{a,f}` is the mean best-so-far precision over the trials. The
score is the ratio :math:`r_{a,f} = m_{a,f} / m_{\mathrm{GA},f}`; below 1 is better than the Gaussian GA.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

import numpy as np
import pandas as pd

from qdbench.leaderboard.bbob import ranks
from qdbench.leaderboard.bbob.data import FLOOR, Setting
from qdbench.leaderboard.bbob.functions import SPLITS, members_of

BASELINE = "gaussian-ga"
Z = 1.96
LARGEST_RATIO = 100.0
"""In means over functions, ratios count as 1/100 at least and 100 at most.

A function that one optimizer solves and the other does not, f5 above all, would otherwise decide alone.
"""


@dataclasses.dataclass(frozen=True)
class Scored:
    """The scores of one setting.

    Attributes:
        setting: The setting.
        functions: One row for each function and optimizer (:func:`functions_table`).
        overall: One row for each optimizer, the best first (:func:`overall_table`).
        rank_intervals: The intervals of the mean ranks (:func:`qdbench.leaderboard.bbob.ranks.intervals`).
        baseline: The label of the Gaussian GA, if there is a normalisation.
        note: Why there is none, else empty.
    """

    setting: Setting
    functions: pd.DataFrame
    overall: pd.DataFrame
    rank_intervals: pd.DataFrame
    baseline: str | None
    note: str

    def order(self) -> list[str]:
        """The optimizers, the best first."""
        return list(self.overall["optimizer"])


def score(setting: Setting, trials: pd.DataFrame) -> Scored:
    """Scores the trials of a setting."""
    baseline, note = baseline_of(trials)
    functions = functions_table(trials, baseline)
    return Scored(setting, functions, overall_table(functions), ranks.intervals(trials), baseline, note)


def baseline_of(trials: pd.DataFrame) -> tuple[str | None, str]:
    """The label of the Gaussian GA in the trials of one setting, or None and why there is no normalisation."""
    labels = sorted(set(trials.loc[trials["optimizer_id"] == BASELINE, "optimizer"]))
    if len(labels) == 1:
        return labels[0], ""
    if not labels:
        return None, f"There is no normalised score: no trial of {BASELINE} is among the results."
    return None, f"There is no normalised score: {BASELINE} ran in {len(labels)} configurations ({'; '.join(labels)})."


def functions_table(trials: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    """One row for each function and optimizer of one setting, as :func:`compared` gives it.

    Args:
        trials: The trials of one setting.
        baseline: Its label; None: the ratios are NaN.
    """
    grouped = trials.groupby(["function", "optimizer"], sort=True)["precision"]
    # A mean with one value that is not a number is none: pandas would leave the value out.
    return compared(grouped.agg(trials="size", mean=_mean, std=_std).reset_index(), baseline)


def compared(table: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    """Means beside those of the baseline, one row for each function and optimizer.

    Columns: those that are given, sem, rank (1 is the lowest mean; equal means share the mean of their ranks), ratio
    and its approximate 95 % interval ratio_low, ratio_high (the delta method on the logarithm:
    ``r exp(+-1.96 sqrt((s_a/m_a)^2/n_a + (s_b/m_b)^2/n_b))``). The baseline's own ratio is 1, without one.

    Args:
        table: Columns function, optimizer, trials, mean, std (n - 1; NaN: there is no interval).
        baseline: Its label; None: the ratios are NaN.
    """
    table = table.copy()
    table["sem"] = table["std"] / np.sqrt(table["trials"])
    table["rank"] = table.groupby("function")["mean"].rank(method="average")
    base = table[table["optimizer"] == baseline].set_index("function")[["mean", "sem"]]
    beside = base.reindex(table["function"]).set_axis(table.index)
    table["ratio"] = table["mean"] / beside["mean"]
    spread = np.hypot(table["sem"] / table["mean"], beside["sem"] / beside["mean"])
    spread = spread.where(table["optimizer"] != baseline)
    # The C library's exponential: NumPy's differs in the last digit between processors.
    factor = (Z * spread).map(math.exp, na_action="ignore")
    table["ratio_low"] = table["ratio"] / factor
    table["ratio_high"] = table["ratio"] * factor
    return table


def overall_table(functions: pd.DataFrame) -> pd.DataFrame:
    """One row for each optimizer of one setting, the best geometric mean first.

    Columns: optimizer, functions (how many it has a finite mean on), complete (that is all of them), won (functions on
    which no mean is lower), and for each split of the functions ``all``, ``training``, ``hold-out``: under its own name
    the geometric mean of the ratios, within the limits (NaN unless there is a ratio on each function of the split that
    is in the results), ``better_SPLIT`` (functions with a ratio below 1) and ``rank_SPLIT``
    (:func:`qdbench.leaderboard.bbob.ranks.mean_ranks`). The ``place`` is by ``all``, or by the mean rank where there is
    no normalisation.

    Args:
        functions: From :func:`compared`.
    """
    present = sorted(set(functions["function"]))
    lowest = functions.groupby("function")["mean"].min()
    rows = []
    for optimizer, group in functions.groupby("optimizer", sort=True):
        own = group.set_index("function")
        row = {
            "optimizer": optimizer,
            "functions": int(own["mean"].notna().sum()),
            "won": int((own["mean"] <= lowest.reindex(own.index)).sum()),
        }
        for split in SPLITS:
            ratios = own["ratio"].reindex(members_of(split, present))
            row |= {split: geometric_mean(ratios), f"better_{split}": int((ratios < 1).sum())}
        rows.append(row)
    table = pd.DataFrame(rows).merge(ranks.mean_ranks(functions).add_prefix("rank_"), on="optimizer")
    table["complete"] = table["functions"] == len(present)
    score = table["all"] if table["all"].notna().any() else table["rank_all"]
    table["place"] = score.where(table["complete"]).rank(method="min")
    return table.sort_values(["place", "optimizer"], na_position="last", ignore_index=True)


def geometric_mean(values: pd.Series) -> float:
    """The geometric mean of ratios within the limits; NaN if there is none or one is not a number."""
    ratios = within_limits(values.to_numpy(np.float64))
    return statistics.geometric_mean(ratios) if ratios.size and np.isfinite(ratios).all() else float("nan")


def within_limits(ratios: np.ndarray) -> np.ndarray:
    """Ratios as they count in means over functions (:data:`LARGEST_RATIO`); NaN stays."""
    return np.clip(ratios, 1 / LARGEST_RATIO, LARGEST_RATIO)


def precision_steps(traces: Sequence[tuple[np.ndarray, np.ndarray]], fractions: np.ndarray) -> np.ndarray:
    """Best-so-far precision at each fraction of the budget, ``(trials, points)``.

    A trial that ended before, because it reached the target, keeps its last precision; before anything was evaluated
    it is NaN. Precisions below :data:`qdbench.leaderboard.bbob.data.FLOOR` count as that.

    Args:
        traces: For each trial the fractions of its trace, ascending, and the precision there.
        fractions: ``(points,)``, ascending.
    """
    steps = np.full((len(traces), len(fractions)), np.nan)
    for row, (own, precision) in zip(steps, traces, strict=True):
        place = np.searchsorted(own, fractions + 1e-9, side="right") - 1
        row[place >= 0] = precision[place[place >= 0]]
    return np.maximum(steps, FLOOR)


def mean_steps(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over the trials at each point and 1.96 standard errors (NaN for one trial), each ``(points,)``."""
    count = len(steps)
    error = Z * steps.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(steps.shape[1], np.nan)
    return steps.mean(axis=0), error


def log_score_steps(by_function: dict[int, np.ndarray], baseline_means: dict[int, float]) -> np.ndarray:
    r"""The logarithm of the score over the budget, averaged over functions, for each run: ``(runs, points)``.

    Run :math:`k` is the :math:`k`-th trial of every function, by instance and repetition:
    :math:`L_k = \frac{1}{|F|} \sum_f \log_{10}(p_{f,k} / m_{\mathrm{GA},f})`, each ratio within the limits.

    Args:
        by_function: Steps (:func:`precision_steps`) of each function.
        baseline_means: The Gaussian GA's mean precision at the end of the budget on each of these functions.
    """
    runs = min(len(steps) for steps in by_function.values())
    logs = [np.log10(within_limits(steps[:runs] / baseline_means[function])) for function, steps in by_function.items()]
    return np.mean(logs, axis=0)


def _mean(values: pd.Series) -> float:
    return float(values.mean(skipna=False))


def _std(values: pd.Series) -> float:
    return float(values.std(ddof=1, skipna=False)) if len(values) > 1 else float("nan")
