"""The convolutional network of the image tasks, and populations of it on one set of images.

The network is small and every member of a population has its own, so what decides the speed is the shape of the matrix
products that a convolution becomes. With 8 and 16 channels they are too narrow. Here one convolution with a larger
kernel and a stride computes several neighbouring outputs as channels: all four of a pooling window in the first layer,
the two of a column in the second. Pooling is then mostly a maximum over channels. On a CPU this takes a fifth of the
time of convolutions followed by pooling. Images go through in chunks whose intermediate values stay in the cache.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, UInt8

CLASSES = 10
SIDE = 28
SHAPES = {
    "kernel_1": (5, 5, 1, 8),
    "bias_1": (8,),
    "kernel_2": (5, 5, 8, 16),
    "bias_2": (16,),
    "kernel_3": (784, CLASSES),
    "bias_3": (CLASSES,),
}
"""The weights in the order in which a flat solution holds them (version 0), each in row-major order."""

NUM_WEIGHTS = sum(math.prod(shape) for shape in SHAPES.values())

_MEAN, _STD = 0.1307, 0.3081
_CPU_IMAGES = 64
_ACCELERATOR_IMAGES, _ACCELERATOR_MEMBERS = 1024, 16

Tree = TypeVar("Tree")


class ImageNetwork(eqx.Module):
    r"""Two convolutional layers and a linear one, 11,274 weights.

    .. math::

        h_1 &= \mathrm{pool}(\mathrm{relu}(x * K_1 + b_1)), \qquad 28 \times 28 \times 1 \to 14 \times 14 \times 8 \\
        h_2 &= \mathrm{pool}(\mathrm{relu}(h_1 * K_2 + b_2)), \qquad \to 7 \times 7 \times 16 \\
        y &= K_3^\top \mathrm{vec}(h_2) + b_3

    ``*`` is the cross-correlation with zeros around the image ("SAME"), ``pool`` the maximum over windows of 2 x 2 and
    ``vec`` the row-major order (row, column, channel).

    Attributes:
        kernel_1: ``(5, 5, 1, 8)``: row, column, channel in, channel out.
        bias_1: ``(8,)``.
        kernel_2: ``(5, 5, 8, 16)``.
        bias_2: ``(16,)``.
        kernel_3: ``(784, 10)``.
        bias_3: ``(10,)``.
    """

    kernel_1: Float[Array, "5 5 1 8"]
    bias_1: Float[Array, " 8"]
    kernel_2: Float[Array, "5 5 8 16"]
    bias_2: Float[Array, " 16"]
    kernel_3: Float[Array, "784 10"]
    bias_3: Float[Array, " 10"]

    def __call__(self, images: Float[Array, "images 28 28"]) -> Float[Array, "images 10"]:
        """The logits of images that :func:`normalise` made."""
        hidden = _pooled_layer(images[..., None], self.kernel_1, self.bias_1, columns=2)
        hidden = _pooled_layer(hidden, self.kernel_2, self.bias_2, columns=1)
        flat = hidden.reshape(images.shape[0], -1)
        return jnp.matmul(flat, self.kernel_3, precision=lax.Precision.HIGHEST) + self.bias_3


def unflatten(solution: Float[Array, " 11274"]) -> ImageNetwork:
    """The network of a flat solution; see :data:`SHAPES`."""
    parts, first = {}, 0
    for name, shape in SHAPES.items():
        last = first + math.prod(shape)
        parts[name] = solution[first:last].reshape(shape)
        first = last
    return ImageNetwork(**parts)


def flatten(network: ImageNetwork) -> Float[Array, " 11274"]:
    """The flat solution of a network: the inverse of :func:`unflatten`."""
    return jnp.concatenate([getattr(network, name).ravel() for name in SHAPES])


def normalise(images: UInt8[Array, "images 28 28"]) -> Float[Array, "images 28 28"]:
    """``(x / 255 - 0.1307) / 0.3081``, with the mean and the standard deviation of MNIST, for all data sets."""
    return (images.astype(jnp.float32) / 255 - _MEAN) / _STD


@jax.jit
def scores(
    solutions: Float[Array, "members 11274"],
    images: Float[Array, "images 28 28"],
    labels: Int[Array, " images"],
) -> tuple[Float[Array, " members"], Float[Array, " members"], Float[Array, " members"]]:
    """What every member makes of the same images.

    Returns:
        The mean logarithm of the probability of the right class; the mean entropy of the predicted distribution over
        classes, in units of log 10; and the standard deviation over classes of the share of images of the class that
        is classified rightly (over the classes that the images have).
    """
    return _of_members(functools.partial(_scores, labels=labels), solutions, images)


@jax.jit
def accuracies(
    solutions: Float[Array, "members 11274"],
    images: Float[Array, "images 28 28"],
    labels: Int[Array, " images"],
) -> Float[Array, " members"]:
    """The share of images that each member classifies rightly."""
    return _of_members(lambda logits: (logits.argmax(axis=1) == labels).mean(dtype=jnp.float32), solutions, images)


def _scores(logits: Float[Array, "images 10"], labels: Int[Array, " images"]) -> tuple[Array, Array, Array]:
    logarithms = jax.nn.log_softmax(logits)
    belongs = jax.nn.one_hot(labels, CLASSES, dtype=jnp.float32)
    likelihood = (logarithms * belongs).sum(axis=1).mean()
    entropy = -(jnp.exp(logarithms) * logarithms).sum(axis=1).mean() / math.log(CLASSES)
    right = (logits.argmax(axis=1) == labels).astype(jnp.float32)
    sizes = belongs.sum(axis=0)
    shares = jnp.matmul(right, belongs, precision=lax.Precision.HIGHEST) / jnp.maximum(sizes, 1)
    present = sizes > 0
    return likelihood, entropy, jnp.std(shares, where=present)


def _of_members(
    score: Callable[[Array], Tree], solutions: Float[Array, "members 11274"], images: Float[Array, "images 28 28"]
) -> Tree:
    """``score`` of every member's logits: one by one on a CPU, in chunks elsewhere, always the same for a member."""

    def one(solution: Array, size: int) -> Tree:
        return score(_in_chunks(unflatten(solution), images, min(size, images.shape[0])))

    def one_by_one(solutions: Array) -> Tree:
        return lax.map(functools.partial(one, size=_CPU_IMAGES), solutions)

    def together(solutions: Array) -> Tree:
        several = jax.vmap(functools.partial(one, size=_ACCELERATOR_IMAGES))
        return _in_chunks(several, solutions, _ACCELERATOR_MEMBERS)

    return lax.platform_dependent(solutions, cpu=one_by_one, default=together)


