"""Plug-ins of installed packages: found without being imported, named when broken, never in the way of others."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import baselines
import qdbench
from qdbench.harness import store
from qdbench.harness.executors import local
from qdbench.harness.experiment import plan, run_all
from qdbench.registry import OPTIMIZERS, TASKS, PluginError, PluginWarning

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "my-search"

CODE = """
import dataclasses
import numpy as np
from baselines.random_search import make as make_random_search
from qdbench.tasks.arm import make as make_arm

class Search:
    def __init__(self, spec, seed, scale=1.0):
        self.rng, self.shape, self.scale = np.random.default_rng(seed), (20, spec.dim), scale

    def ask(self):
        return self.scale * self.rng.normal(size=self.shape)

    def tell(self, solutions, evaluation):
        pass

class Seedless(Search):
    def __init__(self, spec):
        super().__init__(spec, 0)

def pure(spec, batch_size=36):
    return dataclasses.replace(make_random_search(spec, batch_size), id="their-pure")
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package: leaves what pip would; the registries look for plug-ins anew."""
    monkeypatch.syspath_prepend(tmp_path)
    for table in (OPTIMIZERS, TASKS):
        monkeypatch.setattr(table, "_plugins", None)

    def install(name: str, optimizers: str = "", tasks: str = "", code: str = CODE) -> None:
        information = tmp_path / f"{name}-1.2.dist-info"
        information.mkdir(exist_ok=True)
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\nSummary: about {name}\n"
        )
        groups = f"[qdbench.optimizers]\n{optimizers}\n[qdbench.tasks]\n{tasks}\n"
        (information / "entry_points.txt").write_text(groups)
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install


def test_plug_ins_are_listed_with_their_package_and_not_imported(install: Install) -> None:
    install("theirs", "their-search = theirs:Search", "Theirs-v0 = theirs:make_arm")
    (entry,) = [entry for entry in OPTIMIZERS if entry.package]
    assert (entry.id, entry.summary, entry.origin) == ("their-search", "about theirs", "theirs 1.2")
    assert "Theirs-v0" in qdbench.list_tasks()
    assert "theirs" not in sys.modules
    assert OPTIMIZERS.entry("cma-mega").origin == "qdbench"


def test_a_plug_in_is_made_and_run_by_its_id(install: Install) -> None:
    install("theirs", "their-search = theirs:Search\ntheir-pure = theirs:pure", "Theirs-v0 = theirs:make_arm")
    task = qdbench.make("Theirs-v0", dim=4)
    assert task.spec.id == "Theirs-v0"
    first, again = (qdbench.run(task, "their-search", budget=100) for _ in range(2))
    assert first.metrics["evaluations"] == 100
    assert first.metrics["best_objective"] == again.metrics["best_objective"]
    config = first.record.config
    assert config.optimizer == "their-search"
    assert config.hyperparameters["package"] == "theirs 1.2"
    # Another scale is another configuration and another search.
    other = qdbench.run(task, "their-search", budget=100, hyperparameters={"scale": 0.1})
    assert other.record.config.hyperparameters["scale"] == 0.1
    assert other.metrics["best_objective"] != first.metrics["best_objective"]
    pure = qdbench.run(task, "their-pure", budget=100, hyperparameters={"batch_size": 50})
    assert pure.record.provenance["driver"] == "compiled"
    assert pure.metrics["iterations"] == 2
    with pytest.raises(TypeError, match=r"'their-search' is not pure: qdbench\.run"):
        baselines.make("their-search", task.spec)


@pytest.mark.parametrize(
    ("optimizers", "reason"),
    [
        ("cma-mega = theirs:Search", r"'cma-mega' is registered already, for 'baselines.mega.cma_mega:make'"),
        ("My_Search = theirs:Search", r"id 'My_Search' is malformed: it should look like 'cma-mega'"),
        ("my-search = theirs", r"'my-search': the entry point 'theirs' should be 'module:attribute'"),
    ],
)
def test_what_cannot_be_listed_is_left_out_by_name(install: Install, optimizers: str, reason: str) -> None:
    install("theirs", f"{optimizers}\ntheir-search = theirs:Search")
    with pytest.warns(PluginWarning, match=rf"a plug-in of theirs 1\.2 is left out: .*{reason}"):
        listed = {entry.id: entry for entry in OPTIMIZERS}
    assert listed["cma-mega"].package is None
    assert [entry.id for entry in listed.values() if entry.package] == ["their-search"]
    # Said once, not at every look.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(OPTIMIZERS)) == len(listed)


def test_of_two_packages_with_one_name_the_first_by_name_has_it(install: Install) -> None:
    install("theirs", "their-search = theirs:Search")
    install("another", "their-search = another:Search")
    with pytest.warns(PluginWarning, match=r"plug-in of theirs 1\.2 .* registered already, for 'another:Search'"):
        assert OPTIMIZERS.entry("their-search").package == "another 1.2"


def test_malformed_entry_points_of_a_package_stop_no_other(install: Install) -> None:
    install("theirs", "their-search = theirs:Search")
    install("another", "no equals sign")
    with pytest.warns(PluginWarning, match="the entry points of another are malformed"):
        assert "their-search" in OPTIMIZERS


@pytest.mark.parametrize(
    ("optimizer", "error"),
    [
        ("their-broken", r"PluginError: optimizer 'their-broken' of theirs 1\.2 .*'theirs:Missing'.* no attribute"),
        (
            "their-seedless",
            r"TypeError: optimizer 'their-seedless': .* it made a Seedless; .* made with \(spec, seed\)",
        ),
        ("their-misnamed", r"ValueError: optimizer 'their-misnamed': its factory made one with the id 'their-pure'"),
    ],
)
def test_a_broken_plug_in_is_named_with_its_trial_and_stops_no_other(
    install: Install, tmp_path: Path, optimizer: str, error: str
) -> None:
    install(
        "theirs",
        "their-broken = theirs:Missing\ntheir-seedless = theirs:Seedless\ntheir-misnamed = theirs:pure\n"
        "their-search = theirs:Search",
    )
    jobs = plan([("LP-Sphere-v0", {"dim": 6})], [(optimizer, {}), ("their-search", {})], range(1), 40, False)
    finished = {item.job.optimizer: item for item in run_all(jobs, tmp_path / "out", local.run_here)}
    assert finished["their-search"].status == "finished"
    assert finished[optimizer].status == "failed"
    assert re.search(error, finished[optimizer].error)
    assert len(list(store.result_paths(tmp_path / "out"))) == 1


def test_an_import_that_fails_names_the_plug_in(install: Install) -> None:
    install("theirs", tasks="Theirs-v0 = theirs:make", code="raise RuntimeError('no licence')")
    assert "Theirs-v0" in qdbench.list_tasks()
    with pytest.raises(PluginError, match=r"task 'Theirs-v0' of theirs 1\.2 .*RuntimeError: no licence"):
        qdbench.make("Theirs-v0")


def test_the_example_package_is_installed_listed_and_run(tmp_path: Path) -> None:
    """As a stranger does it, but without a network: pip builds it with the hatchling that is installed."""
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    copy = shutil.copytree(EXAMPLE, tmp_path / "my-search")
    subprocess.run([*pip, "--target", str(site), str(copy)], check=True, timeout=120, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "COLUMNS": "200"}

    def call(*arguments: str) -> str:
        command = [sys.executable, "-m", "qdbench", *arguments]
        done = subprocess.run(
            command, env=environment, check=True, timeout=300, capture_output=True, text=True, cwd=tmp_path
        )
        return done.stdout

    assert re.search(r"my-search .* my-search 0\.1\.0", call("list", "optimizers"))
    assert re.search(r"MyRings-v0 .* my-search 0\.1\.0", call("list", "tasks"))
    common = ("run", "--task", "MyRings-v0", "--budget", "720", "--out", "results")
    output = call(*common, "--optimizer", "my-search", "--add", "cma-me")
    assert "2 trials run, 0 stored already, 0 failed" in output
    call("leaderboard", "build", "results", "--out", "board")
    board = (tmp_path / "board" / "board.csv").read_text()
    assert "my-search" in board
    assert "MyRings-v0" in board
