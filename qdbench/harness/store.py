"""One file a trial: safetensors (arrays with a JSON header; loading runs no code), written atomically.

``DIR/<task id>/<optimizer>/<repetition>-<hash>.safetensors`` holds a finished trial, ``...failed.json`` the record of
one that failed. The hash covers everything that decides the result, so "is it done?" is "is that file there?".
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError
from safetensors.numpy import save

from qdbench.harness import targets, tensors
from qdbench.harness.result import FinalArchive, TrialConfig, TrialRecord, TrialResult, canonical, trace_columns

SUFFIX = ".safetensors"
FAILED_SUFFIX = ".failed.json"


class StoreError(RuntimeError):
    """A result that cannot be written or read, with the file and the reason."""


def path_of(directory: Path, config: TrialConfig) -> Path:
    """Where the result of a configuration is stored."""
    optimizer = re.sub(r"[^A-Za-z0-9._-]+", "_", config.optimizer)
    return directory / config.task.id / optimizer / f"{config.repetition:03d}-{config.digest()}{SUFFIX}"


def is_finished(directory: Path, config: TrialConfig, with_solutions: bool = False) -> bool:
    """Whether a whole result of exactly this configuration is stored, with the elites' parameters if wanted."""
    path = path_of(directory, config)
    if not path.is_file():
        return False
    try:
        with _open(path) as file:
            same = _record_of(path, file).config.digest() == config.digest()
            return same and (not with_solutions or "archive/solutions" in file.keys())  # noqa: SIM118
    except StoreError:
        return False


def save_result(directory: Path, result: TrialResult) -> Path:
    """Writes a finished trial and removes the record of an earlier failure.

    Raises:
        StoreError: If the folder cannot be written or the disk is full; nothing half-written stays.
    """
    arrays = {f"trace/{name}": result.trace[name].to_numpy(np.float64) for name in trace_columns(result.trace)}
    archive = result.archive
    if archive is not None:
        arrays["archive/cells"] = archive.cells
        arrays["archive/objective"] = archive.objective
        arrays["archive/measures"] = archive.measures
        if archive.solutions is not None:
            arrays["archive/solutions"] = archive.solutions
    if result.targets is not None:
        arrays["targets/evaluations"] = result.targets["evaluations"].to_numpy(np.int64)
        arrays["targets/precision"] = result.targets["precision"].to_numpy(np.float64)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save_content(
        directory, result.record.config, save(contiguous, metadata={"qdbench": canonical(result.record)})
    )


def save_content(directory: Path, config: TrialConfig, content: bytes) -> Path:
    """Writes the file of a finished trial, as :func:`content_of` read it, and removes the record of an earlier failure.

    Raises:
        StoreError: If the folder cannot be written or the disk is full; nothing half-written stays.
    """
    path = path_of(directory, config)
    write_atomically(path, content)
    _failure_path(path).unlink(missing_ok=True)
    return path


def content_of(directory: Path, config: TrialConfig) -> bytes:
    """The file of a finished trial.

    Raises:
        StoreError: If it cannot be read.
    """
    path = path_of(directory, config)
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} cannot be read as a result: {error}") from error


def save_failure(directory: Path, record: TrialRecord) -> Path:
    """Writes the record of a failed trial.

    Raises:
        StoreError: If it cannot be written.
    """
    path = _failure_path(path_of(directory, record.config))
    write_atomically(path, canonical(record).encode())
    return path


def load(path: Path) -> TrialResult:
    """Reads a finished trial.

    Raises:
        StoreError: If the file is missing, truncated, or not a result.
    """
    with _open(path) as file:
        record = _record_of(path, file)
        names = set(file.keys())
        columns = trace_columns({name.removeprefix("trace/") for name in names})
        trace = pd.DataFrame({name: file.get_tensor(f"trace/{name}") for name in columns})
        archive = None
        if "archive/cells" in names:
            archive = FinalArchive(
                cells=file.get_tensor("archive/cells"),
                objective=file.get_tensor("archive/objective"),
                measures=file.get_tensor("archive/measures"),
                solutions=file.get_tensor("archive/solutions") if "archive/solutions" in names else None,
                shape=record.config.task.archive_shape,
            )
        hits = None
        if "targets/evaluations" in names:
            hits = targets.table(file.get_tensor("targets/evaluations"), file.get_tensor("targets/precision"))
    for name in ("iteration", "evaluations", "gradient_evaluations"):
        trace[name] = trace[name].astype(np.int64)
    return TrialResult(record, trace, archive, hits)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    """A safetensors file; what is wrong with it, or with what is read from it, is raised as StoreError."""
    try:
        with tensors.opened(path) as file:
            yield file
    except (OSError, ValidationError, ValueError) as error:
        raise StoreError(f"{path} cannot be read as a result: {error}") from error


def _record_of(path: Path, file: Any) -> TrialRecord:
    metadata = file.metadata() or {}
    if "qdbench" not in metadata:
        raise StoreError(f"{path} is a safetensors file but not a qdbench result: its header has no record")
    return TrialRecord.model_validate_json(metadata["qdbench"])


def load_failure(path: Path) -> TrialRecord:
    """Reads the record of a failed trial.

    Raises:
        StoreError: If it is missing or malformed.
    """
    try:
        return TrialRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise StoreError(f"{path} cannot be read as the record of a failed trial: {error}") from error


def result_paths(directory: Path) -> Iterator[Path]:
    """The files of finished trials below a folder, in a fixed order."""
    yield from sorted(path for path in directory.rglob(f"*{SUFFIX}") if not path.name.startswith("."))


def failure_paths(directory: Path) -> Iterator[Path]:
    """The records of failed trials below a folder, in a fixed order."""
    yield from sorted(path for path in directory.rglob(f"*{FAILED_SUFFIX}") if not path.name.startswith("."))


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that it is there whole or not at all: temporary name, fsync, rename.

    Raises:
        StoreError: If the folder cannot be made or written, or the disk is full.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def write_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Writes files into a folder, each whole or not at all, and returns their paths.

    Raises:
        StoreError: If one cannot be written.
    """
    for name, content in files.items():
        write_atomically(folder / name, content)
    return [folder / name for name in files]


def _failure_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(SUFFIX) + FAILED_SUFFIX)


def check_writable(directory: Path) -> None:
    """Tries to write in a folder, so that a run fails before its first trial and not after it.

    Raises:
        StoreError: If the folder cannot be made or written.
    """
    probe = directory / f".writable-{os.getpid()}"
    write_atomically(probe, b"")
    probe.unlink()
