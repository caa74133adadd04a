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

# A task without an entry is tested as it is by default.
SMALL: dict[str, dict[str, object]] = {id: {"dim": 7} for id in AVAILABLE if id.startswith(("LP-", "Arm-", "BBOB-"))}
SMALL["BBOB-v0"]["function"] = 15
SMALL["BBOB-Noisy-v0"]["function"] = 117
SMALL |= NEEDED


def make(id: str, **arguments: object) -> qdbench.Task:
    """A task, small where its size can be chosen."""
    small = SMALL.get(id, {})
    # How large is for the caller to say, of tasks that let one.
    given = arguments if "dim" in small else {name: value for name, value in arguments.items() if name != "dim"}
    return qdbench.make(id, **{**small, **given})
