"""The genetic algorithm with Rechenberg's 1/5 success rule (Rechenberg 1973; Lange et al. 2023)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from baselines import ranking
from baselines.genetic.population import Population, elites, empty, limited, rows, settings, survivors, take
from baselines.random_search import sample_start
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import add_normal, derive, integers
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The population, the step size, and the children's parents (their places in the population)."""

    population: Population
    sigma: Float[Array, ""]
    parents: Int[Array, " batch"]


class Mr15Ga(Optimizer):
    r"""Truncation selection and Gaussian mutation, whose step size follows the share of successful children.

    The algorithm is :class:`baselines.genetic.gaussian_ga.GaussianGa`, and after every iteration

    .. math::
        \sigma \leftarrow \begin{cases}
            2 \sigma & \text{if more than } N / 5 \text{ children are better than their own parent} \\
            \sigma / 2 & \text{otherwise.}
        \end{cases}

    Source: rechenberg1973evolutionsstrategie for the 1/5 success rule; lange2023lga for this form of it. Differences:
    Rechenberg's rule is for one parent with one child, looks back over about 10 n mutations, and multiplies or
    divides by 0.85. evosax 0.3.2's MR15_GA has no parent selection: each of N individuals has one child and the best N
    of all survive; the evosax of lange2023lga had one parent by default, counted survivors that were better than the
    best so far, and asked for more than 15 %. The step size stays within [1e-20, 1e6].

    Children that are exactly as good as their parent do not count as better, unless ``tie_weight`` says by how much
    each of them does: 1 is the rule of hansen2015evolution, in which a success is not to be worse. The two rules differ
    on plateaus, as the scores of games have: there most children are as good as their parent, and the first rule
    halves the step size until nothing changes any more.

    Hyperparameters: ``sigma`` (at the start) 0.5, ``elite_ratio`` (rho) 0.5, ``batch_size`` (N) 32, ``tie_weight`` (in
    [0, 1]) none, which is 0.
    """

    sigma: Float[Array, ""]
    elite_ratio: Float[Array, ""]
    tie_weight: Float[Array, ""] | None
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """An empty population."""
        size = self.iteration[0].size
        return State(empty(self.spec, size), self.sigma, jnp.zeros(size, jnp.int32))

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """The initial population, or children."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size, self.sigma), state
        parents = integers(derive(key, 0), batch.size, elites(self.elite_ratio, batch.size))
        children = add_normal(derive(key, 1), rows(state.population.solutions, parents), state.sigma)
        return children, State(state.population, state.sigma, parents)

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Keeps the best of parents and children and adapts the step size."""
        objective = ranking.finite(evaluation.objective)
        sigma = state.sigma
        if batch not in self.initial:
            successes = self._successes(objective, rows(state.population.objective, state.parents))
            sigma = limited(sigma * jnp.where(5 * successes > batch.size, 2, 0.5).astype(sigma.dtype))
        chosen = survivors(state.population, objective)
        return State(take(state.population, chosen, solutions, objective), sigma, state.parents)

    def _successes(self, objective: Float[Array, " batch"], of_parents: Float[Array, " batch"]) -> Array:
        better = (objective > of_parents).sum(dtype=jnp.int32)
        if self.tie_weight is None:
            return better
        return better + self.tie_weight * (objective == of_parents).sum(dtype=jnp.int32)


def make(
    spec: TaskSpec,
    sigma: float = 0.5,
    elite_ratio: float = 0.5,
    batch_size: int = 32,
    tie_weight: float | None = None,
) -> Mr15Ga:
    """Makes the optimizer; see :class:`Mr15Ga`.

    Raises:
        ValueError: If ``tie_weight`` is not in [0, 1].
    """
    if tie_weight is not None and not 0 <= tie_weight <= 1:
        raise ValueError(f"optimizer 'mr15-ga': tie_weight must be in [0, 1], but it is {tie_weight!r}")
    weight = None if tie_weight is None else jnp.asarray(tie_weight, spec.precision)
    return Mr15Ga(**settings("mr15-ga", spec, sigma, elite_ratio, batch_size), tie_weight=weight)
