"""Reading safetensors files: arrays with text about them. Reading runs no code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file whose arrays are read when they are asked for.

    Raises:
        OSError: If it cannot be opened.
        ValueError: If it is truncated or no safetensors file, or an array that is asked for is not in it.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def read(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The metadata and all arrays of a file.

    Raises:
        OSError: If it cannot be opened.
        TypeError: If an array has a type that NumPy lacks.
        ValueError: If it is truncated or no safetensors file.
    """
    with opened(path) as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
