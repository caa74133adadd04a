"""Ranks and truncation by comparing all pairs, which at these batch sizes beats sorting on a CPU.

Higher is better. An objective that is not a finite number counts as minus infinity, so it comes last; among equals the
earlier one leads.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def finite(objective: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """The objective with minus infinity for what is not a finite number."""
    return jnp.where(jnp.isfinite(objective), objective, -jnp.inf)


def rank(objective: Float[Array, " batch"]) -> Int[Array, " batch"]:
    """The place of every solution, 0 for the best."""
    values = finite(objective)
    earlier = np.arange(values.shape[0])[None, :] < np.arange(values.shape[0])[:, None]
    ahead = (values[None, :] > values[:, None]) | ((values[None, :] == values[:, None]) & earlier)
    return ahead.sum(axis=1, dtype=jnp.int32)


def by_rank(rank: Int[Array, " batch"], count: int) -> Int[Array, " count"]:
    """The indices of the ``count`` best, the best first."""
    here = rank[None, :] == np.arange(count, dtype=np.int32)[:, None]
    return jnp.where(here, np.arange(rank.shape[0], dtype=np.int32), 0).sum(axis=1, dtype=jnp.int32)


def merge(best: Float[Array, " size"], objective: Float[Array, " batch"]) -> Int[Array, " size"]:
    """The indices of the best among some and a batch, counted through both, the best first.

    Args:
        best: What is there, in descending order.
        objective: The batch's objective; it goes behind equals that are there.
    """
    values = finite(objective)
    # Half the comparisons that ranking all of them would take.
    place = np.arange(best.shape[0], dtype=np.int32) + (values[None, :] > best[:, None]).sum(axis=1, dtype=jnp.int32)
    behind = (best[None, :] >= values[:, None]).sum(axis=1, dtype=jnp.int32)
    return by_rank(jnp.concatenate([place, rank(objective) + behind]), best.shape[0])
