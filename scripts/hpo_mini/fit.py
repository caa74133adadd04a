"""Fits surrogates to the tables by HPO-B's recipe, and measures them on rows that they have not seen."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xgboost
from scipy import stats
from sklearn.model_selection import KFold, train_test_split

from qdbench.tasks.hpob.names import SUMMARY, key_of
from scripts.hpo_mini.runs import SCORE

LEARNING_RATES = (0.001, 0.01, 0.1, 0.5)
ROUNDS = (20, 50, 100, 500)
FOLDS = 5
MAX_DEPTH = 6
HELD_OUT = 0.2


class Quality(NamedTuple):
    """How a surrogate that was fitted to the other rows predicts the held-out ones.

    Attributes:
        rmse: Root of the mean squared error of the accuracy.
        r2: Share of the variance that is explained.
        spearman: Rank correlation.
        learning_rate: Chosen.
        rounds: Chosen.
    """

    rmse: float
    r2: float
    spearman: float
    learning_rate: float
    rounds: int


def surrogate(table: pd.DataFrame, seed: int) -> tuple[xgboost.Booster, float, int]:
    """The model of all rows with the learning rate and the rounds of least cross-validated error.

    The models of fewer rounds are the first trees of those of more, so one fit serves all numbers of rounds.
    """
    features, target = _split(table)
    errors: dict[tuple[float, int], list[float]] = {}
    for rate, (train, test) in itertools.product(
        LEARNING_RATES, list(KFold(FOLDS, shuffle=True, random_state=seed).split(features))
    ):
        model = _fit(features[train], target[train], rate, max(ROUNDS), seed)
        for rounds in ROUNDS:
            predicted = model.inplace_predict(features[test], iteration_range=(0, rounds))
            errors.setdefault((rate, rounds), []).append(_rmse(predicted, target[test]))
    rate, rounds = min(errors, key=lambda choice: float(np.mean(errors[choice])))
    return _fit(features, target, rate, rounds, seed), rate, rounds


def held_out(table: pd.DataFrame, seed: int) -> Quality:
    """The quality on a fifth of the rows of a model that was chosen and fitted on the others."""
    train, test = train_test_split(table, test_size=HELD_OUT, random_state=seed)
    model, rate, rounds = surrogate(train, seed)
    features, target = _split(test)
    predicted = model.inplace_predict(features)
    rmse = _rmse(predicted, target)
    return Quality(
        rmse=rmse,
        r2=1 - rmse**2 / float(target.var()),
        spearman=float(stats.spearmanr(predicted, target).statistic),
        learning_rate=rate,
        rounds=rounds,
    )


def write_models(tables: dict[tuple[str, str], pd.DataFrame], folder: Path, seed: int) -> Iterator[dict[str, object]]:
    """Writes a folder that is laid out like HPO-B's ``saved-surrogates.zip``; yields the quality of each model."""
    folder.mkdir(parents=True, exist_ok=True)
    ranges = {}
    for (space, dataset), table in tables.items():
        model, _, _ = surrogate(table, seed)
        model.save_model(folder / f"{key_of(space, dataset)}.json")
        accuracy = table[SCORE]
        ranges[key_of(space, dataset)] = {"y_min": float(accuracy.min()), "y_max": float(accuracy.max())}
        yield {"space": space, "dataset": dataset, "rows": len(table), **held_out(table, seed)._asdict()}
    (folder / SUMMARY).write_text(json.dumps(ranges))


def _fit(features: np.ndarray, target: np.ndarray, rate: float, rounds: int, seed: int) -> xgboost.Booster:
    settings = {"objective": "reg:squarederror", "max_depth": MAX_DEPTH, "eta": rate, "seed": seed, "nthread": 1}
    return xgboost.train(settings, xgboost.DMatrix(features, target, nthread=1), rounds)


def _split(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return table.drop(columns=SCORE).to_numpy(np.float32), table[SCORE].to_numpy(np.float32)


def _rmse(predicted: np.ndarray, target: np.ndarray) -> float:
    return float(np.sqrt(np.mean((predicted - target) ** 2)))
