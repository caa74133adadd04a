"""The variation operators of MAP-Elites: how offspring come from elites."""

from __future__ import annotations

import abc

import equinox as eqx
from jaxtyping import Array, Float, Key

from qdbench.archive import Archive, sample_solutions
from qdbench.numerics import materialize
from qdbench.random import add_normal, derive, normal


class Variation(eqx.Module):
    """Makes offspring from uniformly random elites of an archive."""

    @property
    @abc.abstractmethod
    def spread(self) -> Float[Array, ""]:
        """The deviation of offspring around one elite."""

    @abc.abstractmethod
    def __call__(self, key: Key[Array, ""], archive: Archive, count: int) -> Float[Array, "count dim"]:
        """Returns ``count`` offspring."""


class Gaussian(Variation):
    r""":math:`\theta' = \theta_i + \sigma \mathcal{N}(0, I)` with a uniformly random elite i."""

    sigma: Float[Array, ""]

    @property
    def spread(self) -> Float[Array, ""]:
        """The deviation of offspring around one elite."""
        return self.sigma

    def __call__(self, key: Key[Array, ""], archive: Archive, count: int) -> Float[Array, "count dim"]:
        """Returns ``count`` offspring."""
        parents = sample_solutions(derive(key, 0), archive, count)
        return add_normal(derive(key, 1), parents, self.sigma)


class IsoLine(Variation):
    r""":math:`\theta' = \theta_i + \sigma_1 \mathcal{N}(0, I) + \sigma_2 \mathcal{N}(0, 1) (\theta_j - \theta_i)`.

    Both elites are uniformly random and may be the same (Iso+LineDD, vassiliades2018iso).
    """

    iso_sigma: Float[Array, ""]
    line_sigma: Float[Array, ""]

    @property
    def spread(self) -> Float[Array, ""]:
        """The deviation of offspring around one elite."""
        return self.iso_sigma

    def __call__(self, key: Key[Array, ""], archive: Archive, count: int) -> Float[Array, "count dim"]:
        """Returns ``count`` offspring."""
        pairs = sample_solutions(derive(key, 0), archive, 2 * count)
        first, second = pairs[:count], pairs[count:]
        (line,) = materialize(self.line_sigma * normal(derive(key, 2), (count, 1), archive.spec.precision))
        return add_normal(derive(key, 1), first + line * (second - first), self.iso_sigma)
