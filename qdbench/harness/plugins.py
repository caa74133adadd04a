"""Optimizers by name: an id, ``my_package.search:MyOptimizer`` or ``path/to/search.py:MyOptimizer``."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qdbench.arguments import takes_seed
from qdbench.registry import OPTIMIZERS, load


def is_pure(name: str) -> bool:
    """Whether a name is the id of a pure optimizer, which :func:`baselines.make` makes.

    Raises:
        PluginError: If it is that of a plug-in that cannot be imported.
    """
    return name in OPTIMIZERS and not takes_seed(OPTIMIZERS.resolve(name)[0])


def load_optimizer(name: str) -> Any:
    """Imports an optimizer class (or a function that makes one).

    Modules are looked for where Python looks, and in the working directory.

    Raises:
        UnknownNameError: If the name has no colon and is not a registered id.
        ImportError: If the module, the file or the attribute does not exist.
    """
    module, separator, attribute = name.rpartition(":")
    if not separator:
        return OPTIMIZERS.resolve(name)[0]
    if module.endswith(".py"):
        return _from_file(Path(module), attribute)
    added = str(Path.cwd()) not in sys.path
    if added:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return load(name)
    finally:
        if added:
            sys.path.remove(str(Path.cwd()))


def foreign_code(name: str) -> dict[str, str]:
    """The packages, with versions, whose code an optimizer given by name runs beside its own source."""
    if name not in OPTIMIZERS:
        return {}
    entry = OPTIMIZERS.entry(name)
    needed = {entry.requires: version(entry.requires)} if entry.requires else {}
    return needed | ({"package": entry.package} if entry.package else {})


def _from_file(path: Path, attribute: str) -> Any:
    if not path.is_file():
        raise ImportError(f"there is no file {path} (looked for in {Path.cwd()})")
    name = f"qdbench_plugin_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    try:
        return getattr(sys.modules[name], attribute)
    except AttributeError:
        raise ImportError(f"{path} has no attribute {attribute!r}") from None
