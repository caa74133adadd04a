"""Whole meta-evolutions in a folder: what they leave behind, and that nothing shows where they were interrupted."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from safetensors.numpy import load_file

import qdbench
from baselines.learned_ga import lga
from baselines.learned_ga.parameters import load_operators
from qdbench.harness.compiled import anonymous
from qdbench.harness.store import StoreError
from qdbench.metabbo import checkpoint, parameters
from qdbench.metabbo.config import MetaConfig
from qdbench.metabbo.display import run_with_progress
from qdbench.metabbo.loops import make_optimizer
from qdbench.metabbo.outer import Outer
from qdbench.metabbo.train import MetaEvolution
from tests.metabbo import tiny
from tests.metabbo.driving import alone, alone_mean

FILES = {"parameters.safetensors", "record.json", "curve.csv", "curve.svg", checkpoint.NAME}
CONFIG = tiny.config(evaluation=tiny.EVALUATION)


def run(config: MetaConfig, folder: Path) -> str:
    """What is printed."""
    printed = io.StringIO()
    run_with_progress(config, folder, Console(file=printed, width=100))
    return printed.getvalue()


def outcome(folder: Path) -> tuple[Any, ...]:
    """All of a run's results, to the last bit; seconds and the like are left out."""
    evolved = parameters.load(folder / "parameters.safetensors")
    state = load_file(folder / checkpoint.NAME)
    del state["seconds"]
    curve = (folder / "curve.csv").read_text() if (folder / "curve.csv").exists() else ""
    return evolved.digest, {name: (array.shape, array.tobytes()) for name, array in state.items()}, curve


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("meta") / "undisturbed"
    return folder, run(CONFIG, folder)


def test_what_a_run_leaves_behind(undisturbed: tuple[Path, str]) -> None:
    folder, printed = undisturbed
    assert {path.name for path in folder.iterdir()} == FILES
    for name in FILES - {checkpoint.NAME}:
        assert name in printed.replace("\n", "")
    evolved = parameters.load(folder / "parameters.safetensors")
    assert (evolved.optimizer, evolved.hyperparameters) == (tiny.CLIMBER, {})
    assert set(evolved.arrays) == {"sigma"}
    record = json.loads((folder / "record.json").read_text())
    assert record == evolved.record
    assert MetaConfig.model_validate(record["config"]) == CONFIG
    assert (record["meta_generations"], record["parameters"]) == (6, 1)
    assert record["seconds"] > 0
    assert b"<svg" in (folder / "curve.svg").read_bytes()
    for generation in (0, 2, 4, 6):
        assert f"{generation:6d}  precision / reference's: seen " in printed


def test_the_curve_is_that_of_the_evaluator(undisturbed: tuple[Path, str]) -> None:
    folder, _ = undisturbed
    curve = pd.read_csv(folder / "curve.csv")
    assert list(curve["meta_generation"]) == [generation for generation in (0, 2, 4, 6) for _ in range(2)]
    assert list(curve["split"]) == ["seen", "unseen"] * 4
    assert (curve["precision"] > 0).all()
    # The last entry is about the parameters that were written, and the reference's settings are its own.
    tasks = [("BBOB-F01-v0", 1), ("BBOB-F08-v0", 1)]
    spec = qdbench.make("BBOB-F01-v0", **tiny.PLAIN).spec
    evolved = parameters.load(folder / "parameters.safetensors").arrays["sigma"].item()
    found, reference = (-alone_mean(tiny.make(spec, sigma), tasks, 2, 3) for sigma in (evolved, 0.01))
    np.testing.assert_allclose(curve["precision"][-2:], found, rtol=1e-4)
    np.testing.assert_allclose(curve["ratio"][-2:], np.clip(found / reference, 0.01, 100), rtol=1e-4)


