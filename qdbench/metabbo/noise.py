"""Noise of inner loops: the models of bbob-noisy on the objective of any task that counts by its precision."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from qdbench.random import derive
from qdbench.tasks.bbob import noise

NONE = 0
_MODELS: tuple[noise.Model, ...] = ("gaussian", "uniform", "cauchy")
KINDS = tuple((model, severe) for severe in (False, True) for model in _MODELS)
"""The kinds of noise; kind k + 1 is the k-th of them, and 0 is none."""


def add(
    key: Array, kind: Int[Array, ""], objective: Float[Array, "members batch"], dim: int
) -> Float[Array, "members batch"]:
    """The noisy objective; all members meet the same random numbers.

    Args:
        key: Source of randomness.
        kind: :data:`NONE`, or one of :data:`KINDS`.
        objective: Minus the precision.
        dim: Number of parameters, on which the uniform model depends.
    """

    def noisy(model: noise.Model, severe: bool) -> Callable[[Array], Array]:
        def apply(objective: Array) -> Array:
            numbers = noise.draw(derive(key, 1), model, objective.shape[1], str(objective.dtype))
            value = jnp.maximum(-objective, 0)
            return -jax.vmap(lambda row: noise.apply(model, row, numbers, severe, dim))(value)

        return apply

    return lax.switch(kind, [lambda objective: objective, *(noisy(*kind) for kind in KINDS)], objective)
