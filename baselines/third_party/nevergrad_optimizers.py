"""nevergrad's optimizers behind ask and tell."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from baselines.third_party.starts import sample
from qdbench.protocols import Evaluation
from qdbench.spec import TaskSpec


class Nevergrad:
    """``nevergrad.optimizers.registry[algorithm]``; see rapin2018nevergrad.

    It minimizes minus the objective over an array that starts at a sample of the task's start distribution, within the
    bounds where the task has some, and mutates with a sixth of the width of ``spec.search_box``, nevergrad's own rule
    for bounded arrays. It is told the task's standard budget and that a batch is evaluated at a time.
    """

    def __init__(self, spec: TaskSpec, seed: int, algorithm: str, batch_size: int) -> None:
        try:
            import nevergrad
        except ImportError:
            raise ImportError(f"nevergrad's {algorithm} needs nevergrad: pip install 'qdbench[nevergrad]'") from None
        generator = np.random.default_rng(seed)
        low, high = spec.search_box
        array = nevergrad.p.Array(init=sample(generator, spec, 1)[0]).set_mutation(sigma=(high - low) / 6)
        if spec.solution_bounds is not None:
            array = array.set_bounds(low, high)
        array.random_state = np.random.RandomState(generator.integers(2**32))
        self._batch_size = batch_size
        self._optimizer = nevergrad.optimizers.registry[algorithm](array, spec.budget, batch_size)
        self._asked: list[Any] = []

    def ask(self) -> np.ndarray:
        """A batch of candidates."""
        with warnings.catch_warnings():
            # It warns of settings of its own choice.
            warnings.simplefilter("ignore")
            self._asked = [self._optimizer.ask() for _ in range(self._batch_size)]
        return np.array([candidate.value for candidate in self._asked])

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        """Tells what was asked, candidate by candidate."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for candidate, objective in zip(self._asked, evaluation.objective, strict=True):
                self._optimizer.tell(candidate, -float(objective))


def make_de(spec: TaskSpec, seed: int, batch_size: int = 32) -> Nevergrad:
    """Differential evolution."""
    return Nevergrad(spec, seed, "DE", batch_size)


def make_pso(spec: TaskSpec, seed: int, batch_size: int = 32) -> Nevergrad:
    """Particle swarm optimization."""
    return Nevergrad(spec, seed, "PSO", batch_size)
