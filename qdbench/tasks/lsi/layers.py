"""What the generators share: equalised linear layers, convolutions that a CPU is fast at, and up-sampling.

Images are ``(batch, height, width, channels)`` throughout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from qdbench.tasks.lsi.parameters import Parameters

# Up to this height a convolution is a product of matrices: XLA's own on a CPU is slow inside compiled loops.
_SMALL = 16
# The filter [1, 3, 3, 1] / 8 of StyleGAN2, with the gain 2 that up-sampling by 2 needs along each axis.
_FIR = np.array([1.0, 3.0, 3.0, 1.0]) / 4
_SLOPE = 0.2

Noise = Literal["fresh", "const", "off"]
"""Noise inputs: drawn from a key at every call, the generator's constant ones, or none."""


class Linear(eqx.Module):
    """``x @ weight + bias``; the run-time scales of equalised learning rates are part of the arrays."""

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        """Applies the layer to the last axis."""
        return matmul(x, self.weight) + self.bias


def equalized_linear(
    parameters: Parameters,
    name: str,
    outputs: int | None = None,
    inputs: int | None = None,
    rate: float = 1.0,
    gain: float = 1.0,
) -> Linear:
    """The layer ``name`` of a checkpoint: the weight times ``gain * rate / sqrt(inputs)``, the bias times ``rate``."""
    weight = parameters.take(f"{name}.weight", outputs, inputs)
    bias = parameters.take(f"{name}.bias", weight.shape[0])
    return Linear(weight.T * (gain * rate / math.sqrt(weight.shape[1])), bias * rate)


def matmul(left: Array, right: Array) -> Array:
    """A product in full precision on every device."""
    return jnp.matmul(left, right, precision=lax.Precision.HIGHEST)


def normalize_second_moment(z: Float[Array, "batch n"]) -> Float[Array, "batch n"]:
    """``z / sqrt(mean(z^2) + 1e-8)``."""
    return z * lax.rsqrt((z * z).mean(axis=-1, keepdims=True) + 1e-8)


def leaky_relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """``max(x, 0.2 x)``."""
    return jnp.maximum(x, _SLOPE * x)


def correlate(
    x: Float[Array, "batch h w inputs"], kernel: Float[Array, "k k inputs outputs"]
) -> Float[Array, "batch h w outputs"]:
    """Cross-correlation with an odd kernel, zero-padded to the same size."""
    size, height, width = kernel.shape[0], x.shape[1], x.shape[2]
    if size == 1:
        return matmul(x, kernel[0, 0])
    if height > _SMALL:
        return lax.conv_general_dilated(
            x,
            kernel,
            window_strides=(1, 1),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=lax.Precision.HIGHEST,
        )
    edge = size // 2
    padded = jnp.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    taps = [padded[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]
    return matmul(jnp.concatenate(taps, axis=-1), kernel.reshape(-1, kernel.shape[-1]))


def phases(kernel: Float[Array, "3 3 inputs outputs"]) -> Float[Array, "3 3 inputs 4*outputs"]:
    r"""StyleGAN2's up-sampling convolution as one correlation at the low resolution, to be followed by :func:`unfold`.

    It is defined as zero insertion, a true convolution with the 3 x 3 kernel W and the filter g = [1, 3, 3, 1] / 4
    along both axes. Along one axis, with :math:`K_m = \sum_k g_k W_{m+k-1}`, output n is
    :math:`\sum_i x_i K_{n-2i}`; the even and the odd outputs are correlations of x with three taps each.
    """
    folding = np.zeros((2, 3, 3))
    for phase in range(2):
        for tap in range(3):
            for index in range(3):
                k = index - (2 * (1 - tap) + phase) + 1
                folding[phase, tap, index] = _FIR[k] if 0 <= k < 4 else 0.0
    fold = jnp.asarray(folding, kernel.dtype)
    folded = jnp.einsum("pta,qub,abio->tuipqo", fold, fold, kernel, precision=lax.Precision.HIGHEST)
    return folded.reshape(*folded.shape[:3], -1)


def unfold(x: Float[Array, "batch h w interleaved"], channels: int) -> Float[Array, "batch 2*h 2*w c"]:
    """Interleaves the four phases of an up-sampled image."""
    batch, height, width, _ = x.shape
    parts = x.reshape(batch, height, width, 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(batch, 2 * height, 2 * width, channels)


def upsample(x: Float[Array, "batch h w c"]) -> Float[Array, "batch 2*h 2*w c"]:
    """Zero insertion and the filter [1, 3, 3, 1] / 4 along both axes: outputs are 1/4 and 3/4 of two neighbours."""
    return _upsample_axis(_upsample_axis(x, 1), 2)


def _upsample_axis(x: Array, axis: int) -> Array:
    pad = [(0, 0)] * x.ndim
    pad[axis] = (1, 1)
    padded, size = jnp.pad(x, pad), x.shape[axis]
    before, after = (lax.slice_in_dim(padded, start, start + size, axis=axis) for start in (0, 2))
    both = jnp.stack([_FIR[0] * before + _FIR[1] * x, _FIR[2] * x + _FIR[3] * after], axis=axis + 1)
    return both.reshape(*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])


def noise_keys(mode: Noise, key: Key[Array, ""] | None, count: int) -> Sequence[Any]:
    """A key for each layer, or None for each where noise is not fresh.

    Raises:
        ValueError: If the noise is to be fresh and there is no key.
    """
    if mode != "fresh":
        return [None] * count
    if key is None:
        raise ValueError("fresh noise needs a key: synthesize(ws, 'fresh', key)")
    return list(jax.random.split(key, count))


def noise(key: Key[Array, ""], like: Float[Array, "batch h w c"]) -> Float[Array, "batch h w 1"]:
    """Fresh N(0, 1) noise, one channel for all."""
    return jax.random.normal(key, (*like.shape[:3], 1), like.dtype)
