"""BBOB f15 to f19: multi-modal functions with adequate global structure."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Array

from qdbench.numerics import exp, log, row_sum, sincos, sincos_turns
from qdbench.tasks.bbob import generators
from qdbench.tasks.bbob.definition import (
    Arrays,
    Function,
    HostArrays,
    conditioning,
    only_optimum,
    rotated,
    rotations,
    scaled_rotation,
)
from qdbench.tasks.bbob.moderate import rosenbrock_terms
from qdbench.tasks.bbob.separable import rastrigin
from qdbench.tasks.bbob.transforms import oscillate, penalty, positive, product, root, skew

_WEIERSTRASS_TERMS = 12


def _twice_rotated(base: float, dim: int, seed: int) -> HostArrays:
    return {**rotated(dim, seed), "matrix": conditioning(dim, seed, base)}


def _rastrigin(arrays: Arrays, x: Array) -> Array:
    z = skew(oscillate(product(x - arrays["x_opt"], arrays["rotation"])), 0.2)
    return rastrigin(product(z, arrays["matrix"]))


def _weierstrass(arrays: Arrays, x: Array) -> Array:
    r"""f16: :math:`10 (\frac 1 n \sum_i \sum_k 2^{-k} \cos(2 \pi 3^k (z_i + 1/2)) - f_0)^3`.

    As 3^k is odd, each cosine is minus that of :math:`2 \pi 3^k z_i`, and its distance to the value at the optimum is
    :math:`2 \sin^2(\pi 3^k z_i)`. Each sine and cosine follows from the one before, as the cube of a complex number.
    The penalty is here because its factor, 10 / n, depends on the dimension.
    """
    z = product(oscillate(product(x - arrays["x_opt"], arrays["rotation"])), arrays["matrix"])
    sine, cosine = sincos_turns(z / 2)
    total = 2 * sine * sine
    for k in range(1, _WEIERSTRASS_TERMS):
        square_s, square_c = sine * sine, cosine * cosine
        sine, cosine = sine * (3 * square_c - square_s), cosine * (square_c - 3 * square_s)
        total = total + 2.0 ** (1 - k) * sine * sine
    mean = row_sum(total) / x.shape[1]
    return 10 * mean * mean * mean + (10 / x.shape[1]) * penalty(x)


def schaffers_arrays(base: float, dim: int, seed: int) -> HostArrays:
    """The optimum, R and ``Lambda Q``."""
    outer, inner = rotations(dim, seed)
    stretched = np.sqrt(generators.scaling(dim, base))[:, None] * inner
    return {**only_optimum(dim, seed), "rotation": outer, "inner": stretched}


def schaffers(arrays: Arrays, x: Array) -> Array:
    """f17 and f18."""
    z = product(skew(product(x - arrays["x_opt"], arrays["rotation"]), 0.5), arrays["inner"])
    squares = z * z
    s = squares[:, :-1] + squares[:, 1:]
    sine, _ = sincos(50 * exp(0.1 * log(positive(s))))
    mean = row_sum(root(root(s)) * (1 + sine * sine)) / (x.shape[1] - 1)
    return mean * mean


def griewank_rosenbrock(arrays: Arrays, x: Array, factor: float = 10) -> Array:
    """f19, with ``1 - cos s`` as ``2 sin^2(s / 2)``."""
    s = rosenbrock_terms(product(x, arrays["matrix"]) + 0.5)
    sine, _ = sincos(s / 2)
    return row_sum((factor / 4000) * s + 2 * factor * sine * sine) / (x.shape[1] - 1)


FUNCTIONS = (
    Function(15, functools.partial(_twice_rotated, 10.0), _rastrigin),
    Function(16, functools.partial(_twice_rotated, 0.01), _weierstrass),
    Function(17, functools.partial(schaffers_arrays, 10.0), schaffers, 10.0),
    Function(
        18,
        functools.partial(schaffers_arrays, 1000.0),
        schaffers,
        10.0,
    ),
    Function(19, scaled_rotation, griewank_rosenbrock),
)
