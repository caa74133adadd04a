r"""Learned cross-over: what parents exchange in each parameter, by self-attention."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from baselines.learned_ga import attention, features
from baselines.learned_ga.attention import Attention, Linear


class Forms(eqx.Module):
    """The bilinear forms that the operator computes with, the heads' value vectors, and a constant."""

    scores: Float[Array, "heads inputs inputs"]
    values: Float[Array, "heads features"]
    constant: Float[Array, ""]


class CrossOver(eqx.Module):
    r"""A change of the sampled parents, parameter by parameter.

    For every parameter d, with the fitness features and the diversity features of :math:`X_{:,d}` as F,

    .. math::
        Z_d = \mathrm{softmax}\left(\frac{F W_Q (F W_K)^T}{\sqrt{D_K}}\right) F W_V, \qquad
        X_{:,d} \leftarrow X_{:,d} + Z_d W.

    The change is in the units of the parameters, as published, so this operator alone depends on their scale.

    Source: lange2023lga, appendix A. The diversity features are z-scores, and the difference to the best sampled
    parent in units of the range.
    """

    attention: Attention
    output: Linear

    def forms(self) -> Forms:
        """The bilinear forms of the features, and the heads' value vectors."""
        values, constant = self.attention.values(self.output.weight)
        constant = constant[0] if self.output.bias is None else constant[0] + self.output.bias[0]
        return Forms(self.attention.scores(), values[:, :, 0], constant)


def change(
    forms: Forms, fitness: features.Features, solutions: Float[Array, "children dim"], best: Int[Array, ""]
) -> Float[Array, "children dim"]:
    """What is added to the sampled parents.

    Args:
        forms: The operator's.
        fitness: Fitness features of the sampled parents.
        solutions: The sampled parents.
        best: The index of the best of them.
    """

    def of_column(column: Float[Array, " children"]) -> Float[Array, " children"]:
        inputs = attention.inputs([*fitness, *features.diversity(column, column[best])])
        total = jnp.broadcast_to(forms.constant, column.shape)
        for form, vector in zip(forms.scores, forms.values, strict=True):
            (mean,) = attention.softmax_means(
                attention.pairs(form, inputs, inputs), [attention.weighted(inputs, vector)]
            )
            total = total + mean
        return total

    return jax.vmap(of_column, in_axes=1, out_axes=1)(solutions)


def zeros(
    width: int = attention.WIDTH, heads: int = attention.HEADS, bias: bool = True, dtype: str = "float32"
) -> CrossOver:
    """The operator with all parameters zero, which changes nothing."""
    inputs = len(features.FITNESS) + len(features.DIVERSITY)
    return CrossOver(
        attention=attention.zero_attention(inputs, inputs, width, heads, bias, dtype),
        output=attention.zeros(width, 1, bias, dtype),
    )
