"""Runs one measurement in a fresh process on one core."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qdbench.harness.cores import available_cores

_ROOT = Path(__file__).resolve().parent.parent
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# A compilation that is read from a cache would be reported as a compilation.
_CACHES = ("JAX_COMPILATION_CACHE_DIR", "NUMBA_CACHE_DIR")


class MeasurementError(RuntimeError):
    """A child process failed or took too long."""


class Attempt(NamedTuple):
    """What came of a measurement: its result, or why there is none, and the load of the machine before it."""

    load: float
    result: dict[str, Any] | None
    error: str = ""


def pinnable_cores() -> list[int]:
    """The cores that a process may be pinned to; none where the operating system cannot do that."""
    return available_cores() if hasattr(os, "sched_setaffinity") else []


def attempt(what: str, arguments: Mapping[str, Any], core: int | None, timeout: float) -> Attempt:
    """Does what :func:`measure` does, but does not raise where that fails."""
    load = _load_average()
    try:
        return Attempt(load, measure(what, arguments, core, timeout))
    except MeasurementError as error:
        return Attempt(load, None, str(error))


def measure(what: str, arguments: Mapping[str, Any], core: int | None, timeout: float) -> dict[str, Any]:
    """Runs ``benchmarks.worker`` in a fresh process and returns the JSON object that it prints.

    Args:
        what: The name of a measurement in :mod:`benchmarks.worker`.
        arguments: Its arguments.
        core: The core to pin the process to, or None to leave it to the operating system.
        timeout: Seconds after which it is ended.

    Raises:
        MeasurementError: If it fails or takes longer.
    """
    request = json.dumps({"what": what, "arguments": dict(arguments), "core": core})
    command = [sys.executable, "-m", "benchmarks.worker", request]
    # A group of its own, so that a timeout or Ctrl-C ends whatever the child may have started.
    child = subprocess.Popen(
        command,
        cwd=_ROOT,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"more than {timeout:.0f} s") from None
    finally:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if child.returncode != 0:
        raise MeasurementError(f"{what} failed (exit status {child.returncode}):\n{errors.strip()[-2000:]}")
    result: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return result


def _load_average() -> float:
    """The load of the last minute (NaN where there is none): above 1, something else was running."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in _CACHES}
    environment.update(dict.fromkeys(_ONE_THREAD, "1"))
    flags = environment.get("XLA_FLAGS", "")
    environment["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    environment["JAX_PLATFORMS"] = "cpu"
    return environment
