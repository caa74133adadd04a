"""Hyperparameters that the algorithms' authors published for a family of tasks.

Source: the published code of fontaine2021dqd, and of fontaine2023cmamae for CMA-MAE and CMA-MAEGA (there with 100
parameters and 15 emitters) and for latent space illumination of StyleGAN2. Two forms have no published settings and
take those of their kin: CVT-MAP-Elites those of MAP-Elites, and CMA-MAEGA (Adam) those of CMA-MEGA (Adam) with the
archive of CMA-MAEGA. Step sizes of objective gradients (``learning_rate`` of the OG algorithms) are converted to the
gradient of the objective itself: the authors' linear projection hands out the gradient of -F, which is
``F_worst / 100`` times the objective's, and their arm the gradient of -Var, a hundredth of the objective's; their eta
is 0.5 and 100.
"""

from __future__ import annotations

from qdbench.spec import TaskSpec

# F_worst per parameter, (5.12 + 2.048)^2 and the Rastrigin function's value there.
_WORST = {"linear-projection-sphere": 51.380224, "linear-projection-rastrigin": 56.452951}


def published_hyperparameters(id: str, spec: TaskSpec) -> dict[str, float]:
    """The published hyperparameters of an optimizer on a task; empty where none were published."""
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

_OTHERS = {"arm": _ARM, "lsi-stylegan": _STYLEGAN, "lsi-stylegan2": _STYLEGAN2}
