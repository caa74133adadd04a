r"""Scaled dot-product attention over sets of individuals, and the form of it that is fast for few features.

Queries, keys and values are affine maps of a handful of features into ``D_K`` dimensions. Their products are therefore
bilinear forms of the features: with features f (and a constant 1), :math:`q_i k_j = f_i^T (W_Q W_K^T) f_j`, whose
matrix has a row and a column a feature. The operators keep the factors, which are what is evolved, and compute with the
products: the same function for an eighth of the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from baselines.learned_ga.features import Features
from qdbench.numerics import materialize

WIDTH = 16
HEADS = 2
LIMIT = 40.0


def inputs(features: Features) -> list[Float[Array, " count"]]:
    """The features, computed once: otherwise all that leads to them would be computed anew for every pair."""
    return list(materialize(*features))


class Linear(eqx.Module):
    """``features @ weight + bias``.

    Attributes:
        weight: ``(inputs, outputs)``.
        bias: ``(outputs,)``, or None without one.
    """

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"] | None

    @property
    def augmented(self) -> Float[Array, "inputs_and_one outputs"]:
        """The weights with the bias as a last row: what is applied to features and a constant 1."""
        bias = jnp.zeros_like(self.weight[0]) if self.bias is None else self.bias
        return jnp.concatenate([self.weight, bias[None]])


class Attention(eqx.Module):
    """The factors of multi-head attention: queries, keys, values, and the mixing of the heads.

    Every head has ``width / heads`` of the dimensions; without mixing the heads' means lie side by side.
    """

    query: Linear
    key: Linear
    value: Linear
    mix: Linear | None
    heads: int = eqx.field(static=True)

    def scores(self) -> Float[Array, "heads queries keys"]:
        """The bilinear forms of query and key features, scaled, one a head."""
        queries, keys = self._split(self.query), self._split(self.key)
        scale = np.asarray(queries.shape[-1] ** -0.5, queries.dtype)
        return product(queries * scale, keys.swapaxes(1, 2))

    def values(self, after: Float[Array, "width outputs"]) -> tuple[Float[Array, "heads inputs outputs"], Array]:
        """What the heads' weighted means of value features are multiplied with and summed over, then what is added.

        Args:
            after: A linear map that follows.
        """
        weight, bias = (None, None) if self.mix is None else (self.mix.weight, self.mix.bias)
        mixed = after if weight is None else product(weight, after)
        values = self._split(self.value)
        outputs = product(values, mixed.reshape(self.heads, -1, after.shape[1]))
        # The weights of a head sum to 1, and with them those of the constant feature.
        constant = outputs[:, -1].sum(axis=0)
        return outputs[:, :-1], constant if bias is None else constant + product(bias[None], after)[0]

    def _split(self, linear: Linear) -> Float[Array, "heads inputs_and_one part"]:
        augmented = linear.augmented
        return augmented.reshape(augmented.shape[0], self.heads, -1).swapaxes(0, 1)


class ScalarForms(eqx.Module):
    """What attention and a linear map to one number compute with: bilinear forms, the heads' vectors, a constant."""

    scores: Float[Array, "heads inputs inputs"]
    values: Float[Array, "heads features"]
    constant: Float[Array, ""]


def scalar_forms(attention: Attention, output: Linear) -> ScalarForms:
    """The forms of attention followed by a linear map with one output."""
    values, constant = attention.values(output.weight)
    constant = constant[0] if output.bias is None else constant[0] + output.bias[0]
    return ScalarForms(attention.scores(), values[:, :, 0], constant)


def scalars(
    forms: ScalarForms, features: Features, present: Bool[Array, " count"] | None = None
) -> Float[Array, " count"]:
    """The number of every individual, by its attention to all of them.

    Args:
        forms: From :func:`scalar_forms`.
        features: Of queries and keys.
        present: To whom they attend; None: to all.
    """
    features = inputs(features)
    total = jnp.broadcast_to(forms.constant, features[0].shape)
    for form, vector in zip(forms.scores, forms.values, strict=True):
        (mean,) = softmax_means(pairs(form, features, features), [weighted(features, vector)], present)
        total = total + mean
    return total


def product(left: Float[Array, "*rows inner"], right: Float[Array, "*columns"]) -> Float[Array, "*shape"]:
    """The product of small matrices in full precision."""
    return jnp.matmul(left, right, precision=lax.Precision.HIGHEST)


def pairs(
    form: Float[Array, "query_features key_features"],
    queries: Sequence[Float[Array, " queries"]],
    keys: Sequence[Float[Array, " keys"]],
) -> Float[Array, "keys queries"]:
    """A bilinear form of all pairs of individuals; ``[j, i]`` belongs to key j and query i.

    Queries run along the last axis, so that sums over keys add whole rows.

    Args:
        form: With a last row, and a last column, for a constant feature 1 of the queries, and of the keys.
        queries: Features of the queries.
        keys: Features of the keys.
    """
    rows = [sum((q * form[c, k] for c, q in enumerate(queries)), form[-1, k]) for k in range(len(keys) + 1)]
    shape = keys[0].shape + jnp.shape(queries[0])
    return sum((key[:, None] * row for key, row in zip(keys, rows, strict=False)), jnp.broadcast_to(rows[-1], shape))


def weighted(features: Features, vector: Float[Array, " features"]) -> Float[Array, " count"]:
    """The weighted sum of features."""
    return sum(
        (feature * weight for feature, weight in zip(features, vector, strict=True)), jnp.zeros_like(features[0])
    )


def softmax_means(
    scores: Float[Array, "keys count"],
    values: Sequence[Float[Array, " keys"]],
    present: Bool[Array, " keys"] | None = None,
) -> list[Float[Array, " count"]]:
    """The means of values, weighted by the softmax over (present) keys of the scores, for every query.

    Scores are limited to [-40, 40] first, where a softmax has long been saturated: nothing overflows (nor do squares in
    derivatives), and nobody has to know the largest score, whose search takes longer than all exponentials.
    """
    weights = jnp.exp(jnp.clip(scores, -LIMIT, LIMIT))
    if present is not None:
        weights = jnp.where(present[:, None], weights, 0)
    total = weights.sum(axis=0)
    return [(weights * value[:, None]).sum(axis=0) / total for value in values]


def zeros(inputs: int, outputs: int, bias: bool, dtype: str) -> Linear:
    """A linear map whose parameters are all zero."""
    return Linear(jnp.zeros((inputs, outputs), dtype), jnp.zeros(outputs, dtype) if bias else None)


def zero_attention(
    queries: int, keys: int, width: int, heads: int, bias: bool, dtype: str, values: int | None = None
) -> Attention:
    """Attention whose parameters are all zero, with mixing of the heads if there are several.

    Args:
        queries: Number of features of a query.
        keys: Number of features of a key.
        width: Dimensions of queries, keys and, unless ``values`` is given, of values, over all heads.
        heads: Number of heads.
        bias: Whether the maps have biases.
        dtype: Of the parameters.
        values: Dimensions of the values, over all heads, which are not mixed then.

    Raises:
        ValueError: If the width is not a multiple of the number of heads.
    """
    if heads < 1 or width < 1 or width % heads:
        raise ValueError(
            f"the width of attention must be a multiple of its heads, but it is {width} with {heads} heads"
        )
    return Attention(
        query=zeros(queries, width, bias, dtype),
        key=zeros(keys, width, bias, dtype),
        value=zeros(keys, values or width, bias, dtype),
        mix=zeros(width, width, bias, dtype) if heads > 1 and values is None else None,
        heads=heads,
    )
