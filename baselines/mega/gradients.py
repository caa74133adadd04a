"""What the MEGA algorithms do with gradients: stack, normalise and combine them."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from qdbench.protocols import Evaluation

_EPSILON = 1e-8


def normalized_gradients(evaluation: Evaluation) -> Float[Array, "batch rows dim"]:
    """The objective's gradient and the measures' Jacobian, each row divided by its L2 norm + 1e-8."""
    rows = jnp.concatenate([evaluation.objective_gradient[:, None, :], evaluation.measures_jacobian], axis=1)
    return rows / (jnp.linalg.norm(rows, axis=-1, keepdims=True) + _EPSILON)


def branch(
    solutions: Float[Array, "#batch dim"],
    gradients: Float[Array, "#batch rows dim"],
    coefficients: Float[Array, "batch rows"],
) -> Float[Array, "batch dim"]:
    r"""Returns :math:`\theta_i + \sum_j c_{ij} \nabla_j`, written out so that it fuses with what reads it."""
    result = solutions
    for row in range(coefficients.shape[1]):
        result = result + coefficients[:, row, None] * gradients[:, row]
    return result
