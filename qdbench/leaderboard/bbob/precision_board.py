"""The contents of the board of precision within a fixed budget (Figures 4 and 5 of the paper of the learned GA)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from qdbench.leaderboard import suitewide
from qdbench.leaderboard.aggregate import Results
from qdbench.leaderboard.bbob import normalised, precision_curves, precision_figures, ranks
from qdbench.leaderboard.bbob.cells import by_function, mean_cell, score_cell
from qdbench.leaderboard.bbob.data import Experiment, Setting, failures_of
from qdbench.leaderboard.bbob.functions import shown_splits, title
from qdbench.leaderboard.bbob.normalised import Scored
from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.sectioned.cells import best_cell, place_text, rank_cell
from qdbench.leaderboard.sectioned.content import Content, Section
from qdbench.leaderboard.sectioned.style import Mark
from qdbench.leaderboard.tables import Cell, Column, Table, scientific

_BRIEF = 5
PAPER = (20, 32)
"""The dimension and the batch size of Figure 4."""

SCORE_NOTE = (
    "The score of an optimizer on a function is its mean best-so-far precision f − f_opt at the end of the budget "
    f"divided by that of {normalised.BASELINE}: below 1 is better than the Gaussian GA. Precisions below 1e-8 count as "
    "1e-8. Scores are combined by their geometric mean, in which each counts as 0.01 at least and 100 at most; the "
    "intervals are approximate 95 % intervals of the ratio of two means. An optimizer takes a place if it has a result "
    "on every function."
)
RANK_NOTE = (
    "The mean rank is the mean over functions of the rank by mean precision: 1 is best, and equal means share the mean "
    "of their ranks. In brackets is its 95 % percentile bootstrap interval, for which the trials of each optimizer on "
    f"each function are drawn again {ranks.RESAMPLES:,} times."
)


def content(results: Results, experiment: Experiment, look: Mapping[str, Mark]) -> Content:
    """Everything that the pages show.

    Args:
        results: For the traces.
        experiment: At least one trial.
        look: From :func:`qdbench.leaderboard.sectioned.style.marks`.
    """
    settings = {setting: normalised.score(setting, experiment.of(setting)) for setting in experiment.settings}
    featured = _featured(experiment.settings)
    sections = [_grid_section(results, experiment, settings, look)] if len(settings) > 1 else []
    for setting, scored in settings.items():
        plots = _setting_plots(results, experiment, scored, look) if setting in featured else ()
        sections.append(_setting_section(scored, plots))
    sections += _suite_section(results, experiment, look)
    return Content(
        sections[0].tables[0].part(_BRIEF if len(settings) == 1 else 3), tuple(sections), _values(experiment, settings)
    )


def _suite_section(results: Results, experiment: Experiment, look: Mapping[str, Mark]) -> list[Section]:
    """The statistics over all functions and settings, of minus the logarithm of the precision."""
    scores: dict[str, dict[str, np.ndarray]] = {}
    failures = failures_of(results)
    for setting in experiment.settings:
        place = f", {setting.short}" if len(experiment.settings) > 1 else ""
        for (function, optimizer), found in experiment.of(setting).groupby(["function", "optimizer"], sort=True):
            values = found["precision"].to_numpy(np.float64)
            known = values[np.isfinite(values)]
            failures[str(optimizer)] += len(values) - len(known)
            if len(known):
                scores.setdefault(title(int(function)) + place, {})[str(optimizer)] = -np.log10(known)
    section = suitewide.section(scores, failures, look)
    return [section] if section else []


def _featured(settings: Sequence[Setting]) -> list[Setting]:
    """The settings with figures of their own: the paper's if there are many, else all."""
    if len(settings) <= 2:
        return list(settings)
    return [setting for setting in settings if (setting.dim, setting.batch_size) == PAPER]


