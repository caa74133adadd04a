r"""The core of CMA-ES (Hansen & Ostermeier 2001; constants as in Hansen 2016), shared by all that adapt a covariance.

With the steps :math:`y_i = (x_i - m) / \sigma` in the order of rank and positive weights w that sum to 1,

.. math::
    \langle y \rangle &= \sum_i w_i y_i, \qquad m \leftarrow m + \sigma \langle y \rangle \\
    p_\sigma &\leftarrow (1 - c_\sigma) p_\sigma
        + \sqrt{c_\sigma (2 - c_\sigma) \mu_{eff}} \; C^{-1/2} \langle y \rangle \\
    p_c &\leftarrow (1 - c_c) p_c + h_\sigma \sqrt{c_c (2 - c_c) \mu_{eff}} \; \langle y \rangle \\
    C &\leftarrow (1 - c_1 (1 - (1 - h_\sigma) c_c (2 - c_c)) - c_\mu) C + c_1 p_c p_c^T
        + c_\mu \sum_i w_i y_i y_i^T \\
    \sigma &\leftarrow \sigma \exp \min(1, \; c_\sigma (|p_\sigma|^2 / n - 1) / (2 d_\sigma)).

The step-size rule is that of pycma's purecma. CMA-ES proper here has the tutorial's, with
:math:`|p_\sigma| / E|N(0, I)| - 1` in the place of :math:`(|p_\sigma|^2 / n - 1) / 2`, which converges faster on easy
functions. pyribs and the code of fontaine2021dqd apply c_1 twice and leave the 1 / sigma out of p_c; this is the
textbook rule.

Source: hansen2016tutorial.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from qdbench.numerics import weighted_sum

CONDITION_LIMIT = 1e14
STEP_LIMIT = 1e-11
FLAT_LIMIT = 1e-12
SIGMA_LIMITS = (1e-30, 1e8)
_SMALLEST = 1e-10


class Rates(NamedTuple):
    """The learning rates, functions of the dimension and of the variance-effective number of parents."""

    mu_eff: Float[Array, ""]
    c_c: Float[Array, ""]
    c_sigma: Float[Array, ""]
    c_1: Float[Array, ""]
    c_mu: Float[Array, ""]
    d_sigma: Float[Array, ""]


class Paths(eqx.Module):
    """The distribution's mean and step size with the two evolution paths.

    Attributes:
        mean: ``(n,)``.
        sigma: The step size.
        p_sigma: ``(n,)``, the conjugate path.
        p_c: ``(n,)``, the anisotropic path.
        generation: Updates since the start.
    """

    mean: Float[Array, " n"]
    sigma: Float[Array, ""]
    p_sigma: Float[Array, " n"]
    p_c: Float[Array, " n"]
    generation: Float[Array, ""]


class Factors(eqx.Module):
    """A covariance's eigendecomposition as the sampler uses it.

    Attributes:
        axes: ``(n, n)``, eigenvectors as rows.
        scales: ``(n,)``, square roots of the eigenvalues.
    """

    axes: Float[Array, "n n"]
    scales: Float[Array, " n"]


def start_paths(mean: Float[Array, " n"], sigma: Float[Array, ""]) -> Paths:
    """The paths of a fresh start."""
    zeros = jnp.zeros_like(mean)
    return Paths(mean, sigma, zeros, zeros, jnp.zeros((), mean.dtype))


def weights_by_rank(rank: Array, num_parents: Array | int, dtype: str) -> Float[Array, " batch"]:
    """The weight of every solution from its rank: proportional to ``ln(mu + 1/2) - ln(rank + 1)`` for the best mu."""
    mu = jnp.asarray(num_parents, dtype)
    place = rank.astype(dtype) + 1
    raw = jnp.where(place <= mu, jnp.log(mu + 0.5) - jnp.log(place), 0)
    return raw / jnp.maximum(raw.sum(), np.finfo(dtype).tiny)


def rates(weights: Float[Array, " batch"], dim: int) -> Rates:
    """The default learning rates for these weights."""
    mu_eff = 1 / jnp.maximum(jnp.sum(weights * weights), np.finfo(weights.dtype).tiny)
    c_sigma = (mu_eff + 2) / (dim + mu_eff + 5)
    c_1 = 2 / ((dim + 1.3) ** 2 + mu_eff)
    return Rates(
        mu_eff=mu_eff,
        c_c=(4 + mu_eff / dim) / (dim + 4 + 2 * mu_eff / dim),
        c_sigma=c_sigma,
        c_1=c_1,
        c_mu=jnp.minimum(1 - c_1, 2 * (mu_eff - 2 + 1 / mu_eff) / ((dim + 2.0) ** 2 + mu_eff)),
        d_sigma=1 + 2 * jnp.maximum(0, jnp.sqrt((mu_eff - 1) / (dim + 1)) - 1) + c_sigma,
    )


def update_paths(
    paths: Paths,
    rate: Rates,
    mean_step: Float[Array, " n"],
    whitened_step: Float[Array, " n"],
    squared: bool = True,
) -> tuple[Paths, Bool[Array, ""]]:
    """Moves the mean by ``sigma <y>`` and updates the paths and the step size.

    Args:
        paths: The state before.
        rate: The learning rates.
        mean_step: ``<y>``.
        whitened_step: ``C^(-1/2) <y>``.
        squared: Whether the step size follows purecma's rule; the tutorial's and pycma's otherwise.

    Returns:
        The new state and h_sigma, which is false while the conjugate path is unusually long.
    """
    dim = mean_step.shape[0]
    generation = paths.generation + 1
    gain = jnp.sqrt(rate.c_sigma * (2 - rate.c_sigma) * rate.mu_eff)
    p_sigma = (1 - rate.c_sigma) * paths.p_sigma + gain * whitened_step
    length = jnp.sum(p_sigma * p_sigma) / dim
    h_sigma = length / (1 - (1 - rate.c_sigma) ** (2 * generation)) < 2 + 4 / (dim + 1)
    gain_c = jnp.where(h_sigma, jnp.sqrt(rate.c_c * (2 - rate.c_c) * rate.mu_eff), 0)
    p_c = (1 - rate.c_c) * paths.p_c + gain_c * mean_step
    excess = (length - 1) / 2
    if not squared:
        expected = math.sqrt(dim) * (1 - 1 / (4 * dim) + 1 / (21 * dim**2))
        excess = jnp.sqrt(dim * length) / expected - 1
    growth = jnp.exp(jnp.minimum(1, rate.c_sigma / rate.d_sigma * excess))
    mean = paths.mean + paths.sigma * mean_step
    return Paths(mean, paths.sigma * growth, p_sigma, p_c, generation), h_sigma


def decay(rate: Rates, h_sigma: Bool[Array, ""]) -> Float[Array, ""]:
    """The factor of the old covariance in an update."""
    compensation = jnp.where(h_sigma, 0, rate.c_c * (2 - rate.c_c))
    return 1 - rate.c_1 * (1 - compensation) - rate.c_mu


def update_covariance(
    covariance: Float[Array, "n n"],
    rate: Rates,
    h_sigma: Bool[Array, ""],
    p_c: Float[Array, " n"],
    weights: Float[Array, " batch"],
    steps: Float[Array, "batch n"],
) -> Float[Array, "n n"]:
    """The rank-one and rank-mu update of a covariance."""
    rank_mu = jnp.matmul((weights[:, None] * steps).T, steps, precision=lax.Precision.HIGHEST)
    return decay(rate, h_sigma) * covariance + rate.c_1 * jnp.outer(p_c, p_c) + rate.c_mu * rank_mu


def negative_weights(rate: Rates, rank: Array, dim: int, dtype: str) -> tuple[Float[Array, " batch"], Float[Array, ""]]:
    r"""What the worse half of the batch says (active CMA-ES): variance is taken out of its directions.

    .. math::
        C \leftarrow C' + c_\mu \sum_i w_i^- \left( \frac{n}{|C^{-1/2} y_i|^2} y_i y_i^T - C \right), \qquad
        w_i^- \propto \min(0, \ln \frac{\lambda + 1}{2} - \ln i),

    where C' is C after :func:`update_covariance` and the weights' sum is bounded as in hansen2016tutorial (equations 50
    to 53), which keeps C positive definite. The QD algorithms here do without it, as published; CMA-ES proper uses it.

    Args:
        rate: The learning rates of the positive weights.
        rank: The place of every solution, 0 for the best.
        dim: n.
        dtype: Of the weights.

    Returns:
        The weights :math:`w_i^-`, zero for the better half, and minus their sum.
    """
    batch = rank.shape[0]
    raw = jnp.minimum(0, jnp.log((batch + 1) / 2) - jnp.log(rank.astype(dtype) + 1))
    total = -raw.sum()
    mu_eff = total * total / jnp.sum(raw * raw)
    bound = jnp.minimum(
        jnp.minimum(1 + rate.c_1 / rate.c_mu, 1 + 2 * mu_eff / (rate.mu_eff + 2)),
        (1 - rate.c_1 - rate.c_mu) / (dim * rate.c_mu),
    )
    return raw * (bound / total), bound


def decompose(covariance: Float[Array, "n n"]) -> Factors:
    """The eigendecomposition.

    Eigenvalues are taken as absolute values, as rounding can make one negative, and none is less than 1e-20 of the
    largest, so that one can divide by their roots.
    """
    eigenvectors, eigenvalues = lax.linalg.eigh((covariance + covariance.T) / 2, symmetrize_input=False)
    scales = jnp.sqrt(jnp.abs(eigenvalues))
    # Rows, because LAPACK's columns are then where the compiler keeps arrays anyway, and nothing is copied.
    return Factors(eigenvectors.T, jnp.maximum(scales, _SMALLEST * scales.max()))


def transform(factors: Factors, normals: Float[Array, "batch n"]) -> Float[Array, "batch n"]:
    """Turns N(0, I) rows into N(0, C) rows."""
    return jnp.matmul(normals * factors.scales, factors.axes, precision=lax.Precision.HIGHEST)


def whiten(factors: Factors, step: Float[Array, " n"]) -> Float[Array, " n"]:
    """``C^(-1/2) step``."""
    coordinates = jnp.matmul(factors.axes, step, precision=lax.Precision.HIGHEST)
    return weighted_sum(coordinates / factors.scales, factors.axes)


def should_stop(
    sigma: Float[Array, ""], scales: Float[Array, " n"], status: Array, value: Float[Array, " batch"], rank: Array
) -> Bool[Array, ""]:
    """Whether the search has collapsed: condition > 1e14, largest deviation < 1e-11, or best = worst within 1e-12.

    Args:
        sigma: The step size.
        scales: Square roots of the covariance's eigenvalues.
        status: What became of each solution in the archive.
        value: Its improvement value.
        rank: Its place in the ranking; the best and the worst are compared.
    """
    best, worst = rank == 0, rank == rank.shape[0] - 1

    def difference(array: Array) -> Array:
        return jnp.sum(jnp.where(best, array, 0)) - jnp.sum(jnp.where(worst, array, 0))

    flat = (difference(status) == 0) & (jnp.abs(difference(value)) < FLAT_LIMIT)
    return is_degenerate(sigma, scales) | flat


def is_degenerate(sigma: Float[Array, ""], scales: Float[Array, " n"]) -> Bool[Array, ""]:
    """Whether a distribution is of no more use: condition > 1e14 or largest deviation < 1e-11.

    Args:
        sigma: The step size.
        scales: Square roots of the covariance's eigenvalues.
    """
    smallest, largest = scales.min(), scales.max()
    ill_conditioned = largest * largest > CONDITION_LIMIT * smallest * smallest
    return ill_conditioned | (sigma * largest < STEP_LIMIT)


def limit_sigma(paths: Paths) -> Paths:
    """The paths with a step size that cannot become 0 or infinite, on a task whose objective has no end, say."""
    low, high = np.asarray(SIGMA_LIMITS, paths.sigma.dtype)
    return eqx.tree_at(lambda p: p.sigma, paths, jnp.clip(paths.sigma, low, high))


def checked_batch_size(id: str, dim: int, batch_size: int | None) -> int:
    """The batch size, by default the tutorial's 4 + floor(3 ln n).

    Raises:
        ValueError: If there are not two solutions, of which one could be a parent.
    """
    size = 4 + math.floor(3 * math.log(dim)) if batch_size is None else batch_size
    if size < 2:
        raise ValueError(f"optimizer {id!r}: the size must be an integer of at least 2, but batch_size is {size!r}")
    return size
