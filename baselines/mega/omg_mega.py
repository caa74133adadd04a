"""OMG-MEGA (Fontaine & Nikolaidis 2021, section 4)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines.mega.gradients import branch, normalized_gradients
from baselines.random_search import sample_start
from qdbench.archive import Archive, empty, insert, sample_solutions
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The archive, and the parents of this iteration with their normalised gradients."""

    archive: Archive
    parents: Float[Array, "batch dim"]
    gradients: Float[Array, "batch rows dim"]


class OmgMega(Optimizer):
    r"""Objective and Measure Gradient MAP-Elites via a Gradient Arborescence.

    Every iteration evaluates random elites theta_i with gradients, each normalised, and branches

    .. math:: \theta' = \theta_i + |c_0| \nabla f + \sum_{j=1}^k c_j \nabla m_j, \qquad c \sim N(0, \sigma_g^2 I).

    Source: fontaine2021dqd. Differences to the paper's text, after the authors' code: sigma_g is a standard deviation
    (the text's Sigma = sigma_g I is a variance); the elites' second evaluation counts in the budget and they are
    inserted again; the archive starts with 100 samples of the task's start distribution.

    Hyperparameters: ``sigma_g`` 10, ``batch_size`` 18 (parents, and as many branches), ``initial_size`` 100.
    """

    sigma_g: Float[Array, ""]
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """An empty archive."""
        size, rows = self.iteration[0].size, 1 + self.spec.num_measures
        return State(
            empty(self.spec),
            jnp.zeros((size, self.spec.dim), self.spec.precision),
            jnp.zeros((size, rows, self.spec.dim), self.spec.precision),
        )

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """The initial population, random elites, or their branches."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size), state
        if batch.gradients:
            return sample_solutions(key, state.archive, batch.size), state
        coefficients = self.sigma_g * normal(key, (batch.size, 1 + self.spec.num_measures), self.spec.precision)
        coefficients = coefficients.at[:, 0].set(jnp.abs(coefficients[:, 0]))
        return branch(state.parents, state.gradients, coefficients), state

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Inserts the batch and keeps the parents' gradients."""
        archive, _ = insert(state.archive, solutions, evaluation.objective, evaluation.measures)
        if batch.gradients:
            return State(archive, solutions, normalized_gradients(evaluation))
        return State(archive, state.parents, state.gradients)


def make(spec: TaskSpec, sigma_g: float = 10.0, batch_size: int = 18, initial_size: int = 100) -> OmgMega:
    """Makes OMG-MEGA; see :class:`OmgMega`."""
    return OmgMega(
        sigma_g=jnp.asarray(sigma_g, spec.precision),
        id="omg-mega",
        spec=spec.structure(),
        initial=(Batch("initial", initial_size),),
        iteration=(Batch("parents", batch_size, gradients=True), Batch("branches", batch_size)),
    )
