"""The variation operators of MAP-Elites: how offspring come from elites."""

from __future__ import annotations

import abc

import equinox as eqx
from jaxtyping import Array, Float, Key

from qdbench.archive import Archive, sample_solutions
from qdbench.random import derive, normal


class Variation(eqx.Module):
    """Makes offspring from uniformly random elites of an archive."""

    @abc.abstractmethod
    def __call__(self, key: Key[Array, ""], archive: Archive, count: int) -> Float[Array, "count dim"]:
        """Returns ``count`` offspring."""


class Gaussian(Variation):
    r""":math:`\theta' = \theta_i + \sigma \mathcal{N}(0, I)` with a uniformly random elite i."""

    sigma: Float[Array, ""]

    def __call__(self, key: Key[Array, ""], archive: Archive, count: int) -> Float[Array, "count dim"]:
        """Returns ``count`` offspring."""
        parent_key, noise_key = derive(key, 0), derive(key, 1)
        parents = sample_solutions(parent_key, archive, count)
        return parents + self.sigma * normal(noise_key, parents.shape, archive.spec.precision)


class IsoLine(Variation):
    r""":math:`\theta' = \theta_i + \sigma_1 \mathcal{N}(0, I) + \sigma_2 \mathcal{N}(0, 1) (\theta_j - \theta_i)`.

    Both elites are uniformly random and may be the same (Iso+LineDD, vassiliades2018iso).
    """

    iso_sigma: Float[Array, ""]
    line_sigma: Float[Array, ""]

    def __call__(self, key: Key[Array, ""], archive: Archive, count: int) -> Float[Array, "count dim"]:
        """Returns ``count`` offspring."""
        parent_key, iso_key, line_key = derive(key, 0), derive(key, 1), derive(key, 2)
        pairs = sample_solutions(parent_key, archive, 2 * count)
        first, second = pairs[:count], pairs[count:]
        precision = archive.spec.precision
        iso = self.iso_sigma * normal(iso_key, first.shape, precision)
        line = self.line_sigma * normal(line_key, (count, 1), precision)
        return first + iso + line * (second - first)
