"""Files of evolved arrays for tests: taken apart, put together again, and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
from safetensors.numpy import save

from qdbench.metabbo.parameters import KEY, ParameterError

RECORD = {"seed": 3, "tasks": ["Sphere", "Discus"], "score": -1.5}


def refusal(load: Callable[[Path], object], path: Path) -> str:
    """What is said, which names the file."""
    with pytest.raises(ParameterError) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message
    return message


def parts(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header."""
    with safetensors.safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()[KEY])  # noqa: SIM118


def rewrite(path: Path, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    path.write_bytes(save(arrays, metadata={KEY: json.dumps(header)}))
