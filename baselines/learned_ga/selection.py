r"""Learned selection: children replace parents by cross-attention."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from baselines.learned_ga import attention, categorical
from baselines.learned_ga.attention import Attention, Linear
from baselines.learned_ga.features import FITNESS


class Forms(eqx.Module):
    """The bilinear forms that the operator computes with."""

    scores: Float[Array, "heads inputs inputs"]
    values: Float[Array, "attended inputs"]


class Selection(eqx.Module):
    r"""A matrix of probabilities with which every parent is replaced by a child or kept.

    With the fitness features :math:`F^C, F^P` of N children and E parents, taken jointly,

    .. math::
        A^S = \mathrm{softmax}\left(\frac{F^P W_{Q^P} (F^C W_{K^C})^T}{\sqrt{D_K}}\right) F^C W_{V^C}, \qquad
        M^S = \mathrm{softmax}\left(\left[\frac{A^S W_{Q^S} (F^C W_{K^S})^T}{\sqrt{D_K}}, \mathbf{1}_E\right]\right).

    A row of :math:`M^S`, of N + 1 columns, says with which probability each child takes the parent's place; the last
    column keeps the parent. Rows are sampled independently, so a child may take several places. The attention may
    have several heads, which are then mixed, and all maps may have biases.

    Source: lange2023lga, section 4; heads and biases as in their Table 2 and evosax.
    """

    attention: Attention
    query: Linear
    key: Linear

    def forms(self) -> Forms:
        """The bilinear forms of the features.

        ``scores`` are of parents and children; ``values`` make the logits of what a parent attended to (and a constant
        1) and of the children.
        """
        keys = self.key.augmented
        scale = np.asarray(keys.shape[1] ** -0.5, keys.dtype)
        after = attention.product(self.query.weight, keys.T) * scale
        means, constant = self.attention.values(after)
        if self.query.bias is not None:
            constant = constant + attention.product(self.query.bias[None], keys.T)[0] * scale
        return Forms(self.attention.scores(), jnp.concatenate([means.reshape(-1, keys.shape[0]), constant[None]]))


def logits(
    forms: Forms, children: Sequence[Float[Array, " children"]], parents: Sequence[Float[Array, " parents"]]
) -> Float[Array, "choices parents"]:
    """The logits of the choices, one column a parent: the children, then keeping the parent, which has 1."""
    children, parents = attention.inputs(children), attention.inputs(parents)
    attended = [
        mean
        for form in forms.scores
        for mean in attention.softmax_means(attention.pairs(form, parents, children), children)
    ]
    of_children = attention.pairs(forms.values, attended, children)
    return jnp.concatenate([of_children, jnp.ones_like(of_children[:1])])


def matrix(
    forms: Forms, children: Sequence[Float[Array, " children"]], parents: Sequence[Float[Array, " parents"]]
) -> Float[Array, "parents choices"]:
    """The selection matrix M^S: a row a parent, a column a child, and a last one for keeping the parent."""
    values = logits(forms, children, parents).T
    weights = jnp.exp(values - values.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def sample(
    key: Key[Array, ""],
    forms: Forms,
    children: Sequence[Float[Array, " children"]],
    parents: Sequence[Float[Array, " parents"]],
    allowed: Bool[Array, " children"],
) -> Int[Array, " parents"]:
    """For every parent the index of the child that replaces it, or the number of children if it stays.

    Args:
        key: Source of randomness.
        forms: The operator's.
        children: Fitness features.
        parents: Fitness features.
        allowed: Whether a child may replace anyone.
    """
    possible = jnp.append(allowed, jnp.ones(1, bool))[:, None]
    return categorical.sample(key, jnp.where(possible, logits(forms, children, parents), -jnp.inf))


def zeros(
    width: int = attention.WIDTH, heads: int = attention.HEADS, bias: bool = True, dtype: str = "float32"
) -> Selection:
    """The operator with all parameters zero, which keeps a parent with probability e / (e + N)."""
    inputs = len(FITNESS)
    return Selection(
        attention=attention.zero_attention(inputs, inputs, width, heads, bias, dtype),
        query=attention.zeros(width, width, bias, dtype),
        key=attention.zeros(inputs, width, bias, dtype),
    )
