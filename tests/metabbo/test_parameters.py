"""Files of evolved arrays: what is written is read, and everything else is refused by name."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from qdbench.metabbo.parameters import KEY, digest_of, load, to_bytes
from tests.metabbo import evolved_files
from tests.metabbo.evolved_files import RECORD, parts, rewrite

OPTIMIZER = "gaussian-ga"
SETTINGS = {"batch_size": 16, "nested": {"rate": 0.5}}
ARRAYS = {
    "sigma": np.array(0.25, np.float32),
    "vector": np.arange(3, dtype=np.float32),
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
}


def content(arrays: dict[str, Any] = ARRAYS) -> bytes:
    return to_bytes(arrays, OPTIMIZER, SETTINGS, RECORD)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "evolved.safetensors"
    file.write_bytes(content())
    return file


refusal = functools.partial(evolved_files.refusal, load)


def test_what_is_written_is_read(path: Path) -> None:
    evolved = load(path)
    assert evolved.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(evolved.arrays[name], array)
        assert evolved.arrays[name].dtype == np.float32
    assert (evolved.optimizer, evolved.hyperparameters, evolved.record) == (OPTIMIZER, SETTINGS, RECORD)
    assert content(evolved.arrays) == path.read_bytes()


def test_shapes_are_kept(path: Path) -> None:
    """Also that of a number, such as the Gaussian GA's mutation rate."""
    assert {name: array.shape for name, array in load(path).arrays.items()} == {
        "sigma": (),
        "vector": (3,),
        "matrix": (2, 3),
    }


def test_the_order_of_arrays_and_settings_does_not_matter() -> None:
    turned = to_bytes(
        dict(reversed(ARRAYS.items())), OPTIMIZER, dict(reversed(SETTINGS.items())), dict(reversed(RECORD.items()))
    )
    assert turned == content()


def test_double_precision_is_stored_in_single(path: Path) -> None:
    path.write_bytes(content({"x": np.array([0.1])}))
    assert load(path).arrays["x"] == np.float32(0.1)


def test_rows_in_another_order_in_memory(path: Path) -> None:
    matrix = np.asfortranarray(ARRAYS["matrix"])
    path.write_bytes(content({"a": matrix, "b": matrix.T, "c": ARRAYS["vector"][::-1]}))
    loaded = load(path).arrays
    np.testing.assert_array_equal(loaded["a"], matrix)
    np.testing.assert_array_equal(loaded["b"], matrix.T)
    np.testing.assert_array_equal(loaded["c"], [2, 1, 0])


def test_the_digest_is_of_all_that_decides() -> None:
    digest = digest_of(ARRAYS, OPTIMIZER, SETTINGS)
    assert digest == digest_of(dict(reversed(ARRAYS.items())), OPTIMIZER, dict(reversed(SETTINGS.items())))
    assert len(digest) == 64
    others = [
        (ARRAYS | {"sigma": np.array(0.26, np.float32)}, OPTIMIZER, SETTINGS),
        ({"Sigma" if name == "sigma" else name: array for name, array in ARRAYS.items()}, OPTIMIZER, SETTINGS),
        (ARRAYS, "lga", SETTINGS),
        (ARRAYS, OPTIMIZER, SETTINGS | {"batch_size": 17}),
        (ARRAYS, OPTIMIZER, {}),
    ]
    assert len({digest, *(digest_of(*other) for other in others)}) == 6


