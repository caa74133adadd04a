"""Tree ensembles against xgboost, bit for bit, and against a walk through the trees in plain Python."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from qdbench.tasks.hpob.ensemble import TreeEnsemble, from_pack, ordered, predict
from qdbench.tasks.hpob.forest import Forest, predict_each
from qdbench.tasks.hpob.importing import import_surrogates
from qdbench.tasks.hpob.pack import load_pack
from qdbench.tasks.hpob.trees import Trees
from qdbench.tasks.hpob.xgboost_json import parse
from tests.tasks.hpob import models
from tests.tasks.hpob.models import Split

DATA = Path(os.environ.get("QDBENCH_DATA", "")) / "hpob"

program = jax.jit(predict)


def bits(values: Any) -> np.ndarray:
    """So that -0.0 differs from 0.0."""
    return np.asarray(values, np.float32).view(np.int32)


def assert_same(booster: xgboost.Booster, trees: Trees, ensemble: TreeEnsemble, count: int = 500) -> None:
    x = models.points(trees, count)
    booster.set_param({"nthread": 1})
    np.testing.assert_array_equal(bits(program(ensemble, x)), bits(booster.inplace_predict(x)))


@pytest.mark.parametrize(
    ("depth", "parameters"),
    [
        (1, {}),
        (3, {"tree_method": "exact"}),
        (6, {"tree_method": "hist", "base_score": 0.1}),
        (6, {"grow_policy": "lossguide", "tree_method": "hist", "max_leaves": 9, "base_score": -3.0}),
        (4, {"num_parallel_tree": 3, "subsample": 0.5}),
        (4, {"gamma": 1e9}),
        (5, {"gamma": 1.0, "tree_method": "exact"}),
    ],
)
def test_xgboost_predicts_the_same_bits(depth: int, parameters: dict[str, Any]) -> None:
    booster = models.fit(depth, **parameters)
    content = models.content(booster)
    trees = parse(content, "model")
    ensemble = TreeEnsemble.from_trees(trees)
    assert_same(booster, trees, ensemble)
    other = TreeEnsemble.from_trees(parse(models.in_other_dialect(content), "model"))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), ensemble, other))


def test_pruned_nodes_are_left_out() -> None:
    document = models.document(models.fit(5, gamma=1.0, tree_method="exact"))
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    deleted = [int(tree["tree_param"]["num_deleted"]) for tree in trees]
    assert max(deleted) > 0


def test_models_of_one_leaf_a_tree_have_depth_0() -> None:
    trees = parse(models.content(models.fit(4, gamma=1e9)), "model")
    assert trees.depth == 0
    assert trees.leaf.shape == (7, 1)


FEATURES, DEPTH, TREES, BATCH = 2, 3, 4, 8
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
# Sums below 2^-102 may differ in subnormal digits; the module says so.
leaves = st.floats(-8, 8, width=32).map(lambda value: 0.0 if abs(value) < 2.0**-100 else value)


def trees_of(depth: int) -> st.SearchStrategy[Any]:
    if depth == 0:
        return leaves
    below = trees_of(depth - 1)
    split = st.builds(Split, st.integers(0, FEATURES - 1), numbers, st.booleans(), below, below)
    return st.one_of(leaves, split)


@given(st.lists(trees_of(DEPTH), min_size=1, max_size=TREES), leaves, st.data())
def test_hand_made_trees_against_a_walk(trees: list[Any], base_score: float, data: st.DataObject) -> None:
    parsed = parse(models.dump(models.hand_made(trees, FEATURES, repr(base_score))), "model")
    ensemble = TreeEnsemble.from_trees(parsed, num_trees=TREES, depth=DEPTH)
    values = st.one_of(
        st.sampled_from([*parsed.threshold.ravel().tolist(), 0.0]),
        st.floats(width=32),
        st.sampled_from([-0.0, 1e-45, -1e-45, np.nextafter(np.float32(1), np.float32(0)).item()]),
    )
    rows = data.draw(st.lists(st.tuples(values, values), min_size=BATCH, max_size=BATCH))
    x = np.array(rows, np.float32)
    np.testing.assert_array_equal(bits(program(ensemble, x)), bits(models.walked(trees, base_score, x)))


@given(numbers, numbers)
def test_ordered_integers_compare_as_the_numbers_do(one: float, other: float) -> None:
    first, second = (ordered(jnp.array([value], jnp.float32))[0] for value in (one, other))
    assert bool(first < second) == (one < other)
    assert bool(first == second) == (one == other)


def test_padding_changes_no_bit() -> None:
    """Also where the sum is -0.0, which an added 0.0 would change."""
    half = [Split(0, 0.5, True, -0.0, -1.0), -0.0]
    trees = parse(models.dump(models.hand_made(half, 2, "-0E0")), "model")
    x = np.array([[0.25, 0.0], [0.75, 0.0], [np.nan, 0.0]], np.float32)
    expected = np.array([-0.0, -1.0, -0.0], np.float32)
    for ensemble, solutions in (
        (TreeEnsemble.from_trees(trees), x),
        (TreeEnsemble.from_trees(trees, num_trees=50, depth=6), x),
        (TreeEnsemble.from_trees(trees, num_trees=3, depth=2, num_feature=5), np.pad(x, ((0, 0), (0, 3)))),
    ):
        np.testing.assert_array_equal(bits(program(ensemble, solutions)), bits(expected))


def test_models_can_be_stacked_and_batches_can_be_large() -> None:
    boosters = [models.fit(depth, rounds, features=3, seed=depth) for depth, rounds in ((2, 5), (4, 30))]
    parsed = [parse(models.content(booster), "model") for booster in boosters]
    ensembles = [TreeEnsemble.from_trees(trees, num_trees=31, depth=4) for trees in parsed]
    x = np.stack([models.points(trees, 2500) for trees in parsed])
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *ensembles)
    together = np.asarray(jax.jit(jax.vmap(predict))(stacked, x[:, :8]))
    for index, booster in enumerate(boosters):
        booster.set_param({"nthread": 1})
        expected = bits(booster.inplace_predict(x[index]))
        np.testing.assert_array_equal(bits(together[index]), expected[:8])
        for batch in (1, 1024, 2500):
            np.testing.assert_array_equal(bits(program(ensembles[index], x[index, :batch])), expected[:batch])


def test_one_program_serves_all_models_of_a_shape() -> None:
    # A function of its own: the cache belongs to the function.
    program = jax.jit(lambda ensemble, x: predict(ensemble, x))
    x = np.zeros((8, 3), np.float32)
    for seed in (1, 2, 3):
        program(TreeEnsemble.from_trees(parse(models.content(models.fit(2, seed=seed)), "model"), num_trees=9), x)
    assert program._cache_size() == 1


def test_float64_solutions_are_rounded_to_float32() -> None:
    trees = parse(models.dump(models.hand_made([Split(0, 0.1, False, 1.0, 2.0)], 1, "0E0")), "model")
    with jax.enable_x64(True):
        values = program(TreeEnsemble.from_trees(trees), np.array([[0.1], [0.1 - 1e-12], [0.09]]))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [2.0, 2.0, 1.0])


def test_errors_name_the_shapes() -> None:
    trees = parse(models.content(models.fit(2)), "model")
    with pytest.raises(ValueError, match=r"solutions have the shape \(4, 5\); the ensemble wants \(batch, 3\)"):
        predict(TreeEnsemble.from_trees(trees), jnp.zeros((4, 5)))
    with pytest.raises(ValueError, match=r"are \(2, 2, 3\); the model has \(7, 2, 3\)"):
        TreeEnsemble.from_trees(trees, num_trees=2)


# xgboost 3 warns that the file is old.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_real_model_of_xgboost_1_4() -> None:
    path = DATA / "other" / "old-format-xgb1.4.2-unknown-provenance.json"
    if not path.is_file():
        pytest.skip(f"there is no {path}: set QDBENCH_DATA to a folder that has it")
    content = path.read_bytes()
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    trees = parse(content, path.name)
    assert_same(booster, trees, TreeEnsemble.from_trees(trees))


@pytest.mark.slow
def test_all_models_of_a_real_archive_in_under_a_minute(tmp_path: Path) -> None:
    """The 86 refits: imported, read and compared at 1,000 points each, with all in one call beside the single ones."""
    archive = DATA / "refit-surrogates.zip"
    if not archive.is_file():
        pytest.skip(f"there is no {archive}: set QDBENCH_DATA to a folder that has it")
    began = time.perf_counter()
    path, _ = import_surrogates(archive, tmp_path / "refits.npz")
    pack = load_pack(path)
    assert len(pack.names) == 86
    assert not pack.official
    forest = Forest.from_models([surrogate.trees for surrogate in pack.surrogates.values()])
    few = np.zeros((86, 8, forest.num_feature), np.float32)
    expected = np.zeros((86, 8), np.float32)
    with zipfile.ZipFile(archive) as models_of_archive:
        for index, (space, dataset) in enumerate(pack.names):
            trees = pack.surrogate(space, dataset).trees
            x = models.points(trees, 1000, seed=index)
            booster = xgboost.Booster()
            booster.load_model(bytearray(models_of_archive.read(f"saved-surrogates/surrogate-{space}-{dataset}.json")))
            booster.set_param({"nthread": 1})
            values = booster.inplace_predict(x)
            np.testing.assert_array_equal(bits(program(from_pack(pack, space, dataset), x)), bits(values))
            few[index, :, : trees.num_feature], expected[index] = x[-8:], values[-8:]
    np.testing.assert_array_equal(bits(jax.jit(predict_each)(forest, few)), bits(expected))
    assert time.perf_counter() - began < 60
