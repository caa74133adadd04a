r"""The transformations that the BBOB functions share, in JAX, for batches; :math:`i = 0, \dots, n - 1` throughout.

Written so that gradients are finite everywhere, also at the optimum and on the axes, where the textbook forms divide by
zero; what is not differentiable there gets one of its one-sided derivatives or zero. Source: hansen2009bbob.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from qdbench.numerics import exp, log, row_sum, sincos
from qdbench.tasks.bbob import generators

_OSCILLATION = tuple(0.049**i / math.factorial(i) for i in range(10))


def scaling(x: Float[Array, "batch n"], base: float) -> Float[Array, " n"]:
    """``base^(i / (n - 1))`` in the type of x."""
    return jnp.asarray(generators.scaling(x.shape[1], base), x.dtype)


def product(x: Float[Array, "batch n"], matrix: Float[Array, "m n"]) -> Float[Array, "batch m"]:
    """The matrix times every row."""
    return jnp.matmul(x, matrix.T, precision=lax.Precision.HIGHEST)


def weighted_row_sum(values: Float[Array, "batch n"], weights: Float[Array, " n"]) -> Float[Array, " batch"]:
    """``sum_i weights_i values_i`` of every row."""
    return jnp.matmul(values, weights, precision=lax.Precision.HIGHEST)


def oscillate(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""T_osz: :math:`x \exp(0.049 (\sin(c_1 \log |x|) + \sin(c_2 \log |x|)))`, c = (10, 7.9) if x > 0, else (5.5, 3.1).

    The exponential's argument is at most 0.098 in size, so a few terms of its series do.
    """
    logarithm = log(positive(jnp.abs(x)))
    above = x > 0
    first, _ = sincos(jnp.where(above, 10.0, 5.5) * logarithm)
    second, _ = sincos(jnp.where(above, 7.9, 3.1) * logarithm)
    waves = first + second
    factor = jnp.full_like(x, _OSCILLATION[-1])
    for coefficient in _OSCILLATION[-2::-1]:
        factor = factor * waves + coefficient
    return x * factor


def skew(x: Float[Array, "batch n"], beta: float) -> Float[Array, "batch n"]:
    r"""T_asy: :math:`x_i^{1 + \beta \frac{i}{n - 1} \sqrt{x_i}}` where :math:`x_i > 0`, else x_i."""
    base = jnp.where(x > 0, x, 1)
    exponents = jnp.asarray(beta * jnp.linspace(0, 1, x.shape[1]), x.dtype)
    return x * exp(exponents * jnp.sqrt(base) * log(base))


def penalty(x: Float[Array, "batch n"]) -> Float[Array, " batch"]:
    r"""f_pen: :math:`\sum_i \max(0, |x_i| - 5)^2`."""
    excess = jnp.maximum(0, jnp.abs(x) - 5)
    return row_sum(excess * excess)


def positive(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The values with 1 in place of 0, for functions whose derivative at 0 is infinite."""
    return jnp.where(values == 0, 1, values)


def root(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The square root of numbers of at least 0, with a derivative of 0 at 0."""
    return jnp.where(values == 0, 0, jnp.sqrt(positive(values)))


def power(values: Float[Array, "*shape"], exponent: float | Float[Array, " n"]) -> Float[Array, "*shape"]:
    """A positive power of numbers of at least 0, with a derivative of 0 at 0."""
    return jnp.where(values == 0, 0, exp(exponent * log(positive(values))))
