"""BBOB f1 to f5: separable functions."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from qdbench.numerics import row_sum, sincos_turns
from qdbench.tasks.bbob import generators
from qdbench.tasks.bbob.definition import Arrays, Function, HostArrays, only_optimum
from qdbench.tasks.bbob.transforms import oscillate, scaling, skew, weighted_row_sum


def rastrigin(z: Array) -> Array:
    r""":math:`10 (n - \sum_i \cos 2 \pi z_i) + |z|^2`, as :math:`\sum_i 20 \sin^2 \pi z_i + z_i^2`.

    That form does not subtract nearly equal numbers near the optimum.
    """
    sine, _ = sincos_turns(z / 2)
    return row_sum(20 * sine * sine + z * z)


def _sphere(arrays: Arrays, x: Array) -> Array:
    z = x - arrays["x_opt"]
    return row_sum(z * z)


def _ellipsoid(arrays: Arrays, x: Array) -> Array:
    z = oscillate(x - arrays["x_opt"])
    return weighted_row_sum(z * z, scaling(x, 1e6))


def _rastrigin(arrays: Arrays, x: Array) -> Array:
    return rastrigin(jnp.sqrt(scaling(x, 10.0)) * skew(oscillate(x - arrays["x_opt"]), 0.2))


def _bueche_rastrigin_arrays(dim: int, seed: int) -> HostArrays:
    x_opt = generators.optimum(dim, seed)
    x_opt[::2] = np.abs(x_opt[::2])
    return {"x_opt": x_opt}


def _bueche_rastrigin(arrays: Arrays, x: Array) -> Array:
    d = x - arrays["x_opt"]
    even = jnp.arange(x.shape[1]) % 2 == 0
    steeper = jnp.where((d > 0) & even, 10, 1).astype(x.dtype)
    return rastrigin(jnp.sqrt(scaling(x, 10.0)) * steeper * oscillate(d))


def _linear_slope_arrays(dim: int, seed: int) -> HostArrays:
    return {"x_opt": np.where(generators.optimum(dim, seed) < 0, -5.0, 5.0)}


def _linear_slope(arrays: Arrays, x: Array) -> Array:
    # In terms of the distance to the plane through the optimum, beyond which the function is constant.
    sign = jnp.sign(arrays["x_opt"])
    return weighted_row_sum(jnp.maximum(0, 5 - sign * x), scaling(x, 10.0))


FUNCTIONS = (
    Function(1, only_optimum, _sphere),
    Function(2, only_optimum, _ellipsoid),
    Function(3, only_optimum, _rastrigin),
    Function(4, _bueche_rastrigin_arrays, _bueche_rastrigin, 100.0),
    Function(5, _linear_slope_arrays, _linear_slope),
)
