"""Files of evolved arrays: safetensors with a record of how they came about. Loading one executes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save

from qdbench.harness import tensors

FORMAT = 1
KEY = "qdbench-evolved"


class ParameterError(ValueError):
    """A file of parameters is missing, broken, or something else."""


class Evolved(NamedTuple):
    """What a file holds.

    Attributes:
        arrays: By name, float32.
        optimizer: The id or ``module:factory`` that they were evolved in.
        hyperparameters: Of that optimizer.
        digest: SHA-256 of the above.
        record: How it was done.
    """

    arrays: dict[str, np.ndarray]
    optimizer: str
    hyperparameters: dict[str, Any]
    digest: str
    record: dict[str, Any]


def to_bytes(
    arrays: Mapping[str, Any], optimizer: str, hyperparameters: Mapping[str, Any], record: Mapping[str, Any]
) -> bytes:
    """A file's content, the same for the same arguments."""
    plain = {name: np.asarray(array, np.float32, order="C") for name, array in arrays.items()}
    header = {
        "format": FORMAT,
        "optimizer": optimizer,
        "hyperparameters": dict(hyperparameters),
        "sha256": digest_of(plain, optimizer, hyperparameters),
        "record": dict(record),
    }
    return save(plain, metadata={KEY: json.dumps(header, sort_keys=True)})


def load(path: Path) -> Evolved:
    """Reads a file.

    Raises:
        ParameterError: If there is no such file, or it is truncated, changed, or not one of evolved arrays.
    """
    try:
        metadata, arrays = tensors.read(path)
    except FileNotFoundError:
        raise ParameterError(f"there is no file {path}; `qdbench meta-train --help` says how to make one") from None
    except (OSError, TypeError, ValueError) as error:
        raise ParameterError(f"{path} cannot be read as safetensors, it may be truncated: {error}") from error
    if KEY not in metadata:
        raise ParameterError(f"{path} holds no evolved parameters: its metadata has no entry {KEY!r}")
    try:
        header = json.loads(metadata[KEY])
        version, digest = header["format"], str(header["sha256"])
        evolved = Evolved(
            arrays, str(header["optimizer"]), dict(header["hyperparameters"]), digest, dict(header["record"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ParameterError(f"{path}: the header does not describe evolved parameters ({error!r})") from error
    if version != FORMAT:
        raise ParameterError(f"{path} has format {version!r}, and this qdbench reads format {FORMAT}")
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise ParameterError(f"{path}: {name} must be finite float32 numbers, but it is {array.dtype}: {array}")
    if digest_of(arrays, evolved.optimizer, evolved.hyperparameters) != digest:
        raise ParameterError(f"{path}: the parameters are not those that the file was written with (SHA-256)")
    return evolved


def digest_of(arrays: Mapping[str, np.ndarray], optimizer: str, hyperparameters: Mapping[str, Any]) -> str:
    """The SHA-256 of all that decides what the optimizer does."""
    digest = hashlib.sha256(json.dumps([optimizer, dict(hyperparameters)], sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).astype("<f4").tobytes())
    return digest.hexdigest()
