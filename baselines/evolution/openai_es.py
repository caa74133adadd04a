"""OpenAI's evolution strategy (Salimans et al. 2017)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines import ranking
from baselines.evolution.ascent import Adam
from baselines.random_search import sample_start
from qdbench.numerics import weighted_sum
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The distribution's mean and Adam's moments."""

    mean: Float[Array, " dim"]
    ascent: Any


class OpenAiEs(Optimizer):
    r"""Gradient ascent on a smoothed objective, with antithetic samples, centred ranks and Adam.

    Every iteration samples pairs :math:`\theta \pm \sigma \epsilon_i`, gives every solution a utility u from 1/2 for
    the best to -1/2 for the worst, equally spaced, and follows

    .. math:: g = \frac{1}{N \sigma} \sum_{i=1}^N u_i \epsilon_i - \lambda \theta

    by Adam (kingma2015adam) with beta = (0.9, 0.999). The start is a sample of the task's start distribution.

    Source: salimans2017es; sigma and learning rate: their published code's configuration for locomotion, made for
    networks and thousands of samples, so both want to be tuned. Differences: the last of an odd batch has no mirror
    image; no weight decay unless asked for (their code has lambda = 0.005). evosax 0.3.2's Open_ES has plain gradient
    descent by default, and Adam and no weight decay by ``optimizer=optax.adam(learning_rate)``.

    Hyperparameters: ``sigma`` 0.02, ``learning_rate`` 0.01, ``weight_decay`` (lambda) 0, ``batch_size`` (N) 32.
    """

    sigma: Float[Array, ""]
    weight_decay: Float[Array, ""]
    ascent: Adam
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """A sample of the task's start distribution."""
        mean = sample_start(key, self.spec, 1)[0]
        return State(mean, self.ascent.init(mean))

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """Samples and their mirror images."""
        mirrored = batch.size // 2
        steps = self.sigma * normal(key, (batch.size - mirrored, self.spec.dim), self.spec.precision)
        return jnp.concatenate([state.mean + steps, state.mean - steps[:mirrored]]), state

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Moves the mean."""
        rank = ranking.rank(evaluation.objective)
        utility = 0.5 - rank.astype(self.spec.precision) / (batch.size - 1)
        gradient = weighted_sum(utility, solutions - state.mean) / (batch.size * self.sigma * self.sigma)
        mean, ascent = self.ascent.move(state.ascent, state.mean, gradient - self.weight_decay * state.mean)
        return State(mean, ascent)


def make(
    spec: TaskSpec, sigma: float = 0.02, learning_rate: float = 0.01, weight_decay: float = 0.0, batch_size: int = 32
) -> OpenAiEs:
    """Makes the optimizer; see :class:`OpenAiEs`.

    Raises:
        ValueError: If there are not two solutions to compare.
    """
    if batch_size < 2:
        raise ValueError(f"optimizer 'openai-es': the size must be an integer of at least 2, but it is {batch_size!r}")
    return OpenAiEs(
        sigma=jnp.asarray(sigma, spec.precision),
        weight_decay=jnp.asarray(weight_decay, spec.precision),
        ascent=Adam(jnp.asarray(learning_rate, spec.precision)),
        id="openai-es",
        spec=spec.structure(),
        initial=(),
        iteration=(Batch("samples", batch_size),),
    )
