"""The Learned Genetic Algorithm (Lange et al. 2023): a genetic algorithm some of whose operators are learned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from baselines import ranking
from baselines.genetic.population import Population, elites, empty, limited, rows, settings, survivors, take
from baselines.learned_ga import crossover, features, mutation, sampling, selection
from baselines.learned_ga.attention import HEADS, WIDTH, ScalarForms
from baselines.random_search import sample_start
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import derive, integers, normal
from qdbench.spec import TaskSpec

_MODULES: dict[str, Any] = {
    "selection": selection,
    "mutation": mutation,
    "sampling": sampling,
    "crossover": crossover,
}


class Operators(eqx.Module):
    """The learned operators; None where the Gaussian GA's rule is in its place."""

    selection: selection.Selection | None = None
    mutation: mutation.Adaptation | None = None
    sampling: sampling.Sampling | None = None
    crossover: crossover.CrossOver | None = None


class Forms(eqx.Module):
    """The operators as what they compute with."""

    selection: selection.Forms | None
    mutation: ScalarForms | None
    sampling: ScalarForms | None
    crossover: ScalarForms | None


class State(eqx.Module):
    """The parents with their mutation rates and ages, the children's mutation rates, and the operators' forms.

    Attributes:
        population: The parents, of which the first E count.
        sigmas: The mutation rate of each parent.
        ages: Iterations since each parent was evaluated.
        children: The mutation rate of each child.
        before: The best objective of the parents before the last batch.
        forms: Functions of the parameters alone.
    """

    population: Population
    sigmas: Float[Array, " size"]
    ages: Float[Array, " size"]
    children: Float[Array, " size"]
    before: Float[Array, ""]
    forms: Forms


class LearnedGa(Optimizer):
    r"""A genetic algorithm whose operators are attention over the individuals' features.

    Of :math:`E = \lceil \rho N \rceil` parents, each with a mutation rate, N are sampled with replacement, uniformly or
    by :class:`~baselines.learned_ga.sampling.Sampling`; they may be crossed over
    (:class:`~baselines.learned_ga.crossover.CrossOver`); their mutation rates are multiplied by the factors of
    :class:`~baselines.learned_ga.mutation.Adaptation`; and the children are
    :math:`x_j' = x_j + \sigma_j' \mathcal{N}(0, I)`. Children replace parents (solution, objective, rate) by
    :class:`~baselines.learned_ga.selection.Selection`. Where an operator is not learned, the Gaussian GA's takes its
    place: truncation of parents and children, a mutation rate that is inherited as it is, uniform sampling, no
    cross-over. So a single learned operator is transferred to the Gaussian GA.

    The first parents are the best E of the initial population. The best solution can be lost: selection is random.

    Source: lange2023lga. Differences: "better than the best observed so far" compares with the best of the parents
    before the last batch, for parents as for children. So it tells parents that have just improved, where the best so
    far is better than every parent or equal; and if the best is lost, which selection at random makes possible, the
    progress of those who are left still counts (else rates shrink for ever: so one run in ten on f6 ended). evosax
    compares with the best of the parents, too. Equals share the mean of their ranks. Children whose objective is not a
    finite number replace nobody. Factors of mutation rates stay within e^-10 and e^10, the rates within [1e-20, 1e6].

    Hyperparameters: ``sigma`` (initial mutation rate) 0.25, ``elite_ratio`` (rho) 1, ``batch_size`` (N) 32.
    """

    operators: Operators = eqx.field(metadata={"digest": True})
    sigma: Float[Array, ""]
    elite_ratio: Float[Array, ""]
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """No parents."""
        size, precision = self.iteration[0].size, self.spec.precision
        parts = vars(self.operators).items()
        forms = {name: None if operator is None else operator.forms() for name, operator in parts}
        sigmas = jnp.full(size, self.sigma, precision)
        return State(
            empty(self.spec, size),
            sigmas,
            jnp.zeros(size, precision),
            sigmas,
            jnp.asarray(-jnp.inf, precision),
            Forms(**forms),
        )

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """The initial population, or children."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size, self.sigma), state
        parents = self._sample(derive(key, 0), state)
        solutions = rows(state.population.solutions, parents)
        sigmas = rows(state.sigmas, parents)
        if self.operators.mutation is not None or self.operators.crossover is not None:
            objective = rows(state.population.objective, parents)
            fitness = features.fitness(objective, state.before)
        if state.forms.crossover is not None:
            best = ranking.by_rank(ranking.rank(objective), 1)[0]
            solutions = solutions + crossover.change(state.forms.crossover, fitness, solutions, best)
        if state.forms.mutation is not None:
            sigmas = limited(sigmas * mutation.factors(state.forms.mutation, [*fitness, *features.rate(sigmas)]))
        noise = normal(derive(key, 1), solutions.shape, self.spec.precision)
        return solutions + sigmas[:, None] * noise, eqx.tree_at(lambda s: s.children, state, sigmas)

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Lets children replace parents."""
        objective = ranking.finite(evaluation.objective)
        if batch in self.initial:
            size = batch.size
            chosen = size + ranking.by_rank(ranking.rank(objective), size)
        elif state.forms.selection is None:
            chosen = survivors(state.population, objective)
        else:
            chosen = self._select(derive(key, 0), state.forms.selection, state, objective)
        return State(
            population=take(state.population, chosen, solutions, objective),
            sigmas=rows(jnp.concatenate([state.sigmas, state.children]), chosen),
            ages=rows(jnp.concatenate([state.ages + 1, jnp.zeros_like(state.ages)]), chosen),
            children=state.children,
            before=self._best(state),
            forms=state.forms,
        )

    def _present(self) -> Bool[Array, " size"]:
        size = self.iteration[0].size
        return jnp.asarray(np.arange(size, dtype=np.int32)) < elites(self.elite_ratio, size)

    def _best(self, state: State) -> Float[Array, ""]:
        """The best objective of the parents."""
        return jnp.where(self._present(), state.population.objective, -jnp.inf).max()

    def _sample(self, key: Key[Array, ""], state: State) -> Int[Array, " size"]:
        """The indices of the children's parents."""
        size = self.iteration[0].size
        if state.forms.sampling is None:
            return integers(key, size, elites(self.elite_ratio, size))
        present = self._present()
        seen = features.fitness(state.population.objective, state.before, present)
        return sampling.sample(key, state.forms.sampling, [*seen, jnp.tanh(state.ages)], present, size)

    def _select(
        self, key: Key[Array, ""], forms: selection.Forms, state: State, objective: Float[Array, " size"]
    ) -> Int[Array, " size"]:
        """Who takes each parent's place, counted through parents and children."""
        size = self.iteration[0].size
        groups = [objective, state.population.objective]
        children, parents = features.joint_fitness(groups, self._best(state), [None, self._present()])
        taken = selection.sample(key, forms, children, parents, jnp.isfinite(objective))
        return jnp.where(taken == size, np.arange(size, dtype=np.int32), size + taken)


