"""Do the optimizers differ? The analysis of fontaine2021dqd, section 6.2, on the QD-score.

A two-way analysis of variance with interaction (optimizer x task), the simple main effects of the optimizer within
each task, and all pairs of optimizers within each task. A test that the data do not allow is not made, and a sentence
says why.
"""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS, RegressionResultsWrapper

ALPHA = 0.05
METRIC = "qd_score"
_NAME = "QD-score"

Samples = Mapping[str, Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Analysis:
    """The tests and what they say.

    Attributes:
        anova: One row for each of ``optimizer``, ``task`` and ``optimizer x task``: F, df, df_residual, p. Empty if
            the test was not made.
        effects: One row a task: F, df, df_residual, p, p_bonferroni (over the tasks), note (why it was not made).
        pairs: One row for each pair of optimizers on a task: difference of means, t, df, p, p_bonferroni (over the
            pairs of the task), significant (True, False or None), note.
        words: Sentences: what was found, and what was not tested and why.
    """

    anova: pd.DataFrame
    effects: pd.DataFrame
    pairs: pd.DataFrame
    words: tuple[str, ...]


def analyze(table: pd.DataFrame) -> Analysis:
    """Makes all tests on the QD-scores of the finished trials of the tasks that rank by QD-score.

    Args:
        table: From :func:`qdbench.leaderboard.aggregate.trial_table`.
    """
    samples, remarks = collect(table)
    anova, anova_words = two_way(samples)
    effects = simple_main_effects(samples)
    pairs = pairwise(samples)
    words = [*anova_words]
    for task in samples:
        words += _task_words(task, samples[task], effects[effects["task"] == task], pairs[pairs["task"] == task])
    return Analysis(anova, effects, pairs, (*words, *remarks))


def collect(table: pd.DataFrame) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """The QD-scores by task and optimizer, and sentences about what was left out."""
    remarks = []
    finished = table[table["status"] == "finished"]
    others = sorted(finished.loc[finished["metric"] != METRIC, "task"].unique())
    if others:
        remarks.append(f"Not part of the analysis, because {_NAME} is not their ranking metric: {_join(others)}.")
    scored = finished[finished["metric"] == METRIC]
    finite = scored[np.isfinite(scored[METRIC])]
    if len(finite) < len(scored):
        remarks.append(f"Not part of the analysis: trials without a finite {_NAME} ({len(scored) - len(finite)}).")
    samples: dict[str, dict[str, np.ndarray]] = {}
    for (task, optimizer), group in finite.groupby(["task", "optimizer"], sort=True):
        samples.setdefault(task, {})[optimizer] = group[METRIC].to_numpy(np.float64)
    return samples, remarks


def two_way(samples: Samples) -> tuple[pd.DataFrame, list[str]]:
    r"""Two-way analysis of variance with interaction.

    Every effect is tested by comparing the full linear model in sum-to-zero coding with the one that lacks the
    effect's columns, :math:`F = \frac{(RSS_0 - RSS) / df}{RSS / df_{residual}}`: Type III sums of squares, which
    equal Types I and II where all groups have the same number of trials.

    Args:
        samples: QD-scores by task and optimizer, each ``(n,)``.

    Returns:
        The table (see :class:`Analysis`; empty if the test was not made) and sentences.
    """
    empty = pd.DataFrame(columns=["effect", "F", "df", "df_residual", "p"])
    tasks = sorted(samples)
    everywhere = sorted(set.intersection(*(set(samples[task]) for task in tasks))) if tasks else []
    left_out = sorted({name for task in tasks for name in samples[task]} - set(everywhere))
    words = [f"The two-way analysis of variance leaves out {_join(left_out)}: not on every task."] if left_out else []
    cells = [(optimizer, task, samples[task][optimizer]) for optimizer in everywhere for task in tasks]
    obstacle = _two_way_obstacle(everywhere, tasks, [values for *_, values in cells])
    if obstacle:
        return empty, [*words, f"A two-way analysis of variance was not made: {obstacle}."]

    response = np.concatenate([values for *_, values in cells])
    first = np.concatenate([_sum_coded(everywhere, optimizer, len(values)) for optimizer, _, values in cells])
    second = np.concatenate([_sum_coded(tasks, task, len(values)) for _, task, values in cells])
    both = np.einsum("ni,nj->nij", first, second).reshape(len(response), -1)
    blocks = {"optimizer": first, "task": second, "optimizer x task": both}
    full = _fit(response, list(blocks.values()))
    rows = []
    for effect in blocks:
        reduced = _fit(response, [block for name, block in blocks.items() if name != effect])
        statistic, p, df = full.compare_f_test(reduced)
        rows.append((effect, float(statistic), int(df), int(full.df_resid), float(p)))
    counts = {len(values) for *_, values in cells}
    balance = (
        f"The design is balanced ({counts.pop()} trials in every group), so Type I, II and III sums of squares agree."
        if len(counts) == 1
        else f"The design is unbalanced ({min(counts)} to {max(counts)} trials in a group): Type III sums of squares."
    )
    anova = pd.DataFrame(rows, columns=empty.columns)
    return anova, [_interaction_words(anova), balance, *words]


def simple_main_effects(samples: Samples) -> pd.DataFrame:
    """The effect of the optimizer within each task: one-way analyses of variance, Bonferroni over the tasks.

    Args:
        samples: QD-scores by task and optimizer, each ``(n,)``.

    Returns:
        The ``effects`` of :class:`Analysis`.
    """
    rows = []
    for task in sorted(samples):
        groups = list(samples[task].values())
        obstacle = _one_way_obstacle(groups)
        size = sum(len(group) for group in groups)
        row = {"task": task, "F": np.nan, "df": len(groups) - 1, "df_residual": size - len(groups), "p": np.nan}
        if not obstacle:
            row["F"], row["p"] = (float(value) for value in stats.f_oneway(*groups))
        rows.append(row | {"note": obstacle})
    effects = pd.DataFrame(rows, columns=["task", "F", "df", "df_residual", "p", "note"])
    return effects.assign(p_bonferroni=_bonferroni(effects["p"].to_numpy(np.float64)))


def pairwise(samples: Samples) -> pd.DataFrame:
    """All pairs of optimizers within each task: Welch's t-test, Bonferroni over the tested pairs of the task.

    Args:
        samples: QD-scores by task and optimizer, each ``(n,)``.

    Returns:
        The ``pairs`` of :class:`Analysis`.
    """
    columns = ["task", "first", "second", "difference", "t", "df", "p", "note", "p_bonferroni", "significant"]
    tables = []
    for task in sorted(samples):
        rows = [
            (task, first, second, *_welch(samples[task][first], samples[task][second]))
            for first, second in itertools.combinations(sorted(samples[task]), 2)
        ]
        pairs = pd.DataFrame(rows, columns=columns[:8])
        pairs["p_bonferroni"] = _bonferroni(pairs["p"].to_numpy(np.float64))
        pairs["significant"] = pd.Series(
            [None if np.isnan(p) else bool(p < ALPHA) for p in pairs["p_bonferroni"]], dtype=object
        )
        if rows:
            tables.append(pairs)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def p_text(p: float) -> str:
    """A p-value in words: ``p < 0.001`` or ``p = 0.012``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _sum_coded(levels: Sequence[str], level: str, rows: int) -> np.ndarray:
    """Sum-to-zero coding: one column for every level but the last, which is -1 in all of them."""
    index = levels.index(level)
    coded = np.eye(len(levels))[index, :-1] if index < len(levels) - 1 else -np.ones(len(levels) - 1)
    return np.tile(coded, (rows, 1))


def _fit(response: np.ndarray, blocks: Sequence[np.ndarray]) -> RegressionResultsWrapper:
    return OLS(response, np.hstack([np.ones((len(response), 1)), *blocks])).fit()


def _two_way_obstacle(optimizers: Sequence[str], tasks: Sequence[str], groups: Sequence[np.ndarray]) -> str:
    if len(tasks) < 2:
        return f"it needs two tasks that rank by {_NAME}, and there is {'one' if tasks else 'none'}"
    if len(optimizers) < 2:
        return f"it needs two optimizers with trials on every task, and there is {'one' if optimizers else 'none'}"
    return _variation_obstacle(groups)


def _one_way_obstacle(groups: Sequence[np.ndarray]) -> str:
    return "there is only one optimizer" if len(groups) < 2 else _variation_obstacle(groups)


def _variation_obstacle(groups: Sequence[np.ndarray]) -> str:
    if all(len(group) < 2 for group in groups):
        return "every group has a single trial, so nothing estimates the variation between repetitions"
    if all(_is_constant(group) for group in groups):
        return "the repetitions within every group are equal, so there is no variation to compare with"
    return ""


def _is_constant(values: np.ndarray) -> bool:
    """Whether values differ by no more than rounding, which a test would take for a tiny but real variance."""
    return bool(np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())))


def _welch(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float, float, str]:
    """Difference of means, t, degrees of freedom, p, and why the test was not made."""
    difference = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return difference, np.nan, np.nan, np.nan, "not tested: it needs two trials of each"
    if _is_constant(first) and _is_constant(second):
        return difference, np.nan, np.nan, np.nan, "not tested: neither varies between repetitions"
    with warnings.catch_warnings():
        # SciPy warns where one of the groups is constant, which Welch's test allows.
        warnings.simplefilter("ignore", RuntimeWarning)
        test = stats.ttest_ind(first, second, equal_var=False)
    return difference, float(test.statistic), float(test.df), float(test.pvalue), ""


def _bonferroni(p: np.ndarray) -> np.ndarray:
    return np.minimum(1.0, p * np.count_nonzero(np.isfinite(p)))


def _interaction_words(anova: pd.DataFrame) -> str:
    row = anova.set_index("effect").loc["optimizer x task"]
    verdict = "is a" if row["p"] < ALPHA else "is no"
    return (
        f"There {verdict} statistically significant interaction between optimizer and task "
        f"(F({row['df']:.0f}, {row['df_residual']:.0f}) = {row['F']:,.2f}, {p_text(row['p'])})."
    )


def _task_words(task: str, groups: Mapping[str, np.ndarray], effects: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    effect = effects.iloc[0]
    if effect["note"]:
        sentences = [f"On {task} the effect of the optimizer was not tested: {effect['note']}."]
    else:
        verdict = "differ" if effect["p_bonferroni"] < ALPHA else "do not differ"
        sentences = [
            f"On {task} the optimizers {verdict} significantly on {_NAME} (F({effect['df']:.0f}, "
            f"{effect['df_residual']:.0f}) = {effect['F']:,.2f}, {p_text(effect['p_bonferroni'])} after Bonferroni)."
        ]
    tested = pairs[pairs["significant"].notna()]
    if len(tested):
        sentences.append(_pair_words(task, groups, tested))
    untested = len(pairs) - len(tested)
    if untested and not effect["note"]:
        sentences.append(f"On {task} {untested} of {len(pairs)} pairs were not tested; the table says why.")
    return sentences


def _pair_words(task: str, groups: Mapping[str, np.ndarray], tested: pd.DataFrame) -> str:
    same = tested[tested["significant"] == False]  # noqa: E712  (a column of True, False and None)
    best = max(groups, key=lambda name: float(groups[name].mean()))
    with_best = tested[(tested["first"] == best) | (tested["second"] == best)]
    lead = ""
    if len(with_best) == len(groups) - 1 and with_best["significant"].all():
        lead = f"{best} is significantly above every other optimizer; "
    if same.empty:
        return f"On {task} {lead}all {len(tested)} tested pairs differ significantly on {_NAME}."
    names = [f"{row.first} and {row.second} ({p_text(row.p_bonferroni)})" for row in same.itertuples()]
    return f"On {task} {lead}these pairs do not differ significantly on {_NAME}: {'; '.join(names)}."


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