def _setting_section(scored: Scored, plots: tuple[Plot, ...]) -> Section:
    words = (scored.note or SCORE_NOTE, RANK_NOTE)
    tables = (_overall_table(scored), *(() if scored.note else (_scores_table(scored),)))
    return Section(scored.setting.short, words, tables, plots, (_means_table(scored),))


def _setting_plots(
    results: Results, experiment: Experiment, scored: Scored, look: Mapping[str, Mark]
) -> tuple[Plot, ...]:
    curves = precision_curves.function_curves(results, experiment, scored, look)
    others = [name for name in scored.order() if name != scored.baseline]
    if scored.note or not others:
        return (curves,)
    means = (f"{row['optimizer']} {scientific(row['all'])}" for row in scored.overall.to_dict("records"))
    scores = Plot(
        f"scores-{scored.setting.name}",
        precision_figures.scores_figure(scored.functions, others, look),
        f"Score of each optimizer on each function, {scored.setting.title}. Geometric means: {', '.join(means)}",
        "Mean best-so-far precision divided by the Gaussian GA's, with its approximate 95 % interval: the paper's ten "
        "training functions left, the hold-out functions right. Below 1e-3 and above 1e3 they are drawn at the edge.",
    )
    return scores, curves


def _overall_table(scored: Scored) -> Table:
    overall, plain, intervals = scored.overall, bool(scored.note), scored.rank_intervals
    splits = shown_splits(set(scored.functions["function"]))
    columns = [Column("Optimizer", numeric=False), Column("Place")]
    columns += [] if plain else [Column(split, "Geometric mean score") for split in splits]
    columns += [Column(split, "Mean rank") for split in splits]
    columns += [] if plain else [Column("better than GA", "Functions")]
    columns += [Column("won", "Functions"), Column("run", "Functions")]
    rows = []
    for row in overall.to_dict("records"):
        cells = [Cell(row["optimizer"], mark="optimizer"), Cell(place_text(row["place"]), row["place"])]
        cells += [] if plain else [best_cell(row[split], overall[split]) for split in splits]
        for split in splits:
            low, high = (float(intervals.loc[row["optimizer"], f"{split}_{end}"]) for end in ("low", "high"))
            cells.append(rank_cell(row[f"rank_{split}"], overall[f"rank_{split}"], low, high))
        cells += [] if plain else [Cell(str(row["better_all"]), row["better_all"])]
        cells += [Cell(str(row[name]), row[name]) for name in ("won", "functions")]
        rows.append(tuple(cells))
    return Table(f"Ranking: {scored.setting.title}", tuple(columns), tuple(rows))


def _scores_table(scored: Scored) -> Table:
    return by_function(f"Score on each function: {scored.setting.title}", scored.functions, scored.order(), score_cell)


def _means_table(scored: Scored) -> Table:
    caption = f"Mean best-so-far precision ± its standard error: {scored.setting.title}"
    return by_function(caption, scored.functions, scored.order(), mean_cell)


def _grid_section(
    results: Results,
    experiment: Experiment,
    settings: Mapping[Setting, Scored],
    look: Mapping[str, Mark],
) -> Section:
    scores: dict[str, dict[Setting, float]] = {}
    for setting, scored in settings.items():
        for row in scored.overall.to_dict("records"):
            scores.setdefault(row["optimizer"], {})[setting] = row["all"]
    means = {name: _geometric(found, experiment.settings) for name, found in scores.items()}
    order = sorted(scores, key=lambda name: (not math.isfinite(means[name]), means[name], name))
    columns = [Column("Optimizer", numeric=False), Column("Place"), Column("All settings")]
    columns += [Column(*_heads(setting)) for setting in experiment.settings]
    best = {setting: scored.overall["all"].min() for setting, scored in settings.items()}
    rows = []
    places = pd.Series(means).rank(method="min")
    for name in order:
        cells = [Cell(name, mark="optimizer"), Cell(place_text(places[name]), places[name])]
        cells.append(best_cell(means[name], pd.Series(means)))
        for setting in experiment.settings:
            value = scores[name].get(setting, math.nan)
            cells.append(Cell(scientific(value), value, "best" if value == best[setting] else ""))
        rows.append(tuple(cells))
    table = Table("Ranking over all settings by the geometric mean score", tuple(columns), tuple(rows))
    plots = _grid_plots(results, experiment, settings, scores, order, look)
    return Section("All settings", (SCORE_NOTE,), (table,), plots)


