"""How a search position follows a direction: plain gradient ascent and Adam."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class Ascent(eqx.Module):
    """How the search position follows a step."""

    learning_rate: Float[Array, ""]

    @abc.abstractmethod
    def init(self, position: Float[Array, " dim"]) -> Any:
        """The state at a (new) start."""

    @abc.abstractmethod
    def move(
        self, state: Any, position: Float[Array, " dim"], step: Float[Array, " dim"]
    ) -> tuple[Float[Array, " dim"], Any]:
        """The next position."""


class Plain(Ascent):
    """``position + learning_rate * step``."""

    def init(self, position: Float[Array, " dim"]) -> tuple[()]:
        """Nothing to remember."""
        return ()

    def move(
        self, state: tuple[()], position: Float[Array, " dim"], step: Float[Array, " dim"]
    ) -> tuple[Float[Array, " dim"], tuple[()]]:
        """The next position."""
        return position + self.learning_rate * step, state


class Adam(Ascent):
    """Adam (kingma2015adam) with beta = (0.9, 0.999) and epsilon 1e-8, ascending."""

    def init(self, position: Float[Array, " dim"]) -> tuple[Array, Array, Array]:
        """First and second moment, and the number of steps."""
        zeros = jnp.zeros_like(position)
        return zeros, zeros, jnp.zeros((), position.dtype)

    def move(
        self, state: tuple[Array, Array, Array], position: Float[Array, " dim"], step: Float[Array, " dim"]
    ) -> tuple[Float[Array, " dim"], tuple[Array, Array, Array]]:
        """The next position."""
        first, second, count = state[0], state[1], state[2] + 1
        first = 0.9 * first + 0.1 * step
        second = 0.999 * second + 0.001 * step * step
        unbiased = first / (1 - 0.9**count)
        scale = jnp.sqrt(second / (1 - 0.999**count)) + 1e-8
        return position + self.learning_rate * unbiased / scale, (first, second, count)
