"""The boards in the repository are what their raw results give."""

from __future__ import annotations

from pathlib import Path

import pytest

from qdbench.harness import store
from qdbench.leaderboard.build import check

BOARDS = sorted(path.parent for path in Path(__file__).parents[2].glob("leaderboards/*/results"))


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.name)
def test_tables_are_rebuilt_byte_for_byte(board: Path) -> None:
    # Figures are byte-stable within one version of matplotlib only; `--check` compares them too.
    changed = [path.name for path in check(board / "results", board)]
    assert not {"board.csv", "board.md"} & set(changed)


def test_the_dqd_board_is_whole() -> None:
    (board,) = [path for path in BOARDS if path.name == "dqd"]
    results = [store.load(path) for path in store.result_paths(board / "results")]
    assert len(results) == 3 * 8 * 20
    assert not list(store.failure_paths(board / "results"))
    assert {result.record.config.budget for result in results} == {100 + 36 * 10_000}
    assert all(result.metrics["evaluations"] >= 36 * 10_000 for result in results)
    assert {result.record.config.repetition for result in results if result.archive is not None} == {0}
