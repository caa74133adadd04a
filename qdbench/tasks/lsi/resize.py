"""Images at the size that CLIP takes."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

Resize = Literal["antialias", "corners"]


def resize(
    images: Float[Array, "batch h w colors"], side: int, method: Resize
) -> Float[Array, "batch side side colors"]:
    """Bilinear resizing.

    Args:
        images: Square images.
        side: Their new height and width.
        method: ``"antialias"`` widens the filter where images shrink, as CLIP's own preprocessing does; ``"corners"``
            samples at points, of which the outermost are the centres of the corner pixels, as fontaine2021dqd does.
    """
    if images.shape[1] == side:
        return images
    if method == "antialias":
        shape = (images.shape[0], side, side, images.shape[3])
        return jax.image.resize(images, shape, "linear", antialias=True, precision=lax.Precision.HIGHEST)
    weights = jnp.asarray(_corners(images.shape[1], side), images.dtype)
    return jnp.einsum("ph,bhwc,qw->bpqc", weights, images, weights, precision=lax.Precision.HIGHEST)


def _corners(size: int, side: int) -> Float[np.ndarray, "side size"]:
    """The weights of the old pixels in each new one."""
    place = np.linspace(0, size - 1, side)
    low = np.minimum(place.astype(int), size - 2)
    weights = np.zeros((side, size))
    weights[np.arange(side), low] = 1 - (place - low)
    weights[np.arange(side), low + 1] = place - low
    return weights
