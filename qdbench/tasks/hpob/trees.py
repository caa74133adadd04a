"""Regression trees as perfect binary trees in NumPy arrays, and how they are made of linked nodes.

In a perfect tree of depth d, node p (from 0, the root) has the children 2p + 1 and 2p + 2; nodes 0 .. 2^d - 2 split,
and below them are 2^d leaves. A leaf of the original tree that lies higher is repeated below it, so that every path
from there leads to its value, whatever the splits on the way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qdbench.datasets import DataError

MAX_DEPTH = 6
"""xgboost's default; the programs grow as 2^depth."""


class Trees(NamedTuple):
    """The trees of one model, in the order in which their values are added.

    Attributes:
        feature: The feature that a node looks at, int16 ``(trees, 2^depth - 1)``.
        threshold: A solution goes left if its feature is less, float32 ``(trees, 2^depth - 1)``.
        default_left: Whether NaN goes left, bool ``(trees, 2^depth - 1)``.
        leaf: The values, float32 ``(trees, 2^depth)``.
        base_score: What the values are added to.
        num_feature: Number of features of a solution.
    """

    feature: np.ndarray
    threshold: np.ndarray
    default_left: np.ndarray
    leaf: np.ndarray
    base_score: np.float32
    num_feature: int

    @property
    def depth(self) -> int:
        """The depth of the perfect trees."""
        return int(self.leaf.shape[1]).bit_length() - 1

    def deepened(self, depth: int) -> Trees:
        """The same trees as perfect trees of a depth that is at least theirs."""
        added = depth - self.depth
        columns = (2**depth - 1) - self.feature.shape[1]
        feature, threshold, default_left = (
            np.pad(array, ((0, 0), (0, columns))) for array in (self.feature, self.threshold, self.default_left)
        )
        return self._replace(
            feature=feature,
            threshold=threshold,
            default_left=default_left,
            leaf=np.repeat(self.leaf, 2**added, axis=1),
        )


class Nodes(NamedTuple):
    """The linked nodes of several trees, one tree after another.

    Attributes:
        first: Index of each tree's root, and the number of nodes at the end, ``(trees + 1,)``.
        left: The left child, counted from the tree's root, or -1 for a leaf, ``(nodes,)``.
        right: The right child.
        feature: The feature that a node looks at.
        condition: The threshold of a split, the value of a leaf; float32.
        default_left: Whether NaN goes left.
        deleted: How many nodes of each tree are no part of it, because they were pruned, ``(trees,)``.
    """

    first: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    condition: np.ndarray
    default_left: np.ndarray
    deleted: np.ndarray


def perfect(nodes: Nodes, base_score: np.float32, num_feature: int, name: str) -> Trees:
    """Checks linked nodes and makes perfect trees of them, of the smallest depth that holds all.

    Args:
        nodes: The nodes.
        base_score: What the leaves' values are added to.
        num_feature: Number of features of a solution.
        name: What an error calls the model.

    Raises:
        DataError: If a tree is not well-formed: a child out of range, a node with two parents or none, a tree deeper
            than 6, a feature that there is not, a threshold or a leaf that is not finite.
    """
    tree = np.repeat(np.arange(len(nodes.deleted)), np.diff(nodes.first))
    is_leaf = nodes.left < 0
    left, right = _children(nodes, tree, is_leaf, name)
    levels, reached = _descend(nodes.first[:-1], left, right, is_leaf, tree, name)
    _check_counts(nodes, reached, name)
    problem = _problem(nodes.condition[reached], nodes.feature[reached], is_leaf[reached], num_feature)
    if problem:
        index, text = problem
        raise DataError(_at(int(np.flatnonzero(reached)[index]), tree, nodes.first, name) + text)
    ids, lowest = np.concatenate([levels[0][:, :0], *levels[:-1]], axis=1), levels[-1]
    splits = ~is_leaf[ids]
    return Trees(
        feature=np.where(splits, nodes.feature[ids], 0).astype(np.int16),
        threshold=np.where(splits, nodes.condition[ids], np.float32(0)),
        default_left=splits & nodes.default_left[ids],
        leaf=nodes.condition[lowest],
        base_score=base_score,
        num_feature=num_feature,
    )


