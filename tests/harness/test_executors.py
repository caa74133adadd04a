"""Executors by name, and the loop that follows chunks on machines that come and go."""

from __future__ import annotations

import dataclasses
import importlib.util
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdbench.harness import executors, store
from qdbench.harness.budget import Budget
from qdbench.harness.executors import Settings, local, notes, outfit
from qdbench.harness.executors.cluster import End, run_on, serve
from qdbench.harness.executors.notes import Note, Tail
from qdbench.harness.experiment import run_all
from tests.harness.runs import BROKEN, jobs, outcome, statuses


def test_unknown_executors_and_settings_that_are_not_theirs_are_named() -> None:
    with pytest.raises(ValueError, match="no executor 'sge': the executors are local, ray, slurm"):
        executors.make("sge", Settings())
    with pytest.raises(ValueError, match="executor 'local' takes no address: that is for ray"):
        executors.make("local", Settings(address="auto"))
    with pytest.raises(ValueError, match="executor 'local' takes no gpus: that is for ray and slurm"):
        executors.make("local", Settings(gpus=1.0))
    with pytest.raises(ValueError, match="executor 'ray' takes no parameters: that is for slurm"):
        executors.make("ray", Settings(parameters={"timeout_min": 5}))


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_library_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == package else find(wanted))
    with pytest.raises(ImportError, match=rf"'{name}' needs {package}: pip install 'qdbench\[{name}\]'"):
        executors.make(name, Settings())


def test_one_worker_without_a_timeout_is_this_process() -> None:
    assert executors.make("local", Settings()) is local.run_here
    assert executors.make("local", Settings(1)) is local.run_here
    assert executors.make("local", Settings(1, 5.0)) is not local.run_here


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "notes")
    assert list(tail.new()) == []
    (tmp_path / "notes").write_text('{"a": 1}\n{"b"')
    assert list(tail.new()) == [{"a": 1}]
    with (tmp_path / "notes").open("a") as file:
        file.write(": 2}\n")
    assert list(tail.new()) == [{"b": 2}]
    assert list(tail.new()) == []


class _Unreliable:
    """A cluster in this process: a chunk gives a note at a time, and ends early where ``endings`` says so.

    Results go through a folder of the worker's own and are lost with it, as on a machine far away.
    """

    slots = most = 3

    def __init__(self, folder: Path, endings: Iterator[tuple[int, str] | None], wears: Any) -> None:
        self.folder, self.endings, self.outfit = folder, endings, wears
        self.submitted: list[list[str]] = []
        self.stopped = 0

    def submit(self, chunks: Sequence[Sequence[outfit.Order]]) -> list[_Chunk]:
        self.submitted += [[order.job.label for order in chunk] for chunk in chunks]
        return [_Chunk(self, chunk, next(self.endings, None)) for chunk in chunks]

    def wait(self, works: Sequence[_Chunk]) -> None:
        assert works
        assert len(works) <= self.most


class _Chunk:
    def __init__(self, cluster: _Unreliable, orders: Sequence[outfit.Order], ending: tuple[int, str] | None) -> None:
        self.cluster, self.ending, self.ended = cluster, ending, False
        self.folder = cluster.folder / str(len(list(cluster.folder.iterdir())))
        self.folder.mkdir()
        self.jobs = {order.job.label: order.job for order in orders}
        self.stream = serve(orders, self.folder, cluster.outfit)
        self.count = 0

    def notes(self) -> Iterator[Note]:
        from qdbench.harness.jobs import config_of

        self.count += 1
        if self.ending is not None and self.count > self.ending[0]:
            return
        note = next(self.stream, None)
        if note is None:
            self.ended = True
            return
        if note["status"] == "finished":
            note["content"] = store.content_of(self.folder, config_of(self.jobs[note["job"]]))
        yield note

    def end(self) -> End | None:
        if self.ended:
            return End("done")
        if self.ending is not None and self.count > self.ending[0]:
            return End(self.ending[1], "the worker ended")  # type: ignore[arg-type]
        return None

    def stop(self) -> None:
        self.cluster.stopped += 1