@pytest.mark.parametrize("tenth", range(10))
def test_truncated(tenth: int, path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * tenth // 10])
    assert "truncated" in refusal(path)


def test_one_byte_less_or_more(path: Path) -> None:
    whole = path.read_bytes()
    for changed in (whole[:-1], whole + b"\0"):
        path.write_bytes(changed)
        assert "cannot be read as safetensors" in refusal(path)


def test_one_flipped_bit(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[-2] ^= 1
    path.write_bytes(whole)
    assert "SHA-256" in refusal(path)


@pytest.mark.parametrize("metadata", [None, {}, {"qdbench": "{}"}, {"format": "pt"}])
def test_a_foreign_file(metadata: dict[str, str] | None, path: Path) -> None:
    path.write_bytes(save({"a": np.zeros(3, np.float32)}, metadata=metadata))
    assert "holds no evolved parameters" in refusal(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"format"', "{}", '{"format": 1}'])
def test_a_header_that_is_none(text: str, path: Path) -> None:
    arrays, _ = parts(path)
    path.write_bytes(save(arrays, metadata={KEY: text}))
    assert "the header does not describe evolved parameters" in refusal(path)


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_another_format(version: object, path: Path) -> None:
    arrays, header = parts(path)
    rewrite(path, arrays, header | {"format": version})
    assert f"has format {version!r}, and this qdbench reads format 1" in refusal(path)


@pytest.mark.parametrize("field", ["format", "optimizer", "hyperparameters", "sha256", "record"])
def test_a_header_that_lacks_something(field: str, path: Path) -> None:
    arrays, header = parts(path)
    rewrite(path, arrays, {name: value for name, value in header.items() if name != field})
    assert repr(field) in refusal(path).replace("\\'", "'")


@pytest.mark.parametrize("field", ["hyperparameters", "record"])
@pytest.mark.parametrize("value", [None, 3, "text", [1]])
def test_a_header_with_something_else(value: object, field: str, path: Path) -> None:
    arrays, header = parts(path)
    rewrite(path, arrays, header | {field: value})
    assert "the header does not describe evolved parameters" in refusal(path)


@pytest.mark.parametrize(
    "change",
    [{"optimizer": "cma-es"}, {"optimizer": None}, {"hyperparameters": {}}, {"hyperparameters": {"batch_size": 17}}],
)
def test_a_header_that_was_changed(change: dict[str, Any], path: Path) -> None:
    arrays, header = parts(path)
    rewrite(path, arrays, header | change)
    assert "SHA-256" in refusal(path)


@pytest.mark.parametrize("digest", ["", "0" * 64, None, 5])
def test_another_digest(digest: object, path: Path) -> None:
    arrays, header = parts(path)
    rewrite(path, arrays, header | {"sha256": digest})
    assert "SHA-256" in refusal(path)


FINITE = "matrix must be finite float32 numbers"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda array: array + np.float32(1e-3), "not those that the file was written with"),
        (lambda array: array[::-1].copy(), "not those that the file was written with"),
        (lambda array: array[:-1].copy(), "not those that the file was written with"),
        (lambda array: array * np.float32(np.nan), FINITE),
        (lambda array: np.float32([np.inf, 0]), FINITE),
        (lambda array: array.astype(np.float64), FINITE),
        (lambda array: array.astype(np.float16), FINITE),
        (lambda array: array.astype(np.int32), FINITE),
        (lambda array: array > 2, FINITE),
    ],
)
def test_an_array_that_was_changed(change: Callable[[np.ndarray], np.ndarray], complaint: str, path: Path) -> None:
    arrays, header = parts(path)
    rewrite(path, arrays | {"matrix": change(arrays["matrix"])}, header)
    assert complaint in refusal(path)


def test_an_array_that_is_missing_or_too_many(path: Path) -> None:
    arrays, header = parts(path)
    fewer = {name: array for name, array in arrays.items() if name != "vector"}
    for changed in (fewer, arrays | {"extra": np.zeros(2, np.float32)}, {}):
        rewrite(path, changed, header)
        assert "SHA-256" in refusal(path)


class Harmful:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "learned.pkl", tmp_path / "executed"
    path.write_bytes(pickle.dumps(Harmful(trace)))
    assert "cannot be read as safetensors" in refusal(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists()


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    message = refusal(tmp_path / "missing.safetensors")
    assert "there is no file" in message
    assert "meta-train" in message
    assert "cannot be read" in refusal(tmp_path)
