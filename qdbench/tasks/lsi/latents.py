"""Latent spaces that are searched, and how likely a generator's prior holds a point of them."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qdbench.numerics import exp
from qdbench.tasks.lsi.folders import Generator

_SAMPLES, _SEED, _CHUNK = 10_000, 0, 2_000
_STEEPNESS = 4.0


class Whitened(eqx.Module):
    r"""W+ with whitened coordinates: layer l has :math:`w_l = \bar w + \sigma \odot q_l`, solutions are all q in a row.

    Attributes:
        mean: The mean of w over 10,000 z from a fixed seed.
        deviation: The standard deviation of each coordinate of w over the same z.
        norm: The mean of :math:`\|q\|` over the same z, each repeated for all layers.
        num_ws: Layers.
    """

    mean: Float[Array, " w_dim"]
    deviation: Float[Array, " w_dim"]
    norm: Float[Array, ""]
    num_ws: int = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """The number of coordinates."""
        return self.num_ws * int(self.mean.shape[0])

    def __call__(self, solutions: Float[Array, "batch dim"]) -> Float[Array, "batch num_ws w_dim"]:
        """The w of each layer."""
        return self.mean + self.deviation * solutions.reshape(solutions.shape[0], self.num_ws, -1)

    def excess(self, solutions: Float[Array, "batch dim"]) -> Float[Array, " batch"]:
        r""":math:`\max(\|q\| / \mathrm{norm} - 1, 0)`, with a finite gradient at 0."""
        length = jnp.sqrt((solutions * solutions).sum(axis=1) + 1e-12)
        return jnp.maximum(length / self.norm - 1, 0)

    def closeness(self, solutions: Float[Array, "batch dim"]) -> Float[Array, " batch"]:
        r""":math:`\exp(-4\, \mathrm{excess}^2)`: 1 where the prior is, towards 0 far away."""
        excess = self.excess(solutions)
        return exp(-_STEEPNESS * excess * excess)


def whiten(generator: Generator, dtype: str) -> Whitened:
    """The whitened W+ of a generator."""
    z = np.random.default_rng(_SEED).standard_normal((_SAMPLES, generator.z_dim))
    parts = [
        np.asarray(generator.mapping(jnp.asarray(z[first : first + _CHUNK], dtype)), np.float64)
        for first in range(0, _SAMPLES, _CHUNK)
    ]
    w = np.concatenate(parts)
    mean, deviation = w.mean(axis=0), w.std(axis=0, ddof=1)
    lengths = np.sqrt(generator.num_ws * (((w - mean) / deviation) ** 2).sum(axis=1))
    return Whitened(
        mean=jnp.asarray(mean, dtype),
        deviation=jnp.asarray(deviation, dtype),
        norm=jnp.asarray(lengths.mean(), dtype),
        num_ws=generator.num_ws,
    )
