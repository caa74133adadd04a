"""Where and with what a trial ran."""

from __future__ import annotations

import datetime
import functools
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax

from qdbench.harness.cores import processor_lines

PACKAGES = ("qdbench", "jax", "jaxlib", "equinox", "numpy")
_WHERE_USED = (
    *("scipy", "optax", "brax", "mujoco", "mujoco-mjx", "gymnax", "gymnasium", "evosax", "ribs", "cma", "torch"),
    "xgboost",
)
_MODULES = {"mujoco-mjx": "mujoco.mjx"}
_SEEDS = "the repetition; keys are SHA-256 of names (format 1)"


def provenance(precision: str, driver: str) -> dict[str, str]:
    """Package versions, commit, device, precision, driver, seed rule and the time of the record.

    The versions are those of what every trial uses, and of what else is loaded.
    """
    used = {name: _version(name) for name in _WHERE_USED if _MODULES.get(name, name) in sys.modules}
    return {
        **_environment(),
        **used,
        "seeds": _SEEDS,
        "precision": precision,
        "driver": driver,
        "recorded": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


@functools.cache
def _environment() -> dict[str, str]:
    device = jax.devices()[0]
    return {
        **{name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": f"{device.platform}: {device.device_kind}",
        **{key: text for key, text in (("processor", _processor()), ("commit", _commit())) if text},
    }


def _processor() -> str:
    """The model of the processor, which decides the last bits of what is computed on it; empty if it is unknown."""
    named = (line.partition(":")[2].strip() for line in processor_lines() if line.startswith("model name"))
    return next(named, platform.processor())


def _commit() -> str:
    """The commit of the checkout that qdbench is used from, with ``-dirty`` if files differ; empty if it is none."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
