r"""A covariance that is a matrix only once somebody needs one.

CMA-ES decomposes its covariance only every few iterations, and until the first time it samples with the identity. All
that the updates in between do is scale the old covariance and add weighted outer products,

.. math:: C \leftarrow d_t C + \sum_i a_{t,i} v_{t,i} v_{t,i}^T,

so it is enough to log the vectors and to keep their weights up to date. The matrix is formed from the log, with one
product of matrices, when a decomposition is due. The result is the same; a search that restarts before that (94 % of
CMA-ME's iterations on the linear projection) never touches a matrix, and a restart resets a counter.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from baselines.evolution.cma_core import Factors, Rates, decay, decompose, transform, whiten

_VARIANCE_LIMITS = (1e-20, 1e20)


class LazyCovariance(eqx.Module):
    """A covariance as a decomposed matrix and a log of what has been added since.

    The matrices are flat, which leaves the compiler one way to lay them out; it would otherwise transpose them on the
    way into every stretch of iterations.

    Attributes:
        scale: The factor of the matrix (or of the identity).
        matrix: ``(n n,)``, the covariance when it was last decomposed; meaningless while ``is_identity``.
        axes: ``(n n,)``, its eigenvectors as rows; meaningless while ``is_identity``.
        scales: ``(n,)``, square roots of its eigenvalues; meaningless while ``is_identity``.
        is_identity: Whether nothing was decomposed since the start.
        vectors: ``(gap, batch + 1, n)``, the logged steps and p_c of each update.
        weights: ``(gap, batch + 1)``, their weights.
        count: Number of logged updates.
    """

    scale: Float[Array, ""]
    matrix: Float[Array, " entries"]
    axes: Float[Array, " entries"]
    scales: Float[Array, " n"]
    is_identity: Bool[Array, ""]
    vectors: Float[Array, "gap rows n"]
    weights: Float[Array, "gap rows"]
    count: Int[Array, ""]

    @property
    def factors(self) -> Factors:
        """The decomposition."""
        return Factors(self.axes.reshape(self.scales.shape[0], -1), self.scales)


def identity(dim: int, batch_size: int, gap: int, dtype: str) -> LazyCovariance:
    """The identity, with room for ``gap`` updates between decompositions."""
    return LazyCovariance(
        scale=jnp.ones((), dtype),
        matrix=jnp.zeros(dim * dim, dtype),
        axes=jnp.zeros(dim * dim, dtype),
        scales=jnp.ones(dim, dtype),
        is_identity=jnp.ones((), bool),
        vectors=jnp.zeros((gap, batch_size + 1, dim), dtype),
        weights=jnp.zeros((gap, batch_size + 1), dtype),
        count=jnp.zeros((), jnp.int32),
    )


def reset(covariance: LazyCovariance, condition: Bool[Array, ""]) -> LazyCovariance:
    """The identity again where the condition holds; what is in the matrix and the log stays there, unused."""
    return eqx.tree_at(
        lambda c: (c.scale, c.is_identity, c.count),
        covariance,
        (
            jnp.where(condition, 1, covariance.scale),
            condition | covariance.is_identity,
            jnp.where(condition, 0, covariance.count),
        ),
    )


def sample(covariance: LazyCovariance, normals: Float[Array, "batch n"]) -> Float[Array, "batch n"]:
    """Turns N(0, I) rows into N(0, C) rows, with C as last decomposed."""
    return lax.cond(covariance.is_identity, lambda z: z, lambda z: transform(covariance.factors, z), normals)


def whitened(covariance: LazyCovariance, step: Float[Array, " n"]) -> Float[Array, " n"]:
    """``C^(-1/2) step``, with C as last decomposed."""
    return lax.cond(covariance.is_identity, lambda y: y, lambda y: whiten(covariance.factors, y), step)


def scales(covariance: LazyCovariance) -> Float[Array, " n"]:
    """Square roots of the eigenvalues of C as last decomposed."""
    return jnp.where(covariance.is_identity, 1, covariance.scales)


def update(
    covariance: LazyCovariance,
    rate: Rates,
    h_sigma: Bool[Array, ""],
    p_c: Float[Array, " n"],
    weights: Float[Array, " batch"],
    steps: Float[Array, "batch n"],
) -> LazyCovariance:
    """Logs the rank-one and rank-mu update of :func:`baselines.evolution.cma_core.update_covariance`."""
    return log_update(covariance, decay(rate, h_sigma), rate, p_c, weights, steps)


def log_update(
    covariance: LazyCovariance,
    factor: Float[Array, ""],
    rate: Rates,
    p_c: Float[Array, " n"],
    weights: Float[Array, " batch"],
    steps: Float[Array, "batch n"],
) -> LazyCovariance:
    """Logs ``factor C + c_1 p_c p_c^T + c_mu sum_i w_i y_i y_i^T``; weights may be negative."""
    block = jnp.concatenate([steps, p_c[None]])
    added = jnp.append(rate.c_mu * weights, rate.c_1)
    vectors = lax.dynamic_update_index_in_dim(covariance.vectors, block, covariance.count, 0)
    logged = lax.dynamic_update_index_in_dim(factor * covariance.weights, added, covariance.count, 0)
    return eqx.tree_at(
        lambda c: (c.scale, c.vectors, c.weights, c.count),
        covariance,
        (factor * covariance.scale, vectors, logged, covariance.count + 1),
    )


def decompose_if_due(covariance: LazyCovariance) -> LazyCovariance:
    """Forms the matrix and decomposes it if the log is full."""
    due = covariance.count >= covariance.vectors.shape[0]
    # A loop of no or one turn works in place, where the branches of a conditional would copy the matrices.
    result: LazyCovariance = lax.fori_loop(0, due.astype(jnp.int32), lambda _, c: decompose_now(c), covariance)
    return result


def decompose_now(covariance: LazyCovariance) -> LazyCovariance:
    """Forms the matrix and decomposes it; for a log that is full."""
    dim = covariance.scales.shape[0]
    vectors = covariance.vectors.reshape(-1, dim)
    weighted = covariance.weights.reshape(-1, 1) * vectors
    old = jnp.where(covariance.is_identity, 0, covariance.matrix).reshape(dim, dim)
    matrix = covariance.scale * old + jnp.matmul(weighted.T, vectors, precision=lax.Precision.HIGHEST)
    # Not an identity matrix times a factor: the compiler would make that matrix anew for every stretch of iterations.
    diagonal = jnp.arange(dim)
    matrix = matrix.at[diagonal, diagonal].add(jnp.where(covariance.is_identity, covariance.scale, 0))
    # What no search of use comes near: without an end to go to or with nothing to learn, the scale would drift away.
    largest = matrix[diagonal, diagonal].max()
    matrix = matrix * (jnp.clip(largest, *np.asarray(_VARIANCE_LIMITS, matrix.dtype)) / largest)
    factors = decompose(matrix)
    return LazyCovariance(
        scale=jnp.ones_like(covariance.scale),
        matrix=matrix.reshape(-1),
        axes=factors.axes.reshape(-1),
        scales=factors.scales,
        is_identity=jnp.zeros((), bool),
        # Written to, so that the compiler does not take the log for constant in the loop and copy it every iteration.
        vectors=covariance.vectors.at[0, 0].set(0),
        weights=covariance.weights,
        count=jnp.zeros_like(covariance.count),
    )
