"""The statistics of a suite as one section of a page: aggregates, comparisons of pairs, tests, and what they say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from qdbench.leaderboard import robust
from qdbench.leaderboard.robust import ALPHA, Estimate, Scores
from qdbench.leaderboard.sectioned.content import Section
from qdbench.leaderboard.statistics import p_text
from qdbench.leaderboard.suitewide_figures import Styled, differences_plot, profiles_plot
from qdbench.leaderboard.tables import Cell, Column, Table, number
from qdbench.wording import count

NOTE = (
    "Scores are normalised on every task: 0 is the lowest mean of an optimizer on it, 1 the highest; of metrics of "
    "which lower is better, the logarithm counts. IQM is the interquartile mean over all trials and tasks. Intervals "
    f"are 95 % percentile bootstrap intervals, trials drawn again within each task ({robust.RESAMPLES:,} times, fixed "
    "seed; Agarwal et al. 2021). Ranks are by the mean score on each task, 1 is best."
)
PAIRS_NOTE = (
    "The probability of improvement is how likely a trial of the optimizer at the left is better than one of the "
    "optimizer above, averaged over the tasks: 0.5 is no difference."
)
TESTS_NOTE = (
    "Within each task: Welch's analysis of variance, p-values corrected over the tasks by Holm's procedure, and all "
    "pairs by Games and Howell's test, which controls the error of all pairs of a task together. Over the tasks: "
    "Friedman's test on the ranks with Iman and Davenport's correction, and Nemenyi's critical difference (Demšar "
    "2006)."
)
VERDICTS_NOTE = (
    "Of the three numbers, the first counts the tasks on which the optimizer at the left is significantly better than "
    "the one above, the last those on which it is significantly worse, and the one between all others."
)
_MOST_PAIRS, _MOST_TASKS, _MOST_TESTS = 16, 12, 1000


def section(
    scores: Scores,
    failures: Mapping[str, int],
    look: Mapping[str, Styled],
    *,
    of: str = "",
    score: str = "",
    prefix: str = "",
) -> Section | None:
    """The section; None for fewer than two optimizers that are on every task.

    Up to 12 tasks are described one by one, and up to 1,000 pairs of optimizers on a task shown with their tests.

    Args:
        scores: Higher is better, finite; see :mod:`qdbench.leaderboard.robust`.
        failures: How many trials of an optimizer failed.
        look: The style of each optimizer.
        of: What the section is about, where a page has several.
        score: What a trial's score is, where it is not the tasks' metric.
        prefix: Of the names of figures.
    """
    names = robust.complete(scores)
    if len(names) < 2:
        return None
    among = {task: {name: groups[name] for name in names} for task, groups in sorted(scores.items())}
    aggregated, ranks = robust.aggregate(among), robust.mean_ranks(among)
    order = sorted(names, key=lambda name: (ranks.loc[name, "value"], -aggregated.loc[name, "value"], name))
    exact = len(among) * math.comb(len(names), 2) <= _MOST_TESTS
    anova, pairs = tests(among, exact)
    left_out = sorted({name for groups in scores.values() for name in groups} - set(names))
    words = [score] if score else []
    words += [NOTE, *_words(among, order, ranks, anova)]
    words += [line for task in among for line in _task_words(task, anova, pairs)] if len(among) <= _MOST_TASKS else []
    words += [f"Not part of this, because they have no trials on some task: {', '.join(left_out)}."] if left_out else []
    failed = [f"{name} {number}" for name, number in sorted(failures.items()) if number]
    words += [f"Failed trials have no score and are not in these numbers: {', '.join(failed)}."] if failed else []
    tables = [_aggregate_table(among, order, aggregated, ranks, failures)]
    if len(order) <= _MOST_PAIRS:
        tables.append(_improvement_table(among, order))
        words.append(PAIRS_NOTE)
    if len(order) <= _MOST_PAIRS and len(among) > 1:
        tables.append(_verdicts_table(pairs, order, len(among)))
        words.append(VERDICTS_NOTE)
    plots = [profiles_plot(among, order, look, prefix)]
    if len(among) > 1:
        plots.append(differences_plot(ranks["value"].to_dict(), len(among), prefix))
    by_task = pairs.groupby("task", sort=False) if exact else ()
    folded = (_anova_table(anova), *(_pairs_table(task, found) for task, found in by_task))
    words.append(TESTS_NOTE)
    title = "Over the suite" + (f": {of}" if of else "")
    return Section(title, tuple(words), tuple(tables), tuple(plots), folded)


def tests(scores: Scores, exact: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Welch's analysis of variance of each task and Games and Howell's tests of its pairs.

    Args:
        scores: Higher is better, finite.
        exact: Whether pairs get their t, df and p, and not the verdict alone.

    Returns:
        One row a task (task, F, df, df_residual, p, p_holm, note) and, for at most 16 optimizers, one row a pair
        (task, first, second, difference, t, df, p, significant (None: not tested), note).
    """
    rows, pairs = [], []
    for task, groups in scores.items():
        testable = {name: values for name, values in groups.items() if len(values) > 1}
        varied = [values for values in testable.values() if not robust.is_constant(values)]
        note = "" if len(varied) == len(groups) else "a group has one trial or no variation"
        found = robust.welch_anova(varied) if not note else None
        row = (found.statistic, found.df, found.df_residual, found.p) if found else (np.nan,) * 4
        rows.append((task, *row, note))
        for first, second in robust.pairs_of(sorted(groups)) if len(groups) <= _MOST_PAIRS else ():
            pairs.append((task, first, second, *_pair(groups[first], groups[second], len(groups), exact)))
    anova = pd.DataFrame(rows, columns=["task", "F", "df", "df_residual", "p", "note"])
    columns = ["task", "first", "second", "difference", "t", "df", "p", "significant", "note"]
    return anova.assign(p_holm=robust.holm(anova["p"].tolist())), pd.DataFrame(pairs, columns=columns)


