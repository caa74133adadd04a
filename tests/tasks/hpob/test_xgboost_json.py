"""Every way in which a model can be of the wrong kind or broken, and the message that says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xgboost

from qdbench.datasets import DataError
from qdbench.tasks.hpob.xgboost_json import parse
from tests.tasks.hpob import models
from tests.tasks.hpob.models import Split

TREE = Split(1, 0.5, True, Split(0, 0.25, False, 1.0, 2.0), 3.0)


def document() -> Any:
    return models.hand_made([0.5, TREE], 2)


def learner(document: Any) -> Any:
    return document["learner"]


def tree(document: Any) -> Any:
    return document["learner"]["gradient_booster"]["model"]["trees"][1]


def column(name: str, node: int, value: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        tree(document)[name][node] = value

    return change


def field(path: str, value: Any) -> Callable[[Any], None]:
    """Sets a field of the learner, or deletes it if the value is None."""

    def change(document: Any) -> None:
        part = learner(document)
        *parents, last = path.split(".")
        for name in parents:
            part = part[name]
        if value is None:
            del part[last]
        else:
            part[last] = value

    return change


def of_tree(name: str, value: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        if value is None:
            del tree(document)[name]
        else:
            tree(document)[name] = value

    return change


def loose_nodes(document: Any) -> None:
    """Two nodes that are each other's only parents: a cycle that the root does not reach."""
    changed = tree(document)
    changed["left_children"] += [6, 5]
    changed["right_children"] += [7, 8]
    for node in (7, 8):
        changed["left_children"].append(-1)
        changed["right_children"].append(-1)
        assert len(changed["left_children"]) == node + 1
    for name in ("split_indices", "split_conditions", "default_left", "split_type"):
        changed[name] += [0] * 4
    changed["tree_param"]["num_nodes"] = "9"


def chain(depth: int) -> Any:
    part: Any = 1.0
    for level in range(depth):
        part = Split(0, float(level), False, part, 0.0)
    return part


