"""What the learned operators see of objectives and mutation rates: numbers that no change of scale changes.

Features are separate vectors, one a feature, because the operators combine them by elementwise arithmetic that a
compiler fuses, where stacks of them would be products of tiny matrices. For the same reason children and parents are
two vectors that are looked at jointly, not one that is taken apart again: loops over twice as many numbers are compiled
to much worse code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from qdbench.numerics import row_sum

FITNESS = ("z-score", "centred rank", "better than the best")
RATE = ("z-score", "normalised")
DIVERSITY = ("z-score", "distance to the best")

Features = Sequence[Float[Array, " count"]]
"""One vector a feature."""

_Other = TypeVar("_Other")


def fitness(
    objective: Float[Array, " count"], best: Float[Array, ""], present: Bool[Array, " count"] | None = None
) -> list[Float[Array, " count"]]:
    """The features of :data:`FITNESS`, which a positive affine change of the objective and of ``best`` leaves as is.

    Args:
        objective: Higher is better. What is not finite counts as the worst of the finite ones.
        best: The best objective before the last batch.
        present: What counts; None: all. The features of the rest mean nothing.
    """
    (features,) = joint_fitness([objective], best, [present])
    return features


def joint_fitness(
    groups: Sequence[Float[Array, " count"]], best: Float[Array, ""], present: Sequence[Bool[Array, " count"] | None]
) -> list[list[Float[Array, " count"]]]:
    """The features of several groups, such as children and parents, among all of them; see :func:`fitness`."""
    known = [
        jnp.isfinite(group) if some is None else jnp.isfinite(group) & some for group, some in _zip(groups, present)
    ]
    worst = jnp.stack([jnp.where(some, group, jnp.inf).min() for group, some in _zip(groups, known)]).min()
    values = [jnp.where(some, group, jnp.where(jnp.isfinite(worst), worst, 0)) for group, some in _zip(groups, known)]
    z, ranks = z_scores(values, present), centred_ranks(values, present)
    better = [(some & (group > best)).astype(group.dtype) for group, some in _zip(groups, known)]
    return [list(features) for features in zip(z, ranks, better, strict=True)]


def rate(sigmas: Float[Array, " count"]) -> list[Float[Array, " count"]]:
    """The features of :data:`RATE`: z-scores, and mutation rates moved to [-1, 1] (0 if all are the same)."""
    low, high = sigmas.min(), sigmas.max()
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    normalised = jnp.where(half > 0, (sigmas - middle) / jnp.where(half > 0, half, 1), 0)
    return [*z_scores([sigmas], [None]), normalised]


def diversity(column: Float[Array, " count"], best: Float[Array, ""]) -> list[Float[Array, " count"]]:
    """The features of :data:`DIVERSITY` of one parameter over individuals.

    They are z-scores, and the difference to the best individual's in units of the range (0 if all are the same).
    """
    span = column.max() - column.min()
    return [*z_scores([column], [None]), jnp.where(span > 0, (column - best) / jnp.where(span > 0, span, 1), 0)]


def z_scores(
    groups: Sequence[Float[Array, " count"]], present: Sequence[Bool[Array, " count"] | None]
) -> list[Float[Array, " count"]]:
    """``(x - mean) / std`` among all groups, with the population's standard deviation; 0 if all are the same."""
    # Differences to one of them, so that equals give zeros; of small parts, so that neither they nor the inverse of
    # their span leave the range of normal numbers.
    shifted = [group / 16 - groups[0][0] / 16 for group in groups]
    weights = [None if some is None else some.astype(groups[0].dtype) for some in present]
    counted = [value if weight is None else value * weight for value, weight in _zip(shifted, weights)]
    span = jnp.stack([jnp.abs(value).max() for value in counted]).max()
    varies = span > 0
    inverse = 1 / jnp.where(varies, span, 1)
    unit = [value * inverse for value in counted]
    count = _count(groups, weights)
    mean = _total(unit) / count
    centred = [value - mean if weight is None else (value - mean) * weight for value, weight in _zip(unit, weights)]
    variance = _total([value * value for value in centred]) / count
    scale = jnp.where(varies, 1 / jnp.sqrt(jnp.where(varies, variance, 1)), 0)
    return [value * scale for value in centred]


def centred_ranks(
    groups: Sequence[Float[Array, " count"]], present: Sequence[Bool[Array, " count"] | None]
) -> list[Float[Array, " count"]]:
    """Ranks among all groups, from -1/2 for the worst to 1/2 for the best; equals share the mean of theirs.

    As the rank is the number of worse ones minus the number of better ones, so scaled, no sorting is needed.
    """
    weights = [None if some is None else some.astype(groups[0].dtype) for some in present]
    steps = 2 * jnp.maximum(_count(groups, weights) - 1, 1)
    ranks = []
    for group in groups:
        ahead = jnp.zeros_like(group)
        for other, weight in _zip(groups, weights):
            signs = jnp.sign(group[None, :] - other[:, None])
            ahead = ahead + (signs if weight is None else signs * weight[:, None]).sum(axis=0)
        ranks.append(ahead / steps)
    return ranks


def _total(groups: Sequence[Float[Array, " count"]]) -> Float[Array, ""]:
    return sum((row_sum(group) for group in groups[1:]), row_sum(groups[0]))


def _count(groups: Sequence[Array], weights: Sequence[Array | None]) -> Float[Array, ""]:
    ones = [jnp.ones_like(group) if weight is None else weight for group, weight in _zip(groups, weights)]
    if all(weight is None for weight in weights):
        return jnp.asarray(np.asarray(sum(group.shape[0] for group in groups), groups[0].dtype))
    return _total(ones)


def _zip(left: Sequence[Array], right: Sequence[_Other]) -> list[tuple[Array, _Other]]:
    return list(zip(left, right, strict=True))
