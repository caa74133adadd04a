"""Models for the tests: fitted by xgboost, or made by hand and walked through in plain Python."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import xgboost

from qdbench.tasks.hpob.trees import Trees


class Split(NamedTuple):
    feature: int
    threshold: float
    default_left: bool
    left: Any
    right: Any


def fit(depth: int, rounds: int = 7, features: int = 3, seed: int = 0, **parameters: Any) -> xgboost.Booster:
    """A model of random data, some of it missing."""
    rng = np.random.default_rng(seed)
    x = rng.random((300, features)).astype(np.float32)
    y = np.sin(7 * x).sum(axis=1) + 0.1 * rng.normal(size=300)
    x[rng.random(x.shape) < 0.1] = np.nan
    settings = {"max_depth": depth, "eta": 0.3, "nthread": 1, "seed": seed, **parameters}
    return xgboost.train(settings, xgboost.DMatrix(x, y), rounds)


def content(booster: xgboost.Booster) -> bytes:
    return bytes(booster.save_raw("json"))


def document(booster: xgboost.Booster) -> Any:
    return json.loads(content(booster))


def dump(document: Any) -> bytes:
    return json.dumps(document).encode()


def in_other_dialect(given: bytes) -> bytes:
    """The same model with ``base_score`` as the other versions of xgboost write it."""
    changed = json.loads(given)
    parameters = changed["learner"]["learner_model_param"]
    score = parameters["base_score"]
    parameters["base_score"] = score[1:-1] if score.startswith("[") else f"[{score}]"
    return dump(changed)


def points(trees: Trees, count: int, seed: int = 0) -> np.ndarray:
    """Random solutions, a third of them with features on thresholds, some with NaN, infinities or subnormal numbers."""
    rng = np.random.default_rng(seed)
    x = rng.random((count, trees.num_feature)).astype(np.float32)
    for feature in range(trees.num_feature):
        thresholds = trees.threshold[trees.feature == feature]
        if thresholds.size:
            x[: count // 3, feature] = rng.choice(thresholds, count // 3)
    unusual = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-42, -1e-42], np.float32)
    rows = slice(count // 2, None, 2)
    chosen = rng.random(x[rows].shape) < 0.3
    x[rows] = np.where(chosen, rng.choice(unusual, chosen.shape), x[rows])
    return x


def hand_made(trees: list[Any], num_feature: int, base_score: str = "[5E-1]") -> dict[str, Any]:
    """A model's document from nested splits whose leaves are numbers."""
    return {
        "version": [3, 2, 0],
        "learner": {
            "objective": {"name": "reg:squarederror"},
            "learner_model_param": {"base_score": base_score, "num_class": "0", "num_feature": str(num_feature)},
            "gradient_booster": {"name": "gbtree", "model": {"trees": [_linked(tree) for tree in trees]}},
        },
    }


def _linked(tree: Any) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = []

    def add(part: Any) -> int:
        index = len(nodes)
        nodes.append({})
        if isinstance(part, Split):
            left, right = add(part.left), add(part.right)
            nodes[index] = {
                "left_children": left,
                "right_children": right,
                "split_indices": part.feature,
                "split_conditions": float(part.threshold),
                "default_left": int(part.default_left),
            }
        else:
            nodes[index] = {
                "left_children": -1,
                "right_children": -1,
                "split_indices": 0,
                "split_conditions": float(part),
                "default_left": 0,
            }
        return index

    add(tree)
    columns: dict[str, Any] = {name: [node[name] for node in nodes] for name in nodes[0]}
    columns["split_type"] = [0] * len(nodes)
    columns["tree_param"] = {"num_nodes": str(len(nodes)), "num_deleted": "0", "size_leaf_vector": "1"}
    return columns


def walk(tree: Any, x: np.ndarray) -> np.float32:
    """The value of a tree for one solution, from the definition."""
    while isinstance(tree, Split):
        value = x[tree.feature]
        goes_left = tree.default_left if np.isnan(value) else bool(value < np.float32(tree.threshold))
        tree = tree.left if goes_left else tree.right
    return np.float32(tree)


def walked(trees: list[Any], base_score: float, solutions: np.ndarray) -> np.ndarray:
    """The sum over trees in float32, in their order."""
    totals = []
    for x in solutions:
        total = np.float32(base_score)
        for tree in trees:
            total = np.float32(total + walk(tree, x))
        totals.append(total)
    return np.array(totals, np.float32)