def _grid_plots(
    results: Results,
    experiment: Experiment,
    settings: Mapping[Setting, Scored],
    scores: Mapping[str, Mapping[Setting, float]],
    order: Sequence[str],
    look: Mapping[str, Mark],
) -> tuple[Plot, ...]:
    rated = {name: scores[name] for name in order if any(math.isfinite(score) for score in scores[name].values())}
    if not rated:
        return ()
    dims = sorted({setting.dim for setting in experiment.settings})
    heads, place = _grid_places(experiment.settings, dims)
    # The Gaussian GA's own map is 1 everywhere.
    maps = {name: found for name, found in rated.items() if set(found.values()) != {1.0}}
    plots = []
    if maps:
        plots.append(
            Plot(
                "settings",
                precision_figures.heatmaps_figure(maps, heads, dims, place),
                f"Heat maps of the geometric mean score by dimension and batch size, one for each of {', '.join(maps)}",
                "Geometric mean score over the functions in each setting: violet is better than the Gaussian GA, "
                "orange is worse. Colours span 0.1 to 10.",
            )
        )
    curves = {}
    for setting, scored in settings.items():
        panel = precision_curves.score_curves(results, experiment, scored, list(rated))
        if panel:
            curves[setting] = panel
    if curves:
        plots.append(
            Plot(
                "settings-curves",
                precision_figures.setting_curves_figure(
                    curves, list(rated), look, precision_curves.x_label(experiment.settings)
                ),
                "Score over the budget in each setting, one curve an optimizer",
                "Best-so-far precision divided by the Gaussian GA's at the end of the budget, geometric mean over the "
                "functions: mean over the runs and 1.96 standard errors. Run k is the k-th trial on every function.",
            )
        )
    return tuple(plots)


def _grid_places(settings: Sequence[Setting], dims: Sequence[int]) -> tuple[list[str], dict[Setting, tuple[int, int]]]:
    """The heads of the columns of the heat maps and the place of each setting: batch sizes if they tell all apart."""
    by_size = {(setting.dim, setting.batch_size): setting for setting in settings if setting.batch_size}
    sized = len(by_size) == len(settings)
    keys = [setting.batch_size if sized else setting.budget for setting in settings]
    columns = sorted({key for key in keys if key is not None})
    heads = [f"N={key}" if sized else f"{key:,}" for key in columns]
    return heads, {s: (dims.index(s.dim), columns.index(k)) for s, k in zip(settings, keys, strict=True) if k}


def _values(experiment: Experiment, settings: Mapping[Setting, Scored]) -> pd.DataFrame:
    groups = ["function", "optimizer"]
    parts = []
    for setting, scored in settings.items():
        trials = experiment.of(setting).groupby(groups, sort=True)
        cost = trials.agg(hyperparameters=("hyperparameters", "first"), run_seconds=("run_seconds", "median"))
        part = scored.functions.merge(cost.reset_index(), on=groups)
        part.insert(0, "dim", setting.dim)
        part.insert(1, "budget", setting.budget)
        part.insert(2, "batch_size", "" if setting.batch_size is None else str(setting.batch_size))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _geometric(found: Mapping[Setting, float], settings: Sequence[Setting]) -> float:
    return normalised.geometric_mean(pd.Series([found.get(setting, math.nan) for setting in settings], dtype=float))


def _heads(setting: Setting) -> tuple[str, str]:
    return f"N = {setting.batch_size}" if setting.batch_size else f"{setting.budget:,}", f"D = {setting.dim}"
