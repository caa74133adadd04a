"""Many trials: resume, isolation of failures, workers that die, and kill -9 at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from qdbench.harness import store
from qdbench.harness.executors import local, notes
from qdbench.harness.experiment import plan, run_all
from qdbench.harness.jobs import chunks as job_chunks
from tests.harness.runs import BROKEN, identities, interrupted, jobs, outcome, statuses, suite, wait_for_results


def test_jobs_of_one_program_are_neighbours_and_chunks_hold_one_program() -> None:
    planned = plan(
        [("LP-Sphere-v0", {}), ("Arm-v0", {})],
        [("cma-me", {}), ("omg-mega", {})],
        range(25),
        None,
        keep_solutions=False,
    )
    chunks = job_chunks(planned)
    assert [len(chunk) for chunk in chunks] == [10, 10, 5] * 4
    assert all(len({(job.task_id, job.optimizer) for job in chunk}) == 1 for chunk in chunks)
    assert [job for chunk in chunks for job in chunk] == planned
    assert len({job.label for job in planned}) == len(planned)
    # 100 jobs: for 20 workers no chunk is longer than 5.
    assert [len(chunk) for chunk in job_chunks(planned, 20)] == [5] * 20
    assert [job for chunk in job_chunks(planned, 20) for job in chunk] == planned


def test_finished_trials_are_not_run_again(tmp_path: Path) -> None:
    todo = jobs(["random-search", "map-elites"])
    assert statuses(list(run_all(todo, tmp_path, local.run_here))) == {
        "random-search": ["finished"] * 2,
        "map-elites": ["finished"] * 2,
    }
    before = identities(tmp_path)
    victim = next(iter(before))
    victim.write_bytes(victim.read_bytes()[:500])
    again = statuses(list(run_all(todo, tmp_path, local.run_here)))
    assert sorted(again["map-elites"] + again["random-search"]) == ["finished", "stored", "stored", "stored"]
    after = identities(tmp_path)
    assert {path for path in before if before[path] != after[path]} == {victim}


def test_a_broken_optimizer_does_not_stop_its_neighbours(tmp_path: Path) -> None:
    broken = ["RaisesInAsk", "RaisesInTell", "AsksNaN", "AsksWrongShape", "AsksForNothing", "Mutates"]
    names = [*broken, "Sampler"]
    finished = list(run_all(jobs([f"{BROKEN}:{name}" for name in names], 1), tmp_path / "all", local.run_here))
    assert statuses(finished) == {**{name: ["failed"] for name in broken}, "Sampler": ["finished"]}
    for item in finished:
        if item.status == "failed":
            assert item.error.startswith(f"TrialError: optimizer '{item.job.optimizer}'")
    assert len(list(store.failure_paths(tmp_path / "all"))) == len(broken)
    list(run_all(jobs([f"{BROKEN}:Sampler"], 1), tmp_path / "alone", local.run_here))
    assert outcome(tmp_path / "all") == outcome(tmp_path / "alone")
    # A failed trial is tried again.
    again = run_all(jobs([f"{BROKEN}:{name}" for name in names], 1), tmp_path / "all", local.run_here)
    assert statuses(list(again))["RaisesInAsk"] == ["failed"]


def test_worker_processes_give_the_same_results_and_survive_a_death(tmp_path: Path) -> None:
    todo = jobs(["random-search", f"{BROKEN}:Dies", "map-elites"])
    finished = list(run_all(todo, tmp_path / "two", local.in_processes(2)))
    assert statuses(finished) == {
        "random-search": ["finished"] * 2,
        "Dies": ["failed"] * 2,
        "map-elites": ["finished"] * 2,
    }
    assert all("died during this trial, twice" in item.error for item in finished if item.status == "failed")
    assert len(list(store.failure_paths(tmp_path / "two"))) == 2
    list(run_all(jobs(["random-search", "map-elites"]), tmp_path / "one", local.run_here))
    assert outcome(tmp_path / "two") == outcome(tmp_path / "one")


def test_an_optimizer_that_hangs_is_stopped_and_named_and_its_neighbour_gets_what_it_gets_alone(tmp_path: Path) -> None:
    began = time.monotonic()
    list(run_all(jobs([f"{BROKEN}:Sampler"], 1), tmp_path / "alone", local.in_processes(1)))
    # However busy the machine is, a trial that ends does so in this time.
    timeout = 10 + 2 * (time.monotonic() - began)
    todo = jobs([f"{BROKEN}:Hangs", f"{BROKEN}:Sampler"], 1)
    finished = {item.job.label: item for item in run_all(todo, tmp_path / "both", local.in_processes(2, timeout))}
    hung, sampled = (finished[job.label] for job in todo)
    assert (hung.status, sampled.status) == ("failed", "finished")
    assert hung.error == f"the trial took longer than the timeout of {timeout:g} s"
    assert "Hangs" in hung.job.label
    (record,) = store.failure_paths(tmp_path / "both")
    assert store.load_failure(record).error == hung.error
    assert outcome(tmp_path / "both") == outcome(tmp_path / "alone")


def test_trials_of_one_call_share_their_timeouts_and_are_then_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = notes.Watch(10.0)
    now = 100.0
    monkeypatch.setattr(notes, "time", SimpleNamespace(monotonic=lambda: now))
    for together in (["a", "b"], ["c"]):
        watch.look({"status": "started", "jobs": together})
    now = 109.0
    assert not watch.is_any_late()
    now = 111.0
    assert watch.is_any_late()
    assert watch.late() == ["c"]
    watch.look({"job": "c", "status": "finished"})
    assert not watch.is_any_late()
    now = 121.0
    assert watch.is_any_late()
    assert watch.late() == ["a", "b"]


def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    def never(todo: object, directory: Path) -> object:
        raise AssertionError("nothing may run")

    with pytest.raises(store.StoreError, match="cannot write"):
        list(run_all(jobs(["random-search"]), tmp_path / "file" / "results", never))  # type: ignore[arg-type]


def test_a_disk_that_fills_up_stops_the_run_and_keeps_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = store.save_result
    saved: list[Path] = []

    def save_two(directory: Path, result: object) -> Path:
        if len(saved) == 2:
            raise store.StoreError("cannot write: No space left on device")
        saved.append(save(directory, result))  # type: ignore[arg-type]
        return saved[-1]

    monkeypatch.setattr(store, "save_result", save_two)
    with pytest.raises(store.StoreError, match="No space left"):
        list(run_all(jobs(["random-search"], 4), tmp_path, local.run_here))
    assert sorted(store.result_paths(tmp_path)) == sorted(saved)
    monkeypatch.setattr(store, "save_result", save)
    assert statuses(list(run_all(jobs(["random-search"], 4), tmp_path, local.run_here))) == {
        "random-search": ["finished"] * 2 + ["stored"] * 2
    }


@pytest.mark.slow
def test_ten_kills_at_random_moments_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    path = suite(tmp_path / "kill.toml", repetitions=8)
    command = [sys.executable, "-m", "qdbench", "run", "--suite", str(path), "--jobs", "2", "--out"]
    subprocess.run([*command, str(tmp_path / "undisturbed")], check=True, timeout=600, capture_output=True)
    directory = tmp_path / "killed"
    generator = random.Random(0)
    seen: dict[Path, tuple[int, int]] = {}
    for kill in range(10):
        process = subprocess.Popen(
            [*command, str(directory)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(generator.uniform(3, 14))
        # The whole group half of the time, the driver alone (its workers must notice) the other half.
        if kill % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        now = identities(directory) if directory.exists() else {}
        assert {path: now[path] for path in seen} == seen
        seen = now
        if kill % 2 == 0:
            # Orphaned workers finish the trial under way and leave.
            time.sleep(3)
            seen = identities(directory) if directory.exists() else {}
    done = subprocess.run([*command, str(directory)], check=True, timeout=600, capture_output=True, text=True)
    assert f"{len(seen)} stored already" in " ".join(done.stdout.split())
    final = identities(directory)
    assert {path: final[path] for path in seen} == seen
    assert outcome(directory) == outcome(tmp_path / "undisturbed")


def test_control_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path: Path) -> None:
    # Small trials run 50 at a time, so there are many such batches to stop between.
    path = suite(tmp_path / "stop.toml", repetitions=200)
    command = [sys.executable, "-m", "qdbench", "run", "--suite", str(path), "--jobs", "2", "--out"]
    directory = tmp_path / "stopped"
    errors = interrupted([*command, str(directory)], directory, 120)
    assert "the same command resumes" in errors
    assert "Traceback" not in errors
    assert 1 <= len(identities(directory)) < 800
    assert all(store.load(path).record.status == "finished" for path in identities(directory))


def test_one_kill_in_the_middle(tmp_path: Path) -> None:
    path = suite(tmp_path / "kill.toml", repetitions=2)
    command = [sys.executable, "-m", "qdbench", "run", "--suite", str(path), "--budget", "7300", "--out"]
    directory = tmp_path / "killed"
    process = subprocess.Popen(
        [*command, str(directory)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    wait_for_results(directory, 120, least=2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    seen = identities(directory)
    assert 2 <= len(seen) < 8
    subprocess.run([*command, str(directory)], check=True, timeout=300, capture_output=True)
    final = identities(directory)
    assert len(final) == 8
    assert {path: final[path] for path in seen} == seen
