"""The commands of docs/scale.md."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qdbench.cli import app
from qdbench.harness import display
from qdbench.harness.experiment import Job
from tests.docs.test_plug_in import TINY

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text()
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("qdbench run ")
]
_LIBRARIES = {"ray": "ray", "slurm": "submitit"}


def _executor(command: list[str]) -> str:
    return command[command.index("--executor") + 1] if "--executor" in command else "local"


def _skip_without_library(command: list[str]) -> None:
    library = _LIBRARIES.get(_executor(command))
    if library and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: pip install 'qdbench[{_executor(command)}]'")
    if library:
        # Here, and not first while the runner has replaced the streams, which such a library may keep and close.
        importlib.import_module(library)


def test_every_executor_is_shown_in_at_most_five_lines() -> None:
    assert {_executor(command) for command in COMMANDS} == {"local", "ray", "slurm"}
    assert sum("--shard" in command for command in COMMANDS) == 2
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert all(len(block.splitlines()) <= 5 for block in blocks)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_is_understood(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _skip_without_library(command)
    runs = []

    def record(jobs: Sequence[Job], directory: Path, *others: Any) -> int:
        runs.append((len(jobs), directory))
        return 0

    monkeypatch.setattr(display, "run_with_progress", record)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    ((count, directory),) = runs
    assert directory == Path("results/dqd")
    # Three tasks, eight optimizers, twenty repetitions; a shard has some of their 24 programs.
    assert count == 480 if "--shard" not in command else 0 < count < 480


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--executor", "sge"], "no executor 'sge': the executors are local, ray, slurm"),
        (["--address", "auto"], "executor 'local' takes no address: that is for ray"),
        (["--slurm", "partition"], "--slurm is NAME=VALUE"),
    ],
)
def test_mistakes_are_named(options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["run", "--suite", "quick", *options])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_works(command: list[str], tmp_path: Path) -> None:
    """With a suite of one small task, a cluster of this machine, and submitit's local executor in place of SLURM."""
    _skip_without_library(command)
    (tmp_path / "tiny.toml").write_text(TINY)
    words = [
        {"dqd": "tiny.toml", "auto": "local", "slurm_partition=cpu": "cluster=local"}.get(word, word)
        for word in command
    ]
    done = subprocess.run(
        [sys.executable, "-m", "qdbench", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    # The only program of the suite is in one of the shards.
    assert "0 failed" in done.stdout
    assert "--shard" in command or "1 trials run" in done.stdout
