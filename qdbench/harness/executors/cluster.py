"""What executors of many machines share: chunks are handed out and followed, and what is lost runs again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from qdbench.harness import store
from qdbench.harness.executors import outfit as outfits
from qdbench.harness.executors.notes import Note, Watch, noted
from qdbench.harness.executors.outfit import Order, Outfit
from qdbench.harness.experiment import Finished, Job
from qdbench.harness.store import StoreError

_DEATHS = 2
_LOSSES = 5
_BARREN = 3


class End(NamedTuple):
    """How a chunk ended: all of it was done, a trial took too long, the worker died, or its machine was lost."""

    kind: Literal["done", "late", "died", "lost"]
    reason: str = ""


@runtime_checkable
class Work(Protocol):
    """A chunk that was handed out."""

    def notes(self) -> Iterator[Note]:
        """What was noted since the last call; never waits.

        A note that a trial finished may have its file as ``content``: it is then stored here.
        """

    def end(self) -> End | None:
        """How it ended; None if it goes on, or there are notes left."""

    def stop(self) -> None:
        """Ends it, whatever it does; called for chunks that have not ended."""


WorkT = TypeVar("WorkT", bound=Work)


@runtime_checkable
class Cluster(Protocol[WorkT]):
    """Where chunks are handed out to.

    Attributes:
        slots: The chunks that it works on at a time, as far as that is known.
        most: The chunks that it takes at a time, those that wait included.
    """

    slots: int
    most: int

    def submit(self, chunks: Sequence[Sequence[Order]]) -> Sequence[WorkT]:
        """Hands chunks out."""

    def wait(self, works: Sequence[WorkT]) -> None:
        """Returns when there may be something new, or after a moment."""


def serve(
    orders: Sequence[Order], directory: Path, outfit: Outfit, goes_on: Callable[[], bool] = lambda: True
) -> Iterator[Note]:
    """Runs a chunk on a worker's machine and yields what is to be noted; the last note says what stopped it, if any.

    Args:
        orders: The chunk.
        directory: Where results are stored.
        outfit: What the worker must have.
        goes_on: As for :func:`qdbench.harness.executors.notes.noted`.
    """
    outfits.put_on(outfit)
    refused = outfits.refusal(orders, outfit)
    if refused:
        yield {"status": "refused", "error": refused}
        return
    try:
        yield from noted([order.job for order in orders], directory, goes_on)
    except StoreError as error:
        yield {"status": "not stored", "error": str(error)}


def run_on(cluster: Cluster[WorkT], jobs: Sequence[Job], directory: Path, timeout: float | None) -> Iterator[Finished]:
    """Runs the jobs on a cluster.

    A trial that is under way when its worker dies is run again alone, and fails if its worker dies again; a machine
    that is lost is no trial's fault, until that happens five times during the same one. A trial that takes longer than
    the timeout, compilation included, is stopped and fails. Trials that run as one call have their timeouts together,
    and then each alone its own.

    Raises:
        RuntimeError: If a worker has not what it needs, or workers die before they start anything.
        StoreError: If a result cannot be stored.
    """
    from qdbench.harness.jobs import chunks

    waiting = deque(chunks(jobs, cluster.slots))
    running: list[_Running[WorkT]] = []
    settle = _Settlement(directory, waiting)
    try:
        while waiting or running:
            new = [waiting.popleft() for _ in range(min(len(waiting), cluster.most - len(running)))]
            if new:
                works = cluster.submit([[outfits.order(job) for job in chunk] for chunk in new])
                running += [_Running(work, chunk, timeout) for work, chunk in zip(works, new, strict=True)]
            cluster.wait([item.work for item in running])
            for item in list(running):
                yield from item.follow(directory)
                end = item.end()
                if end is not None:
                    running.remove(item)
                    yield from settle(item, end)
    finally:
        for item in running:
            item.work.stop()


class _Running(Generic[WorkT]):
    """A chunk that was handed out, with those of its jobs that are not done."""

    def __init__(self, work: WorkT, chunk: Sequence[Job], timeout: float | None) -> None:
        self.work = work
        self.remaining = {job.label: job for job in chunk}
        self.watch = Watch(timeout)
        self.is_barren = True

    def follow(self, directory: Path) -> Iterator[Finished]:
        """Stores and yields what was finished since the last call."""
        from qdbench.harness.jobs import config_of, record_failure

        for note in self.work.notes():
            if note["status"] == "refused":
                raise RuntimeError(note["error"])
            if note["status"] == "not stored":
                raise StoreError(note["error"])
            self.is_barren = False
            self.watch.look(note)
            # A scheduler may have started the same chunk twice.
            if note["status"] == "started" or note["job"] not in self.remaining:
                continue
            job = self.remaining.pop(note["job"])
            if note["status"] == "failed":
                yield record_failure(job, directory, note["error"])
                continue
            if "content" in note:
                store.save_content(directory, config_of(job), note["content"])
            yield Finished(job, note["status"], note["metrics"])

    def end(self) -> End | None:
        """How it ended; if a trial takes too long, it is ended."""
        end = self.work.end()
        if end is None and self.watch.is_any_late():
            self.work.stop()
            return End("late", self.watch.message)
        return end


class _Settlement:
    """Decides what becomes of the jobs that a chunk did not do."""

    def __init__(self, directory: Path, waiting: deque[list[Job]]) -> None:
        self._directory = directory
        self._waiting = waiting
        self._strikes: Counter[tuple[str, str]] = Counter()
        self._barren = 0

    def __call__(self, item: _Running[WorkT], end: End) -> Iterator[Finished]:
        """Yields the failures among them; the others wait again, suspects alone."""
        from qdbench.harness.jobs import record_failure

        self._count_barren(item, end)
        remaining = item.remaining
        under_way = item.watch.late() if end.kind == "late" else list(item.watch.under_way)
        for label in under_way:
            alone = item.watch.under_way[label].together == 1
            reason = self._verdict(label, end, alone)
            if reason:
                yield record_failure(remaining.pop(label), self._directory, reason)
            elif end.kind != "lost":
                self._waiting.append([remaining.pop(label)])
        if remaining:
            self._waiting.appendleft(list(remaining.values()))

    def _verdict(self, label: str, end: End, alone: bool) -> str:
        """Why a trial that was under way has failed; empty if it is tried again."""
        self._strikes[label, end.kind] += 1
        strikes = self._strikes[label, end.kind]
        if end.kind == "late" and alone:
            return end.reason
        if end.kind == "died" and strikes == _DEATHS:
            return f"{end.reason} during this trial, twice"
        if end.kind == "lost" and strikes == _LOSSES:
            return f"{end.reason} during this trial, {_LOSSES} times"
        return ""

    def _count_barren(self, item: _Running[WorkT], end: End) -> None:
        if not (item.is_barren and item.remaining) or end.kind == "lost":
            self._barren = 0
            return
        self._barren += 1
        if self._barren == _BARREN:
            raise RuntimeError(
                f"{_BARREN} workers in a row came to nothing before they started a trial: {end.reason or 'no reason'}"
            )