def _in_chunks(function: Callable[[Array], Tree], rows: Array, size: int) -> Tree:
    """``function`` of rows, so many at a time; the last chunk is filled with zeros."""
    count = rows.shape[0]
    chunks = -(-count // size)
    filled = jnp.pad(rows, [(0, chunks * size - count)] + [(0, 0)] * (rows.ndim - 1))
    parts = lax.map(function, filled.reshape(chunks, size, *rows.shape[1:]))
    return jax.tree.map(lambda part: part.reshape(chunks * size, *part.shape[2:])[:count], parts)


def _pooled_layer(
    inputs: Float[Array, "images rows columns channels"],
    kernel: Float[Array, "5 5 channels outputs"],
    bias: Float[Array, " outputs"],
    columns: int,
) -> Float[Array, "images half_rows half_columns outputs"]:
    """``pool(relu(inputs * kernel + bias))``, with blocks of 2 x ``columns`` outputs as channels of a convolution."""
    # A kernel that is moved within a larger one gives the output at the place to which it was moved.
    moves = [(row, column) for row in range(2) for column in range(columns)]
    moved = [jnp.pad(kernel, ((r, 1 - r), (c, columns - 1 - c), (0, 0), (0, 0))) for r, c in moves]
    outputs = lax.conv_general_dilated(
        inputs,
        jnp.concatenate(moved, axis=-1),
        window_strides=(2, columns),
        padding=((2, 2), (2, 2)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )
    # Slices, because a reduction over an axis of 4 takes longer.
    largest = functools.reduce(jnp.maximum, jnp.split(outputs, len(moves), axis=-1))
    if columns == 1:
        largest = jnp.maximum(largest[:, :, 0::2], largest[:, :, 1::2])
    # Adding and relu keep the order, so they may come after the maximum.
    return jnp.maximum(largest + bias, 0)
