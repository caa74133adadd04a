"""Hyperparameters that qdbench tuned for a family of tasks, where the algorithm's authors published none.

They are the global choices of ``qdbench tune ID --suite bbob-lga`` (20 parameters, 50 generations of 32, 50 repetitions
of all 24 functions); the rule and the evidence are in ``leaderboards/bbob/tuning``, ``leaderboards/lga/tuning`` and
``leaderboards/lga/transfer/tuning``.
Forms with restarts take those of the optimizer that they restart.

On Pendulum they are the choices of ``qdbench tune ID --suite neuro-small --task Neuro-Pendulum-v0`` (the small budget,
3 repetitions), on all robots those for Hopper (5 repetitions), on all games those for Breakout (10 repetitions) and on
all images those for Digits (one repetition, two of mr15-ga); the evidence is in ``leaderboards/neuroevolution/tuning``.

For latent space illumination of digits they were set before anything was run on those tasks: the scales of the search
space, whose prior has deviations of 1, and the settings of a trial on another generator.
"""

from __future__ import annotations

from qdbench.spec import TaskSpec

_BBOB: dict[str, dict[str, float]] = {
    "gaussian-ga": {"elite_ratio": 0.0, "sigma": 0.25},
    "mr15-ga": {"elite_ratio": 0.0, "sigma": 1.0},
    "samr-ga": {"elite_ratio": 0.0, "sigma": 1.0},
    "gesmr-ga": {"elite_ratio": 0.0, "sigma": 1.0},
    "openai-es": {"sigma": 0.25, "learning_rate": 0.5},
    "sep-cma-es": {"sigma": 2.0},
    "cma-es": {"sigma": 2.0},
    "lga": {"elite_ratio": 1.0, "sigma": 0.5},
    "gaussian-ga-learned-selection": {"elite_ratio": 0.25, "sigma": 0.25},
    "gaussian-ga-learned-mutation": {"elite_ratio": 0.0, "sigma": 0.5},
    "evosax-lga": {"sigma": 0.25},
}

_NETWORKS: dict[str, dict[str, dict[str, float]]] = {
    "neuro-pendulum": {
        "gaussian-ga": {"elite_ratio": 1.0, "sigma": 1.0},
        "mr15-ga": {"elite_ratio": 1.0, "sigma": 1.0},
        "samr-ga": {"elite_ratio": 1.0, "sigma": 1.0},
        "gesmr-ga": {"elite_ratio": 1.0, "sigma": 0.025},
        "lga": {"elite_ratio": 0.25, "sigma": 1.0},
        "sep-cma-es": {"sigma": 0.05},
        "openai-es": {"sigma": 0.05, "learning_rate": 0.1},
    },
    "neuro-brax": {
        "gaussian-ga": {"elite_ratio": 0.5, "sigma": 0.05},
        "mr15-ga": {"elite_ratio": 0.5, "sigma": 0.5},
        "samr-ga": {"elite_ratio": 0.5, "sigma": 0.5},
        "gesmr-ga": {"elite_ratio": 0.5, "sigma": 0.1},
        "lga": {"elite_ratio": 0.5, "sigma": 0.5},
        "sep-cma-es": {"sigma": 0.1},
        "openai-es": {"sigma": 0.05, "learning_rate": 0.1},
    },
    "neuro-minatar": {
        "gaussian-ga": {"elite_ratio": 0.25, "sigma": 0.05},
        "mr15-ga": {"elite_ratio": 0.5, "sigma": 0.075, "tie_weight": 1.0},
        "samr-ga": {"elite_ratio": 0.5, "sigma": 0.075},
        "gesmr-ga": {"elite_ratio": 0.25, "sigma": 0.25},
        "lga": {"elite_ratio": 0.25, "sigma": 0.075},
        "sep-cma-es": {"sigma": 0.025},
        "openai-es": {"sigma": 0.025, "learning_rate": 0.05},
    },
    "neuroevolution-images": {
        "gaussian-ga": {"elite_ratio": 0.0, "sigma": 0.01},
        "mr15-ga": {"elite_ratio": 1.0, "sigma": 0.025},
        "samr-ga": {"elite_ratio": 0.0, "sigma": 0.01},
        "gesmr-ga": {"elite_ratio": 0.0, "sigma": 0.05},
        "lga": {"elite_ratio": 0.5, "sigma": 0.01},
    },
}

# As in the domains of fontaine2023cmamae.
_ANNEALING = {"archive_learning_rate": 0.01, "threshold_min": 0.0}

_LSI: dict[str, dict[str, float]] = {
    "map-elites": {"sigma": 0.2},
    "map-elites-line": {"iso_sigma": 0.2, "line_sigma": 0.2},
    "cma-me": {"sigma": 0.5},
    "og-map-elites": {"sigma": 0.2, "learning_rate": 0.01},
    "og-map-elites-line": {"iso_sigma": 0.2, "line_sigma": 0.2, "learning_rate": 0.01},
    "omg-mega": {"sigma_g": 0.5},
    "cma-mega": {"sigma_g": 0.5, "learning_rate": 0.2},
    "cma-mega-adam": {"sigma_g": 0.5, "learning_rate": 0.2},
    "cma-mae": {"sigma": 0.5, **_ANNEALING},
    "cma-maega": {"sigma_g": 0.5, "learning_rate": 0.2, **_ANNEALING},
    "cma-maega-adam": {"sigma_g": 0.5, "learning_rate": 0.2, **_ANNEALING},
}


def tuned_hyperparameters(id: str, spec: TaskSpec) -> dict[str, float]:
    """The tuned hyperparameters of an optimizer on a task; empty where none were tuned."""
    if spec.family in ("bbob", "bbob-noisy"):
        return _BBOB.get(id.removesuffix("-restarts"), {})
    if spec.family in _NETWORKS:
        return _NETWORKS[spec.family].get(id.removesuffix("-restarts"), {})
    if spec.family in ("lsi-digits", "lsi-digits-clip", "lsi-fashion"):
        return _LSI.get(id.removeprefix("cvt-"), {})
    return {}
