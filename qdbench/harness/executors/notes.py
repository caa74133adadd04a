"""What workers note about their trials, and how a driver follows it.

A note is a dictionary. ``{"status": "started", "jobs": [...]}`` has the labels of trials that run as one call, and
``{"status": ..., "job": ..., "metrics": ..., "error": ...}`` is a :class:`~qdbench.harness.experiment.Finished`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from qdbench.harness.experiment import Job

Note = dict[str, Any]

POLL_SECONDS = 0.2


def noted(chunk: Sequence[Job], directory: Path, goes_on: Callable[[], bool]) -> Iterator[Note]:
    """Runs a chunk, as a worker does, and yields what is to be noted.

    Args:
        chunk: Jobs of one program.
        directory: Where results are stored.
        goes_on: Asked before each call of the program: whether anyone still waits for it.

    Raises:
        StoreError: If a result cannot be written.
    """
    from qdbench.harness.jobs import run_jobs, separable

    for piece in separable(chunk):
        if not goes_on():
            return
        yield {"status": "started", "jobs": [job.label for job in piece]}
        for finished in run_jobs(piece, directory):
            yield {
                "status": finished.status,
                "job": finished.job.label,
                "metrics": finished.metrics,
                "error": finished.error,
            }


def write(descriptor: int, note: Note) -> None:
    """Appends a note to an open file."""
    os.write(descriptor, json.dumps(note).encode() + b"\n")


class Tail:
    """Follows a file of notes; reads each once, as a run may have many and is followed several times a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> Iterator[Note]:
        """What was noted since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                # The last line may be half written yet.
                whole = file.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return
        if whole:
            self._offset += len(whole) + 1
            yield from map(json.loads, whole.splitlines())


class _Started(NamedTuple):
    """When a trial was seen to start, and with how many it runs as one call, itself included."""

    time: float
    together: int


class Watch:
    """Which trials are under way, and which of them take too long."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self.under_way: dict[str, _Started] = {}
        self._now = 0.0

    @property
    def message(self) -> str:
        """What is wrong with a trial that is late."""
        return f"the trial took longer than the timeout of {self.timeout:g} s"

    def look(self, note: Note) -> None:
        """Takes notice of a worker's note."""
        if note["status"] == "started":
            started = _Started(time.monotonic(), len(note["jobs"]))
            self.under_way.update(dict.fromkeys(note["jobs"], started))
        else:
            self.under_way.pop(note["job"], None)

    def is_any_late(self) -> bool:
        """Whether a trial takes too long by now."""
        self._now = time.monotonic()
        return bool(self.late())

    def late(self) -> list[str]:
        """The trials that took too long when that was last asked."""
        if self.timeout is None:
            return []
        limit = self.timeout
        return [label for label, start in self.under_way.items() if self._now - start.time > limit * start.together]