def test_stopping_and_going_on_leaves_no_trace(undisturbed: tuple[Path, str], tmp_path: Path) -> None:
    for step in MetaEvolution(CONFIG, tmp_path / "stopped").steps():
        if step.progress.generation == 3:
            break
    printed = run(CONFIG, tmp_path / "stopped")
    assert "Resuming after 3 meta-generations." in printed
    assert outcome(tmp_path / "stopped") == outcome(undisturbed[0])


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without evaluations, so that less is compiled."""
    folder = tmp_path_factory.mktemp("meta") / "at-once"
    run(tiny.config(meta_generations=5), folder)
    return folder


def test_a_finished_run_goes_on_if_it_is_to_be_longer(at_once: Path, tmp_path: Path) -> None:
    run(tiny.config(meta_generations=3), tmp_path / "longer")
    assert outcome(tmp_path / "longer") != outcome(at_once)
    assert "Resuming after 3 meta-generations." in run(tiny.config(meta_generations=5), tmp_path / "longer")
    assert outcome(tmp_path / "longer") == outcome(at_once)


def test_a_finished_run_writes_its_files_again(at_once: Path) -> None:
    before = outcome(at_once)
    assert {path.name for path in at_once.iterdir()} == FILES - {"curve.csv", "curve.svg"}
    for name in ("record.json", "parameters.safetensors"):
        (at_once / name).unlink()
    run(tiny.config(meta_generations=5), at_once)
    assert outcome(at_once) == before
    assert json.loads((at_once / "record.json").read_text())["meta_generations"] == 5


def test_a_checkpoint_keeps_all_shapes(at_once: Path) -> None:
    """Otherwise what was compiled for a fresh state does not fit one that was read."""
    read = checkpoint.read(at_once, tiny.config(meta_generations=5), 1)
    assert read is not None
    fresh = Outer(tiny.config(), {"sigma": np.float32(0)}).init()
    for one, other in zip(jax.tree.leaves(read.state), jax.tree.leaves(fresh), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)


@pytest.mark.parametrize("tenth", range(10))
def test_a_truncated_checkpoint_is_refused(tenth: int, undisturbed: tuple[Path, str], tmp_path: Path) -> None:
    whole = (undisturbed[0] / checkpoint.NAME).read_bytes()
    (tmp_path / checkpoint.NAME).write_bytes(whole[: len(whole) * tenth // 10])
    with pytest.raises(StoreError, match=r"checkpoint\.safetensors is no whole checkpoint .* remove it"):
        checkpoint.read(tmp_path, CONFIG, 1)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"seed": 7}, "its seed is 0, not 7"),
        ({"members": 6}, "its members is 4, not 6"),
        ({"mean_decay": 0.1}, "its mean_decay is 0.005, not 0.1"),
        ({"sigma": {"first": 0.5}}, "its sigma is "),
        ({"tasks": [tiny.ROSENBROCK]}, "its tasks is "),
        ({"evaluation": {}}, "its evaluation is "),
    ],
)
def test_a_checkpoint_of_another_configuration(
    change: dict[str, Any], name: str, undisturbed: tuple[Path, str]
) -> None:
    other = tiny.config(**{"evaluation": tiny.EVALUATION, **change})
    with pytest.raises(StoreError, match=name) as caught:
        checkpoint.read(undisturbed[0], other, 1)
    assert checkpoint.NAME in str(caught.value)


def test_a_checkpoint_of_another_size_and_none(undisturbed: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="has 1 parameters, and the optimizer 2"):
        checkpoint.read(undisturbed[0], CONFIG, 2)
    assert checkpoint.read(tmp_path, CONFIG, 1) is None


def test_what_does_not_fit_the_optimizer(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"draw: .* has no number 'stat'"):
        MetaEvolution(tiny.config(draw={"stat": [0, 1]}), tmp_path)
    with pytest.raises(ValueError, match="'climber' has no arrays under 'sigm'"):
        MetaEvolution(tiny.config(evolve=["sigm"]), tmp_path)


def test_an_array_cannot_be_both_evolved_and_drawn(tmp_path: Path) -> None:
    """The drawn numbers would be lost under the evolved ones."""
    with pytest.raises(ValueError, match="sigma"):
        MetaEvolution(tiny.config(draw={"sigma": [0, 1]}), tmp_path)


def test_tasks_in_double_precision_are_refused(tmp_path: Path) -> None:
    """A task's default precision; inner loops compute in single precision."""
    with pytest.raises(ValueError, match="float32"):
        next(MetaEvolution(tiny.config(tasks=[{"id": "BBOB-F01-v0", "arguments": {"dim": 2}}]), tmp_path).steps())


