"""Samples of categorical distributions."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from qdbench.random import gumbel


def sample(key: Key[Array, ""], logits: Float[Array, "choices draws"]) -> Int[Array, " draws"]:
    """The index that is drawn from each column's distribution: that of the largest sum of a logit and Gumbel noise."""
    noisy = logits + gumbel(key, logits.shape, str(logits.dtype))
    indices = np.arange(logits.shape[0], dtype=np.int32)[:, None]
    # Comparing with the maximum, because a search for its place is slow; the larger index leads among equals.
    return jnp.where(noisy == noisy.max(axis=0), indices, 0).max(axis=0)
