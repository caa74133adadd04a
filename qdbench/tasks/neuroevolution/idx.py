"""The IDX format of MNIST and its relatives: arrays of bytes, as they are or compressed with gzip."""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from qdbench.datasets import DataError

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_MOST_BYTES = 2**30


def read_idx(path: Path) -> np.ndarray:
    """Reads an IDX file of unsigned bytes.

    The format: two zero bytes, a byte for the type (8), one for the number of dimensions, the dimensions as big-endian
    32-bit integers, and the bytes in row-major order.

    Returns:
        An array of uint8 with the file's shape.

    Raises:
        DataError: If the file cannot be read, is truncated or longer than it says, or is none of this kind.
    """
    try:
        with path.open("rb") as start:
            compressed = start.read(len(_GZIP)) == _GZIP
        with gzip.open(path) if compressed else path.open("rb") as file:
            return _read(file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def to_idx(array: np.ndarray) -> bytes:
    """An array of uint8 with at least one dimension in IDX format, not compressed."""
    header = struct.pack(f">HBB{array.ndim}I", 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    return header + np.ascontiguousarray(array, np.uint8).tobytes()


def verify(path: Path) -> None:
    """Reads a file for the sake of its checks alone; see :func:`read_idx`."""
    read_idx(path)


def _read(file: io.BufferedIOBase) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[3] == 0:
        raise ValueError(f"not an IDX file: it starts with {magic.hex(' ') or 'nothing'}")
    if magic[2] != _UNSIGNED_BYTE:
        raise ValueError(f"an IDX file of type {magic[2]:#04x}; it should be of unsigned bytes, {_UNSIGNED_BYTE:#04x}")
    header = file.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise ValueError("truncated within the header")
    shape = struct.unpack(f">{magic[3]}I", header)
    size = math.prod(shape)
    if size > _MOST_BYTES:
        raise ValueError(f"its header names the shape {shape}, more than {_MOST_BYTES:,} bytes")
    content = file.read(size + 1)
    if len(content) != size:
        found = "more" if len(content) > size else f"only {len(content):,}"
        raise ValueError(f"its header names the shape {shape}, {size:,} bytes, but there are {found}")
    return np.frombuffer(content, np.uint8).reshape(shape)
