"""Registers tasks with Gymnasium when both are imported, whichever comes first; imports neither it nor JAX.

Gymnasium has no hook for this: since 1.0 it does not read entry points, and ``gymnasium.register_envs`` does nothing.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAMESPACE = "qdbench"
_ENTRY_POINT = "qdbench.interop.gymnasium:TaskEnv"


def offer() -> None:
    """Registers every task that is not yet, as ``qdbench/LP-Sphere-v0``: at once, or when Gymnasium is imported."""
    if "gymnasium" in sys.modules:
        _register(sys.modules["gymnasium"])
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds Gymnasium as it is found without us, and registers the tasks after its import."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "gymnasium":
            return None
        # Once is enough; without us, the search below finds it where it is.
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            _register(module)

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def _register(gymnasium: ModuleType) -> None:
    if not hasattr(gymnasium, "register"):
        return  # it is being imported, by whom imports us
    import qdbench.tasks  # noqa: F401  (registers the ids)
    from qdbench.registry import TASKS

    known = gymnasium.registry
    for entry in TASKS:
        id = f"{NAMESPACE}/{entry.id}"
        if id not in known:
            # Gymnasium's own checks of every step cost more than the step of a small task.
            gymnasium.register(id, _ENTRY_POINT, disable_env_checker=True, kwargs={"task": entry.id})
