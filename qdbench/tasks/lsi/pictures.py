"""What is measured on small pictures of digits: how much ink there is, and how slanted it lies."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# In square pixels: keeps the slant of an empty picture finite; that of a digit changes by some 1 %.
_FLOOR = 0.05


def ink(images: Float[Any, "batch h w 1"]) -> Float[Array, " batch"]:
    """The mean brightness, with pixels clipped to [0, 1]."""
    return jnp.clip(images[..., 0], 0, 1).mean(axis=(1, 2))


def slant(images: Float[Any, "batch h w 1"]) -> Float[Array, " batch"]:
    r"""The shear of the ink in pixels to the right for each pixel upwards: :math:`-\mu_{xy} / (\mu_{yy} + 0.05)`.

    :math:`\mu` are the central second moments of the picture with x to the right and y downwards, pixels clipped to
    [0, 1]. It is 0 for an empty picture.
    """
    light = jnp.clip(images[..., 0], 0, 1)
    rows, columns = np.arange(light.shape[1], dtype=np.float32), np.arange(light.shape[2], dtype=np.float32)
    mass = light.sum(axis=(1, 2)) + 1e-6
    by_row, by_column = light.sum(axis=2), light.sum(axis=1)
    y, x = (by_row * rows).sum(axis=1) / mass, (by_column * columns).sum(axis=1) / mass
    dy, dx = rows - y[:, None], columns - x[:, None]
    mu_yy = (by_row * dy * dy).sum(axis=1) / mass
    mu_xy = (light * dy[:, :, None] * dx[:, None, :]).sum(axis=(1, 2)) / mass
    return -mu_xy / (mu_yy + _FLOOR)
