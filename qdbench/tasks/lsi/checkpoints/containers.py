"""The containers of pickles: a plain file, PyTorch's stream of before 2020, and its zip file (TorchScript's, too)."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from qdbench.datasets import DataError
from qdbench.tasks.lsi.checkpoints.unpickling import MOST_BYTES, RefusedError, Storage, unpickle

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_ZIP = b"PK\x03\x04"


def read(path: Path) -> Any:
    """The content of a checkpoint: containers, holders, tensors; see :mod:`.unpickling`.

    Raises:
        DataError: If there is no such file, or it is damaged, or names anything that could be run.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_ZIP))
            file.seek(0)
            if start == _ZIP:
                return _read_zip(path)
            return _read_stream(file, path.name)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except (OSError, zipfile.BadZipFile, zlib.error, struct.error, MemoryError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}: {error})") from error


def _read_stream(file: io.BufferedIOBase, source: str) -> Any:
    """A plain pickle, or PyTorch's stream: a magic number, a version, facts about the system, the content, storages."""
    storages: dict[str, Storage] = {}

    def storage_of(key: str, dtype: str, count: int) -> Storage:
        return storages.setdefault(key, Storage(dtype, count))

    def nested(data: Any) -> Any:
        if not isinstance(data, bytes):
            raise RefusedError(f"a nested storage is a {type(data).__name__}; it should be bytes")
        return _read_stream(io.BytesIO(data), f"{source}: nested storage")

    def following(storages_allowed: bool) -> Any:
        return unpickle(file, storage_of if storages_allowed else None, nested, source)

    first = following(storages_allowed=False)
    if first != _MAGIC:
        return first
    version, _ = following(False), following(False)
    if version != _PROTOCOL:
        raise DataError(f"{source} has the version {version!r} of PyTorch's format; it should be {_PROTOCOL}")
    content, keys = following(True), following(False)
    if not isinstance(keys, list) or set(keys) != set(storages):
        raise DataError(f"{source} has storages {keys!r}; its content refers to {sorted(storages)}")
    for key in keys:
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise DataError(f"{source}: storage {key!r} has {count} numbers; its content says {storage.count}")
        storage.fill(file.read(count * storage.size))
    return content


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        found = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(found) != 1:
            raise DataError(f"{path} is a zip file with {len(found)} data.pkl; one of PyTorch has 1")
        root = found[0].removesuffix("data.pkl")

        def content_of(name: str) -> bytes:
            # PyTorch compresses source code only, so that what is read is never larger than the file.
            if members[name].file_size > min(MOST_BYTES, members[name].compress_size):
                raise RefusedError(f"{path} is refused: {name} is compressed, which PyTorch never does")
            return archive.read(name)

        if f"{root}byteorder" in members and content_of(f"{root}byteorder") != b"little":
            raise DataError(f"{path} was written on a big-endian machine; only little-endian ones are read")
        storages: dict[str, Storage] = {}

        def storage_of(key: str, dtype: str, count: int) -> Storage:
            name = f"{root}data/{key}"
            if name not in members:
                raise RefusedError(f"it refers to {name}, which is not in it")
            if key not in storages:
                storages[key] = Storage(dtype, count)
                storages[key].fill(content_of(name))
            return storages[key]

        def nested(data: Any) -> Any:
            del data
            raise RefusedError("it has a pickle in a pickle, which a zip file of PyTorch never has")

        return unpickle(content_of(found[0]), storage_of, nested, path.name)
