"""What is measured on small pictures: how much ink there is, how slanted it lies, and how wide."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# In square pixels: keeps the slant of an empty picture, and the slope of its width, finite; the slant of a digit
# changes by some 1 %, the width of an article of clothing by less.
_FLOOR = 0.05


def middle(images: Float[Any, "batch h w c"], side: int) -> Float[Array, "batch side side c"]:
    """The square in the middle of images, so many pixels high and wide; the rest is even on both sides."""
    edge = (images.shape[1] - side) // 2
    return images[:, edge : edge + side, edge : edge + side] if edge else images


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


def width(images: Float[Any, "batch h w 1"]) -> Float[Array, " batch"]:
    r"""How far the bright pixels spread along x, in pixels: :math:`\sqrt{\mu_{xx} + 0.05}`.

    :math:`\mu_{xx}` is the central second moment along x of the squares of the pixels, which are clipped to [0, 1]
    before; squares, so that a faint background counts for little. It is :math:`\sqrt{0.05}` for an empty picture, and
    some 0.29 w for a bar that is w pixels wide.
    """
    light = jnp.clip(images[..., 0], 0, 1)
    by_column = (light * light).sum(axis=1)
    columns = np.arange(by_column.shape[1], dtype=np.float32)
    mass = by_column.sum(axis=1) + 1e-6
    x = (by_column * columns).sum(axis=1) / mass
    mu_xx = (by_column * (columns - x[:, None]) ** 2).sum(axis=1) / mass
    return jnp.sqrt(mu_xx + _FLOOR)
