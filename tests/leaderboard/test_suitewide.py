"""The section over a suite: verdicts on pairs beside SciPy's, and what is said of few and of many tasks."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from statsmodels.stats.multitest import multipletests

from qdbench.leaderboard import robust, suitewide
from qdbench.leaderboard.sectioned import style
from qdbench.leaderboard.sectioned.content import Section

NAMES = ("a", "b", "c", "d")


def scores(tasks: int) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(7)
    return {
        f"T{task:03d}": {
            name: rng.normal(0.5 * place * (task % 3), 1 + 0.3 * place, 6 + place) for place, name in enumerate(NAMES)
        }
        for task in range(tasks)
    }


def section(tasks: int) -> Section:
    found = suitewide.section(scores(tasks), {"b": 2}, style.marks(NAMES), of="here", score="What a score is.")
    assert found is not None
    return found


@pytest.mark.parametrize("tasks", [2, 12, 13, 200])
def test_verdicts_are_scipys(tasks: int) -> None:
    better: Counter[tuple[str, str]] = Counter()
    for groups in scores(tasks).values():
        p = stats.tukey_hsd(*(groups[name] for name in NAMES), equal_var=False).pvalue
        for i, j in itertools.combinations(range(len(NAMES)), 2):
            first, second = NAMES[i], NAMES[j]
            if p[i, j] < 0.05:
                wins = groups[first].mean() > groups[second].mean()
                better[(first, second) if wins else (second, first)] += 1
    assert tasks < 200 or len(better) > 2
    (table,) = (table for table in section(tasks).tables if table.caption.startswith("Tasks: significantly"))
    order = [row[0].text for row in table.rows]
    for row in table.rows:
        for name, cell in zip(order, row[1:], strict=True):
            if name != row[0].text:
                wins, losses = better[row[0].text, name], better[name, row[0].text]
                assert cell.text == f"{wins} / {tasks - wins - losses} / {losses}"


def test_few_tasks_are_described_and_many_are_counted() -> None:
    few, many = section(12), section(200)
    assert few.title == many.title == "Over the suite: here"
    assert few.words[0] == many.words[0] == "What a score is."
    assert sum(words.startswith("On T") for words in few.words) == 12
    assert not any(words.startswith("On T") for words in many.words)
    p = [stats.f_oneway(*groups.values(), equal_var=False).pvalue for groups in scores(200).values()]
    same = int((multipletests(p, method="holm")[1] >= 0.05).sum())
    assert 0 < same < 200
    assert any(f"do not differ significantly on {same} of the 200 that" in words for words in many.words)
    assert [len(found.folded) for found in (few, many)] == [1 + 12, 1]
    assert len(many.folded[0].rows) == 200
    assert any("b 2" in words for words in many.words)


@given(
    hnp.arrays(np.float64, st.integers(2, 8), elements=st.floats(-3, 3, width=16)),
    hnp.arrays(np.float64, st.integers(2, 8), elements=st.floats(-3, 3, width=16)),
    st.integers(2, 12),
)
def test_the_quick_verdict_is_that_of_the_p_value(first: np.ndarray, second: np.ndarray, groups: int) -> None:
    if robust.is_constant(first) and robust.is_constant(second):
        return
    assert robust.differ(first, second, groups) == (robust.games_howell(first, second, groups).p < robust.ALPHA)