def check(trees: Trees, name: str) -> None:
    """Checks perfect trees that were read from a file.

    Raises:
        DataError: If a feature is out of range, or a threshold, a leaf or the base score is not finite.
    """
    if not (np.isfinite(trees.threshold).all() and np.isfinite(trees.leaf).all() and np.isfinite(trees.base_score)):
        raise DataError(f"{name}: a threshold, a leaf or the base score is not finite")
    if trees.feature.size and not (trees.feature.min() >= 0 and trees.feature.max() < trees.num_feature):
        raise DataError(
            f"{name}: a split looks at a feature between {trees.feature.min()} and {trees.feature.max()}; "
            f"the {trees.num_feature} features are 0 to {trees.num_feature - 1}"
        )


def _children(nodes: Nodes, tree: np.ndarray, is_leaf: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Global indices of the children, a leaf being its own; each node has one parent, and roots have none."""
    size = np.diff(nodes.first)[tree]
    for children in (nodes.left, nodes.right):
        bad = np.where(is_leaf, children != -1, (children < 1) | (children >= size))
        if bad.any():
            index = int(np.flatnonzero(bad)[0])
            raise DataError(
                _at(index, tree, nodes.first, name)
                + f"has the children {nodes.left[index]} and {nodes.right[index]}; they should be two of 1 to "
                f"{size[index] - 1}, or both -1 for a leaf"
            )
    root = nodes.first[tree]
    left, right = nodes.left + root, nodes.right + root
    parents = np.bincount(np.concatenate([left[~is_leaf], right[~is_leaf]]), minlength=len(tree))
    if (parents > 1).any():
        index = int(np.flatnonzero(parents > 1)[0])
        raise DataError(_at(index, tree, nodes.first, name) + f"has {parents[index]} parents; it should have one")
    own = np.arange(len(tree))
    return np.where(is_leaf, own, left), np.where(is_leaf, own, right)


def _descend(
    roots: np.ndarray, left: np.ndarray, right: np.ndarray, is_leaf: np.ndarray, tree: np.ndarray, name: str
) -> tuple[list[np.ndarray], np.ndarray]:
    """The nodes of each level of the perfect trees, ``(trees, 2^level)``, and which nodes were reached."""
    reached = np.zeros(len(left), bool)
    levels = [roots[:, None]]
    reached[roots] = True
    while not is_leaf[levels[-1]].all():
        if len(levels) > MAX_DEPTH:
            index = levels[-1][~is_leaf[levels[-1]]][0]
            raise DataError(
                f"{name}: tree {tree[index]} is deeper than {MAX_DEPTH} levels of splits, which is the most that "
                f"qdbench evaluates: fit the model with max_depth={MAX_DEPTH}"
            )
        above = levels[-1]
        levels.append(np.stack([left[above], right[above]], axis=2).reshape(len(roots), -1))
        reached[levels[-1]] = True
    return levels, reached


def _check_counts(nodes: Nodes, reached: np.ndarray, name: str) -> None:
    unreached = np.diff(nodes.first) - np.add.reduceat(reached.astype(np.int64), nodes.first[:-1])
    wrong = np.flatnonzero(unreached != nodes.deleted)
    if wrong.size:
        index = int(wrong[0])
        raise DataError(
            f"{name}: {unreached[index]} of the nodes of tree {index} cannot be reached from its root (a cycle, or "
            f"loose nodes); it names {nodes.deleted[index]} as deleted"
        )


def _problem(
    condition: np.ndarray, feature: np.ndarray, is_leaf: np.ndarray, num_feature: int
) -> tuple[int, str] | None:
    """The first node with an impossible value, and what is wrong with it."""
    infinite = ~np.isfinite(condition)
    if infinite.any():
        index = int(np.flatnonzero(infinite)[0])
        kind = "value" if is_leaf[index] else "threshold"
        return index, f"has the {kind} {condition[index]}; it should be finite"
    outside = ~is_leaf & ((feature < 0) | (feature >= num_feature))
    if outside.any():
        index = int(np.flatnonzero(outside)[0])
        return index, f"looks at feature {feature[index]}; the {num_feature} features are 0 to {num_feature - 1}"
    return None


def _at(index: int, tree: np.ndarray, first: np.ndarray, name: str) -> str:
    return f"{name}: node {index - first[tree[index]]} of tree {tree[index]} "
