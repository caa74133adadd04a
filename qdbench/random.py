"""Random numbers: seeds from names, and deviates as fast as a CPU can make them."""

from __future__ import annotations

import hashlib
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Key, UInt32

from qdbench.numerics import log, materialize, sincos_turns

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
# Counters of derived keys have this high word, so that they never meet the counters of random numbers, whose is 0.
_DERIVED = 0x9E3779B9


def key_from_names(*names: str | int) -> Key[Array, ""]:
    """A key that is a function of names alone: the first 64 bits of the SHA-256 of the names.

    The rule is part of every result: the same names give the same numbers on every machine.
    """
    digest = hashlib.sha256("\x1f".join(str(name) for name in names).encode()).digest()
    words = np.frombuffer(digest[:8], dtype=">u4").astype(np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(words), impl="threefry2x32")


def derive(key: Key[Array, ""], *indices: int | Array) -> Key[Array, ""]:
    """The key of a numbered part: one Threefry block for every index, an unrolled ``jax.random.fold_in``."""
    data = jax.random.key_data(key)
    for index in indices:
        number = jnp.uint32(index) if isinstance(index, int) else index.astype(jnp.uint32)
        data = jnp.stack(_encrypt(data, jnp.uint32(_DERIVED), number))
    return jax.random.wrap_key_data(data, impl="threefry2x32")


def integers(key: Key[Array, ""], count: int, bound: Int[Array, ""]) -> Int[Array, " count"]:
    """Uniform integers in [0, bound); the bias is at most bound / 2^32."""
    left, right = threefry2x32(jax.random.key_data(key), count)
    return lax.rem(left ^ right, bound.astype(jnp.uint32)).astype(jnp.int32)


def uniform(key: Key[Array, ""], shape: tuple[int, ...], dtype: str = "float32") -> Float[Array, ...]:
    """Independent uniform numbers in [0, 1), on a grid of 2^-23 in float32 and 2^-52 in float64.

    Faster than ``jax.random.uniform`` on a CPU, above all to compile.
    """
    count = math.prod(shape)
    data = jax.random.key_data(key)
    if dtype == "float64":
        return _unit64(*threefry2x32(data, count)).reshape(shape)
    words = jnp.concatenate(threefry2x32(data, -(-count // 2)))[:count]
    return _unit(words).reshape(shape)


def gumbel(key: Key[Array, ""], shape: tuple[int, ...], dtype: str = "float32") -> Float[Array, ...]:
    """Independent standard Gumbel numbers, ``-log(-log u)`` with u at the middles of the cells of a grid on (0, 1).

    The smallest is -2.8 in float32 and -3.6 in float64, the largest 16.6 and 36.7.
    """
    half_step = 2.0**-24 if dtype == "float32" else 2.0**-53
    # JAX's own logarithm inside, as ours has not enough digits near 1.
    # Materialized, because what is mapped over with one key would compute it anew for each.
    (noise,) = materialize(-log(-jnp.log(uniform(key, shape, dtype) + np.asarray(half_step, dtype))))
    return noise


def normal(key: Key[Array, ""], shape: tuple[int, ...], dtype: str = "float32") -> Float[Array, ...]:
    """Independent N(0, 1) numbers.

    The Threefry-2x32 block cipher with 20 rounds (Salmon et al. 2011, as JAX uses it) over a counter, followed by the
    Box-Muller transform, some five times faster on a CPU than ``jax.random.normal``: the rounds are one fused loop,
    both words of a block are used, and the transform's functions are our own polynomials. The radius has 23 random
    bits in float32 and 52 in float64, so no number exceeds 5.65 and 8.49.
    """
    count = math.prod(shape)
    pair = _normal_pair(key, -(-count // 2), dtype)
    return jnp.concatenate(pair)[:count].reshape(shape)


def add_normal(key: Key[Array, ""], rows: Float[Array, "batch n"], scale: Float[Array, ""]) -> Float[Array, "batch n"]:
    """``rows + scale * normal(key, rows.shape)``, faster.

    The two halves that the Box-Muller transform makes are added before they are joined: reading from joined arrays, the
    compiler gives up vector instructions for whatever else it fuses into the sum (the gathering of parents, say).
    """
    batch, n = rows.shape
    dtype = str(rows.dtype)
    if batch % 2:
        return rows + scale * normal(key, rows.shape, dtype)
    middle = batch // 2
    top, bottom = (half.reshape(middle, n) for half in _normal_pair(key, middle * n, dtype))
    return jnp.concatenate([rows[:middle] + scale * top, rows[middle:] + scale * bottom])


def _normal_pair(key: Key[Array, ""], count: int, dtype: str) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Twice ``count`` normal deviates: the two that Box and Muller make of each pair of uniform numbers."""
    data = jax.random.key_data(key)
    if dtype == "float64":
        high, low = threefry2x32(data, 2 * count)
        first, second = _unit64(high[:count], low[:count]), _unit64(high[count:], low[count:])
    else:
        first, second = (_unit(words) for words in threefry2x32(data, count))
    radius = jnp.sqrt(-2 * log(1 - first))
    sine, cosine = sincos_turns(second)
    left, right = materialize(radius * cosine, radius * sine)
    return left, right


def threefry2x32(key: UInt32[Array, " 2"], blocks: int) -> tuple[UInt32[Array, " n"], UInt32[Array, " n"]]:
    """Encrypts the counters ``(0, i)``, i = 0 .. blocks - 1, with 20 rounds; returns both words of every block."""
    left, right = materialize(*_encrypt(key, jnp.zeros(blocks, jnp.uint32), lax.iota(jnp.uint32, blocks)))
    return left, right


def _encrypt(key: UInt32[Array, " 2"], left: Array, right: Array) -> tuple[Array, Array]:
    """The block cipher, unrolled so that it is one fused loop."""
    schedule = (key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(_PARITY))
    left = left + schedule[0]
    right = right + schedule[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            left = left + right
            right = left ^ ((right << jnp.uint32(rotation)) | (right >> jnp.uint32(32 - rotation)))
        left = left + schedule[(group + 1) % 3]
        right = right + schedule[(group + 2) % 3] + jnp.uint32(group + 1)
    return left, right


def _unit(words: UInt32[Array, " n"]) -> Float[Array, " n"]:
    """Uniform numbers in [0, 1) on a grid of 2^-23: the words' upper bits as a mantissa."""
    mantissa = (words >> jnp.uint32(9)) | jnp.uint32(0x3F800000)
    return lax.bitcast_convert_type(mantissa, jnp.float32) - 1


def _unit64(high: UInt32[Array, " n"], low: UInt32[Array, " n"]) -> Float[Array, " n"]:
    """Uniform numbers in [0, 1) on a grid of 2^-52."""
    words = (high.astype(jnp.uint64) << jnp.uint64(32)) | low.astype(jnp.uint64)
    mantissa = (words >> jnp.uint64(12)) | jnp.uint64(0x3FF0000000000000)
    return lax.bitcast_convert_type(mantissa, jnp.float64) - 1
