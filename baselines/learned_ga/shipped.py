"""The learned GA with parameters that were meta-evolved: those that come with the package, or a file's."""

from __future__ import annotations

from pathlib import Path

from baselines.learned_ga.lga import LearnedGa, Operators, make_with
from baselines.learned_ga.parameters import load_operators, shipped
from qdbench.spec import TaskSpec


def make(
    spec: TaskSpec, sigma: float = 0.25, elite_ratio: float = 1.0, batch_size: int = 32, parameters: str = "lga-v1"
) -> LearnedGa:
    """Makes the learned GA; see :class:`~baselines.learned_ga.lga.LearnedGa`.

    Args:
        spec: The task's.
        sigma: Initial mutation rate.
        elite_ratio: Parents as a share of the batch.
        batch_size: Children.
        parameters: The name of parameters that come with the package, or the path of a .safetensors file as
            ``qdbench meta-train`` writes it.

    Raises:
        ParameterError: If the file does not exist or holds something else.
    """
    return make_with(_operators(parameters), "lga", spec, sigma, elite_ratio, batch_size)


def make_with_selection(
    spec: TaskSpec, sigma: float = 0.5, elite_ratio: float = 0.5, batch_size: int = 32, parameters: str = "lga-v1"
) -> LearnedGa:
    """Makes the Gaussian GA with the learned selection in place of truncation; see :func:`make`."""
    operators = Operators(selection=_operators(parameters).selection)
    return make_with(operators, "gaussian-ga-learned-selection", spec, sigma, elite_ratio, batch_size)


def make_with_mutation(
    spec: TaskSpec, sigma: float = 0.5, elite_ratio: float = 0.5, batch_size: int = 32, parameters: str = "lga-v1"
) -> LearnedGa:
    """Makes the Gaussian GA with the learned adaptation of mutation rates; see :func:`make`."""
    operators = Operators(mutation=_operators(parameters).mutation)
    return make_with(operators, "gaussian-ga-learned-mutation", spec, sigma, elite_ratio, batch_size)


def _operators(parameters: str) -> Operators:
    is_file = parameters.endswith(".safetensors")
    return load_operators(Path(parameters) if is_file else shipped(parameters))
