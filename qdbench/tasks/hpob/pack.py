"""One file with all surrogates that were imported: compressed NumPy arrays (``.npz``); reading runs no code.

The trees of all models stand one after another, as perfect trees of the depth of the deepest. A header, which is JSON,
names the tasks and the source; a hash over everything shows whether the file is whole.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from qdbench.datasets import DataError
from qdbench.harness.store import StoreError, write_atomically
from qdbench.tasks.hpob.trees import MAX_DEPTH, Trees, check

FORMAT = "qdbench-tree-ensembles-1"
_ARRAYS = {
    "feature": np.int16,
    "threshold": np.float32,
    "default_left": np.bool_,
    "leaf": np.float32,
    "first_tree": np.int64,
    "base_score": np.float32,
    "num_feature": np.int64,
    "y_min": np.float64,
    "y_max": np.float64,
}


@dataclasses.dataclass(frozen=True)
class Surrogate:
    """The model of one task.

    Attributes:
        space: The search space.
        dataset: The data set.
        trees: The model.
        y_min: The value whose normalised accuracy is 0.
        y_max: The value whose normalised accuracy is 1.
    """

    space: str
    dataset: str
    trees: Trees
    y_min: float
    y_max: float


@dataclasses.dataclass(frozen=True)
class Pack:
    """The surrogates of a file.

    Attributes:
        surrogates: By space and data set, in the order in which they were written.
        official: Whether they were made of the file that HPO-B's authors published.
        source: The name of the file or folder that they were made of.
        source_sha256: Its hash; empty for a folder.
    """

    surrogates: Mapping[tuple[str, str], Surrogate]
    official: bool
    source: str
    source_sha256: str

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """The space and data set of each surrogate."""
        return tuple(self.surrogates)

    def surrogate(self, space: str, dataset: str) -> Surrogate:
        """The surrogate of a task.

        Raises:
            DataError: If there is none.
        """
        found = self.surrogates.get((space, dataset))
        if found is None:
            known = [f"{one}-{other}" for one, other in self.surrogates]
            near = difflib.get_close_matches(f"{space}-{dataset}", known, 3) or known[:3]
            raise DataError(
                f"{self.source} has no surrogate {space}-{dataset}; of its {len(known)}, the nearest are "
                f"{', '.join(near)}"
            )
        return found


class _Header(BaseModel):
    format: str
    tasks: tuple[tuple[str, str], ...]
    official: bool
    source: str
    source_sha256: str


def save_pack(path: Path, pack: Pack) -> None:
    """Writes a pack, whole or not at all.

    Raises:
        DataError: If it cannot be written.
    """
    surrogates = list(pack.surrogates.values())
    depth = max(surrogate.trees.depth for surrogate in surrogates)
    deepened = [surrogate.trees.deepened(depth) for surrogate in surrogates]
    values: dict[str, Any] = {
        name: np.concatenate([getattr(trees, name) for trees in deepened])
        for name in ("feature", "threshold", "default_left", "leaf")
    }
    values["first_tree"] = np.cumsum([0, *(len(trees.leaf) for trees in deepened)])
    for name in ("base_score", "num_feature"):
        values[name] = [getattr(trees, name) for trees in deepened]
    for name in ("y_min", "y_max"):
        values[name] = [getattr(surrogate, name) for surrogate in surrogates]
    arrays: dict[str, Any] = {name: np.asarray(values[name], dtype) for name, dtype in _ARRAYS.items()}
    header = _Header(
        format=FORMAT,
        tasks=pack.names,
        official=pack.official,
        source=pack.source,
        source_sha256=pack.source_sha256,
    )
    text = header.model_dump_json().encode()
    stream = io.BytesIO()
    digest = np.frombuffer(_digest(text, arrays), np.uint8)
    np.savez_compressed(stream, header=np.frombuffer(text, np.uint8), digest=digest, **arrays)
    content = stream.getvalue()
    try:
        write_atomically(path, content)
    except StoreError as error:
        raise DataError(
            f"{error}; nothing was written. {len(content):,} bytes are needed: choose another file with --out"
        ) from error


def load_pack(path: Path) -> Pack:
    """Reads and checks a pack.

    Raises:
        DataError: If it is missing, damaged or no pack.
    """
    again = "import it again: qdbench data import"
    try:
        # NumPy leaves a file open that it opened itself and that is no whole archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            text = file["header"].tobytes()
            stored = file["digest"].tobytes()
            arrays: dict[str, np.ndarray] = {name: file[name] for name in _ARRAYS}
        header = _Header.model_validate_json(text)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; make it with: qdbench data import") from None
    # What NumPy raises depends on where a file is damaged; pydantic's errors are ValueErrors.
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as packed surrogates ({error}); {again}") from error
    if header.format != FORMAT:
        raise DataError(f"{path} has the format {header.format!r}; this version reads {FORMAT!r}; {again}")
    if (found := _digest(text, arrays)) != stored:
        raise DataError(f"{path} is damaged: its content has the hash {found.hex()}, it names {stored.hex()}; {again}")
    _check_shapes(path, arrays, len(header.tasks))
    return _pack(path, header, arrays)


def cached_pack(path: Path) -> Pack:
    """As :func:`load_pack`, but a file that has not changed is read once: tasks are made one at a time."""
    try:
        state = path.stat()
    except OSError:
        return load_pack(path)
    return _cached(path, state.st_mtime_ns, state.st_size)


def verify(path: Path) -> None:
    """Reads a pack for the sake of its checks alone; see :func:`load_pack`."""
    load_pack(path)


@functools.lru_cache(maxsize=4)
def _cached(path: Path, modified: int, size: int) -> Pack:
    del modified, size
    return load_pack(path)


def _pack(path: Path, header: _Header, arrays: dict[str, np.ndarray]) -> Pack:
    surrogates = {}
    for index, (space, dataset) in enumerate(header.tasks):
        part = slice(arrays["first_tree"][index], arrays["first_tree"][index + 1])
        trees = Trees(
            feature=arrays["feature"][part],
            threshold=arrays["threshold"][part],
            default_left=arrays["default_left"][part],
            leaf=arrays["leaf"][part],
            base_score=arrays["base_score"][index],
            num_feature=int(arrays["num_feature"][index]),
        )
        check(trees, f"{path}: {space}-{dataset}")
        y_min, y_max = float(arrays["y_min"][index]), float(arrays["y_max"][index])
        surrogates[space, dataset] = Surrogate(space, dataset, trees, y_min, y_max)
    return Pack(surrogates, header.official, header.source, header.source_sha256)


def _check_shapes(path: Path, arrays: Mapping[str, np.ndarray], tasks: int) -> None:
    for name, dtype in _ARRAYS.items():
        if arrays[name].dtype != dtype:
            raise DataError(f"{path}: {name} has the type {arrays[name].dtype}; it should be {np.dtype(dtype)}")
    first = arrays["first_tree"]
    trees, leaves = int(first[-1]) if first.size else 0, arrays["leaf"].shape[-1]
    if leaves not in [2**depth for depth in range(MAX_DEPTH + 1)]:
        raise DataError(f"{path}: a tree has {leaves} leaves; it should have 1, 2, 4, .. or {2**MAX_DEPTH}")
    wanted: dict[str, Sequence[int]] = dict.fromkeys(("feature", "threshold", "default_left"), (trees, leaves - 1))
    wanted |= {"leaf": (trees, leaves), "first_tree": (tasks + 1,)}
    wanted |= dict.fromkeys(("base_score", "num_feature", "y_min", "y_max"), (tasks,))
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise DataError(f"{path}: {name} has the shape {arrays[name].shape}; it should be {shape}")
    if first[0] != 0 or (np.diff(first) < 1).any():
        raise DataError(f"{path}: first_tree should start at 0 and increase, but it is {first.tolist()}")


def _digest(header: bytes, arrays: Mapping[str, np.ndarray]) -> bytes:
    digest = hashlib.sha256(header)
    for name in _ARRAYS:
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.digest()
