"""Several emitters that fill one archive: their samples are one batch, and each adapts to its own share of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def each(function: Callable[..., Any], *arguments: Any) -> Any:
    """Maps a function over the emitters, the leading axis of all arrays, and stacks what it returns.

    One after another, because decompositions under ``vmap`` can dead-lock on few cores.
    """
    if jax.tree.leaves(arguments)[0].shape[0] > 1:
        return lax.map(lambda one: function(*one), arguments)
    # A loop of one turn would copy the matrices.
    result = function(*jax.tree.map(lambda array: array[0], arguments))
    return jax.tree.map(lambda array: array[None], result)


def copies(tree: Any, emitters: int) -> Any:
    """The same start for every emitter."""
    return jax.tree.map(lambda array: jnp.broadcast_to(array, (emitters, *array.shape)), tree)


def shares(tree: Any, emitters: int) -> Any:
    """Splits the rows of all arrays evenly: ``(emitters batch, ...)`` becomes ``(emitters, batch, ...)``."""
    return jax.tree.map(lambda array: array.reshape(emitters, -1, *array.shape[1:]), tree)


def together(array: jax.Array) -> jax.Array:
    """The inverse of :func:`shares`."""
    return array.reshape(-1, *array.shape[2:])


def check_sizes(id: str, emitters: int, batch_size: int, least: int) -> None:
    """Says what is wrong with the sizes.

    Raises:
        ValueError: If the number of emitters is not a positive integer, or a batch has fewer than ``least`` solutions,
            so that there is no better half.
    """
    for name, value, bound in (("emitters", emitters, 1), ("batch_size", batch_size, least)):
        if isinstance(value, bool) or not isinstance(value, int) or value < bound:
            raise ValueError(
                f"optimizer {id!r}: the size must be an integer of at least {bound}, but {name} is {value!r}"
            )
