"""The boards in the repository are what their raw results give."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from qdbench.harness import store
from qdbench.leaderboard import aggregate
from qdbench.leaderboard.build import board_of, differing, tables_of, title_of
from qdbench.leaderboard.tuned import REFERENCE, data
from qdbench.leaderboard.tuned.board import assemble
from qdbench.metabbo import compare, compare_figures
from qdbench.tasks.hpob import mini

ROOT = Path(__file__).parents[2] / "leaderboards"
BOARDS = sorted(path.parent for path in ROOT.rglob("results"))
# Each with its trials, their functions, instances and repetitions.
TRAINING = {1, 4, 6, 8, 11, 15, 16, 17, 19, 20}
ALL = set(range(1, 25))
BBOB = {
    "lga": (9 * 24 * 50, ALL, {1}, 50),
    "lga-tuned": (5 * 24 * 50, ALL, {1}, 50),
    "lga-instances": (5 * 24 * 50, ALL, set(range(5, 55)), 1),
    "lga-grid": (6 * 10 * 5 * 4 * 10, TRAINING, {1}, 10),
    "coco": (8 * 24 * 5 * 15, ALL, set(range(1, 16)), 1),
    "peers": (53 * 5 * 10, {1, 8, 10, 15, 20}, {1}, 10),
}


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.name)
def test_tables_are_rebuilt_byte_for_byte(board: Path) -> None:
    # Figures are byte-stable within one version of matplotlib only; `--check` compares them too.
    files = tables_of(board_of(board / "results", title_of(board)))
    assert set(files) == {"board.csv", "board.json", "board.md"}
    assert not differing(files, board)


@pytest.mark.parametrize(
    ("board", "evidence", "others"),
    [
        ("bbob", "tuning", ("gaussian-ga", "mr15-ga", "samr-ga", "gesmr-ga")),
        ("transfer", "transfer/tuning", ("gaussian-ga",)),
    ],
)
def test_boards_of_the_learned_ga_are_rebuilt_byte_for_byte(board: str, evidence: str, others: tuple[str, ...]) -> None:
    tuned = [*(ROOT / "bbob" / "tuning" / name for name in others), ROOT / "lga" / evidence]
    assert not differing(tables_of(assemble(data.find(tuned), REFERENCE)), ROOT / "lga" / board)


@pytest.mark.parametrize(("name", "groups"), [("ablation", 5), ("decays", 3)])
def test_comparisons_of_meta_evolutions_are_those_of_their_runs(name: str, groups: int) -> None:
    """Three seeds each, with a ninth of the budget of the preset."""
    folder, runs = ROOT / "lga" / name, ROOT / "lga" / "short"
    table = pd.read_csv(folder / "table.csv", dtype={"group": str})
    named = {group: [runs / f"{_prefix(name, group)}-seed-{seed}" for seed in range(3)] for group in table["group"]}
    read = compare.read_groups(named)
    assert len(read) == groups
    files = compare_figures.files(read, [])
    assert {found: files[found] for found in ("table.csv", "table.md")} == {
        found: (folder / found).read_bytes() for found in ("table.csv", "table.md")
    }
    for run in (run for group in read for run in group.runs):
        config = run.config
        assert (config["members"], config["tasks_per_generation"], run.meta_generations) == (128, 40, 300)


def _prefix(name: str, group: str) -> str:
    return group if name == "ablation" else {"0": "selection+mutation"}.get(group, f"decay-{group}")


@pytest.mark.parametrize(
    ("name", "tasks", "optimizers", "repetitions", "iterations"),
    [("dqd", 5, 14, 20, 10_000), ("dqd-peers", 3, 9, 5, 1_000)],
)
def test_the_dqd_boards_are_whole(name: str, tasks: int, optimizers: int, repetitions: int, iterations: int) -> None:
    results = [store.load(path) for path in store.result_paths(ROOT / name / "results")]
    assert len(results) == tasks * optimizers * repetitions
    assert not list(store.failure_paths(ROOT / name / "results"))
    assert {result.record.config.budget for result in results} == {100 + 36 * iterations}
    assert all(result.metrics["evaluations"] >= 36 * iterations for result in results)
    assert {result.record.config.repetition for result in results if result.archive is not None} == {0}


@pytest.mark.parametrize("name", BBOB)
def test_the_bbob_boards_are_whole(name: str) -> None:
    results = aggregate.read_results(ROOT / "bbob" / name / "results")
    count, functions, instances, repetitions = BBOB[name]
    configs = [trial.record.config for trial in results.trials.values()]
    assert (len(configs), results.failures, results.problems) == (count, {}, ())
    assert {config.task.arguments["function"] for config in configs} == functions
    assert {config.task.arguments["instance"] for config in configs} == instances
    assert {config.repetition for config in configs} == set(range(repetitions))
    for trial in results.trials.values():
        budget, metrics = trial.record.config.budget, trial.record.metrics
        # A trial ends with the last whole iteration that fits, or because it has solved its function.
        assert metrics["evaluations"] > budget - 128 or metrics["precision"] <= 1e-8
        assert metrics["evaluations"] <= budget


@pytest.mark.parametrize(("name", "designs", "repetitions"), [("mini-official", 5, 5), ("mini-lga", 0, 5)])
def test_the_hpo_boards_are_whole(name: str, designs: int, repetitions: int) -> None:
    results = aggregate.read_results(ROOT / "hpob" / name / "results")
    configs = [trial.record.config for trial in results.trials.values()]
    # With designs 12 optimizers; without, each with two sizes of a population.
    assert (len(configs), results.failures, results.problems) == (21 * 12 * (designs or 2) * repetitions, {}, ())
    assert {(config.task.arguments["space"], config.task.arguments["dataset"]) for config in configs} == set(
        mini.shipped().names
    )
    assert {config.repetition for config in configs} == set(range(repetitions))
    starts = {f"test{number}" for number in range(designs)} or {"centre"}
    assert {config.task.arguments["start"] for config in configs} == starts
    for trial in results.trials.values():
        budget = trial.record.config.budget
        assert budget - 8 < trial.record.metrics["evaluations"] <= budget
