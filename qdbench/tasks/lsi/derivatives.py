"""Evaluations of row-wise functions, with the gradients of all outputs from one forward pass."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from qdbench.protocols import Evaluation


def evaluate_rows(
    function: Callable[[Array], Array],
    solutions: Float[Array, "batch dim"],
    gradients: bool,
    sequential: bool = False,
) -> Evaluation:
    """The evaluation of a function that gives the objective and the measures, ``(batch, 1 + k)``, row by row.

    One reverse pass for each output serves the whole batch, because a row of the output depends on its own row only.
    ``sequential`` makes these passes one after another, in a third of the memory.
    """
    if not gradients:
        values = function(solutions)
        return Evaluation(values[:, 0], values[:, 1:])
    values, pull = jax.vjp(function, solutions)
    outputs = jnp.eye(values.shape[1], dtype=values.dtype)

    def pulled(row: Array) -> Array:
        return pull(jnp.broadcast_to(row, values.shape))[0]

    slopes = lax.map(pulled, outputs) if sequential else jax.vmap(pulled)(outputs)
    return Evaluation(values[:, 0], values[:, 1:], slopes[0], slopes[1:].transpose(1, 0, 2))
