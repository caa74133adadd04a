r"""The noise models of the noisy BBOB functions, as functions of a value and of random numbers.

Moderate and severe noise differ in the parameters. As in COCO's code, and unlike the report's stabilisation, values
below 1e-8 are noisy too. Source: hansen2009noisy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from qdbench.numerics import exp, log
from qdbench.random import derive, normal
from qdbench.random import uniform as draw_uniform
from qdbench.tasks.bbob.transforms import power

Model = Literal["gaussian", "uniform", "cauchy"]
Values = Float[Array, " batch"]

OFFSET = 1.01e-8
_CAUCHY_SHIFT = 1000.0


def gaussian(value: Values, deviate: Values, beta: float) -> Values:
    r""":math:`v \exp(\beta g)` with g normal."""
    return value * exp(beta * deviate)


def uniform(value: Values, first: Values, second: Values, alpha: float, beta: float) -> Values:
    r""":math:`v u_1^\beta \max(1, (10^9 / v)^{\alpha u_2})` with both u uniform."""
    least = 1e-99 if value.dtype == jnp.float64 else 1e-37
    growth = exp(alpha * second * (log(jnp.asarray(1e9, value.dtype)) - log(value + least)))
    return value * power(first, beta) * jnp.maximum(1, growth)


def cauchy(value: Values, chosen: Values, first: Values, second: Values, alpha: float, probability: float) -> Values:
    r""":math:`v + \max(0, \alpha (1000 + [u < p] g_1 / |g_2|))` with u uniform and both g normal.

    So even the solutions that are spared carry a constant, 10 or 1000.
    """
    least = 1e-199 if value.dtype == jnp.float64 else 1e-37
    ratio = first / (jnp.abs(second) + least)
    return value + jnp.maximum(0, alpha * (_CAUCHY_SHIFT + jnp.where(chosen < probability, ratio, 0)))


_MODELS: dict[Model, Callable[..., Values]] = {"gaussian": gaussian, "uniform": uniform, "cauchy": cauchy}


def parameters(model: Model, severe: bool, dim: int) -> dict[str, float]:
    """The model's parameters for moderate or severe noise."""
    strength = 1.0 if severe else 0.01
    if model == "gaussian":
        return {"beta": strength}
    if model == "uniform":
        return {"alpha": (0.49 + 1 / dim) * strength, "beta": strength}
    return {"alpha": strength, "probability": 0.2 if severe else 0.05}


def draw(key: Key[Array, ""], model: Model, batch: int, dtype: str) -> tuple[Values, ...]:
    """The random numbers that a model takes, for a batch."""

    def deviates(part: int) -> Values:
        return normal(derive(key, part), (batch,), dtype)

    def fractions(part: int) -> Values:
        # In (0, 1], as a factor of exactly 0 would pass for the optimum.
        return 1 - draw_uniform(derive(key, part), (batch,), dtype)

    if model == "gaussian":
        return (deviates(0),)
    if model == "uniform":
        return fractions(0), fractions(1)
    return fractions(0), deviates(1), deviates(2)


def apply(model: Model, value: Values, numbers: tuple[Values, ...], severe: bool, dim: int) -> Values:
    """The noisy value, with the 1.01e-8 that COCO adds to every one."""
    return _MODELS[model](value, *numbers, **parameters(model, severe, dim)) + OFFSET
