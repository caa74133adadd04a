r"""Learned sampling: which parents have children, by self-attention."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from baselines.learned_ga import attention, categorical
from baselines.learned_ga.attention import Attention, Linear, ScalarForms
from baselines.learned_ga.features import FITNESS


class Sampling(eqx.Module):
    r"""The distribution from which parents are drawn, with replacement.

    With the parents' fitness features and a, the hyperbolic tangent of their ages in iterations,

    .. math:: p = \mathrm{softmax}\left(
        \mathrm{softmax}\left(\frac{[F^P, a] W_Q ([F^P, a] W_K)^T}{\sqrt{D_K}}\right) [F^P, a] W_V\right).

    Source: lange2023lga, appendix A. Each of several heads has its own value, one number, and they are added.
    """

    attention: Attention

    def forms(self) -> ScalarForms:
        """What the operator computes with."""
        weight = self.attention.value.weight
        added = Linear(jnp.ones((weight.shape[1], 1), weight.dtype), None)
        forms = attention.scalar_forms(self.attention, added)
        # A constant changes no probability.
        return eqx.tree_at(lambda made: made.constant, forms, jnp.zeros_like(forms.constant))


def logits(
    forms: ScalarForms, features: Sequence[Float[Array, " parents"]], present: Bool[Array, " parents"]
) -> Float[Array, " parents"]:
    """The logarithm of every parent's probability but for a constant; minus infinity for those that are not there."""
    return jnp.where(present, attention.scalars(forms, features, present), -jnp.inf)


def sample(
    key: Key[Array, ""],
    forms: ScalarForms,
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
    return categorical.sample(key, jnp.broadcast_to(values[:, None], (values.shape[0], count)))


def zeros(
    width: int = attention.WIDTH, heads: int = attention.HEADS, bias: bool = True, dtype: str = "float32"
) -> Sampling:
    """The operator with all parameters zero, which samples uniformly."""
    inputs = len(FITNESS) + 1
    return Sampling(attention.zero_attention(inputs, inputs, width, heads, bias, dtype, values=heads))
