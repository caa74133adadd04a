"""The Gaussian genetic algorithm (Such et al. 2017; Lange et al. 2023)."""

from __future__ import annotations

import equinox as eqx
from jaxtyping import Array, Float, Key

from baselines.genetic.population import Population, elites, empty, rows, settings, survivors, take
from baselines.random_search import sample_start
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import add_normal, derive, integers
from qdbench.spec import TaskSpec


class GaussianGa(Optimizer):
    r"""Truncation selection and Gaussian mutation with a fixed step size.

    Every iteration makes N children of uniformly random parents among the best :math:`E = \lceil \rho N \rceil`, with
    replacement,

    .. math:: x' = x_i + \sigma \mathcal{N}(0, I), \qquad i \sim U\{1, \dots, E\},

    and keeps the best of parents and children ("plus" selection, so the best is never lost). The N best are kept, of
    which E are parents: these are the E best of everything evaluated, whatever E is, so E can be an array. The start
    is N samples of the task's start distribution.

    Source: such2017deep for the algorithm; lange2023lga for selection over parents and children and for settings.
    Differences: such2017deep keep one elite and draw parents from the best of the children alone. evosax 0.3.2's
    SimpleGA replaces the population by its children ("comma" selection), so its best can be lost; the evosax of
    lange2023lga selected as here.

    Hyperparameters: ``sigma`` 0.5, ``elite_ratio`` (rho) 0.5, ``batch_size`` (N) 32.
    """

    sigma: Float[Array, ""]
    elite_ratio: Float[Array, ""]
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> Population:
        """An empty population."""
        return empty(self.spec, self.iteration[0].size)

    def ask(self, key: Key[Array, ""], state: Population, batch: Batch) -> tuple[Array, Population]:
        """The initial population, or children."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size, self.sigma), state
        parents = integers(derive(key, 0), batch.size, elites(self.elite_ratio, batch.size))
        return add_normal(derive(key, 1), rows(state.solutions, parents), self.sigma), state

    def tell(
        self, key: Key[Array, ""], state: Population, batch: Batch, solutions: Array, evaluation: Evaluation
    ) -> Population:
        """Keeps the best of parents and children."""
        return take(state, survivors(state, evaluation.objective), solutions, evaluation.objective)


def make(spec: TaskSpec, sigma: float = 0.5, elite_ratio: float = 0.5, batch_size: int = 32) -> GaussianGa:
    """Makes the optimizer; see :class:`GaussianGa`."""
    return GaussianGa(**settings("gaussian-ga", spec, sigma, elite_ratio, batch_size))
