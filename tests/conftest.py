"""What all tests share: the repository on the path, hypothesis' settings and small helpers for drivers."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import sys
from pathlib import Path

# `python -m pytest` puts the repository's root on the path, bare `pytest` does not; `tests.reference` wants it.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

# Tests compile the same programs in many processes, so each is compiled once and kept on disk for all of them.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(_ROOT) / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# XLA logs two false alarms for every kernel that it reads back on some processors: see qdbench.program_cache.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Each of several workers with threads for all cores, they mostly wait for one another; so each has a core of its own.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
if _worker and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(_worker) % len(_cores)]})

# A shell's background jobs ignore it, and so would the commands that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import jax  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# The first example of a property compiles; a deadline would measure the compiler. The same examples every time.
settings.register_profile("qdbench", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("qdbench")


@pytest.fixture(autouse=True)
def _global_settings_stay() -> object:
    """Precision is a task's property: no test, and nothing that a test calls, may leave the global flag changed."""
    before = jax.config.jax_enable_x64
    yield
    assert jax.config.jax_enable_x64 == before


_MAPS = Path("/proc/self/maps")
_tests = itertools.count()


@pytest.fixture(autouse=True)
def _compiled_programs_are_forgotten_in_time() -> object:
    """Every compiled program takes a few mappings of memory, of which Linux allows a process 65,530."""
    yield
    if next(_tests) % 20 == 0 and _MAPS.exists() and len(_MAPS.read_bytes().splitlines()) > 25_000:
        jax.clear_caches()
        gc.collect()
