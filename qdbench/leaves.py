"""The arrays of a pytree by name."""

from __future__ import annotations

from typing import Any

import jax


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves in the tree's order by their dotted names, such as ``operators.mutation.output.bias``."""
    return {
        ".".join(str(getattr(part, "name", getattr(part, "key", getattr(part, "idx", part)))) for part in path): leaf
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
    }
