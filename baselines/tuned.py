"""Hyperparameters that qdbench tuned for a family of tasks, where the algorithm's authors published none.

They are the global choices of ``qdbench tune ID --suite bbob-lga`` (20 parameters, 50 generations of 32, 50 repetitions
of all 24 functions); the rule and the evidence are in ``leaderboards/bbob/tuning`` and ``leaderboards/lga/tuning``.
Forms with restarts take those of the optimizer that they restart.
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
    "lga": {"elite_ratio": 1.0, "sigma": 0.75},
    "evosax-lga": {"sigma": 0.25},
}


def tuned_hyperparameters(id: str, spec: TaskSpec) -> dict[str, float]:
    """The tuned hyperparameters of an optimizer on a task; empty where none were tuned."""
    if spec.family in ("bbob", "bbob-noisy"):
        return _BBOB.get(id.removesuffix("-restarts"), {})
    return {}
