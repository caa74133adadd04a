"""Ray: a real cluster of two nodes on this machine, of which nodes, workers and drivers are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from qdbench.harness import executors, store
from qdbench.harness.executors import Settings, local
from qdbench.harness.experiment import Finished, Job, run_all
from tests.harness.runs import BROKEN, identities, interrupted, jobs, outcome, statuses, suite

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'qdbench[ray]'")

pytestmark = [
    # Ray's node processes outlive the objects that started them, which is noticed whenever these are collected.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*subprocess .* is still running:pytest.PytestUnraisableExceptionWarning"),
    # JAX, which has threads, warns of forks; Ray forks only to start another program at once.
    pytest.mark.filterwarnings("ignore:os.fork\\(\\) was called:RuntimeWarning"),
]
_NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}


class Nodes:
    """A head, to which drivers connect, and nodes that come and go; each has one core."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster()
        self._start()
        self.other = self._start()

    @property
    def address(self) -> str:
        return self.cluster.address

    def lose_one(self) -> None:
        """Kills the node that is not the head."""
        self.cluster.remove_node(self.other, allow_graceful=False)

    def add_one(self) -> None:
        self.other = self._start()

    def _start(self) -> Any:
        """A node. Ray gives up after 30 seconds, which are not enough on a machine that is busy."""
        for _ in range(4):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    return self.cluster.add_node(**_NODE)
                except Exception as error:
                    if "timed out during startup" not in str(error):
                        raise
        pytest.skip("this machine is too busy to start a node of Ray within 30 seconds, four times")

    def workers(self) -> list[psutil.Process]:
        """The processes that are at work on a chunk, on all nodes."""
        raylets = [node.all_processes["raylet"][0].process.pid for node in self.cluster.list_all_nodes()]
        children = [child for pid in raylets for child in psutil.Process(pid).children(recursive=True)]
        return [child for child in children if _title(child).startswith("ray::qdbench")]

    def stop(self) -> None:
        self.cluster.shutdown()


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    made = Nodes()
    yield made
    made.stop()


@pytest.fixture
def two_nodes(nodes: Nodes) -> Nodes:
    if len(nodes.cluster.list_all_nodes()) == 1:
        nodes.add_one()
    return nodes


def on(nodes: Nodes, **settings: Any) -> Any:
    return executors.make("ray", Settings(address=nodes.address, **settings))


def locally(todo: list[Job], directory: Path) -> dict[str, tuple[object, ...]]:
    list(run_all(todo, directory, local.run_here))
    return outcome(directory)


@pytest.mark.slow
def test_a_node_that_is_killed_in_the_middle_loses_nothing_and_results_are_the_local_ones(
    two_nodes: Nodes, tmp_path: Path
) -> None:
    # Two chunks of one program, one for each node.
    todo = jobs([f"{BROKEN}:Sampler"], 12)
    finished: list[Finished] = []
    killed = False
    for item in run_all(todo, tmp_path / "ray", on(two_nodes)):
        finished.append(item)
        if not killed and {item.job.repetition < 6 for item in finished} == {True, False}:
            assert len(two_nodes.workers()) == 2
            two_nodes.lose_one()
            killed = True
            seen = identities(tmp_path / "ray")
    assert killed
    assert len(seen) < len(todo)
    assert statuses(finished) == {"Sampler": ["finished"] * len(todo)}
    assert sorted(item.job.repetition for item in finished) == list(range(len(todo)))
    now = identities(tmp_path / "ray")
    assert {path: now[path] for path in seen} == seen
    assert outcome(tmp_path / "ray") == locally(todo, tmp_path / "here")
    again = list(run_all(todo, tmp_path / "ray", on(two_nodes)))
    assert statuses(again) == {"Sampler": ["stored"] * len(todo)}


@pytest.mark.slow
def test_what_no_node_has_room_for_is_said(two_nodes: Nodes, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"room for a worker with 1 CPU and 1 GPU; the nodes have 1 CPU and 0 GPU"):
        list(run_all(jobs(["random-search"]), tmp_path, on(two_nodes, gpus=1.0)))


def test_an_address_of_the_client_is_refused() -> None:
    with pytest.raises(ValueError, match="that of Ray's client"):
        executors.make("ray", Settings(address="ray://head:10001"))


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"no Ray cluster at '127\.0\.0\.1:1'(?s:.*)ray start --head"):
        list(run_all(jobs(["random-search"]), tmp_path, executors.make("ray", Settings(address="127.0.0.1:1"))))


