"""Small numerical pieces that XLA's CPU backend is slow at when they are written the obvious way."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_SIN_PI = tuple((-1) ** i * math.pi ** (2 * i + 1) / math.factorial(2 * i + 1) for i in range(10))
_COS_PI = tuple((-1) ** i * math.pi ** (2 * i) / math.factorial(2 * i) for i in range(11))
_TERMS = {"float32": (6, 7), "float64": (10, 11)}
_LOG_2_PARTS = {
    "float32": (6.9313812256e-01, 9.0580006145e-06),
    "float64": (6.93147180369123816490e-01, 1.90821492927058770002e-10),
}
_SCAN_BLOCK = 40


def row_sum(values: Float[Array, "... n"]) -> Float[Array, "*shape"]:
    """Sums over the last axis.

    A product with a vector of ones: the CPU's matrix-vector kernel keeps many partial sums at once, where a reduction
    adds one number after another (here 1.5 against 8.5 microseconds for 35 x 1000 numbers).
    """
    ones = jnp.ones(values.shape[-1], values.dtype)
    return jnp.matmul(values, ones, precision=lax.Precision.HIGHEST)


def weighted_sum(weights: Float[Array, " batch"], rows: Float[Array, "batch n"]) -> Float[Array, " n"]:
    """The weighted sum of rows, ``weights @ rows``.

    Computed twice over, because the CPU's kernel for a product of matrices is ten times as fast as the one for a vector
    times a matrix (here 2.7 against 27 microseconds for 36 x 1000).
    """
    return jnp.matmul(jnp.stack([weights, weights]), rows, precision=lax.Precision.HIGHEST)[0]


def row_cumsum(values: Float[Array, "batch n"]) -> Float[Array, "batch n"]:
    """Running sums along the last axis, by blocks of 40 as products with a triangular matrix."""
    batch, n = values.shape
    blocks = -(-n // _SCAN_BLOCK)
    padding = blocks * _SCAN_BLOCK - n
    padded = jnp.pad(values, ((0, 0), (0, padding))) if padding else values
    rows = padded.reshape(batch * blocks, _SCAN_BLOCK)
    upper = jnp.triu(jnp.ones((_SCAN_BLOCK, _SCAN_BLOCK), values.dtype))
    within = jnp.matmul(rows, upper, precision=lax.Precision.HIGHEST).reshape(batch, blocks, _SCAN_BLOCK)
    strictly_upper = jnp.triu(jnp.ones((blocks, blocks), values.dtype), k=1)
    before = jnp.matmul(within[:, :, -1], strictly_upper, precision=lax.Precision.HIGHEST)
    return (within + before[:, :, None]).reshape(batch, -1)[:, :n]


def sincos_turns(turns: Float[Array, "*shape"]) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """``sin(2 pi t)`` and ``cos(2 pi t)`` of angles in turns, to within 10 units in the last place of 1.

    The angle is reduced to [-1/2, 1/2] turn exactly; the sine and cosine of half of it come from their Taylor series
    on [-pi/2, pi/2] and are doubled. JAX's own functions cost some ten times more on a CPU.
    """
    half = turns - jnp.round(turns)
    square = half * half
    sin_terms, cos_terms = _TERMS[str(turns.dtype)]
    sin_half = half * _polynomial(square, _SIN_PI[:sin_terms])
    cos_half = _polynomial(square, _COS_PI[:cos_terms])
    return 2 * sin_half * cos_half, 1 - 2 * sin_half * sin_half


def sincos(radians: Float[Array, "*shape"]) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Sine and cosine of angles in radians; see :func:`sincos_turns`."""
    return sincos_turns(radians * (0.5 / math.pi))


@jax.custom_jvp
def log(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The natural logarithm of positive float32 or float64 numbers, some four times as fast as JAX's on a CPU.

    The absolute error is under 1e-6 and 1e-14 on [2^-52, 1], and a few units in the last place elsewhere. Zero gives a
    finite number near -89 or -710; negative numbers give nothing of use. The number is split into ``m 2^e`` with m in
    [sqrt(1/2), sqrt(2)); ``log m`` is ``2 artanh((m - 1) / (m + 1))``, whose series converges fast there.
    """
    double = values.dtype == jnp.float64
    integer, fraction_bits = (jnp.int64, 52) if double else (jnp.int32, 23)
    half_root = integer(0x3FE6A09E667F3BCD if double else 0x3F3504F3)
    bits = lax.bitcast_convert_type(values, integer)
    exponent = (bits - half_root) >> integer(fraction_bits)
    mantissa = lax.bitcast_convert_type(bits - (exponent << integer(fraction_bits)), values.dtype)
    ratio = (mantissa - 1) / (mantissa + 1)
    series = _polynomial(ratio * ratio, tuple(2 / (2 * i + 1) for i in range(12 if double else 5)))
    return ratio * series + exponent.astype(values.dtype) * math.log(2)


@log.defjvp
def _log_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return log(*primals), tangents[0] / primals[0]


@jax.custom_jvp
def exp(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The exponential to within a few units in the last place, some five times as fast as JAX's on a CPU.

    Arguments are clipped to where the result is a normal number (to -708 .. 709, or -87 .. 88 in float32), so that
    nothing is zero or infinite. With ``x = k log 2 + r``, ``exp x`` is 2^k times the Taylor series of ``exp r``.
    """
    double = values.dtype == jnp.float64
    integer, fraction_bits = (jnp.int64, 52) if double else (jnp.int32, 23)
    # log 2 in two parts, of which the first has so few bits that its product with k is exact.
    high, low = _LOG_2_PARTS[str(values.dtype)]
    clipped = jnp.clip(values, -708 if double else -87, 709 if double else 88)
    power = jnp.round(clipped * (1 / math.log(2)))
    rest = (clipped - power * high) - power * low
    series = _polynomial(rest, tuple(1 / math.factorial(i) for i in range(14 if double else 8)))
    bits = (power.astype(integer) + integer((1 << (10 if double else 7)) - 1)) << integer(fraction_bits)
    return series * lax.bitcast_convert_type(bits, values.dtype)


@exp.defjvp
def _exp_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    value = exp(*primals)
    return value, tangents[0] * value


def materialize(*arrays: Array) -> tuple[Array, ...]:
    """The arrays (of one shape) as they are, computed together and once.

    XLA's CPU backend fuses an elementwise computation into each of its consumers and so repeats it for each. A
    reduction is a boundary to it, and one with several results is one operation, so a trivial reduction (of each array
    and a row of zeros) keeps shared work shared.
    """
    operands = tuple(jnp.stack([array, jnp.zeros_like(array)]) for array in arrays)
    zeros = tuple(jnp.zeros((), array.dtype) for array in arrays)

    def add(left: tuple[Array, ...], right: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(a + b for a, b in zip(left, right, strict=True))

    result: tuple[Array, ...] = lax.reduce(operands, zeros, add, (0,))
    return result


def _polynomial(x: jax.Array, coefficients: tuple[float, ...]) -> jax.Array:
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + jnp.asarray(coefficient, x.dtype)
    return value
