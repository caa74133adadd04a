"""Several models in one program against the same models one by one, bit for bit."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdbench.tasks.hpob.forest import Forest, predict_each
from qdbench.tasks.hpob.trees import Trees
from qdbench.tasks.hpob.xgboost_json import parse
from tests.tasks.hpob import models
from tests.tasks.hpob.models import Split

program = jax.jit(predict_each)

SPLIT = Split(0, 0.5, False, 1.0, -0.0)
# Trees of one leaf between others, in models without and with them, and sums that an added 0.0 would change.
HAND_MADE: tuple[tuple[list[Any], float], ...] = (
    ([-0.0, SPLIT, 0.1, 0.1, Split(1, 0.25, True, 1e-3, SPLIT), 0.7], -0.0),
    ([0.1, 0.2, 0.3], 0.0),
    ([-0.0], -0.0),
    ([SPLIT], 0.25),
    # A tree whose leaves differ in the sign of zero alone.
    ([Split(1, 0.5, True, 0.0, -0.0)], -0.0),
)


def bits(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32).view(np.int32)


def fitted() -> tuple[list[Trees], list[Any]]:
    """Models of several depths, features and numbers of trees, one of which has trees of one leaf only."""
    settings: Any = (
        (6, 20, 5, {}),
        (2, 3, 1, {}),
        (4, 40, 2, {"gamma": 30.0, "base_score": -2.0}),
        (3, 4, 3, {"gamma": 1e9}),
    )
    boosters = [models.fit(depth, rounds, features, **more) for depth, rounds, features, more in settings]
    return [parse(models.content(booster), "model") for booster in boosters], boosters


@pytest.mark.parametrize("batch", [1, 8, 600])
def test_models_that_xgboost_fitted(batch: int) -> None:
    parsed, boosters = fitted()
    assert any((trees.leaf == trees.leaf[:, :1]).all(axis=1).any() for trees in parsed)
    forest = Forest.from_models(parsed)
    x = np.full((len(parsed), batch, forest.num_feature), np.nan, np.float32)
    for index, trees in enumerate(parsed):
        x[index, :, : trees.num_feature] = models.points(trees, batch, seed=index)
    values = program(forest, x)
    for index, (trees, booster) in enumerate(zip(parsed, boosters, strict=True)):
        booster.set_param({"nthread": 1})
        expected = booster.inplace_predict(np.ascontiguousarray(x[index, :, : trees.num_feature]))
        np.testing.assert_array_equal(bits(values[index]), bits(expected))


def test_hand_made_models_against_a_walk() -> None:
    parsed = [parse(models.dump(models.hand_made(trees, 2, repr(base))), "model") for trees, base in HAND_MADE]
    x = np.array([[a, b] for a in (0.0, 0.5, 1.0, np.nan) for b in (0.0, 0.25, 1.0, np.nan)], np.float32)
    values = program(Forest.from_models(parsed), np.stack([x] * len(parsed)))
    for index, (trees, base) in enumerate(HAND_MADE):
        np.testing.assert_array_equal(bits(values[index]), bits(models.walked(trees, base, x)))


def test_trees_of_one_leaf_take_no_room() -> None:
    parsed = [parse(models.dump(models.hand_made(trees, 2, repr(base))), "model") for trees, base in HAND_MADE[:2]]
    forest = Forest.from_models(parsed)
    assert forest.term.shape == (6, 2)
    # Two that split, and one that stands in for the model that has none.
    assert len(forest.leaf) == 3


def test_errors_name_the_shapes() -> None:
    forest = Forest.from_models([parse(models.dump(models.hand_made([SPLIT], 2)), "model")] * 3)
    with pytest.raises(ValueError, match=r"the shape \(2, 4, 2\); the forest wants \(3, batch, 2\)"):
        predict_each(forest, jnp.zeros((2, 4, 2)))
    with pytest.raises(ValueError, match=r"the shape \(3, 4, 5\); the forest wants \(3, batch, 2\)"):
        predict_each(forest, jnp.zeros((3, 4, 5)))
    with pytest.raises(ValueError, match="at least one model"):
        Forest.from_models([])
