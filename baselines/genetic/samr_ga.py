"""The genetic algorithm with self-adaptive mutation rates (Clune et al. 2008; Kumar et al. 2022)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines import ranking
from baselines.genetic.population import Population, doubling, elites, empty, limited, rows, settings, survivors, take
from baselines.random_search import sample_start
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import derive, integers, normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The population with the step size of each of its members, and those of the children."""

    population: Population
    sigmas: Float[Array, " size"]
    children: Float[Array, " batch"]


class SamrGa(Optimizer):
    r"""Truncation selection and Gaussian mutation, whose step size is inherited and mutated itself.

    The algorithm is :class:`baselines.genetic.gaussian_ga.GaussianGa`, but every individual carries a step size. A
    child of parent i takes

    .. math:: \sigma' = \sigma_i 2^u, \quad u \sim U(-1, 1), \qquad x' = x_i + \sigma' \mathcal{N}(0, I)

    and keeps :math:`\sigma'` for its own children. The initial population has ``sigma``.

    Source: clune2008natural for rates that are inherited; kumar2022gesmr for this form of it, with their factor
    :math:`\tau = 2`; selection as in lange2023lga, over parents and children. Differences: clune2008natural evolve
    digital organisms with discrete mutations. evosax 0.3.2's SAMR_GA replaces the population by its children, one of
    them a mutant of the best, so its best can be lost; it limits step sizes to [0, 10], this one to [1e-20, 1e6].

    Hyperparameters: ``sigma`` (at the start) 0.5, ``elite_ratio`` (rho) 0.5, ``batch_size`` (N) 32.
    """

    sigma: Float[Array, ""]
    elite_ratio: Float[Array, ""]
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """An empty population."""
        size = self.iteration[0].size
        sigmas = jnp.full(size, self.sigma, self.spec.precision)
        return State(empty(self.spec, size), sigmas, sigmas)

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """The initial population, or children."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size, self.sigma), state
        precision = self.spec.precision
        parents = integers(derive(key, 0), batch.size, elites(self.elite_ratio, batch.size))
        sigmas = limited(rows(state.sigmas, parents) * doubling(derive(key, 2), batch.size, precision))
        noise = normal(derive(key, 1), (batch.size, self.spec.dim), precision)
        children = rows(state.population.solutions, parents) + sigmas[:, None] * noise
        return children, State(state.population, state.sigmas, sigmas)

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Keeps the best of parents and children with their step sizes."""
        objective = ranking.finite(evaluation.objective)
        chosen = survivors(state.population, objective)
        sigmas = rows(jnp.concatenate([state.sigmas, state.children]), chosen)
        return State(take(state.population, chosen, solutions, objective), sigmas, state.children)


def make(spec: TaskSpec, sigma: float = 0.5, elite_ratio: float = 0.5, batch_size: int = 32) -> SamrGa:
    """Makes the optimizer; see :class:`SamrGa`."""
    return SamrGa(**settings("samr-ga", spec, sigma, elite_ratio, batch_size))
