r"""Learned sampling: which parents have children, by self-attention."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from baselines.learned_ga import attention
from baselines.learned_ga.attention import Attention
from baselines.learned_ga.features import FITNESS
from baselines.learned_ga.selection import gumbel


class Forms(eqx.Module):
    """The bilinear forms that the operator computes with, and the heads' value vectors."""

    scores: Float[Array, "heads inputs inputs"]
    values: Float[Array, "heads features"]


class Sampling(eqx.Module):
    r"""The distribution from which parents are drawn, with replacement.

    With the parents' fitness features and a, the hyperbolic tangent of their ages in iterations,

    .. math:: p = \mathrm{softmax}\left(
        \mathrm{softmax}\left(\frac{[F^P, a] W_Q ([F^P, a] W_K)^T}{\sqrt{D_K}}\right) [F^P, a] W_V\right).

    Source: lange2023lga, appendix A. Each of several heads has its own value, one number, and they are added.
    """

    attention: Attention

    def forms(self) -> Forms:
        """The bilinear forms of the features, and the heads' value vectors (a constant changes no probability)."""
        weight = self.attention.value.weight
        values, _ = self.attention.values(jnp.ones((weight.shape[1], 1), weight.dtype))
        return Forms(self.attention.scores(), values[:, :, 0])


def logits(
    forms: Forms, features: Sequence[Float[Array, " parents"]], present: Bool[Array, " parents"]
) -> Float[Array, " parents"]:
    """The logarithm of every parent's probability but for a constant; minus infinity for those that are not there."""
    features = attention.inputs(features)
    total = jnp.zeros_like(features[0])
    for form, vector in zip(forms.scores, forms.values, strict=True):
        value = attention.weighted(features, vector)
        (mean,) = attention.softmax_means(attention.pairs(form, features, features), [value], present)
        total = total + mean
    return jnp.where(present, total, -jnp.inf)


def sample(
    key: Key[Array, ""],
    forms: Forms,
    features: Sequence[Float[Array, " parents"]],
    present: Bool[Array, " parents"],
    count: int,
) -> Int[Array, " count"]:
    """The indices of the parents of ``count`` children.

    Args:
        key: Source of randomness.
        forms: The operator's.
        features: Fitness features and the age feature of the parents.
        present: Which of the parents there are.
        count: Number of children.
    """
    values = logits(forms, features, present)
    noisy = values[:, None] + gumbel(key, (values.shape[0], count), str(values.dtype))
    indices = np.arange(values.shape[0], dtype=np.int32)[:, None]
    return jnp.where(noisy == noisy.max(axis=0), indices, 0).max(axis=0)


def zeros(
    width: int = attention.WIDTH, heads: int = attention.HEADS, bias: bool = True, dtype: str = "float32"
) -> Sampling:
    """The operator with all parameters zero, which samples uniformly."""
    inputs = len(FITNESS) + 1
    return Sampling(attention.zero_attention(inputs, inputs, width, heads, bias, dtype, values=heads))