@pytest.mark.slow
def test_broken_optimizers_are_named_and_their_neighbours_get_what_they_get_alone(
    two_nodes: Nodes, tmp_path: Path
) -> None:
    broken = ["RaisesInAsk", "AsksNaN", "AsksWrongShape", "Mutates", "Dies", "Hangs"]
    todo = jobs([f"{BROKEN}:{name}" for name in [*broken, "Sampler"]] + ["map-elites", "random-search"], 2)
    began = time.monotonic()
    neighbours = locally([job for job in todo if not any(name in job.optimizer for name in broken)], tmp_path / "here")
    # However busy the machine is, a trial that ends does so in this time.
    timeout = 30 + 4 * (time.monotonic() - began)
    finished = list(run_all(todo, tmp_path / "ray", on(two_nodes, timeout=timeout)))
    wanted = {**dict.fromkeys(broken, ["failed"] * 2), **dict.fromkeys(["Sampler", "map-elites", "random-search"])}
    assert statuses(finished) == {name: given or ["finished"] * 2 for name, given in wanted.items()}
    assert len(finished) == len(todo)
    for item in finished:
        if "Hangs" in item.job.optimizer:
            assert item.error == f"the trial took longer than the timeout of {timeout:g} s"
        elif "Dies" in item.job.optimizer:
            assert item.error == "the worker process died during this trial, twice"
        elif item.status == "failed":
            assert item.error.startswith(f"TrialError: optimizer '{item.job.optimizer}'")
    assert len(list(store.failure_paths(tmp_path / "ray"))) == 2 * len(broken)
    assert outcome(tmp_path / "ray") == neighbours


@pytest.mark.slow
def test_a_worker_without_our_sources_is_named(
    two_nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qdbench.harness.executors import outfit

    other = {**outfit.versions(), "qdbench": "0.0.7 (sources none)"}
    monkeypatch.setattr(outfit, "versions", lambda: other)
    with pytest.raises(RuntimeError, match=r"has qdbench 0\.1\.0 .* but the run was started with qdbench 0\.0\.7"):
        list(run_all(jobs(["random-search"]), tmp_path, on(two_nodes)))


def _command(nodes: Nodes, path: Path, directory: Path) -> list[str]:
    command = [sys.executable, "-m", "qdbench", "run", "--suite", str(path), "--executor", "ray"]
    return [*command, "--address", nodes.address, "--out", str(directory)]


@pytest.mark.slow
def test_nodes_workers_and_drivers_killed_at_random_moments_lose_nothing_and_repeat_nothing(
    two_nodes: Nodes, tmp_path: Path
) -> None:
    repetitions = 100
    path = suite(tmp_path / "kill.toml", repetitions)
    here = [sys.executable, "-m", "qdbench", "run", "--suite", str(path), "--out", str(tmp_path / "here")]
    subprocess.run(here, check=True, timeout=600, capture_output=True)
    directory = tmp_path / "ray"
    generator = random.Random(0)
    seen: dict[Path, tuple[int, int]] = {}

    def check() -> None:
        nonlocal seen
        now = identities(directory) if directory.exists() else {}
        assert {file: now[file] for file in seen} == seen
        seen = now

    killed = set()
    driver: subprocess.Popen[bytes] | None = None
    for victim in ["worker", "node", "driver", "node", "worker", "driver"]:
        if driver is None or driver.poll() is not None:
            driver = subprocess.Popen(
                _command(two_nodes, path, directory), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        before = len(seen)
        deadline = time.monotonic() + 120
        while len(identities(directory) if directory.exists() else ()) == before and time.monotonic() < deadline:
            if driver.poll() is not None:
                break
            time.sleep(0.05)
        time.sleep(generator.uniform(0, 4))
        check()
        if len(seen) < 4 * repetitions:
            killed.add(victim)
        if victim == "driver":
            driver.kill()
            driver.wait()
        elif victim == "node":
            two_nodes.lose_one()
            two_nodes.add_one()
        elif workers := two_nodes.workers():
            generator.choice(workers).send_signal(signal.SIGKILL)
    check()
    if driver is not None and driver.poll() is None:
        assert driver.wait(timeout=600) == 0
        check()
    done = subprocess.run(_command(two_nodes, path, directory), check=True, timeout=600, capture_output=True, text=True)
    assert f"{len(seen)} stored already, 0 failed" in " ".join(done.stdout.split())
    check()
    assert outcome(directory) == outcome(tmp_path / "here")
    assert killed == {"worker", "node", "driver"}, "all was finished before everything had been killed"


@pytest.mark.slow
def test_control_c_keeps_what_is_finished_and_says_how_to_go_on(two_nodes: Nodes, tmp_path: Path) -> None:
    path = suite(tmp_path / "stop.toml", repetitions=200)
    directory = tmp_path / "stopped"
    errors = interrupted(_command(two_nodes, path, directory), directory, 600)
    assert "the same command resumes" in errors
    assert "Traceback" not in errors
    assert 1 <= len(identities(directory)) < 800
    deadline = time.monotonic() + 60
    while two_nodes.workers() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not two_nodes.workers()
