"""A Ray cluster: every chunk is a task that streams its notes and results back to the driver, which alone stores them.

Workers need no file system in common with the driver. A task runs in a process that Ray keeps for the next one, so a
worker compiles a program once. Ray ends the tasks of a driver that is gone.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, no_type_check

import ray
from ray import exceptions

from qdbench.harness import store
from qdbench.harness.cores import available_cores
from qdbench.harness.executors import Settings
from qdbench.harness.executors.cluster import End, run_on, serve
from qdbench.harness.executors.notes import POLL_SECONDS, Note
from qdbench.harness.executors.outfit import Order, Outfit, outfit_of
from qdbench.harness.experiment import Executor, Finished, Job

_FEWEST_TO_SHOW = 64
_CONNECT_SECONDS = 30.0

_DIED = {
    exceptions.WorkerCrashedError: "the worker process died",
    exceptions.OutOfMemoryError: "the node ran out of memory",
}
# A node that dies takes what it had not sent yet along; what is left of that is an object that is lost.
_LOST = (exceptions.NodeDiedError, exceptions.ObjectLostError, exceptions.LocalRayletDiedError)


def make(settings: Settings) -> Executor:
    """The executor.

    Raises:
        ValueError: If the address is that of a Ray client.
    """
    if settings.address is not None and settings.address.startswith("ray://"):
        raise ValueError(
            f"address {settings.address!r} is that of Ray's client, which streams no results: start the run on a "
            "machine of the cluster, with --address auto"
        )
    return functools.partial(run_on_ray, settings=settings)


def run_on_ray(jobs: Sequence[Job], directory: Path, settings: Settings) -> Iterator[Finished]:
    """Runs the jobs as :func:`qdbench.harness.executors.cluster.run_on` says.

    Connects to the cluster at the settings' address, else at ``RAY_ADDRESS``, else starts one on this machine's cores;
    a connection that is there already is used, and kept.

    Raises:
        RuntimeError: If there is no such cluster, no node has what a worker needs, or a node has other versions.
    """
    with _connected(settings):
        cpus = 1 if settings.cpus is None else settings.cpus
        resources = {"CPU": float(cpus), "GPU": settings.gpus or 0.0}
        outfit = outfit_of(jobs, cpus, resources["GPU"])
        try:
            yield from run_on(_Cluster(resources, settings.workers, outfit), jobs, directory, settings.timeout)
        except exceptions.RayError as error:
            raise RuntimeError(
                f"the Ray cluster failed: {type(error).__name__}: {error}\nFinished trials are kept; the same command "
                "resumes."
            ) from error


class _Cluster:
    """The cluster that this process is connected to."""

    def __init__(self, resources: dict[str, float], workers: int | None, outfit: Outfit) -> None:
        slots = _slots(resources)
        self.slots = workers or slots
        # More than can run at once, so that none waits for the driver and an autoscaler sees that there is more to do.
        self.most = workers or max(_FEWEST_TO_SHOW, 2 * self.slots)
        self._outfit = ray.put(outfit)
        # What is lost is settled here: Ray would repeat trials that are stored.
        options = {"num_returns": "streaming", "max_retries": 0, "name": "qdbench"}
        self._task = ray.remote(**options, num_cpus=resources["CPU"], num_gpus=resources["GPU"])(_serve)

    def submit(self, chunks: Sequence[Sequence[Order]]) -> list[_Task]:
        return [_Task(self._task.remote(list(chunk), self._outfit)) for chunk in chunks]

    def wait(self, works: Sequence[_Task]) -> None:
        ray.wait([work.stream for work in works], num_returns=1, timeout=POLL_SECONDS)


class _Task:
    """A chunk under way: a stream of lists of notes."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._end: End | None = None

    def notes(self) -> Iterator[Note]:
        while self._end is None and ray.wait([self.stream], timeout=0)[0]:
            try:
                yield from ray.get(next(self.stream))
            except StopIteration:
                self._end = End("done")
            except tuple(_DIED) as error:
                self._end = End("died", _DIED[type(error)])
            except _LOST:
                self._end = End("lost", "its node was lost")
            except exceptions.RayTaskError as error:
                raise RuntimeError(
                    f"a worker of Ray failed: {error.cause}\n"
                    "Is the same qdbench installed on all nodes? There: pip install 'qdbench[ray]'"
                ) from None

    def end(self) -> End | None:
        return self._end

    def stop(self) -> None:
        ray.cancel(self.stream, force=True)


# A function that is wrapped to check its types is no generator function to Ray.
@no_type_check
def _serve(orders: list[Order], outfit: Outfit) -> Iterator[list[Note]]:
    """What a worker of Ray does."""
    yield from _in_batches(_notes_with_results(orders, outfit))


def _in_batches(notes: Iterator[Note]) -> Iterator[list[Note]]:
    """What is noted at about the same time, as one message: a message costs the driver more than a small trial.

    A note never waits while trials run: that some are started ends a batch.
    """
    batch: list[Note] = []
    sent = time.monotonic()
    for note in notes:
        batch.append(note)
        if note["status"] == "started" or time.monotonic() - sent > POLL_SECONDS:
            yield batch
            batch, sent = [], time.monotonic()
    if batch:
        yield batch


def _notes_with_results(orders: list[Order], outfit: Outfit) -> Iterator[Note]:
    """The notes of a chunk whose results go through a folder of the worker's own to the driver."""
    jobs = {order.job.label: order.job for order in orders}
    with tempfile.TemporaryDirectory(prefix="qdbench-") as folder:
        for note in serve(orders, Path(folder), outfit):
            if note["status"] == "finished":
                # Only now, because it imports JAX.
                from qdbench.harness.jobs import config_of

                note["content"] = store.content_of(Path(folder), config_of(jobs[note["job"]]))
            yield note


@contextlib.contextmanager
def _connected(settings: Settings) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    address = settings.address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {}
    if address == "local":
        # A cluster that is there for this run only shows nothing, and tells nobody that it exists.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options = {"num_cpus": len(available_cores()), "include_dashboard": False}
    try:
        _check_listening(address)
        with warnings.catch_warnings():
            # JAX, which has threads, warns of forks; Ray forks only to start another program at once.
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **options)
    except Exception as error:
        if address == "local":
            raise RuntimeError(f"Ray did not start on this machine: {error}") from error
        raise RuntimeError(
            f"there is no Ray cluster at {address!r}: {error}\nOne is started with: ray start --head (and on other "
            "machines: ray start --address HOST:6379)"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_listening(address: str) -> None:
    """Raises OSError if nobody listens at ``host:port``; Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()


def _slots(resources: dict[str, float]) -> int:
    """How many workers with so many resources the nodes have room for.

    Raises:
        RuntimeError: If no node has room for one.
    """
    wanted = {name: amount for name, amount in resources.items() if amount}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    slots = sum(min(math.floor(node.get(name, 0) / amount) for name, amount in wanted.items()) for node in nodes)
    if not slots:
        there = "; ".join(f"{node.get('CPU', 0):g} CPU and {node.get('GPU', 0):g} GPU" for node in nodes)
        needs = " and ".join(f"{amount:g} {name}" for name, amount in wanted.items())
        raise RuntimeError(f"no node of the Ray cluster has room for a worker with {needs}; the nodes have {there}")
    return slots