def generations_of(path: Path) -> int:
    return len(load_file(path)["seconds"]) if path.exists() else 0


def test_killed_and_resumed(tmp_path: Path) -> None:
    """Without a chance to tidy up, in the middle of one of endlessly many meta-generations."""
    (tmp_path / "tiny.toml").write_text(tiny.as_toml(tiny.settings()))
    folder, options = tmp_path / "killed", ("--config", str(tmp_path / "tiny.toml"), "--devices", "1")
    arguments = tiny.command("meta-train", "climber", *options, "--out", str(folder), "--set")
    process = subprocess.Popen(
        [*arguments, "meta_generations=1000000"], cwd=tiny.ROOT, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 240
        while generations_of(folder / checkpoint.NAME) < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = generations_of(folder / checkpoint.NAME)
    assert not (folder / "parameters.safetensors").exists()
    resumed = subprocess.run(
        [*arguments, f"meta_generations={done + 2}"], cwd=tiny.ROOT, capture_output=True, text=True, check=True
    )
    assert f"Resuming after {done} meta-generations." in resumed.stdout
    run(tiny.config(meta_generations=done + 2), tmp_path / "undisturbed")
    assert outcome(folder) == outcome(tmp_path / "undisturbed")


def test_the_learned_ga_from_beginning_to_end(tmp_path: Path) -> None:
    """Its file is one that its own loader takes."""
    changes = {"optimizer": tiny.LGA, "evolve": ["operators"], "draw": {"sigma": [0.01, 0.5]}, "noise": 0.5}
    run(tiny.config(**changes, hyperparameters={"batch_size": 4}, meta_generations=2), tmp_path / "lga")
    operators = load_operators(tmp_path / "lga" / "parameters.safetensors")
    spec = qdbench.make("BBOB-F01-v0", **tiny.PLAIN).spec
    optimizer = lga.make_with(operators, "lga", spec, 0.1, 1.0, 4)
    assert jax.tree.structure(optimizer.operators) == jax.tree.structure(lga.make_zero(spec).operators)
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(operators)])
    assert flat.size == 1377
    # Two steps of Adam at a rate of 0.1.
    assert 0.05 < np.abs(flat).max() < 0.25


def test_any_optimizer_can_be_evolved(tmp_path: Path) -> None:
    """The Gaussian GA's mutation rate, from one that is too large for a sphere."""
    large = {"sigma": 3.0, "batch_size": 8}
    changes = {"draw": {}, "generations": 8, "members": 8, "tasks_per_generation": 6}
    rates = {"sigma": {"first": 0.2}, "learning_rate": {"first": 0.1}, "meta_generations": 40}
    config = tiny.config(optimizer="gaussian-ga", hyperparameters=large, evolve=["sigma"], **changes, **rates)
    evolution = MetaEvolution(config, tmp_path)
    *_, last = evolution.steps()
    assert last.progress.generation == 40
    sigma = float(evolution.arrays()["sigma"])
    assert sigma < 1.5
    task = anonymous(qdbench.make("BBOB-F01-v0", **tiny.PLAIN, instance=9))
    before, after = (
        [
            alone(make_optimizer("gaussian-ga", task.spec, large | {"sigma": rate}), task, (1, seed), 8)[1]
            for seed in range(9)
        ]
        for rate in (3.0, sigma)
    )
    assert np.median(after) > np.median(before) / 2
