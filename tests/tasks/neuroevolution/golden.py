"""Measures the golden values of the tasks of control; as a program, writes them."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

import qdbench
from qdbench.harness.fingerprint import fingerprint
from tests.registered import BRAX

FILE = Path(__file__).parent / "golden.json"
POLICIES = 4
# Vector instructions of four generations give a half-cheetah whose scores differ by a quarter after 20 steps of large
# actions, and by .001 after steps of small ones; all others stay within a fifth of the tolerance.
_SCALE = {"HalfCheetah": 0.04}
TOLERANCE = {"HalfCheetah": 0.01}
_BRAX = ("jax", "jaxlib", "brax", "mujoco", "mujoco-mjx")
PACKAGES = {
    **dict.fromkeys(("Pendulum", "SpaceInvaders", "Breakout", "Asterix"), ("jax", "jaxlib")),
    **dict.fromkeys(BRAX, _BRAX),
}
NAMES = tuple(PACKAGES)


def stored() -> dict[str, dict[str, Any]]:
    """The golden values."""
    return json.loads(FILE.read_text())


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """What is installed."""
    return {package: version(package) for package in packages}


def measure(name: str) -> dict[str, Any]:
    """Objective and measures of four policies with weights from NumPy, and the fingerprint of the task's programs."""
    # As many episodes as the contract's tests have, so that this is the same program.
    task = qdbench.make(f"Neuro-{name}-v0", budget="smoke", steps=20)
    weights = np.random.default_rng(1).normal(size=(POLICIES, task.spec.dim)) * task.spec.start.scale
    weights *= _SCALE.get(name, 4)
    found = task.evaluate(jax.random.key(0), weights)
    return {
        "versions": versions(PACKAGES[name]),
        "fingerprint": fingerprint(task),
        "objective": _rounded(found.objective),
        "measures": _rounded(found.measures),
    }


def _rounded(values: Any) -> list[float]:
    return [float(f"{value:.6g}") for value in np.asarray(values).ravel()]


def main(names: list[str]) -> None:
    """Measures some or all and writes the file."""
    values = stored() if FILE.exists() else {}
    values |= {name: measure(name) for name in names or NAMES}
    FILE.write_text(json.dumps({name: values[name] for name in NAMES if name in values}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
