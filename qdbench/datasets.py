"""Data that users download: where it lies, whether it is whole, and the command that gets it.

The data folder is, in this order, an argument, the environment variable ``QDBENCH_DATA``, or the folder ``qdbench`` in
the operating system's cache. Nothing is created by looking. ``QDBENCH_OFFLINE=1`` forbids downloads.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from qdbench import data_catalogue
from qdbench.data_catalogue import DataFile, Dataset
from qdbench.registry import load

FOLDER_VARIABLE = "QDBENCH_DATA"
OFFLINE_VARIABLE = "QDBENCH_OFFLINE"
_CHUNK = 1 << 20


class DataError(RuntimeError):
    """Data that is missing, damaged or of another kind: what was found, what was wanted, and what helps."""


@dataclasses.dataclass(frozen=True)
class FileState:
    """What lies where a file should be.

    Attributes:
        file: The file.
        path: Where it should be.
        size: Its bytes; None if it is missing.
        problem: What is wrong with it; empty if it is whole or missing.
    """

    file: DataFile
    path: Path
    size: int | None
    problem: str = ""


Progress = Callable[[int, int, str], None]
"""Is told how much of how much is done, and what comes next."""


def data_folder(data_home: Path | None = None) -> Path:
    """The folder of all data: the argument, else ``QDBENCH_DATA``, else the operating system's cache."""
    if data_home is not None:
        return data_home
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    import pooch

    return Path(pooch.os_cache("qdbench"))


def dataset(id: str) -> Dataset:
    """A data set by its name.

    Raises:
        DataError: If there is none of that name.
    """
    known = {entry.id: entry for entry in data_catalogue.DATASETS}
    if id not in known:
        near = difflib.get_close_matches(id, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise DataError(f"no data set {id!r}: {hint}")
    return known[id]


def is_present(id: str, data_home: Path | None = None) -> bool:
    """Whether the files of a data set that tasks read are there, whole or not.

    Raises:
        DataError: If there is no data set of that name.
    """
    chosen, root = dataset(id), data_folder(data_home)
    # What is only made into other files may have been removed since.
    return all(_found(file, root) for file in chosen.files if chosen.finisher is None or file.url is None)


def locate(file: DataFile, data_home: Path | None = None) -> Path:
    """The path of a file that is there.

    Raises:
        DataError: If it is not, with everything that helps to get it.
    """
    root = data_folder(data_home)
    if found := _found(file, root):
        return found
    path = root / file.name
    known = {
        "size": f"{file.size:,} bytes" if file.size else None,
        "sha256": file.sha256,
        "source": file.url,
        "licence": file.licence,
        "get it with": file.command,
        "or put it at": ", ".join(form.name for form in file.others),
        "another folder": f"{FOLDER_VARIABLE}=/path/to/data",
    }
    details = "\n".join(f"  {name}: {value}" for name, value in known.items() if value)
    what = "a folder, not a file, at" if path.is_dir() else "no file"
    raise DataError(f"there is {what} {path}\n{details}")


def locate_whole(file: DataFile, data_home: Path | None = None) -> Path:
    """The path of a file that is there and is what it should be; reads all of it.

    Raises:
        DataError: If it is not.
    """
    path = locate(file, data_home)
    _raise_problem(inspect(file, data_home))
    return path


def inspect(file: DataFile, data_home: Path | None = None) -> FileState:
    """Looks at a file, in the first of its forms that is there, and checks it; reads all of it."""
    states = [_inspect(form, data_home) for form in (file, *file.others)]
    return next((state for state in states if state.size is not None or state.problem), states[0])


def _inspect(file: DataFile, data_home: Path | None) -> FileState:
    path = data_folder(data_home) / file.name
    try:
        if path.is_dir():
            return FileState(file, path, None, "a folder, not a file")
        if not path.exists():
            return FileState(file, path, None)
        size = path.stat().st_size
        return FileState(file, path, size, _problem(file, path, size))
    except OSError as error:
        return FileState(file, path, None, f"cannot be read: {error.strerror or error}")


def fetch(id: str, data_home: Path | None = None, progress: Progress | None = None) -> list[Path]:
    """Downloads the files of a data set that are missing, and makes the others of them.

    Args:
        id: The data set's name.
        data_home: The data folder; see :func:`data_folder`.
        progress: Is told how much is done.

    Returns:
        The files that are there now.

    Raises:
        DataError: If a download is forbidden or fails, or gives another file than it should.
    """
    chosen, root = dataset(id), data_folder(data_home)
    for file in chosen.files:
        if file.url is not None:
            _download(file, root, progress)
    if chosen.finisher is not None:
        load(chosen.finisher)(root, progress)
    return [locate(file, root) for file in chosen.files]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _found(file: DataFile, root: Path) -> Path | None:
    """The first of a file's forms that is there."""
    paths = (root / form.name for form in (file, *file.others))
    return next((path for path in paths if path.is_file()), None)


def _raise_problem(state: FileState) -> None:
    if state.problem:
        raise DataError(f"{state.path}: {state.problem}; remove it, then: {state.file.command}")


def _problem(file: DataFile, path: Path, size: int) -> str:
    if file.size is not None and size != file.size:
        return f"{size:,} bytes; it should have {file.size:,}"
    if file.sha256 is not None and (found := sha256_of(path)) != file.sha256:
        return f"sha256 {found}; it should be {file.sha256}"
    if file.checker is not None:
        try:
            load(file.checker)(path)
        except DataError as error:
            return str(error)
    return ""


def _download(file: DataFile, root: Path, progress: Progress | None) -> None:
    state = inspect(file, root)
    _raise_problem(state)
    if state.size is not None:
        return
    if os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0"):
        raise DataError(
            f"{OFFLINE_VARIABLE}={os.environ[OFFLINE_VARIABLE]} forbids the download of {file.url}; "
            f"put the file at {state.path}, or unset the variable"
        )
    import pooch

    pooch.get_logger().setLevel("WARNING")
    bar = _Bar(progress, state.path.name)
    try:
        pooch.retrieve(
            url=file.url,
            known_hash=f"sha256:{file.sha256}",
            fname=state.path.name,
            path=state.path.parent,
            downloader=pooch.HTTPDownloader(progressbar=bar),
        )
    # What pooch raises depends on the cause: requests' errors are OSErrors, a wrong hash is a ValueError.
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot download {file.url} to {state.path}: {error}\n"
            f"  it should have {file.size or 0:,} bytes and the sha256 {file.sha256}\n"
            f"  download it by other means, put it there, and repeat: {file.command}"
        ) from error


class _Bar:
    """What pooch tells its progress bar, handed on."""

    def __init__(self, progress: Progress | None, name: str) -> None:
        self.total = 0
        self._progress = progress
        self._name = name
        self._done = 0

    def update(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self.total, self._name)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        return
