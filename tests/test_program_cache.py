"""Compiled programs are kept for the next process, and nothing that the user chose is overruled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qdbench import program_cache
from qdbench.program_cache import FOLDER, LOG_LEVEL, MOST_BYTES, default_folder, keep_programs


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in (FOLDER, MOST_BYTES, LOG_LEVEL):
        # Set first, so that what the code sets is taken back too.
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    return tmp_path


def test_a_folder_of_the_processor_and_jaxlib(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_programs()
    here = default_folder()
    assert here.parent == home / "qdbench" / "programs"
    assert os.environ[FOLDER] == str(here)
    assert not here.exists()
    monkeypatch.setattr(program_cache, "processor_lines", lambda: ["flags : sse avx"])
    another = default_folder()
    monkeypatch.setattr(program_cache, "processor_lines", lambda: ["flags : sse"])
    assert len({here, another, default_folder()}) == 3
    monkeypatch.setattr(program_cache, "version", lambda name: "0.0.1")
    assert len({here, another, default_folder()}) == 3


def test_what_another_machine_chose_by_default_is_not_inherited(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_programs()
    monkeypatch.setattr(program_cache, "processor_lines", lambda: ["flags : another"])
    keep_programs()
    assert os.environ[FOLDER] == str(default_folder())


def test_what_the_user_chose_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(home / "mine"))
    keep_programs()
    assert os.environ[FOLDER] == str(home / "mine")
    assert MOST_BYTES not in os.environ
    assert LOG_LEVEL not in os.environ


def test_a_place_that_is_no_folder_is_left_alone(home: Path) -> None:
    (home / "qdbench").write_text("")
    keep_programs()
    assert FOLDER not in os.environ


def test_it_stays_off_where_reading_programs_has_crashed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    keep_programs()
    assert FOLDER not in os.environ


@pytest.mark.skipif(sys.platform == "darwin", reason="off there")
def test_a_second_process_reads_what_the_first_compiled(tmp_path: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if name not in (FOLDER, MOST_BYTES, LOG_LEVEL)}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    task, optimizer = ("--task", "LP-Sphere-v0"), ("--optimizer", "map-elites")
    command = ["run", *task, *optimizer, "--budget", "200", "--repetitions", "1", "--jobs", "1"]

    def run(name: str, **more: str) -> str:
        out = ["--out", str(tmp_path / name)]
        return subprocess.run(
            [sys.executable, "-m", "qdbench", *command, *out],
            env=environment | more,
            capture_output=True,
            text=True,
            check=True,
        ).stderr

    run("off", JAX_ENABLE_COMPILATION_CACHE="0")
    assert not list(tmp_path.rglob("*-cache"))
    run("first")
    programs = {path: path.read_bytes() for path in tmp_path.rglob("*-cache")}
    assert programs
    errors = run("second")
    assert "cpu_aot_loader" not in errors
    assert {path: path.read_bytes() for path in tmp_path.rglob("*-cache")} == programs
    # A file that a killed process left half written is compiled anew.
    for path in programs:
        path.write_bytes(path.read_bytes()[:100])
    run("third")
