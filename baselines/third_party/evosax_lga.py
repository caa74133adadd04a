"""The learned GA of evosax, with the parameters that evosax ships."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines.random_search import sample_start
from baselines.third_party.evosax_library import algorithm_of, bounded_fitness, in_precision, kind_of
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import derive
from qdbench.spec import TaskSpec


class EvosaxLga(Optimizer):
    """``evosax.algorithms.LearnedGA`` as it is; see lange2022evosax.

    It minimizes, so it is told minus the objective, within [-1e10, 1e10], as one value that is not finite makes its
    whole archive NaN. The initial population is evaluated first, as evosax asks for.

    Hyperparameters: ``sigma`` (evosax's std_init) 0.25, ``batch_size`` 32. There are as many parents as
    children, which is evosax's own default.
    """

    sigma: Float[Array, ""]
    evosax: str = eqx.field(static=True)
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> Any:
        """A state of evosax's, with a population that the first batch replaces."""
        count = self.iteration[0].size
        zeros = jnp.zeros((count, self.spec.dim), self.spec.precision)
        return self._start(key, zeros, jnp.zeros(count, self.spec.precision))

    def ask(self, key: Key[Array, ""], state: Any, batch: Batch) -> tuple[Array, Any]:
        """The initial population, or evosax's."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size, self.sigma), state
        algorithm, params = self._algorithm()
        return in_precision(algorithm.ask(derive(key, 0), state, params), self.spec)

    def tell(self, key: Key[Array, ""], state: Any, batch: Batch, solutions: Array, evaluation: Evaluation) -> Any:
        """Starts evosax's state with the initial population, or tells it."""
        fitness = bounded_fitness(evaluation)
        if batch in self.initial:
            return self._start(key, solutions, fitness)
        algorithm, params = self._algorithm()
        told, _ = algorithm.tell(derive(key, 0), solutions, fitness, state, params)
        return in_precision(told, self.spec)

    def _start(self, key: Key[Array, ""], solutions: Array, fitness: Array) -> Any:
        algorithm, params = self._algorithm()
        return in_precision(algorithm.init(derive(key, 1), solutions, fitness, params), self.spec)

    def _algorithm(self) -> tuple[Any, Any]:
        return algorithm_of("LGA", self.spec, self.iteration[0].size, self.sigma)


def make(spec: TaskSpec, sigma: float = 0.25, batch_size: int = 32) -> EvosaxLga:
    """Makes the optimizer; see :class:`EvosaxLga`.

    Raises:
        ImportError: If evosax is not installed.
    """
    kind_of("LGA")
    return EvosaxLga(
        sigma=jnp.asarray(sigma, spec.precision),
        evosax=importlib.metadata.version("evosax"),
        id="evosax-lga",
        spec=spec.structure(),
        initial=(Batch("initial", batch_size),),
        iteration=(Batch("children", batch_size),),
    )
