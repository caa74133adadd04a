"""The analysis of variance and the comparisons against worked examples and formulas of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from qdbench.leaderboard import aggregate, statistics
from tests.leaderboard.synthetic import make_config, make_spec, save


def balanced(seed: int = 0, optimizers: int = 3, tasks: int = 4, trials: int = 5) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return {
        f"T{t}": {f"o{o}": 10 + o * t + rng.standard_normal(trials) for o in range(optimizers)} for t in range(tasks)
    }


def analyze(directory: Path) -> statistics.Analysis:
    return statistics.analyze(aggregate.trial_table(aggregate.read_results(directory)))


def test_two_way_equals_the_sums_of_squares_of_a_balanced_design() -> None:
    samples = balanced()
    values = np.array([[samples[t][o] for t in sorted(samples)] for o in ("o0", "o1", "o2")])
    a, b, n = values.shape
    grand, cell = values.mean(), values.mean(axis=2)
    rows, columns = cell.mean(axis=1), cell.mean(axis=0)
    within = ((values - cell[:, :, None]) ** 2).sum() / (a * b * (n - 1))
    expected = {
        "optimizer": (b * n * ((rows - grand) ** 2).sum() / (a - 1), a - 1),
        "task": (a * n * ((columns - grand) ** 2).sum() / (b - 1), b - 1),
        "optimizer x task": (
            n * ((cell - rows[:, None] - columns[None] + grand) ** 2).sum() / ((a - 1) * (b - 1)),
            (a - 1) * (b - 1),
        ),
    }
    anova, words = statistics.two_way(samples)
    for row in anova.itertuples():
        mean_square, df = expected[row.effect]
        assert (row.df, row.df_residual) == (df, a * b * (n - 1))
        assert pytest.approx(mean_square / within, rel=1e-9) == row.F
        assert row.p == pytest.approx(stats.f.sf(mean_square / within, df, a * b * (n - 1)), rel=1e-9)
    assert "balanced" in words[1]


def test_two_way_of_a_textbook_example() -> None:
    # Tooth growth of guinea pigs (R's ToothGrowth): supp F(1, 54) = 15.572, dose F(2, 54) = 92.000,
    # interaction F(2, 54) = 4.107, p = 0.0219.
    growth = {
        "0.5": {
            "VC": [4.2, 11.5, 7.3, 5.8, 6.4, 10.0, 11.2, 11.2, 5.2, 7.0],
            "OJ": [15.2, 21.5, 17.6, 9.7, 14.5, 10.0, 8.2, 9.4, 16.5, 9.7],
        },
        "1": {
            "VC": [16.5, 16.5, 15.2, 17.3, 22.5, 17.3, 13.6, 14.5, 18.8, 15.5],
            "OJ": [19.7, 23.3, 23.6, 26.4, 20.0, 25.2, 25.8, 21.2, 14.5, 27.3],
        },
        "2": {
            "VC": [23.6, 18.5, 33.9, 25.5, 26.4, 32.5, 26.7, 21.5, 23.3, 29.5],
            "OJ": [25.5, 26.4, 22.4, 24.5, 24.8, 30.9, 26.4, 27.3, 29.4, 23.0],
        },
    }
    samples = {dose: {name: np.array(values) for name, values in groups.items()} for dose, groups in growth.items()}
    anova = statistics.two_way(samples)[0].set_index("effect")
    assert anova.loc["optimizer", "F"] == pytest.approx(15.572, abs=5e-4)
    assert anova.loc["task", "F"] == pytest.approx(92.000, abs=5e-4)
    assert anova.loc["optimizer x task", "F"] == pytest.approx(4.107, abs=5e-4)
    assert anova.loc["optimizer x task", "p"] == pytest.approx(0.0219, abs=5e-5)
    assert (anova["df_residual"] == 54).all()


def test_unbalanced_main_effect_tests_unweighted_means() -> None:
    samples = balanced(optimizers=2, tasks=2)
    samples["T0"]["o0"] = samples["T0"]["o0"][:3]
    anova, words = statistics.two_way(samples)
    cells = [samples[t][o] for t in ("T0", "T1") for o in ("o0", "o1")]
    df = sum(len(cell) - 1 for cell in cells)
    within = sum(((cell - cell.mean()) ** 2).sum() for cell in cells) / df
    # Type III: the contrast of the unweighted means of both optimizers.
    contrast = np.array([1, -1, 1, -1]) @ [cell.mean() for cell in cells]
    expected = contrast**2 / (within * sum(1 / len(cell) for cell in cells))
    assert anova.set_index("effect").loc["optimizer", "F"] == pytest.approx(expected, rel=1e-9)
    assert "unbalanced (3 to 5 trials in a group): Type III" in words[1]


def test_simple_main_effects_are_one_way_with_bonferroni() -> None:
    samples = balanced()
    effects = statistics.simple_main_effects(samples)
    for row in effects.itertuples():
        values = np.array(list(samples[row.task].values()))
        a, n = values.shape
        between = n * ((values.mean(axis=1) - values.mean()) ** 2).sum() / (a - 1)
        within = ((values - values.mean(axis=1, keepdims=True)) ** 2).sum() / (a * (n - 1))
        assert pytest.approx(between / within, rel=1e-9) == row.F
        assert row.p_bonferroni == pytest.approx(min(1, 4 * stats.f.sf(between / within, a - 1, a * (n - 1))))


def test_pairs_are_welch_with_bonferroni_over_the_task() -> None:
    samples = balanced(tasks=2)
    pairs = statistics.pairwise(samples)
    assert len(pairs) == 2 * 3
    row = pairs.iloc[0]
    first, second = samples["T0"]["o0"], samples["T0"]["o1"]
    va, vb = first.var(ddof=1) / 5, second.var(ddof=1) / 5
    df = (va + vb) ** 2 / (va**2 / 4 + vb**2 / 4)
    t = (first.mean() - second.mean()) / np.sqrt(va + vb)
    assert row["t"] == pytest.approx(t)
    assert row["df"] == pytest.approx(df)
    assert row["p_bonferroni"] == pytest.approx(min(1, 3 * 2 * stats.t.sf(abs(t), df)))


def test_words_name_the_winner_and_the_pairs_that_do_not_differ(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    noise = rng.standard_normal(6)
    for repetition in range(6):
        for optimizer, score in (("best", 30), ("left", 10), ("right", 10)):
            shift = noise[repetition] * (-1 if optimizer == "right" else 1) - (
                noise.mean() if optimizer == "left" else 0
            )
            shift += noise.mean() if optimizer == "right" else 0
            save(tmp_path, make_config(optimizer=optimizer, repetition=repetition), score + shift, with_archive=False)
    analysis = analyze(tmp_path)
    text = " ".join(analysis.words)
    assert "best is significantly above every other optimizer" in text
    assert "do not differ significantly on QD-score: left and right (p = 1.000)" in text
    assert "was not made: it needs two tasks" in text
    assert analysis.anova.empty


def test_one_repetition_is_said_to_allow_no_test(tmp_path: Path) -> None:
    for task in ("LP-Sphere-v0", "Arm-v0"):
        for i, optimizer in enumerate(("a", "b")):
            save(tmp_path, make_config(make_spec(task), optimizer), 10.0 + i, with_archive=False)
    analysis = analyze(tmp_path)
    assert analysis.anova.empty
    assert analysis.effects["F"].isna().all()
    assert analysis.pairs["significant"].isna().all()
    assert all("single trial" in word for word in analysis.words if "not" in word)


def test_constant_groups() -> None:
    constant, other, varied = np.full(3, 0.1), np.full(3, 0.4), np.array([1.0, 2.0, 3.0])
    pairs = statistics.pairwise({"T": {"a": constant, "b": other, "c": varied}}).set_index(["first", "second"])
    assert pairs.loc[("a", "b"), "note"] == "not tested: neither varies between repetitions"
    assert pairs.loc[("a", "c"), "t"] == pytest.approx((0.1 - 2) / np.sqrt(1 / 3))
    assert pairs.loc[("a", "c"), "df"] == pytest.approx(2)
    effects = statistics.simple_main_effects({"T": {"a": constant, "b": other}})
    assert "no variation" in effects.loc[0, "note"]
    anova, words = statistics.two_way({task: {"a": constant, "b": other} for task in ("S", "T")})
    assert anova.empty
    assert "there is no variation to compare with" in words[-1]
    assert len(statistics.two_way({task: {"a": constant, "b": varied} for task in ("S", "T")})[0]) == 3


def test_missing_combinations_are_left_out_of_the_two_way_analysis_and_named() -> None:
    samples = balanced(tasks=2)
    del samples["T1"]["o2"]
    anova, words = statistics.two_way(samples)
    assert anova.set_index("effect").loc["optimizer", "df"] == 1
    assert any("leaves out o2" in word for word in words)
    del samples["T1"]["o1"]
    anova, words = statistics.two_way(samples)
    assert anova.empty
    assert any("two optimizers with trials on every task" in word for word in words)


def test_tasks_with_another_metric_and_bad_trials_are_left_out_and_named(tmp_path: Path) -> None:
    single = make_spec("Sphere-v0", measures=0, metric="best_objective")
    save(tmp_path, make_config(single, "a"), 1.0, with_archive=False)
    for repetition, score in enumerate((1.0, 2.0, float("nan"))):
        save(tmp_path, make_config(optimizer="a", repetition=repetition), score, with_archive=False)
    text = " ".join(analyze(tmp_path).words)
    assert "is not their ranking metric: Sphere-v0." in text
    assert "trials without a finite QD-score (1)" in text


def test_no_trials_at_all_is_no_error() -> None:
    assert statistics.two_way({})[0].empty
    assert statistics.simple_main_effects({}).empty
    assert statistics.pairwise({}).empty
