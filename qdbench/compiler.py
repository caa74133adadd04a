"""Keeps XLA from a defect of its CPU backend. This is the one place that knows about it.

From 0.10.2 on, jaxlib fuses reductions on the CPU in a new way. In 0.10.2 it silently computes wrong values for large
batches (jax-ml/jax#39103), and later versions crash or hang on the same path (jax-ml/jax#39257, #40412). qdbench
excludes 0.10.2 from its dependencies, and importing qdbench switches that fusion off in every version that has it.

The other hazard of the CPU, decompositions under ``vmap`` that dead-lock on few cores, has its cure elsewhere:
rotations are made by NumPy (:mod:`qdbench.tasks.bbob.generators`), and the harness never vmaps a program that
decomposes matrices there (:mod:`qdbench.harness.batched`).
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import warnings

FLAG = "--xla_cpu_experimental_ynn_fusion_type="
_FIRST = (0, 10, 2)


def prepare() -> None:
    """Adds the switch to ``XLA_FLAGS``, unless it is there; JAX reads it when it first computes something."""
    flags = os.environ.get("XLA_FLAGS", "")
    wanted = flags_for(importlib.metadata.version("jaxlib"), flags)
    if wanted == flags:
        return
    os.environ["XLA_FLAGS"] = wanted
    if "jax" in sys.modules:
        warnings.warn(
            "jax was imported before qdbench. If it has computed something already, results on the CPU may be wrong "
            f"with this version of jaxlib: import qdbench first, or set XLA_FLAGS={FLAG}",
            RuntimeWarning,
            stacklevel=3,
        )


def flags_for(version: str, flags: str) -> str:
    """The value of ``XLA_FLAGS`` that a version of jaxlib needs, given the present one."""
    if _numbers(version) < _FIRST or FLAG in flags:
        return flags
    return f"{flags} {FLAG}".strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
