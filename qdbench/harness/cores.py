"""The processor's cores."""

from __future__ import annotations

import os


def available_cores() -> list[int]:
    """The cores that this process may use; all of them where the operating system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
