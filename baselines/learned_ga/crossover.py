r"""Learned cross-over: what parents exchange in each parameter, by self-attention."""

from __future__ import annotations

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int

from baselines.learned_ga import attention, features
from baselines.learned_ga.attention import Attention, Linear, ScalarForms


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

    def forms(self) -> ScalarForms:
        """What the operator computes with."""
        return attention.scalar_forms(self.attention, self.output)


def change(
    forms: ScalarForms, fitness: features.Features, solutions: Float[Array, "children dim"], best: Int[Array, ""]
) -> Float[Array, "children dim"]:
    """What is added to the sampled parents.

    Args:
        forms: The operator's.
        fitness: Fitness features of the sampled parents.
        solutions: The sampled parents.
        best: The index of the best of them.
    """

    def of_column(column: Float[Array, " children"]) -> Float[Array, " children"]:
        return attention.scalars(forms, [*fitness, *features.diversity(column, column[best])])

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
