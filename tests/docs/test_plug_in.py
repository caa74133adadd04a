"""The commands of docs/plug-in.md, as a stranger types them, from the repository's folder."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plug-in.md").read_text()
TINY = """
name = "tiny"
repetitions = 1
budget = 720
[[tasks]]
id = "LP-Sphere-v0"
arguments = { dim = 20 }
[[optimizers]]
id = "random-search"
"""


def commands() -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [line for language, block in blocks if not language for line in block.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["tiny.toml", "quick"])
def test_every_command_works(tmp_path: Path, suite: str) -> None:
    """Also with a suite of one small task in place of the quick one."""
    for folder in ("docs/examples", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "tiny.toml").write_text(TINY)
    site = tmp_path / "site"
    path = os.pathsep.join([str(site), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "PIP_NO_INDEX": "1"}
    outputs = {}
    for command in commands():
        words = shlex.split(command)
        if words[:2] == ["pip", "install"]:
            # Into a folder of its own, and without a network.
            words = [sys.executable, "-m", *words, "-q", "--no-deps", "--no-build-isolation", "--target", str(site)]
        else:
            assert words[0] == "qdbench"
            words = [sys.executable, "-m", *(suite if word == "quick" else word for word in words)]
            if "MyRings-v0" in words and "run" in words:
                words += ["--budget", "720"]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=3000)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        outputs[command] = done.stdout
    assert "my-search" in outputs["qdbench list optimizers"]
    assert "12 of 12 rules kept" in outputs["qdbench check optimizer my-search"]
    board = (tmp_path / "results" / "quick-board" / "board.csv").read_text()
    assert "my-search" in board
    assert "numpy_search.py:NumpySearch" in board


def test_the_gymnasium_example_runs() -> None:
    (block,) = [block for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S) if "gymnasium" in block]
    names: dict[str, object] = {}
    exec(block, names)
    assert names["info"]["evaluations"] == 3600


def test_what_the_page_says_of_the_example_package_is_so() -> None:
    package = ROOT / "examples" / "my-search"
    assert (ROOT / "docs" / "plug-in.md").read_text().count(
        "\n".join((package / "pyproject.toml").read_text().split("# The name")[1].splitlines()[1:6])
    ) == 1
    lines = {name: len((package / "my_search" / f"{name}.py").read_text().splitlines()) for name in ("search", "rings")}
    assert f"an optimizer of {lines['search']} lines in NumPy, a task of {lines['rings']} in JAX" in PAGE


def test_the_table_has_every_library_and_id() -> None:
    import baselines  # noqa: F401  (registers the ids)
    from qdbench.registry import OPTIMIZERS

    table = PAGE[PAGE.index("## Other libraries' optimizers") :]
    others = [entry.id for entry in OPTIMIZERS if entry.requires]
    evosax = [id for id in others if id.startswith("evosax-")]
    assert f"`evosax-...`, {len(evosax)} algorithms" in table
    assert all(f"`{id}`" in table for id in set(others) - set(evosax))
