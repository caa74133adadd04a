"""The outer loop's optimizer: OpenAI's evolution strategy over the evolved arrays, with schedules and mean decay."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from baselines.evolution import openai_es
from qdbench.metabbo.config import MetaConfig
from qdbench.protocols import Evaluation
from qdbench.random import derive, key_from_names
from qdbench.spec import TaskSpec


class Outer:
    r"""A meta-population and its distribution: :math:`\theta_i \sim N(\mu, \sigma^2 I)` in mirrored pairs.

    A step of OpenAI's evolution strategy (:class:`baselines.evolution.openai_es.OpenAiEs`: centred ranks, Adam) is
    followed by :math:`\mu \leftarrow (1 - \lambda) \mu`. Its randomness is a function of the seed and of the number
    of the meta-generation.
    """

    def __init__(self, config: MetaConfig, start: Any) -> None:
        vector, self._unravel = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), start))
        self.config, self.start = config, np.asarray(vector)
        spec = TaskSpec(id="meta", family="meta", dim=len(self.start), objective_range=(0.0, 1.0), budget=1)
        self._strategy = openai_es.make(spec, batch_size=config.members)
        self._ask, self._tell = eqx.filter_jit(_ask), eqx.filter_jit(_tell)
        self._members = jax.jit(jax.vmap(self._unravel))

    def init(self) -> openai_es.State:
        """The state before the first meta-generation."""
        mean = jnp.asarray(self.start)
        return openai_es.State(mean, self._strategy.ascent.init(mean))

    def ask(self, state: openai_es.State, generation: int) -> tuple[Float[Array, "members parameters"], Any]:
        """The meta-population, as vectors and as evolved arrays with a leading axis."""
        key = key_from_names("meta-train", self.config.seed, generation)
        solutions = self._ask(self._at(generation), state, key)
        return solutions, self._members(solutions)

    def tell(
        self, state: openai_es.State, generation: int, solutions: Array, fitness: Float[np.ndarray, " members"]
    ) -> openai_es.State:
        """The distribution after a meta-generation."""
        decay = jnp.float32(1 - self.config.mean_decay)
        return self._tell(self._at(generation), state, solutions, jnp.asarray(fitness, jnp.float32), decay)

    def mean(self, state: openai_es.State) -> Any:
        """The mean as evolved arrays."""
        return self._unravel(state.mean)

    def _at(self, generation: int) -> openai_es.OpenAiEs:
        numbers = self.config.sigma.at(generation), self.config.learning_rate.at(generation)
        return eqx.tree_at(
            lambda strategy: (strategy.sigma, strategy.ascent.learning_rate),
            self._strategy,
            tuple(jnp.float32(number) for number in numbers),
        )


def _ask(strategy: openai_es.OpenAiEs, state: openai_es.State, key: Array) -> Array:
    return strategy.ask(derive(key, 0), state, strategy.iteration[0])[0]


def _tell(
    strategy: openai_es.OpenAiEs, state: openai_es.State, solutions: Array, fitness: Array, decay: Array
) -> openai_es.State:
    evaluation = Evaluation(fitness, jnp.zeros((fitness.shape[0], 0), fitness.dtype))
    moved = strategy.tell(derive(jax.random.key(0), 0), state, strategy.iteration[0], solutions, evaluation)
    return openai_es.State(decay * moved.mean, moved.ascent)
