"""evosax's algorithms for a task: made anew wherever they are traced, so that programs depend on plain data alone."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from baselines.random_search import sample_start
from qdbench.protocols import Evaluation
from qdbench.spec import TaskSpec

POPULATIONS = 4
"""How many populations of the Stein variational algorithms share the batch."""

_BOUND = 1e10
# Where evosax keeps what it loads: its learned algorithms' networks, in float32.
_NETWORKS = ("les_params", "lga_params", "learned_params", "params")


def kind_of(name: str) -> Any:
    """The class of an algorithm.

    Raises:
        ImportError: If evosax is not installed.
    """
    try:
        from evosax.algorithms import algorithms
    except ImportError:
        raise ImportError(f"evosax's {name} needs evosax: pip install 'qdbench[evosax]'") from None
    return algorithms[name]


def is_shared(name: str) -> bool:
    """Whether several populations share the batch."""
    return "num_populations" in inspect.signature(kind_of(name)).parameters


def has_population(name: str) -> bool:
    """Whether it starts with a population that was evaluated, not around one solution."""
    from evosax.algorithms.population_based.base import PopulationBasedAlgorithm

    return issubclass(kind_of(name), PopulationBasedAlgorithm)


def size_of(name: str, spec: TaskSpec, batch_size: int | None) -> int:
    """The size of a batch: as given, else 32, or what LM-MA-ES can have.

    Raises:
        ValueError: If the algorithm cannot have a batch of this size.
    """
    # The factors of its paths, batch_size / (4^i dim), are for many parameters: above 2 their root is NaN.
    most = 2 * spec.dim if name == "LM_MA_ES" else sys.maxsize
    size = min(32, most) if batch_size is None else batch_size
    if size > most:
        raise ValueError(f"{name} needs a batch_size of at most {most} for {spec.dim} parameters, but it is {size}")
    if is_shared(name) and size % POPULATIONS:
        raise ValueError(f"{name} has {POPULATIONS} populations: batch_size {size} is no multiple of that")
    return size


def algorithm_of(name: str, spec: TaskSpec, size: int, sigma: Float[Array, ""]) -> tuple[Any, Any]:
    """An algorithm and its parameters: evosax's own but for the size of a batch and the step size."""
    kind, options = kind_of(name), dict[str, Any](population_size=size)
    if is_shared(name):
        options |= {"population_size": size // POPULATIONS, "num_populations": POPULATIONS}
    accepted = inspect.signature(kind).parameters
    possible = {"std_schedule": lambda _: sigma, "sampling_fn": lambda key: sample_start(key, spec, 1)[0]}
    options |= {option: value for option, value in possible.items() if option in accepted}
    with jax.ensure_compile_time_eval():
        algorithm = kind(solution=jnp.zeros(spec.dim, spec.precision), **options)
        for network in _NETWORKS:
            if hasattr(algorithm, network):
                setattr(algorithm, network, in_precision(getattr(algorithm, network), spec))
        params = algorithm.default_params
    return algorithm, params.replace(std_init=sigma) if hasattr(params, "std_init") else params


def in_precision(tree: Any, spec: TaskSpec) -> Any:
    """A state or a network with the floats in the task's precision: some algorithms mix them."""

    def cast(leaf: Any) -> Array:
        floating = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return jnp.asarray(leaf, spec.precision if floating else None)

    return jax.tree.map(cast, tree)


def bounded_fitness(evaluation: Evaluation) -> Float[Array, " batch"]:
    """What evosax minimizes: minus the objective, finite."""
    fitness = jnp.nan_to_num(-evaluation.objective, nan=_BOUND, posinf=_BOUND, neginf=-_BOUND)
    return jnp.clip(fitness, -_BOUND, _BOUND)
