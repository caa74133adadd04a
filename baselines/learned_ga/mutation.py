r"""Learned mutation-rate adaptation: factors of mutation rates by self-attention."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from baselines.learned_ga import attention
from baselines.learned_ga.attention import Attention, Linear, ScalarForms
from baselines.learned_ga.features import FITNESS, RATE, Features


class Adaptation(eqx.Module):
    r"""Factors of the sampled parents' mutation rates.

    With features :math:`F^M` of the sampled parents' objectives and mutation rates, a row a child,

    .. math::
        A^M = \mathrm{softmax}\left(\frac{F^M W_{Q^M} (F^M W_{K^M})^T}{\sqrt{D_K}}\right) F^M W_{V^M}, \qquad
        \Delta_\sigma = \exp(0.5 A^M W_\sigma), \qquad \sigma^C = \Delta_\sigma \odot \sigma^P.

    Source: lange2023lga, section 4; heads and biases as in their Table 2 and evosax.
    """

    attention: Attention
    output: Linear

    def forms(self) -> ScalarForms:
        """What the operator computes with."""
        return attention.scalar_forms(self.attention, self.output)


def factors(forms: ScalarForms, features: Features) -> Float[Array, " children"]:
    """The factor of every child's mutation rate, between e^-10 and e^10."""
    return jnp.exp(jnp.clip(0.5 * attention.scalars(forms, features), -10, 10))


def zeros(
    width: int = attention.WIDTH, heads: int = attention.HEADS, bias: bool = True, dtype: str = "float32"
) -> Adaptation:
    """The operator with all parameters zero, which leaves mutation rates as they are."""
    inputs = len(FITNESS) + len(RATE)
    return Adaptation(
        attention=attention.zero_attention(inputs, inputs, width, heads, bias, dtype),
        output=attention.zeros(width, 1, bias, dtype),
    )
