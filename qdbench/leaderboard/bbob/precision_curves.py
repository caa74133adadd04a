"""Curves of precision over the budget, from the traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from qdbench.leaderboard.aggregate import Results
from qdbench.leaderboard.bbob import normalised, precision_figures
from qdbench.leaderboard.bbob.data import Experiment, Setting
from qdbench.leaderboard.bbob.normalised import Scored
from qdbench.leaderboard.bbob.precision_figures import Curve
from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.sectioned.style import Mark

_POINTS = 25


def function_curves(results: Results, experiment: Experiment, scored: Scored, look: Mapping[str, Mark]) -> Plot:
    """The precision over the budget on every function of a setting."""
    setting = scored.setting
    fractions = np.arange(1, _POINTS + 1) / _POINTS
    curves: dict[int, dict[str, Curve]] = {}
    for (function, optimizer), trials in experiment.of(setting).groupby(["function", "optimizer"], sort=True):
        mean, error = normalised.mean_steps(_steps(results, trials, fractions))
        curve = _curve(mean, mean - error, mean + error, fractions, setting)
        if len(curve[0]):
            curves.setdefault(int(function), {})[str(optimizer)] = curve
    return Plot(
        f"curves-{setting.name}",
        precision_figures.function_curves_figure(curves, scored.order(), look, x_label([setting])),
        f"Mean best-so-far precision over the budget on each function, {setting.title}",
        "Best-so-far precision over the budget: mean over the trials and 1.96 standard errors of the mean.",
    )


def score_curves(results: Results, experiment: Experiment, scored: Scored, names: Sequence[str]) -> dict[str, Curve]:
    """The score over the budget of each optimizer that has trials on all functions of the Gaussian GA."""
    setting = scored.setting
    fractions = np.arange(1, _POINTS + 1) / _POINTS
    table = scored.functions
    means = table[table["optimizer"] == scored.baseline].set_index("function")["mean"].to_dict()
    trials = experiment.of(setting)
    curves = {}
    for name in names:
        own = trials[trials["optimizer"] == name]
        if not means or set(own["function"]) != set(means):
            continue
        steps = {int(function): _steps(results, group, fractions) for function, group in own.groupby("function")}
        mean, error = normalised.mean_steps(normalised.log_score_steps(steps, means))
        curve = _curve(10**mean, 10 ** (mean - error), 10 ** (mean + error), fractions, setting)
        if len(curve[0]):
            curves[name] = curve
    return curves


def _steps(results: Results, trials: pd.DataFrame, fractions: np.ndarray) -> np.ndarray:
    traces = [results.trials[digest].trace for digest in trials["digest"]]
    # The objective is minus the precision; subtracting from zero turns -0 into 0.
    pairs = [(trace["fraction"].to_numpy(), 0.0 - trace["best_objective"].to_numpy()) for trace in traces]
    return normalised.precision_steps(pairs, fractions)


def _curve(mean: np.ndarray, low: np.ndarray, high: np.ndarray, fractions: np.ndarray, setting: Setting) -> Curve:
    x = fractions * setting.budget / (setting.batch_size or 1)
    known = np.isfinite(mean)
    return x[known], mean[known], low[known], high[known]


def x_label(settings: Sequence[Setting]) -> str:
    """What the axis counts: generations where the batch size is known."""
    return "generations (evaluations / N)" if all(setting.batch_size for setting in settings) else "evaluations"
