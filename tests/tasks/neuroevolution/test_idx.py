"""The IDX format: what is written is read, and what is not whole is refused with a reason."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from qdbench.datasets import DataError
from qdbench.tasks.neuroevolution import idx

arrays = st_numpy.arrays(np.uint8, st_numpy.array_shapes(max_dims=4, min_side=0, max_side=5))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx") / "file"


def plain_idx(array: np.ndarray) -> bytes:
    """The format by its definition."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


@given(array=arrays, compressed=st.booleans())
def test_round_trip(path: Path, array: np.ndarray, compressed: bool) -> None:
    content = idx.to_idx(array)
    assert content == plain_idx(array)
    path.write_bytes(gzip.compress(content) if compressed else content)
    read = idx.read_idx(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)
    assert read.shape == array.shape


@given(array=arrays, compressed=st.booleans(), data=st.data())
def test_every_truncation_is_noticed(path: Path, array: np.ndarray, compressed: bool, data: st.DataObject) -> None:
    content = idx.to_idx(array)
    content = gzip.compress(content) if compressed else content
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(DataError, match=str(path)):
        idx.read_idx(path)


@given(content=st.binary(max_size=40))
def test_nothing_but_data_errors(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        array = idx.read_idx(path)
    except DataError:
        return
    assert plain_idx(array) == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file: it starts with nothing"),
        (b"PK\x03\x04", "not an IDX file: it starts with 50 4b 03 04"),
        (b"\0\0\x0d\x01\0\0\0\0", "of type 0x0d; it should be of unsigned bytes, 0x08"),
        (b"\0\0\x08\x03\0\0\0\1", "truncated within the header"),
        (b"\0\0\x08\x01\0\0\0\3ab", r"names the shape \(3,\), 3 bytes, but there are only 2"),
        (b"\0\0\x08\x01\0\0\0\1ab", r"names the shape \(1,\), 1 bytes, but there are more"),
        (struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3), "more than 1,073,741,824 bytes"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\1a", mtime=0)[:-9], "cannot be read"),
        (b"\x1f\x8b" + bytes(30), "cannot be read"),
    ],
)
def test_reasons(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "some-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as raised:
        idx.read_idx(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(DataError, match=f"{path}: cannot be read"):
            idx.read_idx(path)
