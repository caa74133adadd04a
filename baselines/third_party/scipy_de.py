"""SciPy's differential evolution behind ask and tell: it calls its objective, in a thread that waits for tell."""

from __future__ import annotations

import queue
import sys
import threading
import weakref
from typing import Any

import numpy as np

from baselines.third_party.starts import sample
from qdbench.protocols import Evaluation
from qdbench.spec import TaskSpec


class ScipyDe:
    """``scipy.optimize.differential_evolution`` with its own defaults, a generation at a time.

    Source: storn1997differential. It minimizes minus the objective within ``spec.search_box``, from samples of the
    task's start distribution, until the budget ends: convergence does not stop it, and no local search polishes the
    result.

    Hyperparameters: ``batch_size`` 32, the size of the population.
    """

    def __init__(self, spec: TaskSpec, seed: int, batch_size: int = 32) -> None:
        generator = np.random.default_rng(seed)
        low, high = spec.search_box
        start = np.clip(sample(generator, spec, batch_size), low, high)
        self._asked: queue.Queue[Any] = queue.Queue()
        self._told: queue.Queue[Any] = queue.Queue()
        arguments = (self._asked, self._told, [(low, high)] * spec.dim, start, generator)
        # The thread holds the queues, not this object, and ends when this object does.
        threading.Thread(target=_search, args=arguments, daemon=True).start()
        weakref.finalize(self, self._told.put, None)

    def ask(self) -> np.ndarray:
        """The next generation."""
        asked = self._asked.get()
        if isinstance(asked, BaseException):
            raise asked
        return np.asarray(asked)

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        """Returns from the objective."""
        self._told.put(-np.array(evaluation.objective, float))


class _Ended(Exception):  # noqa: N818
    """Nobody asks any more."""


def _search(asked: Any, told: Any, bounds: Any, start: np.ndarray, generator: np.random.Generator) -> None:
    from scipy.optimize import differential_evolution

    def objective(columns: np.ndarray) -> np.ndarray:
        asked.put(np.array(columns.T))
        values = told.get()
        if values is None:
            raise _Ended
        return np.asarray(values)

    try:
        differential_evolution(
            objective, bounds, init=start, rng=generator, vectorized=True, updating="deferred", polish=False,
            tol=-1, maxiter=sys.maxsize,
        )  # fmt: skip
        asked.put(RuntimeError("SciPy's differential evolution has ended"))
    except _Ended:
        pass
    except BaseException as error:
        asked.put(error)
