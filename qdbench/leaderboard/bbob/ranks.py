"""Mean ranks over functions, with intervals by the bootstrap over the trials."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qdbench.leaderboard.bbob.functions import SPLITS, members_of
from qdbench.leaderboard.robust import ranks

RESAMPLES = 2000
_LEVEL = 95.0
_SEED = 0


def mean_ranks(functions: pd.DataFrame) -> pd.DataFrame:
    """The mean rank over the functions of each split: one row an optimizer (the index), one column a split.

    NaN if the optimizer lacks a rank on one of the split's functions, or none of them is there.

    Args:
        functions: Columns function, optimizer, rank; all optimizers and functions that are compared.
    """
    wide = functions.pivot(index="optimizer", columns="function", values="rank")
    return pd.DataFrame(
        {split: wide[members_of(split, list(wide))].mean(axis=1, skipna=False) for split in SPLITS}, index=wide.index
    )


def intervals(trials: pd.DataFrame, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Percentile bootstrap intervals (95 %) of the mean ranks: one row an optimizer, columns ``SPLIT_low, SPLIT_high``.

    The trials of each optimizer on each function are drawn again with replacement, as many as there are,
    independently of all others; the functions stay. The seed is fixed, and the order of the trials does not matter.
    NaN where there is no mean rank, and for a split in which a group has a single trial, which shows no spread.

    Args:
        trials: The trials of one setting: columns function, optimizer, precision.
        resamples: How many times all are drawn.
    """
    optimizers = sorted(set(trials["optimizer"]))
    sizes = trials.groupby(["function", "optimizer"]).size().groupby("function").min()
    generator = np.random.default_rng(_SEED)
    drawn = {
        int(function): ranks(_resampled_means(group, optimizers, resamples, generator))
        for function, group in trials.groupby("function", sort=True)
    }
    tails = ((100 - _LEVEL) / 2, (100 + _LEVEL) / 2)
    table = pd.DataFrame(index=pd.Index(optimizers, name="optimizer"))
    for split in SPLITS:
        members = members_of(split, drawn)
        known = bool(members) and int(sizes[members].min()) > 1
        means = np.mean([drawn[function] for function in members], axis=0) if known else None
        low, high = (np.nan, np.nan) if means is None else np.percentile(means, tails, axis=0)
        table[f"{split}_low"], table[f"{split}_high"] = low, high
    return table


def _resampled_means(
    group: pd.DataFrame, optimizers: list[str], resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """``(resamples, optimizers)``; NaN for an optimizer without trials, or with one that is not a number."""
    means = np.full((resamples, len(optimizers)), np.nan)
    for optimizer, values in group.groupby("optimizer", sort=True)["precision"]:
        own = np.sort(values.to_numpy(np.float64))
        places = generator.integers(len(own), size=(resamples, len(own)))
        # A trial that is not a number spoils the mean even where it is not drawn, as it does outside the bootstrap.
        means[:, optimizers.index(optimizer)] = np.nan if np.isnan(own).any() else own[places].mean(axis=1)
    return means
