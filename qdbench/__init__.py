"""qdbench: standard tasks, reference optimizers and leaderboards for quality diversity and evolutionary computation.

>>> import qdbench
>>> task = qdbench.make("LP-Sphere-v0", dim=20)
>>> result = qdbench.run(task, "cma-mega", budget=3600)
>>> round(result.metrics["coverage"]) > 0
True

Importing this package imports neither JAX nor anything heavier; the names below load when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from qdbench.compiler import prepare as _prepare_compiler
from qdbench.interop.gymnasium_ids import offer as _offer_to_gymnasium

__version__ = "0.1.0"

_prepare_compiler()
_offer_to_gymnasium()

_LAZY = {
    "make": "qdbench.api",
    "register": "qdbench.api",
    "list_tasks": "qdbench.api",
    "run": "qdbench.harness.trial",
    "TaskSpec": "qdbench.spec",
    "Measure": "qdbench.spec",
    "Start": "qdbench.spec",
    "Evaluation": "qdbench.protocols",
    "Batch": "qdbench.protocols",
    "Task": "qdbench.protocols",
    "Optimizer": "qdbench.protocols",
}

__all__ = [
    "Batch",
    "Evaluation",
    "Measure",
    "Optimizer",
    "Start",
    "Task",
    "TaskSpec",
    "__version__",
    "list_tasks",
    "make",
    "register",
    "run",
]

if TYPE_CHECKING:
    from qdbench.api import list_tasks, make, register
    from qdbench.harness.trial import run
    from qdbench.protocols import Batch, Evaluation, Optimizer, Task
    from qdbench.spec import Measure, Start, TaskSpec


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'qdbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
