"""``qdbench meta-train`` as a user types it: help, mistakes, interruption."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from qdbench.cli import app
from qdbench.metabbo import checkpoint
from tests.metabbo import tiny

ENVIRONMENT = {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["meta-train", *arguments], env=ENVIRONMENT)


def test_help_teaches() -> None:
    output = " ".join(call("--help").output.split())
    for text in ("Evolve the arrays of an optimizer", "the same command resumes", "qdbench meta-train lga --preset"):
        assert text in output
    for option in ("--preset", "--config", "--set", "--seed", "--devices", "--out"):
        assert option in output
    assert all(preset in output for preset in ("smoke", "cpu", "paper"))
    assert "meta-train" in CliRunner().invoke(app, ["--help"], env=ENVIRONMENT).output


def test_help_imports_nothing_heavy() -> None:
    program = """
import sys
from typer.testing import CliRunner
from qdbench.cli import app
assert CliRunner().invoke(app, ["meta-train", "--help"]).exit_code == 0
heavy = sorted({"jax", "equinox", "pandas", "scipy", "matplotlib", "numpy"} & set(sys.modules))
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.parametrize("entry", ["members", "members=", "members=4 4", "sigma={first=1", "=3 3"])
def test_what_set_cannot_read(entry: str) -> None:
    result = call("lga", "--set", entry)
    assert result.exit_code == 2
    assert f"--set takes NAME=VALUE, such as members=64 or fitness='\"best\"', not {entry!r}" in result.output
    assert "Traceback" not in result.output


SMOKE = ["lga", "--preset", "smoke", "--out", "OUT"]
MISTAKES = {
    "preset": (["lga", "--preset", "huge"], "no preset 'huge' of 'lga': it has cpu, paper, smoke"),
    "optimizer": (["gaussian-ga", "--preset", "cpu"], "no preset 'cpu' of 'gaussian-ga': it has none"),
    "config": (["x", "--config", "no-such-file.toml"], "no file no-such-file.toml"),
    "key": ([*SMOKE, "--set", "membres=4"], "membres Extra inputs are not permitted"),
    "odd": ([*SMOKE, "--set", "members=5"], "members Input should be a multiple of 2"),
    # Square brackets are part of the message, not of its markup.
    "told": ([*SMOKE, "--set", "members=5"], "[type=multiple_of, input_value=5, input_type=int]"),
    "markup": ([*SMOKE, "--set", 'evolve=["[/operators]"]'], "'lga' has no arrays under '[/operators]'"),
    "seed": ([*SMOKE, "--seed", "5000000000"], "seed Input should be less than 4294967296"),
    "task": ([*SMOKE, "--set", 'tasks=[{id="BBOB-F1-v0"}]'], "no task 'BBOB-F1-v0'"),
    "factory": ([*SMOKE, "--set", 'optimizer="nowhere:make"'], "No module named 'nowhere'"),
    "hyperparameter": ([*SMOKE, "--set", "hyperparameters={batch=3}"], "batch"),
    "array": ([*SMOKE, "--set", 'evolve=["operator"]'], "'lga' has no arrays under 'operator'"),
    "drawn": ([*SMOKE, "--set", "draw={rate=[0,1]}"], "has no number 'rate'"),
    "folder": ([*SMOKE[:-1], "FILE/out"], "cannot write"),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """In a process of its own, as the number of devices must be known before JAX computes anything."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "file").write_text("")
    places = {"OUT": str(folder / "out"), "FILE/out": str(folder / "file" / "out")}
    commands = {name: [places.get(part, part) for part in arguments] for name, (arguments, _) in MISTAKES.items()}
    program = f"""
import json
from typer.testing import CliRunner
from qdbench.cli import app
found = {{}}
for name, arguments in {commands!r}.items():
    result = CliRunner().invoke(app, ["meta-train", *arguments, "--devices", "1"], env={ENVIRONMENT!r})
    found[name] = result.exit_code, result.output, repr(result.exception)
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tiny.ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_answered_with_what_to_do(name: str, answers: dict[str, Any]) -> None:
    code, output, exception = answers[name]
    assert (code, exception) == (2, "SystemExit(2)")
    assert "error:" in output
    assert MISTAKES[name][1] in " ".join(output.split())
    assert "Traceback" not in output


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C keeps the checkpoint, says so, and exits as shells expect."""
    (tmp_path / "tiny.toml").write_text(tiny.as_toml(tiny.settings(meta_generations=1_000_000)))
    arguments = ["meta-train", "climber", "--config", str(tmp_path / "tiny.toml"), "--devices", "1"]
    command = tiny.command(*arguments, "--out", str(tmp_path / "out"))
    # A pipe might be full before anybody reads it.
    with (tmp_path / "errors").open("wb") as said:
        process = subprocess.Popen(command, cwd=tiny.ROOT, stdout=subprocess.DEVNULL, stderr=said)
    try:
        deadline = time.monotonic() + 240
        while not (tmp_path / "out" / checkpoint.NAME).exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
        process.wait()
    errors = (tmp_path / "errors").read_text()
    assert "Interrupted. The last checkpoint is kept; the same command resumes." in " ".join(errors.split())
    assert "Traceback" not in errors
    found = checkpoint.read(tmp_path / "out", tiny.config(), 1)
    assert found is not None
    assert found.generation >= 1
    assert not list((tmp_path / "out").glob("*.part"))
