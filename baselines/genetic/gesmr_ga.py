"""The genetic algorithm with group elite selection of mutation rates (Kumar et al. 2022)."""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from baselines import ranking
from baselines.genetic.population import Population, doubling, elites, empty, limited, rows, settings
from baselines.random_search import sample_start
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import derive, integers, normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The population, the groups' step sizes, and the children's parents (their places in the population)."""

    population: Population
    sigmas: Float[Array, " groups"]
    parents: Int[Array, " children"]


class GesmrGa(Optimizer):
    r"""Truncation selection and Gaussian mutation, whose step sizes are selected by the best child of each group.

    A batch is the best solution, unchanged, and N - 1 children in K groups, each with its step size. The parents are
    uniformly random among the best :math:`E = \lceil \rho N \rceil` of the last batch, which the batch replaces:

    .. math:: x_j' = x_{i_j} + \sigma_{k(j)} \mathcal{N}(0, I), \qquad i_j \sim U\{1, \dots, E\}.

    A step size is worth what it did best, :math:`\Delta_k = \max_{k(j) = k} (f(x_j') - f(x_{i_j}))`. The next step
    sizes are the worthiest, unchanged, and K - 1 of the worthiest :math:`\lceil \eta K \rceil`, uniformly random with
    replacement and mutated, :math:`\sigma' = \sigma 2^u, u \sim U(-1, 1)`.

    Source: kumar2022gesmr. Differences: N is the batch with the unchanged elite, which is evaluated again (as there,
    where N does not count it), and need not be divisible: groups are contiguous and differ in size by one at most.
    All groups start with ``sigma``, where Kumar et al. start with 1e-3 to 1e3, spaced logarithmically; K is the whole
    part of sqrt(N), where they have 10 groups of 10. evosax 0.3.2's GESMR_GA mutates the best step size, too, has one
    group by default (whose step size is then a random walk), rounds E and the number of step sizes to select from
    down, limits step sizes to [0, 10] (this one to [1e-20, 1e6]), and needs N - 1 to be divisible by K.

    Hyperparameters: ``sigma`` (at the start) 0.5, ``elite_ratio`` (rho) 0.5, ``sigma_ratio`` (eta) 0.5,
    ``batch_size`` (N) 32, ``num_groups`` (K) the whole part of sqrt(N).
    """

    sigma: Float[Array, ""]
    elite_ratio: Float[Array, ""]
    sigma_ratio: Float[Array, ""]
    num_groups: int = eqx.field(static=True)
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """An empty population."""
        size = self.iteration[0].size
        sigmas = jnp.full(self.num_groups, self.sigma, self.spec.precision)
        return State(empty(self.spec, size), sigmas, jnp.zeros(size - 1, jnp.int32))

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """The initial population, or the elite and children."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size, self.sigma), state
        children = batch.size - 1
        parents = integers(derive(key, 0), children, elites(self.elite_ratio, batch.size))
        noise = normal(derive(key, 1), (children, self.spec.dim), self.spec.precision)
        scale = rows(state.sigmas, jnp.asarray(self._groups()))
        mutants = rows(state.population.solutions, parents) + scale[:, None] * noise
        solutions = jnp.concatenate([state.population.solutions[:1], mutants])
        return solutions, State(state.population, state.sigmas, parents)

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Replaces the population and selects and mutates the step sizes."""
        objective = ranking.finite(evaluation.objective)
        order = ranking.by_rank(ranking.rank(objective), batch.size)
        population = Population(rows(solutions, order), rows(objective, order))
        if batch in self.initial:
            return State(population, state.sigmas, state.parents)

        before = rows(state.population.objective, state.parents)
        gain = jnp.where(jnp.isfinite(objective[1:]), objective[1:] - before, -jnp.inf)
        member = self._groups()[None, :] == np.arange(self.num_groups)[:, None]
        worth = jnp.where(member, gain, -jnp.inf).max(axis=1)
        # Finite, but for the largest number, so that a gain over a parent without an objective is the best there is.
        worth = jnp.minimum(worth, np.finfo(self.spec.precision).max)
        best_first = rows(state.sigmas, ranking.by_rank(ranking.rank(worth), self.num_groups))
        drawn = integers(derive(key, 0), self.num_groups, elites(self.sigma_ratio, self.num_groups))
        factors = doubling(derive(key, 1), self.num_groups, self.spec.precision)
        mutated = limited(rows(best_first, drawn) * factors)
        return State(population, jnp.concatenate([best_first[:1], mutated[1:]]), state.parents)

    def _groups(self) -> Int[np.ndarray, " children"]:
        """The group of every child."""
        parts = np.array_split(np.arange(self.iteration[0].size - 1), self.num_groups)
        return np.repeat(np.arange(self.num_groups, dtype=np.int32), [len(part) for part in parts])


def make(
    spec: TaskSpec,
    sigma: float = 0.5,
    elite_ratio: float = 0.5,
    sigma_ratio: float = 0.5,
    batch_size: int = 32,
    num_groups: int | None = None,
) -> GesmrGa:
    """Makes the optimizer; see :class:`GesmrGa`.

    Raises:
        ValueError: If the batch has no room for the elite and one child of each group.
    """
    fields = settings("gesmr-ga", spec, sigma, elite_ratio, batch_size)
    groups = max(1, min(math.isqrt(batch_size), batch_size - 1)) if num_groups is None else num_groups
    if not 1 <= groups < batch_size:
        raise ValueError(
            f"optimizer 'gesmr-ga': a batch is an elite and a child or more of each group, at least 2 solutions, but "
            f"batch_size is {batch_size!r} and num_groups is {groups!r}"
        )
    return GesmrGa(
        sigma_ratio=jnp.asarray(sigma_ratio, spec.precision),
        num_groups=groups,
        **fields,
    )
