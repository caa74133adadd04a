"""BBOB f10 to f14: unimodal functions with high conditioning."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

from qdbench.numerics import row_sum
from qdbench.tasks.bbob import generators
from qdbench.tasks.bbob.definition import Arrays, Function, HostArrays, conditioned, rotated, rotations
from qdbench.tasks.bbob.transforms import oscillate, power, product, root, scaling, skew, weighted_row_sum


def _first_and_rest(z: Array) -> tuple[Array, Array]:
    """The square of the first coordinate and the sum of the others'."""
    squares = z * z
    return squares[:, 0], row_sum(squares[:, 1:])


def ellipsoid(arrays: Arrays, x: Array, condition: float = 1e6) -> Array:
    """f10."""
    z = oscillate(product(x - arrays["x_opt"], arrays["rotation"]))
    return weighted_row_sum(z * z, scaling(x, condition))


def _discus(arrays: Arrays, x: Array) -> Array:
    first, rest = _first_and_rest(oscillate(product(x - arrays["x_opt"], arrays["rotation"])))
    return 1e6 * first + rest


def _bent_cigar_arrays(dim: int, seed: int) -> HostArrays:
    return {"x_opt": generators.optimum(dim, seed + 1_000_000), "rotation": rotations(dim, seed)[0]}


def _bent_cigar(arrays: Arrays, x: Array) -> Array:
    bent = skew(product(x - arrays["x_opt"], arrays["rotation"]), 0.5)
    first, rest = _first_and_rest(product(bent, arrays["rotation"]))
    return first + 1e6 * rest


def _sharp_ridge(arrays: Arrays, x: Array) -> Array:
    first, rest = _first_and_rest(product(x - arrays["x_opt"], arrays["matrix"]))
    return first + 100 * root(rest)


def different_powers(arrays: Arrays, x: Array) -> Array:
    """f14."""
    z = jnp.abs(product(x - arrays["x_opt"], arrays["rotation"]))
    exponents = jnp.asarray(2 + 4 * jnp.linspace(0, 1, x.shape[1]), x.dtype)
    return root(row_sum(power(z, exponents)))


FUNCTIONS = (
    Function(10, rotated, ellipsoid),
    Function(11, rotated, _discus),
    Function(12, _bent_cigar_arrays, _bent_cigar),
    Function(13, conditioned(10.0), _sharp_ridge),
    Function(14, rotated, different_powers),
)
