"""The parameters that come with the package, and what is made of them."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import baselines
import qdbench
from baselines.learned_ga.parameters import load_operators, shipped
from qdbench.harness import trial
from qdbench.metabbo.config import MetaConfig, load_preset
from qdbench.metabbo.parameters import load
from qdbench.protocols import precision_of
from tests.baselines.driving import best_after

NAMES = ("lga-v0", "lga-v1")


def make_task(function: int, dim: int = 10) -> qdbench.Task:
    return qdbench.make("BBOB-v0", function=function, dim=dim, precision="float32", measures=False)


@pytest.mark.parametrize("name", NAMES)
def test_the_record_is_that_of_the_documented_preset(name: str) -> None:
    record = load(shipped(name)).record
    config = MetaConfig.model_validate(record["config"])
    decides, preset = (one.search() for one in (config, load_preset("lga", "cpu", {"seed": config.seed})))
    # The preset has been given more tasks of evaluation since, which change no parameters.
    assert decides.pop("evaluation").keys() == preset.pop("evaluation").keys()
    assert decides == preset
    assert record["meta_generations"] == config.meta_generations == 750
    assert record["parameters"] == sum(array.size for array in load(shipped(name)).arrays.values()) == 1377


@pytest.mark.parametrize("function", [3, 9, 14])
def test_it_beats_the_gaussian_ga_on_functions_that_it_never_saw(function: int) -> None:
    task = make_task(function)
    with precision_of(task.spec):
        reached = {}
        for id, settings in (("lga", {}), ("gaussian-ga", {"sigma": 0.25, "elite_ratio": 0.5})):
            optimizer = baselines.make(id, task.spec, batch_size=32, **settings)
            run = jax.jit(jax.vmap(lambda key, optimizer=optimizer: best_after(task, optimizer, key, 49)))
            reached[id] = float(-run(jax.random.split(jax.random.key(0), 20)).mean())
    assert reached["lga"] < reached["gaussian-ga"]


def test_transfer_takes_one_operator() -> None:
    task = make_task(1)
    operators = load_operators(shipped("lga-v1"))
    for part in ("selection", "mutation"):
        made = baselines.make(f"gaussian-ga-learned-{part}", task.spec).operators
        kept = {name: getattr(made, name) is not None for name in vars(operators)}
        assert kept == {name: name == part for name in kept}
        for one, other in zip(*map(jax.tree.leaves, (getattr(made, part), getattr(operators, part))), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_file_of_ones_own(tmp_path: object) -> None:
    task = make_task(1)
    own = baselines.make("lga", task.spec, parameters=str(shipped("lga-v1")))
    for one, other in zip(*map(jax.tree.leaves, (own, baselines.make("lga", task.spec))), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"there is no file .*nothing\.safetensors"):
        baselines.make("lga", task.spec, parameters="nothing.safetensors")
    with pytest.raises(ValueError, match="parameters must be a text, but it is 3"):
        baselines.make("lga", task.spec, parameters=3)


def test_its_parameters_are_recorded_as_one_digest() -> None:
    specs = [make_task(1).spec, qdbench.make("BBOB-v0", function=8, dim=5, measures=False).spec]
    recorded = [trial.describe("lga", spec, {"batch_size": 16})[1] for spec in specs]
    names = {"batch.children", "batch.initial", "elite_ratio", "operators", "sigma"}
    assert set(recorded[0]) == set(recorded[1]) == names
    assert recorded[0]["operators"] == recorded[1]["operators"]
    one = trial.describe("gaussian-ga-learned-selection", specs[0], {})[1]
    assert one["operators"] != recorded[0]["operators"]
