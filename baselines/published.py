"""Hyperparameters that the algorithms' authors published for a family of tasks.

Source: the published code of fontaine2021dqd, and of fontaine2023cmamae for CMA-MAE and CMA-MAEGA (there with 100
parameters and 15 emitters) and for latent space illumination of StyleGAN2. Two forms have no published settings and
take those of their kin: CVT-MAP-Elites those of MAP-Elites, and CMA-MAEGA (Adam) those of CMA-MEGA (Adam) with the
archive of CMA-MAEGA. Step sizes of objective gradients (``learning_rate`` of the OG algorithms) are converted to the
gradient of the objective itself: the authors' linear projection hands out the gradient of -F, which is
``F_worst / 100`` times the objective's, and their arm the gradient of -Var, a hundredth of the objective's; their eta
is 0.5 and 100.

On tasks of neuroevolution a generation has the population of the task's named budget, and sigma is the middle of the
three values that lange2023lga tried there (Table 4 of its appendix); Pendulum has no row and takes the robots'.
Algorithms of quality diversity were not run there and take the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from qdbench.spec import TaskSpec
from qdbench.tasks.neuroevolution.budgets import population_of

# F_worst per parameter, (5.12 + 2.048)^2 and the Rastrigin function's value there.
_WORST = {"linear-projection-sphere": 51.380224, "linear-projection-rastrigin": 56.452951}


def published_hyperparameters(id: str, spec: TaskSpec) -> Mapping[str, float | int]:
    """The published hyperparameters of an optimizer on a task; empty where none were published."""
    if spec.family in _NEURO_SIGMA:
        return _neuroevolution(population_of(spec), _NEURO_SIGMA[spec.family]).get(id.removesuffix("-restarts"), {})
    id = id.removeprefix("cvt-")
    if spec.family in _WORST:
        return _linear_projection(0.5 * _WORST[spec.family] * spec.dim / 100).get(id, {})
    if spec.family in _OTHERS:
        return _OTHERS[spec.family].get(id, {})
    return {}


_ANNEALING = {"archive_learning_rate": 0.01, "threshold_min": 0.0}


def _linear_projection(learning_rate: float) -> dict[str, dict[str, float]]:
    return {
        "map-elites": {"sigma": 0.5},
        "map-elites-line": {"iso_sigma": 0.5, "line_sigma": 0.2},
        "cma-me": {"sigma": 0.5},
        "og-map-elites": {"sigma": 0.5, "learning_rate": learning_rate},
        "og-map-elites-line": {"iso_sigma": 0.5, "line_sigma": 0.2, "learning_rate": learning_rate},
        "omg-mega": {"sigma_g": 10.0},
        "cma-mega": {"sigma_g": 10.0, "learning_rate": 1.0},
        "cma-mega-adam": {"sigma_g": 10.0, "learning_rate": 0.002},
        "cma-mae": {"sigma": 0.5, **_ANNEALING},
        "cma-maega": {"sigma_g": 10.0, "learning_rate": 1.0, **_ANNEALING},
        "cma-maega-adam": {"sigma_g": 10.0, "learning_rate": 0.002, **_ANNEALING},
    }


_ARM: dict[str, dict[str, float]] = {
    "map-elites": {"sigma": 0.1},
    "map-elites-line": {"iso_sigma": 0.1, "line_sigma": 0.2},
    "cma-me": {"sigma": 0.1},
    "og-map-elites": {"sigma": 0.1, "learning_rate": 1.0},
    "og-map-elites-line": {"iso_sigma": 0.1, "line_sigma": 0.2, "learning_rate": 1.0},
    "omg-mega": {"sigma_g": 1.0},
    "cma-mega": {"sigma_g": 0.05, "learning_rate": 1.0},
    "cma-mega-adam": {"sigma_g": 0.05, "learning_rate": 0.002},
    "cma-mae": {"sigma": 0.1, **_ANNEALING},
    "cma-maega": {"sigma_g": 0.05, "learning_rate": 1.0, **_ANNEALING},
    "cma-maega-adam": {"sigma_g": 0.05, "learning_rate": 0.002, **_ANNEALING},
}

_STYLEGAN: dict[str, dict[str, float]] = {
    "map-elites": {"sigma": 0.2},
    "map-elites-line": {"iso_sigma": 0.1, "line_sigma": 0.2},
    "cma-me": {"sigma": 0.02},
    "cma-mega": {"sigma_g": 0.002, "learning_rate": 1.0},
    "cma-mega-adam": {"sigma_g": 0.002, "learning_rate": 0.002},
}

_STYLEGAN2: dict[str, dict[str, float]] = {
    "map-elites": {"sigma": 0.1},
    "map-elites-line": {"iso_sigma": 0.1, "line_sigma": 0.2},
    "cma-me": {"sigma": 0.1},
    "cma-mega-adam": {"sigma_g": 0.01, "learning_rate": 0.05},
}

_NEURO_SIGMA = {
    "neuro-pendulum": 0.05,
    "neuro-brax": 0.05,
    "neuro-minatar": 0.075,
    "neuroevolution-images": 0.025,
}


def _neuroevolution(population: int | None, sigma: float) -> dict[str, dict[str, float | int]]:
    size: dict[str, float | int] = {} if population is None else {"batch_size": population}
    first: dict[str, float | int] = {} if population is None else {"initial_size": population}
    objective = ("gaussian-ga", "mr15-ga", "samr-ga", "gesmr-ga", "lga", "openai-es", "sep-cma-es", "cma-es")
    return {
        "random-search": size,
        **{id: {"sigma": sigma, **size} for id in objective},
        "map-elites": {"sigma": sigma, **size, **first},
        "map-elites-line": {"iso_sigma": sigma, "line_sigma": 0.2, **size, **first},
        "cma-me": {"sigma": sigma, **size},
        "cma-mae": {"sigma": sigma, "archive_learning_rate": _ANNEALING["archive_learning_rate"], **size},
    }


_OTHERS = {"arm": _ARM, "lsi-stylegan": _STYLEGAN, "lsi-stylegan2": _STYLEGAN2}