def make_zero(
    spec: TaskSpec,
    sigma: float = 0.25,
    elite_ratio: float = 1.0,
    batch_size: int = 32,
    operators: str = "selection mutation",
    width: int = WIDTH,
    heads: int = HEADS,
    bias: bool = True,
) -> LearnedGa:
    """Makes an optimizer whose operators' parameters are all zero: where meta-evolution starts.

    Args:
        spec: The task's.
        sigma: Initial mutation rate.
        elite_ratio: Parents as a share of the batch.
        batch_size: Children.
        operators: Which are learned, separated by blanks.
        width: Dimensions of the attention.
        heads: Of the attention.
        bias: Whether its maps have biases.

    Raises:
        ValueError: If an operator has another name, or the width is no multiple of the heads.
    """
    return make_with(zero_operators(operators.split(), width, heads, bias), "lga", spec, sigma, elite_ratio, batch_size)


def make_with(
    operators: Operators, id: str, spec: TaskSpec, sigma: float, elite_ratio: float, batch_size: int
) -> LearnedGa:
    """Makes the optimizer with given operators, whose parameters take the task's precision."""
    cast = jax.tree.map(lambda leaf: jnp.asarray(leaf, spec.precision), operators)
    return LearnedGa(operators=cast, **settings(id, spec, sigma, elite_ratio, batch_size))


def zero_operators(names: Iterable[str], width: int, heads: int, bias: bool) -> Operators:
    """Operators whose parameters are all zero, in float32.

    Raises:
        ValueError: If an operator has another name, or the width is no multiple of the heads.
    """
    chosen = set(names)
    if unknown := chosen - _MODULES.keys():
        raise ValueError(f"the learned operators are {', '.join(_MODULES)}, but {min(unknown)!r} was asked for")
    made = {name: _MODULES[name].zeros(width, heads, bias) for name in _MODULES if name in chosen}
    return Operators(**made)
