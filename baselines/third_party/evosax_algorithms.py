"""Every algorithm of evosax behind the protocol: pure, so that whole trials compile."""

from __future__ import annotations

import importlib.metadata
import inspect
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines.random_search import sample_start
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import derive
from qdbench.spec import TaskSpec

_BOUND = 1e10
# Of the Stein variational algorithms, which share the batch out.
_POPULATIONS = 4
# Where evosax keeps what it loads: its learned algorithms' networks, in float32.
_NETWORKS = ("les_params", "learned_params", "params")


class Evosax(Optimizer):
    """``evosax.algorithms`` with its own defaults, but for the step size and the batch; see lange2022evosax.

    It minimizes, so it is told minus the objective, within [-1e10, 1e10], as evosax's archives become NaN otherwise. A
    population starts with samples of the task's start distribution, which are evaluated first; a distribution starts
    around one sample.

    Hyperparameters: ``sigma``, evosax's std_init, or a constant std_schedule, 1 as in evosax (0.05 for CMAAnchoredLES;
    some algorithms have neither), and ``batch_size`` 32, for the Stein variational algorithms in 4 populations.
    """

    sigma: Float[Array, ""]
    algorithm: str = eqx.field(static=True)
    evosax: str = eqx.field(static=True)
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> Any:
        """A state of evosax's; that of a population is replaced after the first batch."""
        starts = sample_start(derive(key, 0), self.spec, self.iteration[0].size)
        return self._start(key, starts, jnp.zeros(len(starts), self.spec.precision))

    def ask(self, key: Key[Array, ""], state: Any, batch: Batch) -> tuple[Array, Any]:
        """The initial population, or evosax's."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size), state
        algorithm, params = self._make()
        solutions, asked = algorithm.ask(derive(key, 0), state, params)
        return solutions.astype(self.spec.precision), _as_before(asked, state)

    def tell(self, key: Key[Array, ""], state: Any, batch: Batch, solutions: Array, evaluation: Evaluation) -> Any:
        """Starts evosax's state with the initial population, or tells it."""
        fitness = bounded_fitness(evaluation)
        if batch in self.initial:
            return _as_before(self._start(key, solutions, fitness), state)
        algorithm, params = self._make()
        told, _ = algorithm.tell(derive(key, 0), solutions, fitness, state, params)
        return _as_before(told, state)

    def _start(self, key: Key[Array, ""], starts: Array, fitness: Array) -> Any:
        algorithm, params = self._make()
        if self.initial:
            state = algorithm.init(derive(key, 1), starts, fitness, params)
        else:
            populations = getattr(algorithm, "num_populations", 0)
            state = algorithm.init(derive(key, 1), starts[:populations] if populations else starts[0], params)
        return jax.tree.map(self._cast, state)

    def _make(self) -> tuple[Any, Any]:
        kind = _kind(self.algorithm)
        accepted = inspect.signature(kind).parameters
        size, options = self.iteration[0].size, dict[str, Any]()
        if "std_schedule" in accepted:
            options["std_schedule"] = lambda _: self.sigma
        if "sampling_fn" in accepted:
            options["sampling_fn"] = lambda key: sample_start(key, self.spec, 1)[0]
        if "num_populations" in accepted:
            size, options["num_populations"] = size // _POPULATIONS, _POPULATIONS
        with jax.ensure_compile_time_eval():
            algorithm = kind(population_size=size, solution=jnp.zeros(self.spec.dim, self.spec.precision), **options)
            for name in _NETWORKS:
                if hasattr(algorithm, name):
                    setattr(algorithm, name, jax.tree.map(self._cast, getattr(algorithm, name)))
            params = algorithm.default_params
        return algorithm, params.replace(std_init=self.sigma) if hasattr(params, "std_init") else params

    def _cast(self, leaf: Any) -> Any:
        return jnp.asarray(leaf, self.spec.precision) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf


def _as_before(state: Any, before: Any) -> Any:
    """A state with the types of another: some algorithms mix precisions."""
    return jax.tree.map(lambda leaf, old: jnp.asarray(leaf, old.dtype), state, before)


def bounded_fitness(evaluation: Evaluation) -> Float[Array, " batch"]:
    """What evosax minimizes: minus the objective, finite."""
    fitness = jnp.nan_to_num(-evaluation.objective, nan=_BOUND, posinf=_BOUND, neginf=-_BOUND)
    return jnp.clip(fitness, -_BOUND, _BOUND)


def _kind(name: str) -> Any:
    try:
        from evosax.algorithms import algorithms
    except ImportError:
        raise ImportError(f"evosax's {name} needs evosax: pip install 'qdbench[evosax]'") from None
    return algorithms[name]


def make(spec: TaskSpec, *, algorithm: str, sigma: float = 1.0, batch_size: int = 32) -> Evosax:
    """Makes the optimizer; see :class:`Evosax`.

    Raises:
        ImportError: If evosax is not installed.
        ValueError: If the algorithm shares its batch out and the batch does not divide.
    """
    from evosax.algorithms.population_based.base import PopulationBasedAlgorithm

    kind = _kind(algorithm)
    if "num_populations" in inspect.signature(kind).parameters and batch_size % _POPULATIONS:
        raise ValueError(f"{algorithm} has {_POPULATIONS} populations: batch_size {batch_size} is no multiple of that")
    starts = issubclass(kind, PopulationBasedAlgorithm)
    return Evosax(
        sigma=jnp.asarray(sigma, spec.precision),
        algorithm=algorithm,
        evosax=importlib.metadata.version("evosax"),
        id=f"evosax-{algorithm.lower().replace('_', '-')}",
        spec=spec.structure(),
        initial=(Batch("initial", batch_size),) if starts else (),
        iteration=(Batch("offspring", batch_size),),
    )


def make_cma_anchored_les(spec: TaskSpec, sigma: float = 0.05, batch_size: int = 32) -> Evosax:
    """Makes CMAAnchoredLES, whose step size evosax starts at 0.05; see :class:`Evosax`."""
    return make(spec, algorithm="CMAAnchoredLES", sigma=sigma, batch_size=batch_size)
