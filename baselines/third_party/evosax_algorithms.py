"""Every algorithm of evosax behind the protocol: pure, so that whole trials compile."""

from __future__ import annotations

import abc
import importlib.metadata
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines.random_search import sample_start
from baselines.third_party import evosax_library as library
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import derive
from qdbench.spec import TaskSpec


class Adapter(Optimizer):
    """An algorithm of evosax; a subclass says which."""

    sigma: Float[Array, ""]
    evosax: str = eqx.field(static=True)
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    @abc.abstractmethod
    def name(self) -> str:
        """What evosax calls the algorithm."""

    def init(self, key: Key[Array, ""]) -> Any:
        """A state of evosax's; that of a population is replaced after the first batch."""
        starts = sample_start(derive(key, 0), self.spec, self.iteration[0].size)
        return self._start(key, starts, jnp.zeros(len(starts), self.spec.precision))

    def ask(self, key: Key[Array, ""], state: Any, batch: Batch) -> tuple[Array, Any]:
        """The initial population, or evosax's."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size, self.sigma), state
        algorithm, params = self._make()
        return library.in_precision(algorithm.ask(derive(key, 0), state, params), self.spec)

    def tell(self, key: Key[Array, ""], state: Any, batch: Batch, solutions: Array, evaluation: Evaluation) -> Any:
        """Starts evosax's state with the initial population, or tells it."""
        fitness = library.bounded_fitness(evaluation)
        if batch in self.initial:
            return self._start(key, solutions, fitness)
        algorithm, params = self._make()
        told, _ = algorithm.tell(derive(key, 0), solutions, fitness, state, params)
        return library.in_precision(told, self.spec)

    def _start(self, key: Key[Array, ""], starts: Array, fitness: Array) -> Any:
        algorithm, params = self._make()
        start = (starts[: library.POPULATIONS] if library.is_shared(self.name()) else starts[0],)
        state = algorithm.init(derive(key, 1), *((starts, fitness) if self.initial else start), params)
        return library.in_precision(state, self.spec)

    def _make(self) -> tuple[Any, Any]:
        return library.algorithm_of(self.name(), self.spec, self.iteration[0].size, self.sigma)


class Evosax(Adapter):
    """``evosax.algorithms`` with its own defaults, but for the step size and the batch; see lange2022evosax.

    It minimizes, so it is told minus the objective, within [-1e10, 1e10], as evosax's archives become NaN otherwise. A
    population starts with samples of the task's start distribution, which are evaluated first; a distribution starts
    around one sample.

    Hyperparameters: ``sigma``, evosax's std_init, or a constant std_schedule, 1 as in evosax (0.05 for CMAAnchoredLES;
    some algorithms have neither), and ``batch_size`` 32, for the Stein variational algorithms in 4 populations, and for
    LM-MA-ES at most twice the number of parameters.
    """

    algorithm: str = eqx.field(static=True)

    def name(self) -> str:
        """What evosax calls the algorithm."""
        return self.algorithm


def make(spec: TaskSpec, *, algorithm: str, sigma: float = 1.0, batch_size: int | None = None) -> Evosax:
    """Makes the optimizer; see :class:`Evosax`.

    Raises:
        ImportError: If evosax is not installed.
        ValueError: If the algorithm cannot have a batch of this size.
    """
    size = library.size_of(algorithm, spec, batch_size)
    return Evosax(
        sigma=jnp.asarray(sigma, spec.precision),
        algorithm=algorithm,
        evosax=importlib.metadata.version("evosax"),
        id=f"evosax-{algorithm.lower().replace('_', '-')}",
        spec=spec.structure(),
        initial=(Batch("initial", size),) if library.has_population(algorithm) else (),
        iteration=(Batch("offspring", size),),
    )


def make_cma_anchored_les(spec: TaskSpec, sigma: float = 0.05, batch_size: int | None = None) -> Evosax:
    """Makes CMAAnchoredLES, whose step size evosax starts at 0.05; see :class:`Evosax`."""
    return make(spec, algorithm="CMAAnchoredLES", sigma=sigma, batch_size=batch_size)
