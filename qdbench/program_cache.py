"""Compiled programs are kept on disk for the next process: JAX's persistent compilation cache.

The command ``qdbench`` and its workers use it by default. It lies in ``qdbench/programs`` of the operating system's
cache folder, apart for every processor and version of jaxlib, because JAX would also read a program that has
instructions which this processor lacks. ``JAX_COMPILATION_CACHE_DIR`` chooses another folder, and
``JAX_ENABLE_COMPILATION_CACHE=0`` switches it off. The oldest programs are removed when there are more than 2 GiB.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import platformdirs

from qdbench.harness.cores import processor_lines

FOLDER = "JAX_COMPILATION_CACHE_DIR"
MOST_BYTES = "JAX_COMPILATION_CACHE_MAX_SIZE"
LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_INSTRUCTIONS = ("model name", "flags", "CPU part", "Features")


def keep_programs() -> None:
    """Switches the cache on in this process and those that it starts, unless the user has chosen; before JAX starts.

    A folder that another machine's process chose by default, and that this one inherited, is not used.
    """
    # Versions of jaxlib have crashed there when they read programs back.
    if sys.platform == "darwin":
        return
    chosen, own = os.environ.get(FOLDER), default_folder()
    if (chosen and Path(chosen).parent != own.parent) or not _writable(own):
        return
    os.environ[FOLDER] = str(own)
    os.environ.setdefault(MOST_BYTES, str(2 << 30))
    # XLA logs two errors for every kernel that it reads on a CPU: it misses features of the processor that are no
    # instructions but preferences of its own (openxla/xla#44565). What really fails is raised.
    os.environ.setdefault(LOG_LEVEL, "3")


def default_folder() -> Path:
    """The folder of this processor and this version of jaxlib."""
    instructions = sorted({line for line in processor_lines() if line.startswith(_INSTRUCTIONS)})
    system = "\n".join((version("jaxlib"), platform.machine(), *(instructions or [platform.processor()])))
    return platformdirs.user_cache_path("qdbench") / "programs" / hashlib.sha256(system.encode()).hexdigest()[:12]


def _writable(folder: Path) -> bool:
    """Whether the folder can be written to, or made."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK)
