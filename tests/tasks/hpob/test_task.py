"""The tasks: HPO-B's handler in NumPy with xgboost as its surrogate, and every bad argument with its message."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
import xgboost

from baselines.random_search import sample_start
from qdbench.data_catalogue import HPOB_PACK
from qdbench.datasets import FOLDER_VARIABLE, DataError
from qdbench.protocols import precision_of
from qdbench.random import derive
from qdbench.tasks.hpob import mini, task
from qdbench.tasks.hpob.importing import import_surrogates
from qdbench.tasks.hpob.names import key_of
from qdbench.tasks.hpob.pack import cached_pack, load_pack
from tests.tasks.hpob import models

# The model of random data predicts numbers on both sides of the range.
LOW, HIGH = 0.4, 1.7
NAMES = (("5971", "10093"), ("5971", "43"), ("6766", "31"))


@pytest.fixture(scope="module")
def boosters() -> dict[tuple[str, str], xgboost.Booster]:
    return {
        name: models.fit(depth, rounds, features=features, seed=depth)
        for name, depth, rounds, features in zip(NAMES, (6, 3, 2), (30, 40, 5), (3, 3, 2), strict=True)
    }


@pytest.fixture(scope="module")
def pack(boosters: dict[tuple[str, str], xgboost.Booster], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("surrogates")
    for name, booster in boosters.items():
        (folder / f"{key_of(*name)}.json").write_bytes(models.content(booster))
    ranges = {key_of(*name): {"y_min": LOW, "y_max": HIGH} for name in boosters}
    (folder / "summary-stats.json").write_text(json.dumps(ranges))
    written, _ = import_surrogates(folder, folder.parent / "mine.npz")
    return written


def make(pack: Path, name: tuple[str, str] = NAMES[0], **arguments: Any) -> task.SurrogateTask:
    return task.make_own("HPO-Own-v0", pack=str(pack), space=name[0], dataset=name[1], **arguments)


@pytest.mark.parametrize("name", NAMES)
def test_the_objective_is_that_of_the_handler(
    pack: Path, boosters: dict[tuple[str, str], xgboost.Booster], name: tuple[str, str]
) -> None:
    made = make(pack, name)
    solutions = np.random.default_rng(1).uniform(-0.2, 1.2, (200, made.spec.dim))
    inside = np.clip(solutions, 0, 1)
    predicted = boosters[name].predict(xgboost.DMatrix(inside.astype(np.float32)))
    expected = np.clip((predicted.astype(np.float64) - LOW) / (HIGH - LOW), 0, 1)
    if name == NAMES[0]:
        assert ((predicted < LOW).any(), (predicted > HIGH).any()) == (True, True)
    found = made.evaluate(None, solutions)
    # The predictions are the same; XLA divides by multiplying with the inverse.
    np.testing.assert_allclose(np.asarray(found.objective), expected, rtol=4e-16)
    np.testing.assert_array_equal(np.asarray(found.measures), inside[:, :2])


def test_the_table_gives_the_nearest_run(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(rng.random((40, 3), np.float32), columns=["a", "b", "c"])
    rows["accuracy"] = np.linspace(LOW, HIGH, 40)
    monkeypatch.setattr(mini, "shipped", lambda: load_pack(pack))
    monkeypatch.setattr(mini, "table", lambda space, dataset: rows)
    made = mini.make("HPO-Mini-v0", *NAMES[0], mode="table")
    solutions = rng.uniform(-0.2, 1.2, (60, 3))
    inside = np.clip(solutions, 0, 1)
    nearest = [np.linalg.norm(rows[["a", "b", "c"]].to_numpy(np.float64) - x, axis=1).argmin() for x in inside]
    found = made.evaluate(None, solutions)
    expected = (rows["accuracy"].to_numpy()[nearest] - LOW) / (HIGH - LOW)
    np.testing.assert_allclose(np.asarray(found.objective), expected, rtol=1e-15, atol=1e-15)
    np.testing.assert_array_equal(np.asarray(found.measures), inside[:, :2])


def test_an_unchanged_pack_is_read_once(pack: Path, tmp_path: Path, boosters: dict[tuple[str, str], Any]) -> None:
    path = tmp_path / "pack.npz"
    path.write_bytes(pack.read_bytes())
    first = cached_pack(path)
    assert cached_pack(path) is first
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / f"{key_of(*NAMES[2])}.json").write_bytes(models.content(boosters[NAMES[2]]))
    (folder / "summary-stats.json").write_text(json.dumps({key_of(*NAMES[2]): {"y_min": LOW, "y_max": HIGH}}))
    import_surrogates(folder, path)
    assert cached_pack(path).names == (NAMES[2],)
    path.unlink()
    with pytest.raises(DataError, match="there is no file"):
        cached_pack(path)


def test_float32_differs_by_rounding(pack: Path) -> None:
    solutions = np.random.default_rng(2).random((50, 3)).astype(np.float32)
    exact, rounded = (
        np.asarray(make(pack, precision=precision).evaluate(None, solutions).objective)
        for precision in ("float64", "float32")
    )
    assert rounded.dtype == np.float32
    np.testing.assert_allclose(rounded, exact, atol=1e-6)


def test_the_start_is_the_centre_or_uniform(pack: Path) -> None:
    key = jax.random.key(0)
    for start in ("centre", "uniform"):
        spec = make(pack, start=start).spec
        with precision_of(spec):
            found = np.asarray(sample_start(derive(key, 0), spec, 40))
        assert (found == 0.5).all() == (start == "centre")
        assert ((found >= 0) & (found <= 1)).all()
        assert spec.arguments["start"] == start


def test_what_the_spec_says(pack: Path) -> None:
    spec = make(pack).spec
    assert (spec.dim, spec.budget, spec.metric, spec.objective_range) == (3, 105, "regret", (0.0, 1.0))
    assert (spec.solution_bounds, spec.outside, spec.differentiable) == ((0.0, 1.0), "clipped", False)
    assert (spec.num_measures, spec.archive_shape) == (2, (20, 20))
    assert make(pack, measures=False).spec.num_measures == 0


def test_names_may_be_numbers(pack: Path) -> None:
    made = task.make_own("HPO-Own-v0", pack=str(pack), space=6766, dataset=31)
    assert made.spec == make(pack, ("6766", "31")).spec


def test_gradients_are_refused(pack: Path) -> None:
    with pytest.raises(ValueError, match="not differentiable"):
        make(pack).evaluate(None, np.zeros((1, 3)), gradients=True)


def test_tasks_of_a_space_share_a_program(pack: Path) -> None:
    first, second = (make(pack, name) for name in NAMES[:2])
    with precision_of(first.spec):
        stacked = jax.tree.map(
            lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), first.ensemble, second.ensemble
        )
    assert stacked.leaf.shape[0] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": ""}, "has no surrogate 5971-"),
        ({"space": "5972"}, "has no surrogate 5972-10093"),
        ({"start": "middle"}, "start must be one of 'centre', 'uniform', 'test0', 'test1', 'test2', 'test3', 'test4'"),
        ({"start": "test0"}, "start must be 'centre' or 'uniform', because a pack has no initial designs"),
        ({"precision": "float16"}, "precision must be 'float32' or 'float64'"),
        ({"pack": ""}, "qdbench data import"),
        ({"pack": "/nowhere/pack.npz"}, "/nowhere/pack.npz"),
    ],
)
def test_wrong_arguments(pack: Path, arguments: dict[str, Any], message: str) -> None:
    given = {"pack": str(pack), "space": NAMES[0][0], "dataset": NAMES[0][1], **arguments}
    with pytest.raises((ValueError, DataError), match=re.escape(message)):
        task.make_own("HPO-Own-v0", **given)


def test_only_the_official_file_is_hpob(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match="qdbench data fetch hpob"):
        task.make("HPOB-v0")
    place = tmp_path / HPOB_PACK.name
    place.parent.mkdir()
    place.write_bytes(pack.read_bytes())
    with pytest.raises(DataError, match="was not made of HPO-B's official file"):
        task.make("HPOB-v0")
