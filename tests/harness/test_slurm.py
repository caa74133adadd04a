"""SLURM: submitit with its local executor, which starts the same jobs on this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qdbench.harness import executors, store
from qdbench.harness.executors import Settings, local
from qdbench.harness.experiment import run_all
from tests.harness.runs import BROKEN, identities, jobs, outcome, wait_for_results

pytest.importorskip("submitit", reason="submitit is not installed: pip install 'qdbench[slurm]'")


def _command(directory: Path, *options: str) -> list[str]:
    command = [sys.executable, "-m", "qdbench", "run", "--executor", "slurm", "--slurm", "cluster=local"]
    return [*command, "--out", str(directory), *options]


def _suite(path: Path, optimizers: list[str]) -> Path:
    lines = ["name = 'small'", "repetitions = 2", "budget = 3000"]
    lines += ["[[tasks]]", "id = 'LP-Sphere-v0'", "arguments = { dim = 10 }"]
    for name in optimizers:
        lines += ["[[optimizers]]", f"id = '{name}'"]
    path.write_text("\n".join(lines))
    return path


def test_jobs_give_the_local_results_and_a_second_call_resumes(tmp_path: Path) -> None:
    path = _suite(tmp_path / "small.toml", ["random-search"])
    command = _command(tmp_path / "slurm", "--suite", str(path), "--jobs", "1")
    done = subprocess.run(command, check=True, timeout=300, capture_output=True, text=True)
    assert "2 trials run, 0 stored already, 0 failed" in " ".join(done.stdout.split())
    list(run_all(jobs(["random-search"]), tmp_path / "here", local.run_here))
    assert outcome(tmp_path / "slurm") == outcome(tmp_path / "here")
    # Nothing of submitit stays in the folder of the results.
    assert [item.name for item in (tmp_path / "slurm").iterdir()] == ["LP-Sphere-v0"]


def test_parts_of_gpus_and_a_machine_without_slurm_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"whole GPUs, but a worker should have 0\.5"):
        executors.make("slurm", Settings(gpus=0.5))
    if shutil.which("srun") is None:
        with pytest.raises(RuntimeError, match=r"submitit cannot use slurm: .*srun(?s:.*)--slurm cluster=local"):
            list(run_all(jobs(["random-search"]), tmp_path, executors.make("slurm", Settings())))


@pytest.mark.slow
def test_broken_optimizers_are_named_and_their_neighbours_get_what_they_get_alone(tmp_path: Path) -> None:
    names = [f"{BROKEN}:{name}" for name in ("RaisesInAsk", "Dies", "Hangs", "Sampler")]
    path = _suite(tmp_path / "small.toml", names)
    command = _command(tmp_path / "slurm", "--suite", str(path), "--jobs", "2", "--timeout", "90")
    done = subprocess.run(command, timeout=3000, capture_output=True, text=True)
    assert done.returncode == 1
    assert "2 trials run, 0 stored already, 6 failed" in " ".join(done.stdout.split())
    reasons = {}
    for failure in store.failure_paths(tmp_path / "slurm"):
        record = store.load_failure(failure)
        reasons.setdefault(record.config.optimizer.rpartition(":")[2], set()).add(record.error)
    assert reasons["Hangs"] == {"the trial took longer than the timeout of 90 s"}
    assert reasons["Dies"] == {"its job ended (FINISHED) during this trial, twice"}
    assert all("my ask is broken" in error for error in reasons["RaisesInAsk"])
    list(run_all(jobs(names[-1:]), tmp_path / "here", local.run_here))
    assert outcome(tmp_path / "slurm") == outcome(tmp_path / "here")


@pytest.mark.slow
def test_a_driver_that_is_killed_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    path = _suite(tmp_path / "small.toml", ["random-search", "map-elites", f"{BROKEN}:Sampler"])
    directory = tmp_path / "slurm"
    command = _command(directory, "--suite", str(path), "--jobs", "1", "--repetitions", "6")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_results(directory, 600)
    process.kill()
    process.wait()
    seen = identities(directory)
    assert 1 <= len(seen) < 18
    subprocess.run(command, check=True, timeout=600, capture_output=True)
    final = identities(directory)
    assert len(final) == 18
    assert {file: final[file] for file in seen} == seen
    list(run_all(jobs(["random-search", "map-elites", f"{BROKEN}:Sampler"], 6), tmp_path / "here", local.run_here))
    assert outcome(directory) == outcome(tmp_path / "here")
