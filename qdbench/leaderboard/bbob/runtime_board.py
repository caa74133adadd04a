"""The contents of the board of runtimes to fixed targets, as COCO compares optimizers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from qdbench.leaderboard import suitewide
from qdbench.leaderboard.aggregate import Results
from qdbench.leaderboard.bbob import runtime, runtime_figures
from qdbench.leaderboard.bbob.data import Experiment, Setting, failures_of
from qdbench.leaderboard.bbob.functions import GROUPS, title
from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.sectioned.content import Content, Section
from qdbench.leaderboard.sectioned.style import Mark
from qdbench.leaderboard.tables import MISSING, Cell, Column, Table, scientific

SHOWN = (1e1, 1e0, 1e-1, 1e-2, 1e-3, 1e-5, 1e-7, 1e-8)
"""The targets of the tables."""

NOTE = (
    "A target is a precision f − f_opt; a trial's runtime to it is the number of evaluations until its best-so-far "
    "precision was at most the target. The distributions show the share of all (function, instance, target) triples "
    "that were reached over the evaluations divided by the dimension, each function counting alike. A trial that does "
    "not reach a target is started again, in simulation: its evaluations count, another trial of the same function and "
    f"dimension is drawn, and so on until one reaches it ({runtime.SAMPLES} draws a trial, fixed seed). Beyond the "
    "dashed line, the budget, only such restarts reach targets. An optimizer is in a distribution if it has trials on "
    "every function of the group."
)
RANKING_NOTE = (
    "The area is the mean height of the distribution over log10(evaluations / D), from 1 evaluation a dimension to the "
    "budget: 1 would be every target at once. Reached is the share of triples that the trials reached themselves. The "
    "place is by the mean area over the dimensions."
)
ERT_NOTE = (
    "Expected running time: the evaluations of all trials until the target, divided by the number of trials that "
    "reached it, which is in parentheses if not all did. Where none did it is ∞, with the median evaluations of the "
    "trials."
)
TRIAL_NOTE = (
    "A trial's score is the area under the distribution of its own runtimes, without restarts: the mean over targets "
    "of 1 − log(t / D) / log(B / D), t the evaluations at which it reached the target and B the budget, 0 where it did "
    "not. Trials on different instances count as repetitions."
)
_POINTS = 141

Shares = dict[tuple[str, int], np.ndarray]
"""The distribution of each optimizer on each function of a setting, ``(points,)``."""


def content(results: Results, experiment: Experiment, hits: np.ndarray, look: Mapping[str, Mark]) -> Content:
    """Everything that the pages show.

    Args:
        results: For the failures.
        experiment: At least one trial.
        hits: ``(trials, targets)`` of its trials.
        look: From :func:`qdbench.leaderboard.sectioned.style.marks`.
    """
    areas, reached, panels, sections = {}, {}, {}, []
    for setting in experiment.settings:
        trials = experiment.of(setting)
        log_points = _log_points(setting)
        shares = _shares(setting, trials, hits, log_points)
        groups = _groups(trials, shares)
        overall = groups.get(_ALL, {})
        end = math.log10(setting.budget / setting.dim)
        areas[setting] = {name: runtime.area(log_points, curve, end) for name, curve in overall.items()}
        reached[setting] = _reached(trials, hits, list(overall))
        panels[setting] = groups
        values = _values(setting, trials, hits, experiment.targets)
        sections.append((setting, values))
    order = _order(areas, list(look))
    ranking = _ranking_table(order, experiment.settings, areas, reached)
    first = Section("Ranking", (RANKING_NOTE, NOTE), (ranking,), _overview(experiment.settings, panels, order, look))
    made = [_setting_section(setting, values, panels[setting], order, look) for setting, values in sections]
    table = pd.concat([values for _, values in sections], ignore_index=True)
    return Content(_brief(ranking), (first, *_suite_section(results, experiment, hits, look), *made), table)


_ALL = "all functions"


def _suite_section(
    results: Results, experiment: Experiment, hits: np.ndarray, look: Mapping[str, Mark]
) -> list[Section]:
    """The statistics over all functions and settings, of the areas of single trials."""
    scores: dict[str, dict[str, np.ndarray]] = {}
    for setting in experiment.settings:
        if setting.budget <= setting.dim:
            continue
        for (function, optimizer), group in experiment.of(setting).groupby(["function", "optimizer"], sort=True):
            areas = runtime.trial_areas(hits[group.index.to_numpy()], setting.dim, setting.budget)
            scores.setdefault(f"{title(int(function))}, {setting.short}", {})[str(optimizer)] = areas
    section = suitewide.section(scores, failures_of(results), look, score=TRIAL_NOTE)
    return [section] if section else []


def _log_points(setting: Setting) -> np.ndarray:
    """From 1 evaluation a dimension to ten times the budget."""
    end = math.log10(setting.budget / setting.dim) + 1
    return np.linspace(0.0, max(end, 1.0), _POINTS)


def _shares(setting: Setting, trials: pd.DataFrame, hits: np.ndarray, log_points: np.ndarray) -> Shares:
    found = {}
    points = setting.dim * 10**log_points
    for (optimizer, function), group in trials.groupby(["optimizer", "function"], sort=True):
        seed = (runtime.SEED, int(function), setting.dim)
        own = hits[group.index.to_numpy()]
        runtimes = runtime.simulate_restarts(own, group["evaluations"].to_numpy(), seed=seed)
        found[str(optimizer), int(function)] = runtime.distribution(runtimes, points)
    return found


def _groups(trials: pd.DataFrame, shares: Shares) -> dict[str, dict[str, np.ndarray]]:
    """The mean distribution over each group's functions, of every optimizer that has them all."""
    present = sorted(set(trials["function"]))
    members = {name: [f for f in functions if f in present] for name, functions in (GROUPS | {_ALL: present}).items()}
    optimizers = sorted(set(trials["optimizer"]))
    return {
        name: {
            optimizer: np.mean([shares[optimizer, function] for function in functions], axis=0)
            for optimizer in optimizers
            if all((optimizer, function) in shares for function in functions)
        }
        for name, functions in members.items()
        if functions
    }


