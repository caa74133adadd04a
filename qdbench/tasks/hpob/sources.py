"""Where models and designs are imported from: HPO-B's zip files, folders laid out like them, or one model.

Nothing is extracted. What comes from outside is not trusted: every size is bounded, before and while reading, and a
path that leaves the archive or the folder is an error even where it would not be read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from qdbench.data_catalogue import HPOB_SURROGATES, DataFile
from qdbench.datasets import DataError, sha256_of
from qdbench.tasks.hpob.names import SUMMARY, task_of

MEBIBYTE = 1 << 20
RATIO_LIMIT = 100
"""The most that a member may be compressed; xgboost's JSON is to a fifth of its size, up to a tenth."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is read from a source, and how much of it at most.

    Attributes:
        file: The file that HPO-B's authors published.
        is_wanted: Whether a member of this name is read.
        member_limit: The most bytes of one member.
        total_limit: The most bytes of all members together.
    """

    file: DataFile
    is_wanted: Callable[[str], bool]
    member_limit: int
    total_limit: int


SURROGATES = Kind(
    HPOB_SURROGATES,
    lambda name: name == SUMMARY or task_of(name) is not None,
    member_limit=128 * MEBIBYTE,
    total_limit=8192 * MEBIBYTE,
)
"""Models; 500 trees of depth 6 take some 6 million bytes."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Files by their names, each read when it is asked for.

    Attributes:
        path: Where they come from.
        kind: What they are.
        sha256: The hash of the file that they come from; None for a folder.
        members: A function that reads, for each name such as ``surrogate-4796-23.json``.
    """

    path: Path
    kind: Kind
    sha256: str | None
    members: Mapping[str, Callable[[], bytes]]

    @property
    def official(self) -> bool:
        """Whether this is the file that HPO-B's authors published."""
        return self.sha256 == self.kind.file.sha256


@contextlib.contextmanager
def opened(path: Path, kind: Kind = SURROGATES) -> Iterator[Source]:
    """A zip file, a folder or one file.

    Raises:
        DataError: If there is nothing, if it cannot be read, or if it is none of these.
    """
    try:
        if path.is_dir():
            yield Source(path, kind, None, _folder_members(path, kind))
        elif not path.exists():
            raise DataError(f"there is no file or folder {path}")
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield Source(path, kind, sha256_of(path), _zip_members(path, archive, kind))
        elif path.suffix == ".zip":
            raise zipfile.BadZipFile("its directory is missing")
        else:
            yield Source(path, kind, sha256_of(path), {path.name: lambda: _read_file(path, kind)})
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{path} is no whole zip file ({error}; {path.stat().st_size:,} bytes); {_again(kind)}"
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _zip_members(path: Path, archive: zipfile.ZipFile, kind: Kind) -> dict[str, Callable[[], bytes]]:
    members: dict[str, Callable[[], bytes]] = {}
    total = 0
    for info in archive.infolist():
        parts = PurePosixPath(info.filename)
        if parts.is_absolute() or ".." in parts.parts or "\\" in info.filename or ":" in info.filename:
            raise DataError(f"{path}: the path {info.filename!r} leaves the archive; it is not imported")
        if info.is_dir() or not kind.is_wanted(parts.name):
            continue
        _check_size(path, info, kind)
        total += info.file_size
        read = functools.partial(_read_member, path, archive, info, kind)
        _add(members, parts.name, path, read)
    if total > kind.total_limit:
        raise DataError(f"{path} would unpack to {total:,} bytes; at most {kind.total_limit:,} are read")
    return members


def _check_size(path: Path, info: zipfile.ZipInfo, kind: Kind) -> None:
    if info.file_size > kind.member_limit:
        raise DataError(
            f"{path}: {info.filename} would unpack to {info.file_size:,} bytes; at most {kind.member_limit:,} are read"
        )
    if info.file_size > RATIO_LIMIT * max(info.compress_size, 1) and info.file_size > MEBIBYTE:
        raise DataError(
            f"{path}: {info.filename} would unpack {info.compress_size:,} bytes to {info.file_size:,}; such a file is "
            f"compressed at most {RATIO_LIMIT} times"
        )


def _read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, kind: Kind) -> bytes:
    """A member's content; ``zipfile`` reads no more than the size that it declares, and checks its sum."""
    try:
        with archive.open(info) as file:
            return file.read()
    # NotImplementedError is an unknown compression; RuntimeError, its parent, an encrypted member.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise DataError(f"{path}: {info.filename} cannot be read ({error}); {_again(kind)}") from error


def _folder_members(path: Path, kind: Kind) -> dict[str, Callable[[], bytes]]:
    root = path.resolve()
    members: dict[str, Callable[[], bytes]] = {}
    for file in sorted([*path.glob("*.json"), *path.glob("*/*.json")]):
        if not kind.is_wanted(file.name):
            continue
        if not file.resolve().is_relative_to(root):
            raise DataError(f"{file} leads out of the folder, to {file.resolve()}; it is not imported")
        if not file.is_file():
            raise DataError(f"{file} is a folder; it should be a file")
        _add(members, file.name, path, functools.partial(_read_file, file, kind))
    return members


def _read_file(path: Path, kind: Kind) -> bytes:
    size = path.stat().st_size
    if size > kind.member_limit:
        raise DataError(f"{path} has {size:,} bytes; at most {kind.member_limit:,} are read")
    return path.read_bytes()


def _again(kind: Kind) -> str:
    return f"get it again with: {kind.file.command}"


def _add(members: dict[str, Callable[[], bytes]], name: str, path: Path, read: Callable[[], bytes]) -> None:
    if name in members:
        raise DataError(f"{path} has {name} twice; it should be there once")
    members[name] = read
