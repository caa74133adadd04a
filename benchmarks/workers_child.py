"""What a run of many trials costs its driver, its workers and Ray: seconds of CPUs, and of the clock."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from qdbench.harness import executors
from qdbench.harness.executors.local import in_processes
from qdbench.harness.experiment import plan, run_all
from qdbench.harness.jobs import config_of


def time_run(
    executor: str, workers: int, task: str, arguments: Mapping[str, Any], optimizer: str, budget: int, trials: int
) -> dict[str, Any]:
    """Runs repetitions of one trial.

    Args:
        executor: ``"local"``, in processes of their own however few, or ``"ray"``, on a cluster of this machine.
        workers: How many work at a time.
        task: The task's id.
        arguments: Its arguments.
        optimizer: The optimizer's id.
        budget: Evaluations of a trial.
        trials: Their number.
    """
    jobs = plan([(task, dict(arguments))], [(optimizer, {})], range(trials), budget, keep_solutions=False)
    # The driver's import of JAX and the task's fingerprint are not a trial's.
    config_of(jobs[0])
    settings = executors.Settings(workers, address="local")
    run = in_processes(workers) if executor == "local" else executors.make("ray", settings)
    spent = {"worker": 0.0, "services": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        began, driver = time.perf_counter(), time.process_time()
        for count, finished in enumerate(run_all(jobs, Path(folder), run), 1):
            if finished.status != "finished":
                raise RuntimeError(f"{finished.job.label} {finished.status}: {finished.error}")
            if count == trials:
                # Now, because the processes end with the run.
                seconds, driver = time.perf_counter() - began, time.process_time() - driver
                for child in psutil.Process().children(recursive=True):
                    spent[_role(child, executor)] += sum(child.cpu_times()[:2])
    return {"seconds": seconds, "driver": driver, **spent}


def _role(process: psutil.Process, executor: str) -> str:
    title = " ".join(process.cmdline())
    return "worker" if executor == "local" or "ray::" in title else "services"
