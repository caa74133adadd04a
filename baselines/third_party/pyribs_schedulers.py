"""pyribs' searches: an archive, an emitter and a scheduler, behind ask and tell."""

from __future__ import annotations

from typing import Any

import numpy as np

from baselines.published import published_hyperparameters
from qdbench.protocols import Evaluation
from qdbench.spec import TaskSpec


class Ribs:
    """A scheduler of pyribs; see tjanaka2023pyribs.

    Args:
        archive: An archive of pyribs.
        emitter: An emitter of pyribs for it.
        gradients: Whether every iteration begins with solutions that are evaluated with gradients, as CMA-MEGA's does.
    """

    def __init__(self, archive: Any, emitter: Any, gradients: bool = False) -> None:
        from ribs.schedulers import Scheduler

        self._scheduler = Scheduler(archive, [emitter])
        self._gradients = gradients
        self._with_gradients = gradients

    def ask(self) -> Any:
        """The scheduler's next batch."""
        if self._with_gradients:
            return self._scheduler.ask_dqd(), True
        return self._scheduler.ask()

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        """Tells the scheduler, in float64 as pyribs computes."""
        objective, measures = (np.asarray(part, float) for part in evaluation[:2])
        if self._with_gradients:
            jacobian = np.concatenate([evaluation.objective_gradient[:, None], evaluation.measures_jacobian], axis=1)
            self._scheduler.tell_dqd(objective, measures, jacobian.astype(float))
        else:
            self._scheduler.tell(objective, measures)
        self._with_gradients = self._gradients and not self._with_gradients


def make_cma_me(spec: TaskSpec, seed: int, sigma: float | None = None, batch_size: int = 36) -> Ribs:
    """CMA-ME with one improvement emitter; sigma is the published one of the task's family, else 0.5."""
    return _evolution_strategy(spec, seed, sigma, batch_size, None)


def make_cma_mae(
    spec: TaskSpec, seed: int, sigma: float | None = None, batch_size: int = 36, learning_rate: float = 0.01
) -> Ribs:
    """CMA-MAE: the archive's thresholds start at the least objective and learn at this rate."""
    return _evolution_strategy(spec, seed, sigma, batch_size, learning_rate)


def make_cma_mega(
    spec: TaskSpec, seed: int, sigma_g: float | None = None, step: float | None = None, batch_size: int = 36
) -> Ribs:
    """CMA-MEGA with gradient ascent; sigma_g and step (pyribs' lr) are the published ones, else 10 and 1."""
    return _gradient_arborescence(spec, seed, sigma_g, step, batch_size, None)


def make_cma_maega(
    spec: TaskSpec, seed: int, sigma_g: float | None = None, step: float | None = None, batch_size: int = 36,
    learning_rate: float = 0.01,
) -> Ribs:  # fmt: skip
    """CMA-MAEGA: CMA-MEGA with the archive of CMA-MAE."""
    return _gradient_arborescence(spec, seed, sigma_g, step, batch_size, learning_rate)


# As pyribs' own examples of the annealed searches have it.
_ANNEALED: dict[str, Any] = {"ranker": "imp", "selection_rule": "mu", "restart_rule": "basic"}
_PLAIN: dict[str, Any] = {"ranker": "2imp", "selection_rule": "filter", "restart_rule": "no_improvement"}


def _evolution_strategy(
    spec: TaskSpec, seed: int, sigma: float | None, batch_size: int, learning_rate: float | None
) -> Ribs:
    archive, x0 = _archive(spec, seed, learning_rate)
    from ribs.emitters import EvolutionStrategyEmitter

    sigma0, rules = _value("cma-me", "sigma", spec, sigma, 0.5), _PLAIN if learning_rate is None else _ANNEALED
    return Ribs(
        archive, EvolutionStrategyEmitter(archive, x0=x0, sigma0=sigma0, batch_size=batch_size, seed=seed, **rules)
    )


def _gradient_arborescence(
    spec: TaskSpec, seed: int, sigma_g: float | None, step: float | None, batch_size: int, learning_rate: float | None
) -> Ribs:
    archive, x0 = _archive(spec, seed, learning_rate)
    if not spec.differentiable:
        raise ValueError(f"this search needs gradients, but {spec.id} is not differentiable")
    from ribs.emitters import GradientArborescenceEmitter

    rules = _PLAIN | {"selection_rule": "mu"} if learning_rate is None else _ANNEALED
    sigma0 = _value("cma-mega", "sigma_g", spec, sigma_g, 10.0)
    lr = _value("cma-mega", "learning_rate", spec, step, 1.0)
    emitter = GradientArborescenceEmitter(
        archive, x0=x0, sigma0=sigma0, lr=lr, grad_opt="gradient_ascent", batch_size=batch_size - 1, seed=seed, **rules
    )
    return Ribs(archive, emitter, gradients=True)


def _archive(spec: TaskSpec, seed: int, learning_rate: float | None) -> tuple[Any, np.ndarray]:
    """The archive, annealed if there is a learning rate, and where the search starts."""
    try:
        from ribs.archives import GridArchive
    except ImportError:
        raise ImportError("pyribs' searches need ribs: pip install 'qdbench[ribs]'") from None
    if not spec.measures:
        raise ValueError(f"pyribs' searches need measures, but {spec.id} has none")
    annealed: dict[str, Any] = {"learning_rate": learning_rate, "threshold_min": spec.objective_range[0]}
    ranges = [(measure.low, measure.high) for measure in spec.measures]
    archive = GridArchive(
        solution_dim=spec.dim, dims=spec.archive_shape, ranges=ranges, seed=seed,
        **({} if learning_rate is None else annealed),
    )  # fmt: skip
    start = spec.start
    return archive, np.full(spec.dim, (start.low + start.high) / 2 if start.kind == "uniform" else start.mean)


def _value(id: str, name: str, spec: TaskSpec, given: float | None, default: float) -> float:
    """A hyperparameter: what is given, else what was published for our version of the search, else a default."""
    return published_hyperparameters(id, spec).get(name, default) if given is None else given
