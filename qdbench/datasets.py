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

from qdbench.registry import load

FOLDER_VARIABLE = "QDBENCH_DATA"
OFFLINE_VARIABLE = "QDBENCH_OFFLINE"
_CHUNK = 1 << 20


class DataError(RuntimeError):
    """Data that is missing, damaged or of another kind: what was found, what was wanted, and what helps."""


@dataclasses.dataclass(frozen=True)
class DataFile:
    """A file of a data set.

    Attributes:
        name: Its path below the data folder.
        licence: The licence of its content.
        command: The command that gets it.
        size: Its bytes, where it is always the same file.
        sha256: Its hash, where it is always the same file.
        url: Where it is downloaded from; None for a file that is made of others.
        checker: ``"module:function"`` that reads a file that is not always the same and raises DataError if it is not
            whole.
    """

    name: str
    licence: str
    command: str
    size: int | None = None
    sha256: str | None = None
    url: str | None = None
    checker: str | None = None


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set: its files, and what is done with those that were downloaded.

    Attributes:
        id: Its name in ``qdbench data fetch``.
        files: Its files.
        finisher: ``"module:function"`` that makes files of those that were downloaded, given the data folder and a
            function that is told about progress; None if there is nothing to do.
    """

    id: str
    files: tuple[DataFile, ...]
    finisher: str | None = None


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

HPOB_SURROGATES = DataFile(
    name="hpob/saved-surrogates.zip",
    licence="MIT (HPO-B)",
    command="qdbench data fetch hpob",
    size=148_595_881,
    sha256="bda3a71e8b720efa97ea654a5e883f87aed1345fa35553318980e1d45b7b5662",
    url="https://rewind.tf.uni-freiburg.de/index.php/s/rTwPgaxS2Z7NH39/download/saved-surrogates.zip",
)
"""The official surrogates; the address is that of the benchmark's README."""

HPOB_PACK = DataFile(
    name="hpob/surrogates.npz",
    licence="MIT (HPO-B)",
    command="qdbench data fetch hpob, or qdbench data import saved-surrogates.zip",
    checker="qdbench.tasks.hpob.pack:verify",
)
"""The 86 surrogates of the meta-test tasks as qdbench evaluates them, made of the official file."""

HPOB_DATA = DataFile(
    name="hpob/hpob-data.zip",
    licence="MIT (HPO-B)",
    command="qdbench data fetch hpob-designs",
    size=261_011_374,
    sha256="ab1c439e50ffea3d8a3f1e0ad7ee7f03cd3c12df05576de84ad7c3b58fbf3358",
    url="https://rewind.tf.uni-freiburg.de/index.php/s/xdrJQPCTNi2zbfL/download/hpob-data.zip",
)
"""The tables of all runs; the address is that of the benchmark's README."""

HPOB_DESIGNS = DataFile(
    name="hpob/designs.json",
    licence="MIT (HPO-B)",
    command="qdbench data fetch hpob-designs, or qdbench data import hpob-data.zip",
    checker="qdbench.tasks.hpob.designs:verify",
)
"""The official initial designs, made of the tables."""

DATASETS = (
    Dataset("hpob", (HPOB_SURROGATES, HPOB_PACK), finisher="qdbench.tasks.hpob.importing:finish"),
    Dataset("hpob-designs", (HPOB_DATA, HPOB_DESIGNS), finisher="qdbench.tasks.hpob.designs:finish"),
)


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
    known = {entry.id: entry for entry in DATASETS}
    if id not in known:
        near = difflib.get_close_matches(id, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise DataError(f"no data set {id!r}: {hint}")
    return known[id]


def is_there(id: str, data_home: Path | None = None) -> bool:
    """Whether the files of a data set that tasks read are there, whole or not.

    Raises:
        DataError: If there is no data set of that name.
    """
    chosen = dataset(id)
    # What is only made into other files may have been removed since.
    read = [file for file in chosen.files if chosen.finisher is None or file.url is None]
    return all((data_folder(data_home) / file.name).is_file() for file in read)


def locate(file: DataFile, data_home: Path | None = None) -> Path:
    """The path of a file that is there.

    Raises:
        DataError: If it is not, with everything that helps to get it.
    """
    path = data_folder(data_home) / file.name
    if path.is_file():
        return path
    known = {
        "size": f"{file.size:,} bytes" if file.size else None,
        "sha256": file.sha256,
        "source": file.url,
        "licence": file.licence,
        "get it with": file.command,
        "another folder": f"{FOLDER_VARIABLE}=/path/to/data",
    }
    details = "\n".join(f"  {name}: {value}" for name, value in known.items() if value)
    found = "a folder, not a file, at" if path.is_dir() else "no file"
    raise DataError(f"there is {found} {path}\n{details}")


def inspect(file: DataFile, data_home: Path | None = None) -> FileState:
    """Looks at a file and checks it; reads all of it."""
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
    return [root / file.name for file in chosen.files]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


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
    if state.problem:
        raise DataError(f"{state.path}: {state.problem}; remove it, then: {file.command}")
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
