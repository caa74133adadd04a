"""The command line, as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qdbench.cli import app
from qdbench.harness import store
from qdbench.harness.suite import suite_names

OPTIMIZERS = Path(__file__).parent / "harness" / "optimizers.py"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def test_help_and_listings_import_nothing_heavy() -> None:
    program = """
import sys
from typer.testing import CliRunner
from qdbench.cli import app
for text in ("--help", "run --help", "tune --help", "list tasks", "list optimizers", "list suites"):
    arguments = text.split()
    assert CliRunner().invoke(app, arguments).exit_code == 0, arguments
heavy = sorted({"jax", "equinox", "pandas", "scipy", "matplotlib", "numpy"} & set(sys.modules))
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("tasks", ["Arm-v0", "LP-Rastrigin-v0", "LP-Sphere-v0"]),
        ("optimizers", ["cma-mega", "map-elites-line", "random-search"]),
        ("suites", ["bbob-coco", "bbob-lga", "dqd", "quick"]),
    ],
)
def test_listings(kind: str, names: list[str]) -> None:
    result = call("list", kind)
    assert result.exit_code == 0
    assert all(name in result.output for name in names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("run", "--suite", "quik"),
            f"no suite 'quik': the suites are {', '.join(suite_names())};",
        ),
        (("run",), "name a suite"),
        (("run", "--task", "LP-Spere-v0", "--optimizer", "cma-mega"), "did you mean LP-Sphere-v0"),
        (("run", "--task", "LP-Sphere-v9", "--optimizer", "cma-mega"), "the versions of 'LP-Sphere' are LP-Sphere-v0"),
        (("run", "--task", "LP-Sphere-v0", "--optimizer", "cma-meag"), "did you mean cma-mega"),
        (("run", "--task", "LP-Sphere-v0", "--optimizer", "no_such_module:Me"), "No module named 'no_such_module'"),
        (("run", "--task", "LP-Sphere-v0", "--optimizer", "nowhere.py:Me"), "there is no file nowhere.py"),
        (("run", "--task", "LP-Sphere-v0", "--optimizer", f"{OPTIMIZERS}:Me"), "has no attribute 'Me'"),
        (("leaderboard", "build", "no-such-folder", "--out", "x"), "no-such-folder"),
        (("leaderboard", "tuned", "no-[b]such", "--out", "x"), "no folder no-[b]such"),
        (("export", "coco", "no-[b]such", "--out", "x"), "no folder no-[b]such"),
        (("meta-report", "compare", "a=no-[b]such", "--out", "x"), "there is no folder no-[b]such"),
        (("verify", "no-such-folder"), "no results in no-such-folder"),
        (("run", "--suite", "quick", "--shard", "one"), "--shard is k/n, such as 1/4"),
        (("run", "--suite", "quick", "--shard", "5/4"), "there is no shard 5/4"),
        (("tune", "map-elites", "--suite", "bbob-lga", "--function", "25"), "has no such task"),
        (("tune", "random-search", "--suite", "bbob-lga", "--function", "1"), "neither elite_ratio nor sigma"),
        (("tune", "gaussian-ga", "--suite", "bbob-lga", "--grid", "sigma"), "such as sigma=0.1,0.25"),
        (("tune", "gaussian-ga", "--suite", "bbob-lga-grid"), "has 4 settings of 'gaussian-ga'"),
    ],
)
def test_mistakes_are_answered_with_what_to_do(arguments: tuple[str, ...], message: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_run_resume_build_check_compact_and_verify(tmp_path: Path) -> None:
    results, board, small = tmp_path / "results", tmp_path / "board", tmp_path / "small"
    common = ("run", "--task", "LP-Sphere-v0", "--budget", "400", "--out", str(results), "--keep-solutions")
    command = (*common, "--optimizer", "random-search", "--add", f"{OPTIMIZERS}:Sampler", "--repetitions", "2")
    first = call(*command)
    assert first.exit_code == 0, first.output
    assert "4 trials run, 0 stored already, 0 failed" in first.output
    again = call(*command)
    assert "0 trials run, 4 stored already, 0 failed" in again.output
    assert len(list(store.result_paths(results))) == 4

    built = call("leaderboard", "build", str(results), "--out", str(board))
    assert built.exit_code == 0, built.output
    assert "random-search" in built.output
    assert str(board / "index.html") in built.output
    assert call("leaderboard", "build", str(results), "--out", str(board), "--check").exit_code == 0
    (board / "board.csv").write_text("changed")
    checked = call("leaderboard", "build", str(results), "--out", str(board), "--check")
    assert checked.exit_code == 1
    assert "board.csv is not what the results give" in checked.output.replace("\n", "")

    verified = call("verify", str(results), "--trials", "1")
    assert verified.exit_code == 0, verified.output
    assert "4 of 4 archives agree; 1 of 1 trials agree" in verified.output
    assert call("leaderboard", "compact", str(results), "--out", str(small)).exit_code == 0
    assert len(list(store.result_paths(small))) == 4
    assert "0 of 0 archives agree; 1 of 1 trials agree" in call("verify", str(small), "--trials", "1").output

    packs = tmp_path / "packs"
    assert call("leaderboard", "compact", str(results), "--out", str(packs), "--pack").exit_code == 0
    assert not list(store.result_paths(packs))
    assert len(list(packs.rglob("*.parquet"))) == 2
    assert call("leaderboard", "build", str(packs), "--out", str(tmp_path / "packed")).exit_code == 0
    call("leaderboard", "build", str(results), "--out", str(board))
    assert (tmp_path / "packed" / "board.csv").read_bytes() == (board / "board.csv").read_bytes()


def test_a_tampered_archive_is_found(tmp_path: Path) -> None:
    call(
        "run",
        "--task",
        "Arm-v0",
        "--optimizer",
        "random-search",
        "--budget",
        "72",
        "--out",
        str(tmp_path),
        "--keep-solutions",
    )
    (path,) = store.result_paths(tmp_path)
    result = store.load(path)
    result.archive.objective[0] += 1
    store.save_result(tmp_path, result)
    verified = call("verify", str(tmp_path), "--trials", "0")
    assert verified.exit_code == 1
    assert "0 of 1 archives agree" in verified.output


def test_a_failing_optimizer_is_printed_and_the_exit_status_says_so(tmp_path: Path) -> None:
    result = call(
        "run", "--task", "Arm-v0", "--optimizer", f"{OPTIMIZERS}:RaisesInAsk", "--budget", "90", "--out", str(tmp_path)
    )
    assert result.exit_code == 1
    assert "my ask is broken" in result.output


def test_shards_together_are_the_whole(tmp_path: Path) -> None:
    common = ("run", "--task", "LP-Sphere-v0", "--budget", "72", "--optimizer", "random-search", "--out", str(tmp_path))
    command = (*common, "--add", f"{OPTIMIZERS}:Sampler")
    outputs = [call(*command, "--shard", f"{part}/2").output for part in (1, 2)]
    assert all("1 trials run, 0 stored already" in " ".join(output.split()) for output in outputs)
    assert "0 trials run, 2 stored already" in " ".join(call(*command).output.split())


def test_tune_writes_its_report_and_prints_the_best(tmp_path: Path) -> None:
    command = ("tune", "gaussian-ga", "--suite", "bbob-lga", "--function", "1", "--grid", "sigma=0.1,0.5")
    result = call(*command, "--repetitions", "2", "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "score" in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"tune.json", "trials.csv", "tune.md", "tune.png"}
