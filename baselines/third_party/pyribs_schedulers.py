"""pyribs' schedulers, that is its emitters over its archives, behind ask and tell."""

from __future__ import annotations

from typing import Any

import numpy as np

from qdbench.protocols import Evaluation
from qdbench.spec import TaskSpec


class Ribs:
    """A scheduler of pyribs; see tjanaka2023pyribs.

    Args:
        scheduler: Any one, with any emitters and archives.
        gradients: Whether every iteration begins with solutions that are evaluated with gradients, as CMA-MEGA's does.
    """

    def __init__(self, scheduler: Any, gradients: bool = False) -> None:
        self._scheduler = scheduler
        self._gradients = gradients
        self._with_gradients = gradients

    def ask(self) -> Any:
        """The scheduler's next batch."""
        return (self._scheduler.ask_dqd(), True) if self._with_gradients else self._scheduler.ask()

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        """Tells the scheduler, in float64 as pyribs computes."""
        objective, measures = (np.asarray(part, float) for part in evaluation[:2])
        if self._with_gradients:
            jacobian = np.concatenate([evaluation.objective_gradient[:, None], evaluation.measures_jacobian], axis=1)
            self._scheduler.tell_dqd(objective, measures, jacobian.astype(float))
        else:
            self._scheduler.tell(objective, measures)
        self._with_gradients = self._gradients and not self._with_gradients


def grid_archive(spec: TaskSpec, seed: int, learning_rate: float | None = None) -> Any:
    """The task's grid as an archive of pyribs; with a learning rate, CMA-MAE's, from the least objective.

    Raises:
        ImportError: If pyribs is not installed.
        ValueError: If the task has no measures.
    """
    try:
        from ribs.archives import GridArchive
    except ImportError:
        raise ImportError("pyribs' searches need ribs: pip install 'qdbench[ribs]'") from None
    if not spec.measures:
        raise ValueError(f"pyribs' searches need measures, but {spec.id} has none")
    ranges = [(measure.low, measure.high) for measure in spec.measures]
    annealed = {"learning_rate": learning_rate, "threshold_min": spec.objective_range[0]}
    settings: dict[str, Any] = {} if learning_rate is None else annealed
    return GridArchive(solution_dim=spec.dim, dims=spec.archive_shape, ranges=ranges, seed=seed, **settings)
