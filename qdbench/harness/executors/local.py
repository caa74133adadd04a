"""One machine: this process, or several pinned worker processes (loky, from joblib)."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from joblib.externals.loky import process_executor

from qdbench.harness.cores import available_cores, limit_threads
from qdbench.harness.executors import Settings
from qdbench.harness.executors.notes import POLL_SECONDS, Tail, Watch, noted, write
from qdbench.harness.experiment import Executor, Finished, Job

_slot: object | None = None
_driver: int | None = None


def make(settings: Settings) -> Executor:
    """The executor: this process if one worker is enough; a trial can be stopped in another process only."""
    workers = settings.workers or 1
    return run_here if workers == 1 and settings.timeout is None else in_processes(workers, settings.timeout)


def run_here(jobs: Sequence[Job], directory: Path) -> Iterator[Finished]:
    """Runs the jobs in this process, those of one program after another or together."""
    from qdbench.harness.jobs import chunks, run_jobs

    for chunk in chunks(jobs):
        yield from run_jobs(chunk, directory)


def in_processes(workers: int, timeout: float | None = None) -> Executor:
    """An executor with so many worker processes, and a limit to the seconds that a trial may take."""
    return functools.partial(run_in_processes, workers=workers, timeout=timeout)


def run_in_processes(
    jobs: Sequence[Job], directory: Path, workers: int, timeout: float | None = None
) -> Iterator[Finished]:
    """Runs the jobs in worker processes, each pinned to its share of the cores.

    Jobs of the same program go to a worker in chunks, so that it compiles once. Workers note what they finish in files,
    from which this process follows them. A worker that dies (killed, out of memory) takes nothing with it but the
    trials under way; each of these is run again alone, and reported as failed if its worker dies again.

    A trial that takes longer than the timeout, compilation included, is stopped and reported as failed; what else is
    under way is run again. Trials that run as one call have their timeouts together, and then each alone its own.
    """
    from qdbench.harness.jobs import record_failure

    remaining = {job.label: job for job in jobs}
    while remaining:
        watch = Watch(timeout)
        for finished in _run_pool(list(remaining.values()), directory, workers, watch):
            del remaining[finished.job.label]
            yield finished
        suspects = watch.late() or list(watch.under_way)
        if remaining and not suspects:
            raise RuntimeError("a worker process died before it started a trial: is there enough memory for them all?")
        for label in suspects:
            suspect = remaining.pop(label)
            if watch.late() and watch.under_way[label].together == 1:
                yield record_failure(suspect, directory, watch.message)
                continue
            alone = Watch(timeout)
            outcome = next(_run_pool([suspect], directory, 1, alone), None)
            reason = alone.message if alone.late() else "the worker process died during this trial, twice"
            yield outcome or record_failure(suspect, directory, reason)


def _run_pool(jobs: Sequence[Job], directory: Path, workers: int, watch: Watch) -> Iterator[Finished]:
    """Runs the jobs until all are done, a worker dies or one of them takes too long."""
    with tempfile.TemporaryDirectory(prefix="qdbench-") as notes:
        yield from _run_noted(jobs, directory, workers, watch, Path(notes))


def _run_noted(jobs: Sequence[Job], directory: Path, workers: int, watch: Watch, notes: Path) -> Iterator[Finished]:
    from qdbench.harness.jobs import chunks

    pool = process_executor.ProcessPoolExecutor(
        max_workers=workers, timeout=None, initializer=_start_worker, initargs=(str(notes), workers, os.getpid())
    )
    by_label = {job.label: job for job in jobs}
    tails: list[Tail] = []

    def finished() -> Iterator[Finished]:
        for note in (note for tail in tails for note in tail.new()):
            watch.look(note)
            if note["status"] != "started" and note["job"] in by_label:
                yield Finished(by_label.pop(note["job"]), note["status"], note["metrics"], note["error"])

    waiting = list(enumerate(chunks(jobs)))
    pending: set[Future[None]] = set()
    try:
        while waiting or pending:
            # No more than the workers can take: loky's thread stumbles over work that is left when it is told to stop.
            while waiting and len(pending) < workers:
                index, chunk = waiting.pop(0)
                path = notes / f"{index}.jsonl"
                pending.add(pool.submit(_run_chunk, chunk, directory, path))
                tails.append(Tail(path))
            done, pending = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            yield from finished()
            for future in done:
                future.result()
            if watch.is_any_late():
                return
    except BrokenProcessPool:
        yield from finished()
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _run_chunk(chunk: list[Job], directory: Path, path: Path) -> None:
    # If whoever started the run is gone, it may have been started again.
    with path.open("a") as file:
        for note in noted(chunk, directory, lambda: os.getppid() == _driver):
            write(file.fileno(), note)


def _start_worker(slots: str, workers: int, driver: int) -> None:
    """Pins a fresh worker to its share of the cores and keeps JAX to as many threads; runs before JAX is imported."""
    global _slot, _driver
    # Ctrl-C is for the driver, which then stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Handed over, not asked for: the driver may be gone before its worker gets here.
    _driver = driver
    # loky replaces a worker whose memory grows, which for an archive of 40 MB would be often; a new one compiles anew.
    process_executor._USE_PSUTIL = False
    cores = available_cores()
    for index in range(workers):
        file = Path(slots, f"slot-{index}").open("w")  # noqa: SIM115  (open for as long as the process lives)
        try:
            # The lock goes when the process does, so that a replacement finds the slot of a worker that died.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            continue
        _slot = file
        share = cores[index::workers] or [cores[index % len(cores)]]
        with contextlib.suppress(OSError, AttributeError):
            os.sched_setaffinity(0, share)
        limit_threads(len(share))
        return
