"""The registered tasks that can be made here, and arguments that keep tests of them fast."""

from __future__ import annotations

from importlib import resources

import qdbench
from qdbench.registry import TASKS

# What has no default.
NEEDED: dict[str, dict[str, object]] = {
    "HPO-Own-v0": {
        "pack": str(resources.files("qdbench.tasks.hpob") / "mini_data" / "surrogates.npz"),
        "space": "svm",
        "dataset": "iris",
    }
}
AVAILABLE = [entry.id for entry in TASKS if entry.is_available]
"""Those whose data is here."""


def has_dim(id: str) -> bool:
    """Whether the number of parameters is an argument."""
    return id.startswith(("LP-", "Arm-", "BBOB-"))


def make(id: str, dim: int = 7, **arguments: object) -> qdbench.Task:
    """A task, small where its size can be chosen."""
    small = {"dim": dim} if has_dim(id) else {}
    return qdbench.make(id, **{**NEEDED.get(id, {}), **small, **arguments})