def _pair(
    first: np.ndarray, second: np.ndarray, groups: int, exact: bool
) -> tuple[float, float, float, float, bool | None, str]:
    difference = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return difference, np.nan, np.nan, np.nan, None, "not tested: it needs two trials of each"
    if robust.is_constant(first) and robust.is_constant(second):
        return difference, np.nan, np.nan, np.nan, None, "not tested: neither varies between repetitions"
    if not exact:
        return difference, np.nan, np.nan, np.nan, robust.differ(first, second, groups), ""
    found = robust.games_howell(first, second, groups)
    return difference, found.statistic, found.df_residual, found.p, found.p < ALPHA, ""


def _words(scores: Scores, order: Sequence[str], ranks: pd.DataFrame, anova: pd.DataFrame) -> list[str]:
    words = []
    if len(scores) > 1:
        means = np.array([[groups[name].mean() for name in order] for groups in scores.values()])
        found, difference = robust.friedman(robust.ranks(-means)), robust.critical_difference(len(order), len(scores))
        verdict = "differ" if found.p < ALPHA else "do not differ"
        words.append(
            f"Over the {count(len(scores), 'task')} the mean ranks {verdict} significantly (F({found.df:.0f}, "
            f"{found.df_residual:.0f}) = {found.statistic:.2f}, {p_text(found.p)}); two optimizers differ if their "
            f"mean ranks are more than {difference:.2f} apart."
        )
        sets = robust.cliques(ranks["value"].to_dict(), difference)
        groups = "; ".join(", ".join(members) for members in sets)
        words.append(
            f"Not significantly different in their mean ranks are: {groups}."
            if sets
            else "All mean ranks differ significantly."
        )
        tested = anova["p_holm"].notna()
        same = int(tested.sum() - (anova["p_holm"] < ALPHA).sum())
        words.append(
            f"Within the tasks, the optimizers do not differ significantly on {same} of the {int(tested.sum())} that "
            "could be tested (Welch)."
        )
    return words


