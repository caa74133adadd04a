"""The processor and its cores."""

from __future__ import annotations

import os
from pathlib import Path


def available_cores() -> list[int]:
    """The cores that this process may use; all of them where the operating system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def processor_lines() -> list[str]:
    """What Linux tells of the processor's cores, line by line; nothing on another system."""
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def limit_threads(count: int) -> None:
    """Keeps what this process loads from now on, JAX and NumPy among it, to so many threads."""
    if count == 1:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, str(count))