def _outfit() -> outfit.Outfit:
    """One that changes nothing in this process."""
    return outfit.Outfit(outfit.versions(), {}, 2, str(Path.cwd()), {})


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Small trials that run together and others that run one by one, and what they give on this machine."""
    planned = jobs(["random-search", f"{BROKEN}:Sampler"], 3)
    todo = [dataclasses.replace(job, budget=Budget(600)) for job in planned]
    directory = tmp_path_factory.mktemp("local")
    list(run_all(todo, directory, local.run_here))
    return todo, outcome(directory)


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1))
def test_machines_that_are_lost_at_random_moments_lose_nothing_and_repeat_nothing(
    tmp_path_factory: pytest.TempPathFactory, expected: tuple[Any, Any], seed: int
) -> None:
    todo, wanted = expected
    generator = random.Random(seed)
    endings = iter([(generator.randrange(6), "lost") if generator.random() < 0.6 else None for _ in range(20)])
    folder, directory = tmp_path_factory.mktemp("far"), tmp_path_factory.mktemp("here")
    cluster = _Unreliable(folder, endings, _outfit())
    finished = list(run_on(cluster, todo, directory, None))
    assert sorted(item.job.label for item in finished) == sorted(job.label for job in todo)
    # Five losses of the machine during one trial are its failure, and no less than five.
    counts = {label: sum(label in chunk for chunk in cluster.submitted) for label in (job.label for job in todo)}
    for item in finished:
        assert item.status == "finished" or counts[item.job.label] >= 5
    stored = outcome(directory)
    assert stored == {name: wanted[name] for name in stored}
    assert len(stored) == sum(item.status == "finished" for item in finished)
    assert cluster.stopped == 0


def test_a_trial_during_which_workers_die_is_run_alone_and_then_fails(
    tmp_path: Path, expected: tuple[Any, Any]
) -> None:
    todo, wanted = expected
    todo = [job for job in todo if "Sampler" in job.optimizer]
    (tmp_path / "far").mkdir()
    # The chunks of one job each die when it has started; the retry of the first one dies too.
    cluster = _Unreliable(tmp_path / "far", iter([(1, "died"), None, None, (1, "died")]), _outfit())
    finished = {item.job: item for item in run_on(cluster, todo, tmp_path / "here", None)}
    assert [finished[job].status for job in todo] == ["failed", "finished", "finished"]
    assert finished[todo[0]].error == "the worker ended during this trial, twice"
    assert cluster.submitted[3] == [todo[0].label]
    (record,) = store.failure_paths(tmp_path / "here")
    assert store.load_failure(record).error == finished[todo[0]].error
    assert all(wanted[name] == value for name, value in outcome(tmp_path / "here").items())


def test_trials_of_one_call_whose_worker_dies_are_run_one_by_one(tmp_path: Path) -> None:
    todo = jobs(["random-search"], 9)
    (tmp_path / "far").mkdir()
    cluster = _Unreliable(tmp_path / "far", iter([(1, "died")]), _outfit())
    finished = list(run_on(cluster, todo, tmp_path / "here", None))
    assert statuses(finished) == {"random-search": ["finished"] * 9}
    assert [len(chunk) for chunk in cluster.submitted] == [3, 3, 3, 1, 1, 1]


def test_a_trial_that_hangs_is_stopped_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    todo = jobs([f"{BROKEN}:Sampler"], 2)
    (tmp_path / "far").mkdir()
    cluster = _Unreliable(tmp_path / "far", iter(()), _outfit())
    # A clock by which the first trial that starts takes for ever; not the process's own, which other threads read.
    ticks = iter([0.0, 1000.0])
    monkeypatch.setattr(notes, "time", SimpleNamespace(monotonic=lambda: next(ticks, 2000.0)))
    finished = {item.job: item for item in run_on(cluster, todo, tmp_path / "here", 500.0)}
    assert finished[todo[0]].error == "the trial took longer than the timeout of 500 s"
    assert finished[todo[1]].status == "finished"
    assert cluster.stopped == 1


def test_workers_that_come_to_nothing_stop_the_run(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    cluster = _Unreliable(tmp_path / "far", iter([(0, "died")] * 9), _outfit())
    with pytest.raises(RuntimeError, match=r"3 workers in a row came to nothing .*: the worker ended"):
        list(run_on(cluster, jobs(["random-search"], 9), tmp_path / "here", None))


def test_whoever_stops_listening_stops_the_workers(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    cluster = _Unreliable(tmp_path / "far", iter(()), _outfit())
    run = run_on(cluster, jobs([f"{BROKEN}:Sampler"], 6), tmp_path / "here", None)
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert cluster.stopped == 3


@pytest.mark.parametrize("package", ["qdbench", "Python", "jax"])
def test_a_machine_with_another_version_is_named(tmp_path: Path, package: str) -> None:
    wears = _outfit()
    wears = wears._replace(versions={**wears.versions, package: "0.0.7"})
    (tmp_path / "far").mkdir()
    cluster = _Unreliable(tmp_path / "far", iter(()), wears)
    with pytest.raises(
        RuntimeError, match=rf"node .* has {package} .*, but the run was started with {package} 0\.0\.7"
    ):
        list(run_on(cluster, jobs(["random-search"]), tmp_path / "here", None))


def test_a_machine_whose_plug_in_differs_or_is_missing_is_named() -> None:
    (job, *_) = jobs([f"{BROKEN}:Sampler"])
    assert outfit.refusal([outfit.order(job)], _outfit()) == ""
    assert "would not run" in outfit.refusal([outfit.Order(job, "another")], _outfit())
    missing = dataclasses.replace(job, optimizer="/nowhere/search.py:Search")
    refused = outfit.refusal([outfit.Order(missing, "any")], _outfit())
    assert "there is no file /nowhere/search.py" in refused
    assert "installed on every node" in refused


def test_the_sources_are_part_of_the_version() -> None:
    assert outfit.versions()["qdbench"].startswith("0.1.0 (sources ")


def test_plug_ins_of_the_working_directory_are_sent_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(BROKEN).read_text()
    driver, worker = tmp_path / "driver", tmp_path / "worker"
    (driver / "mine").mkdir(parents=True)
    worker.mkdir()
    (driver / "mine" / "search.py").write_text(source)
    (driver / "mine" / "__init__.py").write_text("")
    (driver / "alone.py").write_text(source)
    (driver / "other.py").write_text(source)
    monkeypatch.chdir(driver)
    names = ["mine.search:Sampler", "alone.py:Sampler", "map-elites", f"{BROKEN}:Sampler"]
    wears = outfit.outfit_of(jobs(names), 2)
    assert set(wears.files) == {"mine/search.py", "mine/__init__.py", "alone.py"}
    assert set(wears.files.values()) == {source.encode(), b""}
    # On a machine that sees the folder of the driver, that one is used; on another one a copy.
    for directory, same in ((str(driver), True), ("/nowhere", False)):
        monkeypatch.chdir(worker)
        monkeypatch.setattr(outfit, "limit_threads", lambda threads: None)
        outfit.put_on(wears._replace(directory=directory, environment={}))
        assert (Path.cwd() == driver) is same
        assert Path("alone.py").read_text() == source
        assert Path("mine/search.py").read_text() == source


def test_workers_get_our_settings_and_no_more_threads_or_memory_than_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDBENCH_DATA", "/data")
    monkeypatch.setenv("SECRET", "mine")
    todo = jobs(["random-search"])
    assert outfit.outfit_of(todo, 2).environment == {"QDBENCH_DATA": "/data", "NPROC": "2", "JAX_PLATFORMS": "cpu"}
    assert "JAX_PLATFORMS" not in outfit.outfit_of(todo, 2, 1.0).environment
    assert outfit.outfit_of(todo, 2, 0.25).environment["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.188"
