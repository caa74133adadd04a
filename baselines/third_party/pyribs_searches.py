"""pyribs' CMA-ME, CMA-MAE, CMA-MEGA and CMA-MAEGA: an archive and emitters with the settings of each.

An iteration has ``batch_size`` evaluations of each of the ``emitters``.
"""

from __future__ import annotations

from typing import Any

from baselines.published import published_hyperparameters
from baselines.third_party.pyribs_schedulers import Ribs, grid_archive
from baselines.third_party.starts import centre
from qdbench.spec import TaskSpec

# As pyribs' own examples of the annealed searches have it; else its defaults.
_ANNEALED: dict[str, Any] = {"ranker": "imp", "selection_rule": "mu", "restart_rule": "basic"}


def make_cma_me(spec: TaskSpec, seed: int, sigma: float | None = None, batch_size: int = 36, emitters: int = 1) -> Ribs:
    """CMA-ME with improvement emitters; sigma is the published one of the task's family, else 0.5."""
    return _search(spec, seed, emitters, _strategy(spec, sigma, batch_size))


def make_cma_mae(
    spec: TaskSpec, seed: int, sigma: float | None = None, batch_size: int = 36, learning_rate: float = 0.01,
    emitters: int = 1,
) -> Ribs:  # fmt: skip
    """CMA-MAE: the archive's thresholds start at the least objective and learn at this rate."""
    return _search(spec, seed, emitters, _strategy(spec, sigma, batch_size) | _ANNEALED, learning_rate)


def make_cma_mega(
    spec: TaskSpec, seed: int, sigma_g: float | None = None, step: float | None = None, batch_size: int = 36,
    emitters: int = 1,
) -> Ribs:  # fmt: skip
    """CMA-MEGA with gradient ascent; sigma_g and step (pyribs' lr) are the published ones, else 10 and 1."""
    return _search(spec, seed, emitters, _arborescence(spec, sigma_g, step, batch_size) | {"selection_rule": "mu"})


def make_cma_maega(
    spec: TaskSpec, seed: int, sigma_g: float | None = None, step: float | None = None, batch_size: int = 36,
    learning_rate: float = 0.01, emitters: int = 1,
) -> Ribs:  # fmt: skip
    """CMA-MAEGA: CMA-MEGA with the archive of CMA-MAE."""
    return _search(spec, seed, emitters, _arborescence(spec, sigma_g, step, batch_size) | _ANNEALED, learning_rate)


def _strategy(spec: TaskSpec, sigma: float | None, batch_size: int) -> dict[str, Any]:
    published = published_hyperparameters("cma-me", spec)
    return {"sigma0": published.get("sigma", 0.5) if sigma is None else sigma, "batch_size": batch_size}


def _arborescence(spec: TaskSpec, sigma_g: float | None, step: float | None, batch_size: int) -> dict[str, Any]:
    published = published_hyperparameters("cma-mega", spec)
    sigma0 = published.get("sigma_g", 10.0) if sigma_g is None else sigma_g
    lr = published.get("learning_rate", 1.0) if step is None else step
    return {"sigma0": sigma0, "lr": lr, "grad_opt": "gradient_ascent", "batch_size": batch_size - 1}


def _search(
    spec: TaskSpec, seed: int, emitters: int, settings: dict[str, Any], learning_rate: float | None = None
) -> Ribs:
    archive, gradients = grid_archive(spec, seed, learning_rate), "lr" in settings
    if gradients and not spec.differentiable:
        raise ValueError(f"this search needs gradients, but {spec.id} is not differentiable")
    import ribs

    kind = ribs.emitters.GradientArborescenceEmitter if gradients else ribs.emitters.EvolutionStrategyEmitter
    made = [kind(archive, x0=centre(spec), seed=seed + number, **settings) for number in range(emitters)]
    return Ribs(ribs.schedulers.Scheduler(archive, made), gradients)
