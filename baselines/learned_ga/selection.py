r"""Learned selection: children replace parents by cross-attention."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from baselines.learned_ga import attention
from baselines.learned_ga.attention import Attention, Linear
from baselines.learned_ga.features import FITNESS
from qdbench.numerics import log, materialize
from qdbench.random import uniform


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

    A row's categorical distribution is sampled by the largest of its logits and Gumbel noise.

    Args:
        key: Source of randomness.
        forms: The operator's.
        children: Fitness features.
        parents: Fitness features.
        allowed: Whether a child may replace anyone.
    """
    values = logits(forms, children, parents)
    count = allowed.shape[0]
    noisy = values + gumbel(key, values.shape, str(values.dtype))
    noisy = jnp.where(jnp.append(allowed, jnp.ones(1, bool))[:, None], noisy, -jnp.inf)
    choices = np.arange(count + 1, dtype=np.int32)[:, None]
    # Comparing with the maximum, because a search for its place is slow; the larger index leads among equals.
    return jnp.where(noisy == noisy.max(axis=0), choices, 0).max(axis=0)


def gumbel(key: Key[Array, ""], shape: tuple[int, ...], dtype: str) -> Float[Array, "*shape"]:
    """Standard Gumbel deviates, ``-log(-log u)`` with u at the middles of a grid in (0, 1)."""
    half_step = 2.0**-24 if dtype == "float32" else 2.0**-53
    # JAX's own logarithm inside, as ours has not enough digits near 1.
    # Materialized, because members of a meta-population share it: it would be computed anew for each.
    (noise,) = materialize(-log(-jnp.log(uniform(key, shape, dtype) + np.asarray(half_step, dtype))))
    return noise


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
