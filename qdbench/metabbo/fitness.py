"""From results on tasks to one number a member."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import stats

from qdbench.metabbo.config import MetaConfig


def meta_fitness(results: Float[np.ndarray, "members tasks"], config: MetaConfig) -> Float[np.ndarray, " members"]:
    """What the meta-population is ranked by, higher is better.

    On each task results are made comparable, by z-scores over the members or by centred ranks; then the median (or
    mean) over the tasks is taken.
    """
    comparable = z_scores(results) if config.normalisation == "z-score" else centred_ranks(results)
    return np.median(comparable, axis=1) if config.aggregate == "median" else comparable.mean(axis=1)


def z_scores(results: Float[np.ndarray, "members tasks"]) -> Float[np.ndarray, "members tasks"]:
    """``(result - mean) / std`` over the members; 0 where all are the same."""
    results = np.asarray(results, np.float64)
    # The deviation of equal numbers may be a rounding error above 0.
    std = np.where(np.ptp(results, axis=0) > 0, results.std(axis=0), np.inf)
    return (results - results.mean(axis=0)) / std


def centred_ranks(results: Float[np.ndarray, "members tasks"]) -> Float[np.ndarray, "members tasks"]:
    """Ranks over the members, from -1/2 for the worst to 1/2 for the best; equals share the mean of theirs."""
    return (stats.rankdata(results, axis=0) - 1) / (len(results) - 1) - 0.5