def _reached(trials: pd.DataFrame, hits: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """The mean over functions of the share of (instance, target) pairs that the trials reached."""
    share = pd.Series((hits[trials.index.to_numpy()] > 0).mean(axis=1), index=trials.index)
    by_function = share.groupby([trials["optimizer"], trials["function"]]).mean()
    return {name: float(by_function[name].mean()) for name in names}


def _order(areas: Mapping[Setting, Mapping[str, float]], names: Sequence[str]) -> list[str]:
    means = {name: _mean_area(areas, name) for name in names}
    return sorted(names, key=lambda name: (not math.isfinite(means[name]), -means[name], name))


def _mean_area(areas: Mapping[Setting, Mapping[str, float]], name: str) -> float:
    """The mean over the settings; NaN if the optimizer lacks one."""
    return float(np.mean([found.get(name, math.nan) for found in areas.values()]))


def _ranking_table(
    order: Sequence[str],
    settings: Sequence[Setting],
    areas: Mapping[Setting, Mapping[str, float]],
    reached: Mapping[Setting, Mapping[str, float]],
) -> Table:
    means = pd.Series({name: _mean_area(areas, name) for name in order}, dtype=float)
    places = means.round(9).rank(ascending=False, method="min")
    columns = [Column("Optimizer", numeric=False), Column("Place"), Column("Mean area")]
    for setting in settings:
        columns += [Column("area", _head(setting, settings)), Column("reached", _head(setting, settings))]
    rows = []
    for name in order:
        place = f"{places[name]:.0f}" if math.isfinite(places[name]) else MISSING
        cells = [Cell(name, mark="optimizer"), Cell(place, places[name]), _share_cell(means[name], means.max())]
        for setting in settings:
            best = max(areas[setting].values(), default=math.nan)
            cells.append(_share_cell(areas[setting].get(name, math.nan), best))
            value = reached[setting].get(name, math.nan)
            cells.append(Cell(f"{100 * value:.1f} %" if math.isfinite(value) else MISSING, value))
        rows.append(tuple(cells))
    return Table("Ranking by the area under the distribution of runtimes", tuple(columns), tuple(rows))


def _brief(ranking: Table) -> Table:
    """Without the shares reached, which a terminal has no room for."""
    kept = [place for place, column in enumerate(ranking.columns) if column.title != "reached"]
    return ranking.part(kept)


def _share_cell(value: float, best: float) -> Cell:
    return Cell(f"{value:.3f}" if math.isfinite(value) else MISSING, value, "best" if value == best else "")


def _head(setting: Setting, settings: Sequence[Setting]) -> str:
    unique = sum(1 for other in settings if other.dim == setting.dim) == 1
    return f"D = {setting.dim}" + ("" if unique else f", {setting.budget:,}")


def _overview(
    settings: Sequence[Setting],
    panels: Mapping[Setting, Mapping[str, Mapping[str, np.ndarray]]],
    order: Sequence[str],
    look: Mapping[str, Mark],
) -> tuple[Plot, ...]:
    # One axis for all panels: the same budget a dimension, or no overview.
    multiples = {round(setting.budget / setting.dim, 6) for setting in settings}
    shown = {_head(setting, settings): panels[setting].get(_ALL, {}) for setting in settings}
    if len(multiples) > 1 or len(settings) < 2 or not any(shown.values()):
        return ()
    figure = runtime_figures.distributions_figure(
        shown, _log_points(settings[0]), math.log10(multiples.pop()), order, look
    )
    caption = "Distributions of runtimes over all functions and targets in each dimension D."
    return (Plot("runtimes", figure, f"{caption} Optimizers, the best first: {', '.join(order)}", caption),)


def _setting_section(
    setting: Setting,
    values: pd.DataFrame,
    groups: Mapping[str, Mapping[str, np.ndarray]],
    order: Sequence[str],
    look: Mapping[str, Mark],
) -> Section:
    shown = {name: panel for name, panel in groups.items() if panel}
    plots: tuple[Plot, ...] = ()
    if shown:
        end = math.log10(setting.budget / setting.dim)
        figure = runtime_figures.distributions_figure(shown, _log_points(setting), end, order, look)
        caption = f"Distributions of runtimes by group of functions, {setting.title}."
        plots = (Plot(f"runtimes-{setting.name}", figure, f"{caption} Optimizers: {', '.join(order)}", caption),)
    return Section(setting.title, (ERT_NOTE,), (), plots, (_ert_table(setting, values, order),))


def _values(setting: Setting, trials: pd.DataFrame, hits: np.ndarray, targets: np.ndarray) -> pd.DataFrame:
    """One row for each function and optimizer: trials, evaluations, and ERT and successes of the shown targets."""
    columns = [int(np.argmin(np.abs(np.log10(targets) - math.log10(target)))) for target in SHOWN]
    rows = []
    for (function, optimizer), group in trials.groupby(["function", "optimizer"], sort=True):
        own, evaluations = hits[group.index.to_numpy()][:, columns], group["evaluations"].to_numpy()
        row = {
            "dim": setting.dim,
            "budget": setting.budget,
            "function": function,
            "optimizer": optimizer,
            "hyperparameters": group["hyperparameters"].iloc[0],
            "trials": len(group),
            "median_evaluations": float(np.median(evaluations)),
            "median_precision": float(group["precision"].median(skipna=False)),
            "run_seconds": float(group["run_seconds"].median()),
        }
        times, counts = runtime.expected_running_time(own, evaluations), runtime.successes(own)
        row |= {f"ert_{target:.0e}": float(time) for target, time in zip(SHOWN, times, strict=True)}
        row |= {f"successes_{target:.0e}": int(count) for target, count in zip(SHOWN, counts, strict=True)}
        rows.append(row)
    return pd.DataFrame(rows)


def _ert_table(setting: Setting, values: pd.DataFrame, order: Sequence[str]) -> Table:
    columns = [Column("Function", numeric=False), Column("Optimizer", numeric=False)]
    columns += [Column(f"{target:g}".replace("e-0", "e-"), "ERT to the precision") for target in SHOWN]
    rank = {name: place for place, name in enumerate(order)}
    rows = []
    for function, group in values.groupby("function", sort=True):
        best = {target: group[f"ert_{target:.0e}"].min() for target in SHOWN}
        for row in sorted(group.to_dict("records"), key=lambda row: rank[row["optimizer"]]):
            cells = [Cell(title(int(function)), function), Cell(row["optimizer"], mark="optimizer")]
            for target in SHOWN:
                time, count = row[f"ert_{target:.0e}"], row[f"successes_{target:.0e}"]
                cells.append(
                    _ert_cell(time, count, row["trials"], row["median_evaluations"], bool(time == best[target]))
                )
            rows.append(tuple(cells))
    return Table(f"Expected running times: {setting.title}", tuple(columns), tuple(rows))


def _ert_cell(time: float, count: int, trials: int, median: float, best: bool) -> Cell:
    if not math.isfinite(time):
        return Cell(f"∞ ({scientific(median, 2)})", math.inf)
    some = f" ({count}/{trials})" if count < trials else ""
    return Cell(scientific(time) + some, time, "best" if best else "")
