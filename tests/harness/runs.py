"""What tests of many trials share: small jobs, and what is and is not to be the same however they were run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from qdbench.harness import store
from qdbench.harness.experiment import Finished, Job, plan

BUDGET = 3000
TASK = ("LP-Sphere-v0", {"dim": 10})
BROKEN = str(Path(__file__).with_name("optimizers.py"))


def jobs(optimizers: list[str], repetitions: int = 2) -> list[Job]:
    return plan([TASK], [(name, {}) for name in optimizers], range(repetitions), BUDGET, keep_solutions=False)


def statuses(finished: list[Finished]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for item in finished:
        result.setdefault(item.job.optimizer.rpartition(":")[2], []).append(item.status)
    return {name: sorted(items) for name, items in result.items()}


def outcome(directory: Path) -> dict[str, tuple[object, ...]]:
    """Everything of the stored results that may not depend on when and how they were run."""
    result = {}
    for path in store.result_paths(directory):
        loaded = store.load(path)
        metrics = {name: value for name, value in loaded.metrics.items() if not name.endswith("_seconds")}
        archive = loaded.archive
        arrays = archive.cells.tobytes(), archive.objective.tobytes(), archive.measures.tobytes()
        result[str(path.relative_to(directory))] = (metrics, loaded.trace.to_csv(), *arrays)
    return result


def identities(directory: Path) -> dict[Path, tuple[int, int]]:
    """The files of finished trials; one that is written again gets another inode or time."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in store.result_paths(directory)}


def suite(path: Path, repetitions: int) -> Path:
    path.write_text(f"""
name = "kill"
repetitions = {repetitions}
budget = 72_100
[[tasks]]
id = "LP-Sphere-v0"
arguments = {{ dim = 100 }}
[[tasks]]
id = "Arm-v0"
arguments = {{ dim = 100 }}
[[optimizers]]
id = "map-elites"
[[optimizers]]
id = "cma-mega"
""")
    return path


def wait_for_results(directory: Path, seconds: float, least: int = 1) -> None:
    """Returns when so many trials are finished, or time is over."""
    deadline = time.monotonic() + seconds
    while not (directory.exists() and len(identities(directory)) >= least) and time.monotonic() < deadline:
        time.sleep(0.05)


def interrupted(command: Sequence[str], directory: Path, seconds: float) -> str:
    """Runs a command with Ctrl-C after its first result, for which it has so many seconds; gives what it says.

    It has half as many to leave.
    """
    # A pipe would be full, and the command would wait, before anybody reads it.
    said = directory.with_suffix(".stderr")
    with said.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True)
    wait_for_results(directory, seconds)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=seconds / 2) == 130
    return " ".join(said.read_text().split())
