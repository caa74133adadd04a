"""pycma's CMA-ES behind ask and tell."""

from __future__ import annotations

from typing import Any

import numpy as np

from baselines.third_party.starts import sample
from qdbench.protocols import Evaluation
from qdbench.spec import TaskSpec


class PycmaEs:
    """``cma.CMAEvolutionStrategy`` with its own defaults; see hansen2019pycma.

    It minimizes minus the objective. It starts at a sample of the task's start distribution, and anew at another one
    when it stops (``stop()`` is not empty).

    Hyperparameters: ``sigma``, the first step size, 0.2 of the width of ``spec.search_box`` (2 on BBOB, as pycma's
    examples have it) if None; ``batch_size``, pycma's popsize, its own if None.
    """

    def __init__(self, spec: TaskSpec, seed: int, sigma: float | None = None, batch_size: int | None = None) -> None:
        low, high = spec.search_box
        self._spec = spec
        self._generator = np.random.default_rng(seed)
        self._sigma = 0.2 * (high - low) if sigma is None else sigma
        # Its own generator: pycma seeds and draws from NumPy's global one otherwise.
        self._options: dict[str, Any] = {"verbose": -9, "seed": np.nan, "randn": self._normal}
        if batch_size is not None:
            self._options["popsize"] = batch_size
        self._strategy = self._start()

    def _normal(self, *shape: int) -> np.ndarray:
        return self._generator.standard_normal(shape)

    def _start(self) -> Any:
        try:
            import cma
        except ImportError:
            raise ImportError("pycma's CMA-ES needs cma: pip install 'qdbench[cma]'") from None
        return cma.CMAEvolutionStrategy(sample(self._generator, self._spec, 1)[0], self._sigma, self._options)

    def ask(self) -> np.ndarray:
        """A generation."""
        if self._strategy.stop():
            self._strategy = self._start()
        self._asked = self._strategy.ask()
        return np.array(self._asked)

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        """Tells the strategy what it asked for: pycma knows its solutions by identity."""
        self._strategy.tell(self._asked, (-np.asarray(evaluation.objective, float)).tolist())
