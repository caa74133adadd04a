"""The curves that HPO-B's authors publish, as rows beside ours: random search and three Bayesian optimizers.

``published.parquet`` holds the four continuous results of their repository (``results/*-C.json``, MIT licence) in
float32, written by ``python -m scripts.hpob_published``.

Source: pineda2021hpob.
"""

from __future__ import annotations

import functools
from importlib import resources

import pandas as pd

from qdbench.leaderboard.hpob.curves import INDEX
from qdbench.leaderboard.hpob.data import OFFICIAL_READINGS, Setting

MARK = "published"
METHODS = ("RS", "GP", "DGP", "FSBO2")
FILE = "published.parquet"


def beside(setting: Setting, curves: pd.DataFrame) -> pd.DataFrame:
    """The curves with the published ones of the same tasks and designs, where those are of the same protocol.

    A published curve stands beside each repetition of ours with its design.

    Args:
        setting: What the curves are of.
        curves: See :mod:`qdbench.leaderboard.hpob.curves`.
    """
    if (setting.benchmark, setting.start, setting.budget - setting.offset) != ("hpob", "design", OFFICIAL_READINGS[-1]):
        return curves
    series = curves.index.droplevel("method").unique()
    keys = pd.MultiIndex.from_tuples(
        [(space, dataset, seed.partition("-")[0]) for space, dataset, seed in series], names=INDEX[1:]
    )
    parts = [curves]
    for method in METHODS:
        known = published().xs(method, level="method")
        found = keys.isin(known.index)
        part = known.loc[keys[found]].astype("float64")
        part.index = pd.MultiIndex.from_tuples([(f"{method} ({MARK})", *names) for names in series[found]], names=INDEX)
        parts.append(part)
    return pd.concat(parts).sort_index()


@functools.cache
def published() -> pd.DataFrame:
    """The published curves, float32; see :mod:`qdbench.leaderboard.hpob.curves`."""
    with (resources.files("qdbench.leaderboard.hpob") / FILE).open("rb") as file:
        table = pd.read_parquet(file).set_index(list(INDEX))
    table.columns = table.columns.astype(int)
    return table