def test_a_document_as_it_should_be() -> None:
    trees = parse(models.dump(document()), "model")
    assert (trees.depth, trees.num_feature, trees.base_score) == (2, 2, 0.5)
    np.testing.assert_array_equal(trees.leaf, [[0.5, 0.5, 0.5, 0.5], [1, 2, 3, 3]])
    np.testing.assert_array_equal(trees.feature, [[0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(trees.threshold, np.array([[0, 0, 0], [0.5, 0.25, 0]], np.float32))
    np.testing.assert_array_equal(trees.default_left, [[False, False, False], [True, False, False]])


def test_trees_of_the_greatest_depth() -> None:
    assert parse(models.dump(models.hand_made([chain(6)], 1)), "model").depth == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (field("gradient_booster.name", "dart"), "the booster is 'dart'; only 'gbtree'"),
        (field("gradient_booster.name", "gblinear"), "the booster is 'gblinear'; only 'gbtree'"),
        (field("gradient_booster.name", None), "the field learner.gradient_booster.name is missing"),
        (field("objective.name", "binary:logistic"), "objective is 'binary:logistic'; only 'reg:squarederror'"),
        (field("objective", None), "the field learner.objective.name is missing"),
        (field("learner_model_param.num_class", "3"), "the model has 3 classes; only one output"),
        (field("learner_model_param.num_target", "2"), "the model has 2 targets; only one output"),
        (field("learner_model_param.num_feature", None), "learner.learner_model_param.num_feature is missing"),
        (field("learner_model_param.num_feature", "two"), "num_feature is 'two'; it should be an integer"),
        (field("learner_model_param.num_feature", "0"), "num_feature is 0; it should be 1 to 16,383"),
        (
            field("learner_model_param.num_feature", "1"),
            "node 0 of tree 1 looks at feature 1; the 1 features are 0 to 0",
        ),
        (field("learner_model_param.base_score", None), "learner.learner_model_param.base_score is missing"),
        (field("learner_model_param.base_score", "[1E-1,2E-1]"), "base_score is '[1E-1,2E-1]'; it should be one"),
        (field("learner_model_param.base_score", "1E99"), "base_score is '1E99'; it should be one finite number"),
        (field("gradient_booster.model.trees", None), "learner.gradient_booster.model.trees is missing"),
        (field("gradient_booster.model.trees", []), "trees should be a list of at least one tree"),
        (of_tree("split_conditions", None), "tree 1: the field split_conditions is missing"),
        (of_tree("tree_param", {"num_nodes": "5", "num_deleted": "0", "size_leaf_vector": "3"}), "a leaf has 3 values"),
        (of_tree("split_type", [0, 1, 0, 0, 0]), "tree 1: it has categorical splits"),
        (of_tree("split_indices", [0, 1]), "split_indices has the shape (2,); its 5 nodes need (5,)"),
        (of_tree("split_indices", "abcde"), "split_indices should be a list of numbers"),
        (column("left_children", 0, 1.5), "left_children should be a list of numbers (a number is no integer)"),
        (column("left_children", 0, None), "left_children should be a list of numbers"),
        (column("split_conditions", 0, [1]), "split_conditions should be a list of numbers"),
        (column("left_children", 0, 9), "node 0 of tree 1 has the children 9 and 4; they should be two of 1 to 4"),
        (column("right_children", 0, 0), "node 0 of tree 1 has the children 1 and 0"),
        (column("right_children", 2, 3), "node 2 of tree 1 has the children -1 and 3"),
        (column("right_children", 1, 2), "node 2 of tree 1 has 2 parents; it should have one"),
        (column("right_children", 1, 1), "node 1 of tree 1 has 2 parents; it should have one"),
        (loose_nodes, "4 of the nodes of tree 1 cannot be reached from its root"),
        (column("split_conditions", 1, float("inf")), "node 1 of tree 1 has the threshold inf; it should be finite"),
        (column("split_conditions", 4, 1e39), "node 4 of tree 1 has the value inf; it should be finite"),
        (column("split_conditions", 2, float("nan")), "node 2 of tree 1 has the value nan; it should be finite"),
        (column("split_indices", 1, -1), "node 1 of tree 1 looks at feature -1"),
        (column("split_indices", 1, 2**40), "node 1 of tree 1 looks at feature 1099511627776"),
    ],
)
def test_a_broken_document(change: Callable[[Any], None], message: str) -> None:
    broken = document()
    change(broken)
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        parse(models.dump(broken), "my-model.json")
    assert str(raised.value).startswith("my-model.json: ")


def test_a_tree_that_is_too_deep() -> None:
    with pytest.raises(DataError, match=r"tree 0 is deeper than 6 levels of splits.*max_depth=6"):
        parse(models.dump(models.hand_made([chain(7)], 1)), "model")


@pytest.mark.parametrize("content", [b"", b"{", b"\x00\xff", b"[" * 100_000, b"[]", b"null"])
def test_what_is_no_model(content: bytes) -> None:
    with pytest.raises(DataError, match=r"is not JSON|is missing"):
        parse(content, "model")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"booster": "dart"}, "the booster is 'dart'"),
        ({"objective": "reg:logistic"}, "the objective is 'reg:logistic'"),
    ],
)
def test_other_kinds_that_xgboost_fits(parameters: dict[str, Any], message: str) -> None:
    rng = np.random.default_rng(0)
    data = xgboost.DMatrix(rng.random((50, 2)), rng.random(50))
    booster = xgboost.train({"max_depth": 2, "nthread": 1, **parameters}, data, 2)
    with pytest.raises(DataError, match=re.escape(message)):
        parse(models.content(booster), "model")


def test_several_classes_and_categories_that_xgboost_fits() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (60, 1)), rng.integers(0, 3, 60)
    several = xgboost.train({"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(x, y), 2)
    with pytest.raises(DataError, match=r"'multi:softprob'"):
        parse(models.content(several), "model")
    data = xgboost.DMatrix(x, rng.random(60) + (x[:, 0] % 2), feature_types=["c"], enable_categorical=True)
    categorical = xgboost.train({"max_cat_to_onehot": 1, "nthread": 1}, data, 2)
    with pytest.raises(DataError, match="categorical splits"):
        parse(models.content(categorical), "model")
