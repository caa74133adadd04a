"""The networks that tell a generator's pictures from real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from qdbench.tasks.lsi.layers import leaky_relu
from scripts.lsi.subject import Subject

Weights = list[tuple[Any, Any]]
_KERNEL = 4


def make(subject: Subject, rng: np.random.Generator) -> tuple[Weights, Callable[[Weights, Any], Any]]:
    """A critic's random weights, and the function that gives its scores of images, ``(count,)``."""
    widths = subject.generator.critic
    if not subject.generator.convolutional:
        pixels = subject.side**2
        # The mean deviation over the batch joins the last hidden layer's input.
        sizes = [(pixels, widths[0]), (widths[0], widths[1]), (widths[1] + 1, widths[2]), (widths[2], 1)]
        return [_drawn(rng, size) for size in sizes], lambda weights, images: _scores(
            weights, images.reshape(len(images), -1), len(weights) - 2
        )
    *channels, hidden = widths
    inputs = [1, *channels[:-1]]
    kernels = [_drawn(rng, (_KERNEL, _KERNEL, *size)) for size in zip(inputs, channels, strict=True)]
    side = subject.side
    for _ in channels:
        side = -(-side // 2)
    dense = [_drawn(rng, size) for size in ((side * side * channels[-1] + 1, hidden), (hidden, 1))]

    def judge(weights: Weights, images: Any) -> Any:
        x = images
        for kernel, bias in weights[: len(channels)]:
            x = leaky_relu(
                lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias
            )
        return _scores(weights[len(channels) :], x.reshape(len(x), -1), 0)

    return [*kernels, *dense], judge


def _scores(weights: Weights, x: Any, varied: int) -> Any:
    """A multilayer perceptron; its layer ``varied`` is also told how varied its inputs are over the batch."""
    for index, (weight, bias) in enumerate(weights):
        if index == varied:
            spread = jnp.sqrt(x.var(axis=0) + 1e-8).mean()
            x = jnp.concatenate([x, jnp.full((len(x), 1), spread)], axis=1)
        x = x @ weight + bias
        if index + 1 < len(weights):
            x = leaky_relu(x)
    return x[:, 0]


def _drawn(rng: np.random.Generator, shape: Sequence[int]) -> tuple[Any, Any]:
    weight = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
    return jnp.asarray(weight, jnp.float32), jnp.zeros(shape[-1], jnp.float32)
