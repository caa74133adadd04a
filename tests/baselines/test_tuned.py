"""The tuned defaults are what the committed tunings chose."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jax
import pytest

import baselines
import qdbench
from baselines.tuned import tuned_hyperparameters
from qdbench.harness.suite import load_suite
from qdbench.leaderboard.tuned.data import read_all
from qdbench.leaderboard.tuned.protocols import one_setting

ROOT = Path(__file__).resolve().parents[2]
TUNINGS = sorted(ROOT.glob("leaderboards/*/tuning/*/tune.json"))
NETWORKS = sorted(ROOT.glob("leaderboards/neuroevolution/tuning/*/*/tune.json"))
SPEC = qdbench.make("BBOB-v0", dim=5).spec


def test_there_is_evidence_for_every_one() -> None:
    assert {path.parent.name for path in TUNINGS} == {
        "cma-es",
        "evosax-lga",
        "gaussian-ga",
        "gesmr-ga",
        "lga",
        "mr15-ga",
        "openai-es",
        "samr-ga",
        "sep-cma-es",
    }


@pytest.mark.parametrize("path", TUNINGS, ids=lambda path: path.parent.name)
def test_defaults_are_the_global_choice(path: Path) -> None:
    tuning = json.loads(path.read_text())
    assert tuning["optimizer"] == path.parent.name
    assert (tuning["suite"], tuning["repetitions"], len(tuning["tasks"])) == ("bbob-lga", 50, 24)
    assert tuned_hyperparameters(tuning["optimizer"], SPEC) == tuning["global"]["hyperparameters"]
    assert tuned_hyperparameters(f"{tuning['optimizer']}-restarts", SPEC) == tuning["global"]["hyperparameters"]


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: f"{path.parent.parent.name}-{path.parent.name}")
def test_defaults_on_networks_are_the_global_choice(path: Path) -> None:
    tuning = json.loads(path.read_text())
    ((label, task),) = tuning["tasks"].items()
    spec = qdbench.make(task["id"], **task["arguments"]).spec
    assert (tuning["suite"], path.parents[1].name) == ("neuro-small", label.split("-")[1].lower())
    assert tuned_hyperparameters(tuning["optimizer"], spec) == tuning["global"]["hyperparameters"]


def test_make_repeats_the_tunings_on_networks() -> None:
    recipe = subprocess.run(
        ["make", "--dry-run", "--silent", "neuro-tune", "BIN=/bin"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    _, loop = recipe.split("printf", 1)
    commands = subprocess.run(
        ["sh", "-c", "printf" + loop.replace("/bin/qdbench tune", "echo")], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    made = {}
    for id, *words in map(str.split, commands):
        options = list(zip(words[::2], words[1::2], strict=True))
        grids = [value.split("=") for name, value in options if name == "--grid"]
        chosen = dict(options)
        made[chosen["--task"], id] = (
            {name: [float(value) for value in values.split(",")] for name, values in grids},
            int(chosen["--repetitions"]),
            int(chosen.get("--first-repetition", 0)),
        )
    stored = {}
    for tuning in (json.loads(path.read_text()) for path in NETWORKS):
        ((_, task),) = tuning["tasks"].items()
        of = tuning["grid"], tuning["repetitions"], tuning.get("first_repetition", 0)
        stored[task["id"], tuning["optimizer"]] = of
    assert made == stored


def test_the_suite_of_one_setting_each_has_the_choice_of_the_training_functions() -> None:
    settings = {choice.id: choice.all_hyperparameters() for choice in load_suite("bbob-lga-tuned").optimizers}
    for tuning in read_all([path for path in TUNINGS if path.parent.name in settings]):
        (cell,) = set(one_setting(tuning).values())
        assert settings.pop(tuning.optimizer) == [{"batch_size": 32, **tuning.cells[cell]}]
    assert not settings


def test_they_arrive_and_give_way() -> None:
    def sigma(**given: float) -> float:
        return float(baselines.make("gaussian-ga", SPEC, **given).sigma)

    assert sigma() == tuned_hyperparameters("gaussian-ga", SPEC)["sigma"]
    assert sigma(sigma=0.125) == 0.125
    elsewhere = qdbench.make("Arm-v0", dim=5).spec
    assert tuned_hyperparameters("gaussian-ga", elsewhere) == {}
    with jax.enable_x64(True):
        assert float(baselines.make("cma-es-restarts", SPEC).inner.sigma) == 2.0


@pytest.mark.parametrize("id", ["map-elites", "map-elites-line"])
def test_a_cvt_archive_does_not_change_the_settings(id: str) -> None:
    spec = qdbench.make("LSI-Digits-v0").spec
    assert tuned_hyperparameters(f"cvt-{id}", spec) == tuned_hyperparameters(id, spec) != {}