def _task_words(task: str, anova: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    effect, pairs = anova[anova["task"] == task].iloc[0], pairs[pairs["task"] == task]
    same = pairs[pairs["significant"].map(lambda verdict: verdict is False)]
    untested = int(pairs["significant"].isna().sum())
    lead = f"On {task} "
    if math.isfinite(effect["p_holm"]):
        verdict = "differ" if effect["p_holm"] < ALPHA else "do not differ"
        lead += f"the optimizers {verdict} significantly (Welch, {p_text(effect['p_holm'])}); "
    if not len(pairs):
        return [f"{lead}pairs are not tested for more than {_MOST_PAIRS} optimizers."]
    if untested == len(pairs):
        return [f"{lead}no pair was tested: each needs two trials that vary."]
    tested = len(pairs) - untested
    rest = f" ({count(untested, 'pair')} not tested)" if untested else ""
    if same.empty:
        return [f"{lead}all {tested} tested pairs differ significantly{rest}."]
    named = "; ".join(f"{row.first} and {row.second} ({p_text(row.p)})" for row in same.head(_MOST_PAIRS).itertuples())
    more = f" and {len(same) - _MOST_PAIRS} more" if len(same) > _MOST_PAIRS else ""
    return [f"{lead}{len(same)} of {tested} pairs do not differ significantly: {named}{more}{rest}."]


def _aggregate_table(
    scores: Scores,
    order: Sequence[str],
    aggregated: pd.DataFrame,
    ranks: pd.DataFrame,
    failures: Mapping[str, int],
) -> Table:
    columns = (
        Column("Optimizer", numeric=False),
        Column("mean rank"),
        Column("IQM of normalised scores"),
        Column("trials"),
        Column("failed"),
    )
    best_rank, best_iqm = ranks["value"].min(), aggregated["value"].max()
    rows = []
    for name in order:
        rank, middle = Estimate(*ranks.loc[name]), Estimate(*aggregated.loc[name])
        trials = sum(len(groups[name]) for groups in scores.values())
        failed = failures.get(name, 0)
        rows.append(
            (
                Cell(name, mark="optimizer"),
                Cell(_estimate(rank), rank.value, "best" if rank.value == best_rank else ""),
                Cell(_estimate(middle, 3), middle.value, "best" if middle.value == best_iqm else ""),
                Cell(str(trials), trials),
                Cell(str(failed), failed, "no" if failed else ""),
            )
        )
    return Table(f"Over {count(len(scores), 'task')}: mean rank and IQM with 95 % intervals", columns, tuple(rows))


def _improvement_table(scores: Scores, order: Sequence[str]) -> Table:
    columns = (Column("Optimizer", numeric=False), *(Column(name, "Probability of improvement over") for name in order))
    found = {}
    for first, second in robust.pairs_of(list(order)):
        estimate = robust.probability_of_improvement(scores, first, second)
        found[first, second] = estimate
        found[second, first] = Estimate(1 - estimate.value, 1 - estimate.high, 1 - estimate.low)
    rows = []
    for first in order:
        cells = [Cell(first, mark="optimizer")]
        for second in order:
            pair = found.get((first, second))
            cells.append(Cell("–", math.nan) if pair is None else Cell(_estimate(pair), pair.value))
        rows.append(tuple(cells))
    return Table("Probability of improvement with 95 % intervals", columns, tuple(rows))


def _verdicts_table(pairs: pd.DataFrame, order: Sequence[str], tasks: int) -> Table:
    """On how many tasks an optimizer is better than another one, not different from it, and worse."""
    better: Counter[tuple[str, str]] = Counter()
    for row in pairs[pairs["significant"].map(lambda verdict: verdict is True)].itertuples():
        better[(row.first, row.second) if row.difference > 0 else (row.second, row.first)] += 1
    columns = (
        Column("Optimizer", numeric=False),
        *(Column(name, "Tasks on which it is better than") for name in order),
    )
    rows = []
    for first in order:
        cells = [Cell(first, mark="optimizer")]
        for second in order:
            wins, losses = better[first, second], better[second, first]
            text = f"{wins} / {tasks - wins - losses} / {losses}"
            cells.append(Cell("–", math.nan) if first == second else Cell(text, wins - losses))
        rows.append(tuple(cells))
    return Table("Tasks: significantly better / not different / worse", columns, tuple(rows))


def _anova_table(anova: pd.DataFrame) -> Table:
    titles = ("F", "df", "residual df", "p", "p (Holm)")
    columns = (Column("Task", numeric=False), *(Column(title) for title in titles), Column("note", numeric=False))
    rows = []
    for row in anova.to_dict("records"):
        values = (row["F"], row["df"], row["df_residual"])
        cells = [Cell(number(value), value) for value in values] + [_p(row["p"]), _p(row["p_holm"])]
        rows.append((Cell(row["task"]), *cells, Cell(row["note"])))
    return Table("Welch's analysis of variance within each task", columns, tuple(rows))


def _pairs_table(task: str, pairs: pd.DataFrame) -> Table:
    titles = ("difference of means", "t", "df", "p")
    columns = (Column("Pair", numeric=False), *(Column(title) for title in titles), Column("differ", numeric=False))
    rows = []
    for row in pairs.to_dict("records"):
        verdict = row["note"] or ("yes" if row["significant"] else "no")
        cells = (Cell(f"{row['difference']:+.4g}", row["difference"]), Cell(number(row["t"]), row["t"]))
        rows.append(
            (
                Cell(f"{row['first']} – {row['second']}"),
                *cells,
                Cell(number(row["df"], 1), row["df"]),
                _p(row["p"]),
                Cell(verdict),
            )
        )
    return Table(f"{task}: all pairs (Games and Howell)", columns, tuple(rows))


def _estimate(estimate: Estimate, decimals: int = 2) -> str:
    interval = f" [{number(estimate.low, decimals)}, {number(estimate.high, decimals)}]"
    return number(estimate.value, decimals) + (interval if math.isfinite(estimate.low) else "")


def _p(p: float) -> Cell:
    if not math.isfinite(p):
        return Cell("–", math.nan)
    return Cell("< 0.001" if p < 0.001 else f"{p:.3f}", p)
