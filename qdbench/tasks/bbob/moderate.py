"""BBOB f6 to f9: functions with low or moderate conditioning."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from qdbench.numerics import row_sum
from qdbench.tasks.bbob import generators
from qdbench.tasks.bbob.definition import (
    Arrays,
    Function,
    HostArrays,
    conditioned,
    expansion,
    only_optimum,
    rotations,
    scaled_rotation,
)
from qdbench.tasks.bbob.transforms import oscillate, power, product, scaling, weighted_row_sum


def rosenbrock_terms(z: Array) -> Array:
    """``100 (z_i^2 - z_{i+1})^2 + (z_i - 1)^2``, ``(batch, n - 1)``."""
    head = z[:, :-1]
    valley, slope = head * head - z[:, 1:], head - 1
    return 100 * valley * valley + slope * slope


def _attractive_sector(arrays: Arrays, x: Array) -> Array:
    z = product(x - arrays["x_opt"], arrays["matrix"])
    z = jnp.where(z * arrays["x_opt"] > 0, 100 * z, z)
    return power(oscillate(row_sum(z * z)), 0.9)


def step_ellipsoid_arrays(dim: int, seed: int) -> HostArrays:
    """The optimum, ``Lambda Q`` and R."""
    outer, inner = rotations(dim, seed)
    stretched = np.sqrt(generators.scaling(dim, 10.0))[:, None] * inner
    return {**only_optimum(dim, seed), "inner": stretched, "outer": outer}


def step_ellipsoid(arrays: Arrays, x: Array) -> Array:
    """f7; its plateaus have the gradient of the small slope that the report adds to them."""
    z = product(x - arrays["x_opt"], arrays["inner"])
    coarse, fine = jnp.floor(z + 0.5), jnp.floor(10 * z + 0.5) / 10
    steps = product(jnp.where(jnp.abs(z) > 0.5, coarse, fine), arrays["outer"])
    return 0.1 * jnp.maximum(1e-4 * jnp.abs(z[:, 0]), weighted_row_sum(steps * steps, scaling(x, 100.0)))


def rosenbrock_arrays(dim: int, seed: int) -> HostArrays:
    """The optimum, nearer to the centre than elsewhere."""
    return {"x_opt": 0.75 * generators.optimum(dim, seed)}


def rosenbrock(arrays: Arrays, x: Array) -> Array:
    """f8."""
    return row_sum(rosenbrock_terms(expansion(x.shape[1]) * (x - arrays["x_opt"]) + 1))


def _rotated_rosenbrock(arrays: Arrays, x: Array) -> Array:
    return row_sum(rosenbrock_terms(product(x, arrays["matrix"]) + 0.5))


FUNCTIONS = (
    Function(6, conditioned(10.0), _attractive_sector),
    Function(7, step_ellipsoid_arrays, step_ellipsoid, 1.0),
    Function(8, rosenbrock_arrays, rosenbrock),
    Function(9, scaled_rotation, _rotated_rosenbrock),
)
