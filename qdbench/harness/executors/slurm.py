"""A SLURM cluster, through submitit: every chunk is a SLURM job that stores its results in the folder of the run.

Jobs and driver share a file system, on which jobs note what they do. They stop between trials if the driver is gone.
"""

from __future__ import annotations

import functools
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import submitit

from qdbench.harness.executors import Settings
from qdbench.harness.executors.cluster import End, run_on, serve
from qdbench.harness.executors.notes import POLL_SECONDS, Note, Tail, write
from qdbench.harness.executors.outfit import Order, Outfit, outfit_of
from qdbench.harness.experiment import Executor, Finished, Job

_JOBS = 32
_MINUTES = 60
_HEARTBEAT = "heartbeat"
_BEAT_SECONDS = 5.0
_SILENCE_SECONDS = 120.0
# A shared file system may show late what was written on another machine.
_GRACE_SECONDS = 20.0
# What SLURM says of a job that was ended for no fault of its own.
_LOST = ("NODE_FAIL", "PREEMPTED", "REVOKED", "BOOT_FAIL", "CANCELLED")


def make(settings: Settings) -> Executor:
    """The executor.

    Raises:
        ValueError: If SLURM is asked for a part of a GPU.
    """
    if settings.gpus is not None and not settings.gpus.is_integer():
        raise ValueError(f"SLURM gives whole GPUs, but a worker should have {settings.gpus:g}")
    return functools.partial(run_on_slurm, settings=settings)


def run_on_slurm(jobs: Sequence[Job], directory: Path, settings: Settings) -> Iterator[Finished]:
    """Runs the jobs as :func:`qdbench.harness.executors.cluster.run_on` says.

    Raises:
        RuntimeError: If there is no SLURM here, or a node has other versions.
    """
    outfit = outfit_of(jobs, settings.cpus or 1, settings.gpus or 0.0)
    # Shared by all machines, as the results are; absolute, as jobs may start elsewhere.
    with tempfile.TemporaryDirectory(prefix=".slurm-", dir=directory.resolve(), ignore_cleanup_errors=True) as folder:
        cluster = _Cluster(settings, outfit, directory.resolve(), Path(folder))
        yield from run_on(cluster, jobs, directory, settings.timeout)


class _Cluster:
    """SLURM, or what submitit offers in its place."""

    def __init__(self, settings: Settings, outfit: Outfit, directory: Path, folder: Path) -> None:
        self.slots = self.most = settings.workers or _JOBS
        self._outfit = outfit
        self._directory = directory
        self._folder = folder
        self._submitted = 0
        self._beaten = -_BEAT_SECONDS
        parameters = {"name": "qdbench", "timeout_min": _MINUTES, "cpus_per_task": outfit.threads}
        if settings.gpus:
            parameters["gpus_per_node"] = int(settings.gpus)
        parameters |= settings.parameters or {}
        self._executor = _executor(folder / "%j", str(parameters.pop("cluster", "slurm")))
        self._executor.update_parameters(**parameters)
        self._beat()

    def submit(self, chunks: Sequence[Sequence[Order]]) -> list[_Task]:
        paths = []
        handles = []
        # As one job array.
        with self._executor.batch():
            for chunk in chunks:
                paths.append(self._folder / f"{self._submitted}.jsonl")
                self._submitted += 1
                handles.append(self._executor.submit(_serve, list(chunk), self._directory, self._outfit, paths[-1]))
        return [_Task(handle, path) for handle, path in zip(handles, paths, strict=True)]

    def wait(self, works: Sequence[_Task]) -> None:
        self._beat()
        time.sleep(POLL_SECONDS)

    def _beat(self) -> None:
        if time.monotonic() - self._beaten > _BEAT_SECONDS:
            self._beaten = time.monotonic()
            (self._folder / _HEARTBEAT).write_text(str(self._beaten))


class _Task:
    """A chunk under way: a SLURM job and its file of notes."""

    def __init__(self, handle: Any, path: Path) -> None:
        self._handle = handle
        self._tail = Tail(path)
        self._has_ended = False
        self._gone: float | None = None

    def notes(self) -> Iterator[Note]:
        for note in self._tail.new():
            if note["status"] == "ended":
                self._has_ended = True
            else:
                yield note

    def end(self) -> End | None:
        if self._has_ended:
            return End("done")
        if self._gone is None and self._handle.done():
            self._gone = time.monotonic()
        if self._gone is None or time.monotonic() - self._gone < _GRACE_SECONDS:
            return None
        state = str(self._handle.state)
        return End("lost" if state.startswith(_LOST) else "died", f"its job ended ({state})")

    def stop(self) -> None:
        self._handle.cancel(check=False)


class _Heartbeat:
    """Whether the driver lives: its heartbeat changes. Clocks of different machines are not compared."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = ""
        self._seen = time.monotonic()

    def is_beating(self) -> bool:
        try:
            now = self._path.read_text()
        except OSError:
            return False
        if now != self._last:
            self._last, self._seen = now, time.monotonic()
        return time.monotonic() - self._seen < _SILENCE_SECONDS


def _serve(orders: list[Order], directory: Path, outfit: Outfit, path: Path) -> None:
    """What a SLURM job does."""
    # Jobs of submitit's local executor are cancelled by it, and inherit that it is ignored where a shell started the
    # driver in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    heartbeat = _Heartbeat(path.with_name(_HEARTBEAT))
    if not heartbeat.is_beating():
        return
    with path.open("a") as file:
        for note in serve(orders, directory, outfit, heartbeat.is_beating):
            write(file.fileno(), note)
        write(file.fileno(), {"status": "ended"})


def _executor(folder: Path, cluster: str) -> Any:
    try:
        return submitit.AutoExecutor(folder=folder, cluster=cluster)
    except RuntimeError as error:
        raise RuntimeError(
            f"submitit cannot use {cluster}: {error}\nRun this where SLURM's commands are, or try it with "
            "--slurm cluster=local"
        ) from None
