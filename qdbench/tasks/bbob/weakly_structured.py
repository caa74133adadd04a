"""BBOB f20 to f24: multi-modal functions with weak global structure."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from qdbench.numerics import exp, log, row_sum, sincos, sincos_turns
from qdbench.tasks.bbob import generators
from qdbench.tasks.bbob.definition import Arrays, Function, HostArrays, conditioned, conditioning, rotations
from qdbench.tasks.bbob.transforms import oscillate, product, root, scaling

_SCHWEFEL_OPTIMUM = 4.2096874637
_SCHWEFEL_VALUE = 418.9828872724339
_KATSUURA_TERMS = 32
_LUNACEK_CENTER = 2.5


def _schwefel_arrays(dim: int, seed: int) -> HostArrays:
    return {"x_opt": np.where(generators.uniform(dim, seed) < 0.5, -1.0, 1.0) * (_SCHWEFEL_OPTIMUM / 2)}


def _schwefel(arrays: Arrays, x: Array) -> Array:
    mirrored = 2 * jnp.sign(arrays["x_opt"]) * x
    neighbours = jnp.concatenate([jnp.zeros_like(x[:, :1]), 0.25 * (mirrored[:, :-1] - _SCHWEFEL_OPTIMUM)], axis=1)
    offset = jnp.sqrt(scaling(x, 10.0)) * (mirrored + neighbours - _SCHWEFEL_OPTIMUM)
    z = 100 * (offset + _SCHWEFEL_OPTIMUM)
    sine, _ = sincos(root(jnp.abs(z)))
    excess = jnp.maximum(0, jnp.abs(z) - 500)
    return 0.01 * (_SCHWEFEL_VALUE - row_sum(z * sine) / x.shape[1] + row_sum(excess * excess))


def _gallagher_arrays(peaks: int, dim: int, seed: int) -> HostArrays:
    r"""The optimum, the rotation, and the peaks.

    With d = Q (x - x_opt), :math:`c_j` the rotated distance of a centre from x_opt, scales s and heights w, the
    report's :math:`\max_j w_j \exp(-\frac{1}{2n} \sum_i s_{ij} (d_i - c_{ij})^2)` is :math:`10 \exp(-\min_j e_j)` with

    .. math:: e_j = \log \frac{10}{w_j} + \frac{1}{2n} \sum_i s_{ij} (d_i^2 - 2 c_{ij} d_i + c_{ij}^2),

    so that all peaks are one product of matrices and one exponential. The global peak has c = 0 and w = 10, so nothing
    cancels where it matters.

    Args:
        peaks: 101 or 21.
        dim: The dimension.
        seed: The instance's.
    """
    width, shift, first_condition = (10.0, 5.0, np.sqrt(1000.0)) if peaks == 101 else (9.8, 4.9, 1000.0)
    inner = rotations(dim, seed)[1]
    centers = width * generators.uniform(dim * peaks, seed).reshape(peaks, dim) - shift
    centers[0] *= 0.8
    heights = np.concatenate([[10], 1.1 + 8 * np.arange(peaks - 1) / (peaks - 2)])
    order = np.argsort(generators.uniform(peaks - 1, seed), kind="stable")
    conditions = np.concatenate([[first_condition], 1000 ** (order / (peaks - 2))])
    places = [np.argsort(generators.uniform(dim, seed + 1000 * peak), kind="stable") for peak in range(peaks)]
    scales = conditions[:, None] ** (np.array(places) / (dim - 1) - 0.5) / (2 * dim)
    distances = (centers - centers[0]) @ inner.T
    return {
        "x_opt": centers[0],
        "rotation": inner,
        "coefficients": np.concatenate([scales, -2 * scales * distances], axis=1),
        "constants": (scales * distances**2).sum(axis=1) + np.log(10 / heights),
    }


def gallagher(arrays: Arrays, x: Array) -> Array:
    """f21 and f22."""
    d = product(x - arrays["x_opt"], arrays["rotation"])
    # Peaks first and solutions last, along which a minimum over the peaks is vector instructions.
    terms = jnp.matmul(arrays["coefficients"], jnp.concatenate([d * d, d], axis=1).T, precision=lax.Precision.HIGHEST)
    value = oscillate(10 - 10 * exp(-jnp.min(terms + arrays["constants"][:, None], axis=0)))
    return value * value


def _katsuura(arrays: Arrays, x: Array) -> Array:
    z = product(x - arrays["x_opt"], arrays["matrix"])
    dim = x.shape[1]
    total = jnp.zeros_like(z)
    for k in range(1, _KATSUURA_TERMS + 1):
        shifted = z * 2.0**k
        total = total + jnp.abs(shifted - jnp.round(shifted)) * 2.0**-k
    places = jnp.arange(1, dim + 1).astype(x.dtype)
    logarithm = (10 / dim**1.2) * row_sum(log(1 + places * total))
    return (10 / dim**2) * (exp(logarithm) - 1)


def _lunacek_arrays(dim: int, seed: int) -> HostArrays:
    sign = np.where(generators.gaussian(dim, seed) < 0, -1.0, 1.0)
    return {"x_opt": sign * (_LUNACEK_CENTER / 2), "matrix": conditioning(dim, seed, 100.0)}


def _lunacek(arrays: Arrays, x: Array) -> Array:
    dim = x.shape[1]
    ratio = 1 - 0.5 / (np.sqrt(dim + 20) - 4.1)
    other_center = -np.sqrt((_LUNACEK_CENTER**2 - 1) / ratio)
    mirrored = 2 * jnp.sign(arrays["x_opt"]) * x
    from_optimum, from_other = mirrored - _LUNACEK_CENTER, mirrored - float(other_center)
    funnels = jnp.minimum(row_sum(from_optimum**2), dim + float(ratio) * row_sum(from_other**2))
    sine, _ = sincos_turns(product(from_optimum, arrays["matrix"]) / 2)
    return funnels + 20 * row_sum(sine * sine)


FUNCTIONS = (
    Function(20, _schwefel_arrays, _schwefel),
    Function(21, functools.partial(_gallagher_arrays, 101), gallagher, 1.0),
    Function(22, functools.partial(_gallagher_arrays, 21), gallagher, 1.0),
    Function(23, conditioned(100.0), _katsuura, 1.0),
    Function(24, _lunacek_arrays, _lunacek, 1e4),
)
