"""Names of arrays in pytrees."""

from __future__ import annotations

from typing import NamedTuple

import jax

from qdbench.leaves import named_leaves


class Pair(NamedTuple):
    left: float
    right: float


def test_names_are_dotted_and_in_the_tree_s_order() -> None:
    tree = {"b": (1.0, Pair(2.0, 3.0)), "a": [4.0, None]}
    named = named_leaves(tree)
    assert named == {"a.0": 4.0, "b.0": 1.0, "b.1.left": 2.0, "b.1.right": 3.0}
    assert list(named.values()) == jax.tree.leaves(tree)
