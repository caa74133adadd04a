"""Two ways to choose settings from a tuning, and the chosen cells beside a reference optimizer's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from qdbench.harness.tune import Tuned
from qdbench.leaderboard.bbob import normalised
from qdbench.leaderboard.bbob.data import FLOOR
from qdbench.leaderboard.bbob.functions import members_of
from qdbench.leaderboard.tuned.data import Tuning

Choice = dict[int, int]
"""The row of the chosen cell for each function."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What one way to choose gives.

    Attributes:
        choices: Of each optimizer.
        functions: One row for each function and optimizer (:func:`qdbench.leaderboard.bbob.normalised.compared`).
        overall: One row for each optimizer (:func:`qdbench.leaderboard.bbob.normalised.overall_table`).
    """

    choices: dict[str, Choice]
    functions: pd.DataFrame
    overall: pd.DataFrame

    def order(self) -> list[str]:
        """The optimizers, the best first."""
        return list(self.overall["optimizer"])


def judge(tunings: Sequence[Tuning], choices: Mapping[str, Choice], reference: str) -> Protocol:
    """Puts the chosen cells beside those of the reference.

    Args:
        tunings: Of all optimizers, on the same functions.
        choices: For each optimizer.
        reference: One of the optimizers.
    """
    rows = [
        (function, tuning.optimizer, tuning.repetitions, tuning.means[function][cell], tuning.stds[function][cell])
        for tuning in tunings
        for function, cell in choices[tuning.optimizer].items()
    ]
    table = pd.DataFrame(rows, columns=["function", "optimizer", "trials", "mean", "std"])
    table["mean"] = table["mean"].clip(lower=FLOOR)
    functions = normalised.compared(table.sort_values(["function", "optimizer"], ignore_index=True), reference)
    return Protocol(dict(choices), functions, normalised.overall_table(functions))


def one_setting(tuning: Tuning) -> Choice:
    """One cell for all functions: the global choice of :mod:`qdbench.harness.tune`, made on the training functions.

    Raises:
        ValueError: If none of the tuning's functions is a training function.
    """
    best = _rule(tuning, _training(tuning)).best()
    return dict.fromkeys(tuning.tasks, tuning.cells.index(best))


def training_score(tuning: Tuning) -> float:
    """What the chosen cell has by the rule: its geometric mean ratio to the best cell of each training function."""
    return float(_rule(tuning, _training(tuning)).scores().min())


def per_function(tuning: Tuning) -> Choice:
    """The best cell for each function."""
    best = _rule(tuning, list(tuning.tasks)).best_per_task()
    return {int(function): tuning.cells.index(cell) for function, cell in best.items()}


def cell_scores(tuning: Tuning, beside: pd.Series) -> np.ndarray:
    """The geometric mean over functions of each cell's ratio to given means, within the limits: ``(cells,)``.

    Args:
        tuning: Of an optimizer.
        beside: The mean of the reference on each function, at least :data:`qdbench.leaderboard.bbob.data.FLOOR`.
    """
    ratios = tuning.means.clip(lower=FLOOR) / beside[list(tuning.means)]
    return np.array([normalised.geometric_mean(row) for _, row in ratios.iterrows()])


def _training(tuning: Tuning) -> list[int]:
    functions = members_of("training", tuning.tasks)
    if not functions:
        raise ValueError(
            f"{tuning.optimizer!r} was tuned on the functions {', '.join(map(str, tuning.tasks))}: one setting is "
            f"chosen on the training functions {', '.join(map(str, members_of('training', range(1, 25))))}, of which "
            "none is there"
        )
    return functions


def _rule(tuning: Tuning, functions: Sequence[int]) -> Tuned:
    """The tuning on some functions as one whose single trials are the means: the rule rests on means alone."""
    table = tuning.means[list(functions)].melt(var_name="task", value_name="precision", ignore_index=False)
    table = table.rename_axis("cell").reset_index()
    table["task"] = table["task"].astype(str)
    names = [str(function) for function in functions]
    grid = dict(tuning.grid)
    return Tuned(tuning.optimizer, grid, tuning.fixed, table, {name: {} for name in names}, dict.fromkeys(names, FLOOR))
