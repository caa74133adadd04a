"""The packages of the BBOB benchmarks, of which the peers are optional."""

from __future__ import annotations

import importlib.util

QDBENCH, COCO, EVOSAX = "qdbench", "COCO", "evosax"
PACKAGES = ("qdbench", "jax", "jaxlib", "numpy", "coco-experiment", "evosax")
"""What the tables name with their versions."""

_MODULES = {QDBENCH: "qdbench", COCO: "cocoex", EVOSAX: "evosax"}
_REQUIREMENTS = {COCO: "coco-experiment==2.8.2", EVOSAX: "evosax==0.3.2"}
_LONGEST = 120


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec(_MODULES[package]) is not None


def how_to_install(*packages: str) -> str | None:
    """The command that installs those of the packages that are missing, or None if none is."""
    missing = [_REQUIREMENTS[package] for package in packages if not is_installed(package)]
    return f"pip install {' '.join(missing)}" if missing else None


def brief(error: str) -> str:
    """What fits a table: the message's only line, or the last one of a traceback."""
    lines = [line for line in error.splitlines() if line.strip()]
    text = lines[-1].strip().replace("|", "/") if lines else ""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
