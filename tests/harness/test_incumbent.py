"""Test scores of the incumbent and corrected scores: all drivers against closed forms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qdbench
from qdbench.harness import batched, compiled, corrected, jobs, pack, store, trial
from qdbench.harness.errors import TrialError
from qdbench.harness.executors import local
from qdbench.harness.experiment import plan, run_all
from qdbench.harness.incumbent import EVERY, IncumbentTester, is_due
from qdbench.harness.result import TrialResult
from qdbench.leaderboard.build import build
from qdbench.protocols import Evaluation, Task
from qdbench.random import uniform
from tests.harness import lottery
from tests.harness.optimizers import Sampler

BUDGET = 400


@pytest.fixture(scope="module", autouse=True)
def _lottery() -> Iterator[None]:
    lottery.register()
    yield
    lottery.unregister()


class Remembers(Sampler):
    """A host optimizer that keeps what it was told, for the tests to look at."""

    def history(self) -> tuple[np.ndarray, np.ndarray]:
        rows = np.concatenate([solutions for solutions, _ in self.told])
        return rows, np.concatenate([evaluation.objective for _, evaluation in self.told])


def quality(rows: np.ndarray, instance: int = 1) -> np.ndarray:
    return -((rows - (np.arange(3.0) - instance)) ** 2).sum(axis=1)


def luck(key: Any) -> np.ndarray:
    return np.asarray(lottery.LARGEST * uniform(key, (2,)))


@pytest.mark.parametrize("kind", ["pure", "host"])
def test_the_trace_has_the_incumbent_s_test_score(kind: str) -> None:
    task = lottery.make() if kind == "pure" else lottery.HostLottery(lottery.make())
    optimizer = Remembers(task.spec, 3, batch=16)
    result = qdbench.run(task, optimizer, budget=BUDGET)
    rows, objective = optimizer.history()
    keys = trial.keys_of(task.spec, result.record.config.optimizer, 0)
    expected, latest = [], np.nan
    for point, evaluations in enumerate(result.trace["evaluations"], start=1):
        if point % EVERY == 0 and evaluations:
            best = rows[:evaluations][np.argmax(objective[:evaluations])]
            latest = quality(best[None])[0] + luck(keys.of_test())[0]
        expected.append(latest)
    np.testing.assert_allclose(result.trace["test_score"], expected, rtol=1e-5)
    assert result.metrics["test_score"] == result.trace["test_score"].iloc[-1]
    # The best objective is mostly luck, so that the incumbent is not the best of all.
    assert quality(rows).max() > quality(rows[np.argmax(objective)][None])[0]
    assert result.trace["test_score"].nunique() > 2


@pytest.mark.parametrize("keep_solutions", [True, False])
def test_the_corrected_score_is_that_of_elites_evaluated_again(
    keep_solutions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrected, "CHUNK", 4)
    task = lottery.make()
    result = qdbench.run(task, "map-elites", budget=BUDGET, keep_solutions=keep_solutions)
    assert (result.archive.solutions is not None) == keep_solutions
    elites = qdbench.run(task, "map-elites", budget=BUDGET).archive
    assert elites.size > 8
    keys = trial.keys_of(task.spec, "map-elites", 0)
    cells: dict[tuple[int, int], float] = {}
    for place, row in enumerate(elites.solutions):
        bonus, shift = luck(keys.of_correction(place // 4))
        position = np.floor((row[:2] + [shift, 0] + 5) / 2).clip(0, 4).astype(int)
        cell = int(position[0]), int(position[1])
        cells[cell] = max(cells.get(cell, -np.inf), quality(row[None])[0] + bonus)
    assert result.metrics["corrected_coverage"] == pytest.approx(100 * len(cells) / 25)
    assert result.metrics["corrected_qd_score"] == pytest.approx(sum(f + 100 for f in cells.values()) / 25, rel=1e-5)
    # What luck had made of them was more.
    assert result.metrics["corrected_qd_score"] < result.metrics["qd_score"]


@pytest.mark.parametrize("measures", [True, False])
def test_drivers_agree(measures: bool) -> None:
    task = lottery.make(measures=measures)
    made = qdbench.run(task, "map-elites" if measures else "gaussian-ga", budget=BUDGET, driver="compiled")
    host = qdbench.run(task, made.record.config.optimizer, budget=BUDGET, driver="host")
    np.testing.assert_allclose(made.trace.to_numpy(), host.trace.to_numpy(), rtol=1e-5)
    assert ("corrected_qd_score" in made.metrics) == measures
    for name in {"test_score", "corrected_qd_score", "corrected_coverage"} & set(made.metrics):
        assert made.metrics[name] == pytest.approx(host.metrics[name], rel=1e-5)


@pytest.mark.parametrize("mode", ["map", "vmap"])
def test_batched_trials_have_the_same_test_scores(mode: batched.Mode) -> None:
    trials = []
    for instance in (1, 2, 3):
        prepared = trial.prepare(lottery.make(instance=instance), "gaussian-ga", instance, BUDGET, golden="-")
        trials.append(batched.Trial(prepared.task, prepared.optimizer, prepared.keys))
    together = batched.run(trials, BUDGET, False, capacity=4 if mode == "map" else 3, mode=mode)
    alone = [compiled.run(*one, BUDGET, False) for one in trials]
    for left, right in zip(together, alone, strict=True):
        np.testing.assert_allclose(left.rows, right.rows, rtol=1e-5)
        np.testing.assert_allclose(left.score.incumbent, right.score.incumbent, rtol=1e-5)


def test_the_streams_are_disjoint() -> None:
    keys = trial.keys_of(lottery.make().spec, "map-elites", 0)
    data = [keys.of_test(), keys.of_correction(0), keys.of_correction(1), keys.of_init()]
    data += [key for iteration in range(20) for batch in range(3) for key in (keys.of_evaluation(iteration, batch),)]
    data.append(keys.of_evaluation(compiled.INITIAL, 0))
    assert len({tuple(np.asarray(_words(key)).tolist()) for key in data}) == len(data)
    # The same for all optimizers of a repetition, and others at the next.
    assert _words(keys.of_test()) == _words(trial.keys_of(lottery.make().spec, "gaussian-ga", 0).of_test())
    assert _words(keys.of_test()) != _words(trial.keys_of(lottery.make().spec, "map-elites", 1).of_test())


def _words(key: Any) -> tuple[int, ...]:
    import jax

    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def test_an_incumbent_is_tested_once() -> None:
    calls = []

    def test(incumbent: int) -> float:
        calls.append(incumbent)
        return float(incumbent)

    tester = IncumbentTester(lottery.make().spec, test)
    read = [tester.read(point, np.float32(point // 12), point) for point in range(1, 101)]
    assert np.isnan(read[:4]).all()
    assert calls == [5, 15, 25, 40, 50, 60, 75, 85, 100]
    assert read[99] == 100.0
    assert read[23] == 15.0
    assert is_due(100)
    assert IncumbentTester(lottery.make(tested=False).spec, test).read(5, 0.0, 1) is None


def test_without_a_test_nothing_is_added(tmp_path: Path) -> None:
    result = qdbench.run(lottery.make(tested=False), "random-search", budget=BUDGET)
    assert not {"test_score", "corrected_qd_score", "corrected_coverage"} & {*result.metrics, *result.trace}
    with pytest.raises(ValueError, match=r"Lottery-v0 has no test: its spec has no test_episodes"):
        lottery.make(tested=False).test(None, np.zeros((1, 3)))


def test_a_task_without_the_method_is_named() -> None:
    class Forgetful(lottery.HostLottery):
        test = None

    task = Forgetful(lottery.make())
    with pytest.raises(TrialError, match=r"Lottery-v0 has test_episodes in its spec, but no test\(key, solutions\)"):
        qdbench.run(task, Sampler, budget=BUDGET)

    class Unfinished(Task):
        spec: Any

        def _evaluate(self, key: Any, solutions: Any, gradients: bool) -> Evaluation:
            return Evaluation(solutions[:, 0], solutions[:, :2])

    with pytest.raises(NotImplementedError, match="Unfinished has test_episodes in its spec, but no _test"):
        Unfinished(spec=lottery.make().spec).test(None, np.zeros((1, 3)))


@pytest.fixture(scope="module")
def results() -> list[TrialResult]:
    return [
        qdbench.run(lottery.make(measures=False), name, repetition, BUDGET)
        for name in ("gaussian-ga", "random-search")
        for repetition in range(3)
    ]


def test_stored_and_packed(tmp_path: Path, results: list[TrialResult]) -> None:
    for result in results:
        loaded = store.load(store.save_result(tmp_path / "single", result))
        assert loaded.trace.equals(result.trace)
        assert loaded.metrics["test_score"] == result.metrics["test_score"]
    packed = [item for path in pack.save(tmp_path / "packed", results) for item in pack.load(path)]
    traces = {item.record.config.digest(): item.trace for item in packed}
    for result in results:
        assert traces[result.record.config.digest()].equals(result.trace)


def test_boards_rank_by_the_test_score(tmp_path: Path, results: list[TrialResult]) -> None:
    for result in results:
        store.save_result(tmp_path / "results", result)
    board = build(tmp_path / "results", tmp_path / "board", None).board
    means = {
        name: np.mean([result.metrics["test_score"] for result in results if result.record.config.optimizer == name])
        for name in ("gaussian-ga", "random-search")
    }
    best = max(means, key=lambda name: means[name])
    ranks = dict(zip(board.summary["optimizer"], board.summary["rank"], strict=True))
    assert ranks[best] == 1
    assert "Test score" in (tmp_path / "board" / "board.md").read_text()


def test_jobs_with_a_data_set_are_not_run_together(tmp_path: Path) -> None:
    """Trials of one call have a copy of the task each."""
    digits = plan([("Neuro-Digits-v0", {"measures": False})], [("random-search", {})], range(2), 100, False)
    assert jobs.separable(digits) == [[job] for job in digits]
    small = plan([(lottery.ID, {})], [("random-search", {})], range(2), BUDGET, False)
    assert jobs.separable(small) == [small]
    list(run_all(small, tmp_path, local.run_here))
    for path in store.result_paths(tmp_path):
        stored = store.load(path)
        assert stored.record.provenance["driver"] == "batched"
        alone = qdbench.run(lottery.make(), "random-search", stored.record.config.repetition, BUDGET)
        for name in ("test_score", "corrected_qd_score", "corrected_coverage"):
            assert stored.metrics[name] == pytest.approx(alone.metrics[name], rel=1e-5)
