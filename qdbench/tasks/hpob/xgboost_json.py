"""Reads the JSON that xgboost writes (``booster.save_model("model.json")``), of version 1.4 to 3, without xgboost.

Only what :mod:`qdbench.tasks.hpob.ensemble` can evaluate is read: the sum of regression trees with one output and the
objective ``reg:squarederror``, split by ``x < threshold``. Everything else is refused by its name.

Numbers are read as float64 and rounded to float32, as xgboost prints the shortest decimal that identifies a float32.
All trees of a model count, as they do in ``Booster.predict``, also where early stopping has marked a best iteration.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from qdbench.datasets import DataError
from qdbench.tasks.hpob.trees import Nodes, Trees, perfect

_OBJECTIVES = ("reg:squarederror", "reg:linear")
_PARAMETERS = "learner.learner_model_param"
_MODEL = "learner.gradient_booster.model"
_HOW = "save one with booster.save_model('model.json')"


def parse(content: bytes, name: str) -> Trees:
    """The trees of a model, checked.

    Args:
        content: The file's content.
        name: What an error calls the model, such as its file's name.

    Raises:
        DataError: If it is no JSON, if a field is missing or has another type than it should, if the model is of
            another kind, or if a tree is not well-formed.
    """
    document = read_json(content, name)
    _check_kind(document, name)
    num_feature = _integer(document, f"{_PARAMETERS}.num_feature", name)
    if not 1 <= num_feature <= np.iinfo(np.int16).max // 2:
        raise DataError(f"{name}: {_PARAMETERS}.num_feature is {num_feature}; it should be 1 to 16,383")
    trees = _field(document, f"{_MODEL}.trees", name)
    if not isinstance(trees, list) or not trees:
        raise DataError(f"{name}: {_MODEL}.trees should be a list of at least one tree")
    return perfect(_nodes(trees, name), _base_score(document, name), num_feature, name)


def read_json(content: bytes, name: str) -> Any:
    """A JSON document.

    Raises:
        DataError: If it is none, or nested too deep.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not JSON ({error}); an xgboost model is: {_HOW}") from error


def _check_kind(document: Any, name: str) -> None:
    booster = _field(document, "learner.gradient_booster.name", name)
    if booster != "gbtree":
        raise DataError(f"{name}: the booster is {booster!r}; only 'gbtree' can be evaluated")
    objective = _field(document, "learner.objective.name", name)
    if objective not in _OBJECTIVES:
        raise DataError(f"{name}: the objective is {objective!r}; only 'reg:squarederror' can be evaluated")
    if (classes := _integer(document, f"{_PARAMETERS}.num_class", name)) > 1:
        raise DataError(f"{name}: the model has {classes} classes; only one output can be evaluated")
    if (targets := _integer(document, f"{_PARAMETERS}.num_target", name, default=1)) > 1:
        raise DataError(f"{name}: the model has {targets} targets; only one output can be evaluated")


def _base_score(document: Any, name: str) -> np.float32:
    """``"5E-1"`` up to xgboost 3.0, ``"[5E-1]"`` from 3.1 on."""
    field = f"{_PARAMETERS}.base_score"
    text = _field(document, field, name)
    try:
        with np.errstate(over="ignore"):
            score = np.float32(str(text).strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        score = np.float32(np.nan)
    if not np.isfinite(score):
        raise DataError(f"{name}: {field} is {text!r}; it should be one finite number, such as '5E-1' or '[5E-1]'")
    return score


def _nodes(trees: list[Any], name: str) -> Nodes:
    columns: dict[str, list[np.ndarray]] = {field: [] for field in _COLUMNS}
    deleted = []
    for index, tree in enumerate(trees):
        where = f"{name}: tree {index}"
        count = _integer(tree, "tree_param.num_nodes", where)
        deleted.append(_integer(tree, "tree_param.num_deleted", where))
        if (width := _integer(tree, "tree_param.size_leaf_vector", where, default=1)) > 1:
            raise DataError(f"{where}: a leaf has {width} values; only one output can be evaluated")
        for field, dtype in _COLUMNS.items():
            columns[field].append(_column(tree, field, dtype, count, where))
        if columns["split_type"][-1].any():
            raise DataError(f"{where}: it has categorical splits; only x < threshold can be evaluated")
    first = np.cumsum([0, *(len(column) for column in columns["left_children"])])
    joined = {field: np.concatenate(parts) for field, parts in columns.items()}
    return Nodes(
        first=first,
        left=joined["left_children"],
        right=joined["right_children"],
        feature=joined["split_indices"],
        condition=joined["split_conditions"],
        default_left=joined["default_left"],
        deleted=np.array(deleted),
    )


_COLUMNS = {
    "left_children": np.int64,
    "right_children": np.int64,
    "split_indices": np.int64,
    "split_conditions": np.float32,
    "default_left": np.bool_,
    "split_type": np.int64,
}


def _column(tree: Any, field: str, dtype: type[np.generic], count: int, where: str) -> np.ndarray:
    """A field of all nodes of a tree."""
    values = _field(tree, field, where)
    try:
        with np.errstate(over="ignore"):
            column = np.asarray(values, np.float64 if dtype is np.float32 else None).astype(dtype, casting="unsafe")
        if dtype is np.int64 and (column != np.asarray(values)).any():
            raise ValueError("a number is no integer")
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{where}: {field} should be a list of numbers ({error})") from error
    if column.shape != (max(count, 1),):
        raise DataError(f"{where}: {field} has the shape {column.shape}; its {count} nodes need ({max(count, 1)},)")
    return column


def _field(document: Any, path: str, name: str) -> Any:
    """The value at a dotted path."""
    value = document
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            raise DataError(f"{name}: the field {path} is missing; an xgboost model has it: {_HOW}")
        value = value[part]
    return value


def _integer(document: Any, path: str, name: str, default: int | None = None) -> int:
    """The integer at a dotted path, which xgboost writes as text; absent fields have the default, if there is one."""
    if default is not None:
        parent, _, last = path.rpartition(".")
        if last not in _field(document, parent, name):
            return default
    value = _field(document, path, name)
    try:
        return int(value)
    except (ValueError, TypeError):
        raise DataError(f"{name}: {path} is {value!r}; it should be an integer") from None
