"""Files of the learned GA's operators; tests/metabbo/test_parameters.py has what all files of evolved arrays share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from baselines.learned_ga import lga
from baselines.learned_ga.parameters import FACTORY, load_operators, shipped
from qdbench.leaves import named_leaves
from qdbench.metabbo.parameters import digest_of, load, to_bytes
from tests.baselines.driving import function_task, sphere
from tests.metabbo import evolved_files
from tests.metabbo.evolved_files import RECORD, parts
from tests.reference.learned_ga import redrawn


def content(tree: lga.Operators, **hyperparameters: Any) -> bytes:
    arrays = {f"operators.{name}": leaf for name, leaf in named_leaves(tree).items()}
    return to_bytes(arrays, FACTORY, hyperparameters, RECORD)


def made(names: str = "selection mutation", width: int = 16, heads: int = 2, bias: bool = True) -> lga.Operators:
    return redrawn(lga.zero_operators(names.split(), width, heads, bias), 0, 1.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "learned.safetensors"
    file.write_bytes(content(made()))
    return file


refusal = functools.partial(evolved_files.refusal, load_operators)


def rewrite(path: Path, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    """With the digest that belongs to it: the file is of one piece, and still not one of these operators."""
    digest = digest_of(arrays, str(header["optimizer"]), header["hyperparameters"])
    evolved_files.rewrite(path, arrays, header | {"sha256": digest})


@pytest.mark.parametrize("names", ["selection mutation", "selection", "mutation", "sampling crossover", ""])
@pytest.mark.parametrize(("width", "heads", "bias"), [(16, 2, True), (8, 1, False), (12, 4, True)])
def test_what_is_written_is_read(names: str, width: int, heads: int, bias: bool, tmp_path: Path) -> None:
    path = tmp_path / "learned.safetensors"
    settings = {"operators": names, "width": width, "heads": heads, "bias": bias}
    operators = made(*settings.values())
    path.write_bytes(content(operators, **settings))
    loaded = load_operators(path)
    assert jax.tree.structure(loaded) == jax.tree.structure(operators)
    for one, two in zip(jax.tree.leaves(loaded), jax.tree.leaves(operators), strict=True):
        np.testing.assert_array_equal(one, two)
    evolved = load(path)
    assert (evolved.optimizer, evolved.hyperparameters, evolved.record) == (FACTORY, settings, RECORD)
    assert path.read_bytes() == content(loaded, **settings)


def test_settings_that_a_file_does_not_have_are_the_defaults(path: Path) -> None:
    assert load(path).hyperparameters == {}
    spec = function_task(sphere, 2, "float32").spec
    operators = load_operators(path)
    assert jax.tree.structure(operators) == jax.tree.structure(lga.make_zero(spec).operators)
    optimizer = lga.make_with(operators, "lga", spec, 0.1, 0.5, 6)
    assert sum(leaf.size for leaf in jax.tree.leaves(optimizer.operators)) == 1377


def test_double_precision_is_stored_in_single(path: Path) -> None:
    with jax.enable_x64(True):
        path.write_bytes(content(jax.tree.map(lambda leaf: leaf.astype("float64") + 0.1, made())))
    assert {leaf.dtype for leaf in jax.tree.leaves(load_operators(path))} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"width": -16},
        {"width": 8},
        {"width": "wide"},
        {"width": None},
        {"width": 2**40},
        {"width": True},
        {"width": 16.0},
        {"width": float("inf")},
        {"width": float("nan")},
        {"heads": 0},
        {"heads": 1},
        {"heads": 3},
        {"heads": -2},
        {"heads": None},
        {"heads": 2.0},
        {"bias": False},
        {"bias": 1},
        {"bias": "True"},
        {"operators": "selection migration"},
        {"operators": "selection"},
        {"operators": "selection mutation sampling"},
        {"operators": 3},
        {"operators": None},
    ],
)
def test_settings_that_the_arrays_do_not_have(change: dict[str, Any], path: Path) -> None:
    arrays, header = parts(path)
    rewrite(path, arrays, header | {"hyperparameters": change})
    assert refusal(path).startswith(str(path))


@pytest.mark.parametrize("optimizer", ["cma-es", "", None, "os:system"])
def test_arrays_of_another_optimizer(optimizer: str | None, path: Path) -> None:
    arrays, header = parts(path)
    rewrite(path, arrays, header | {"optimizer": optimizer})
    assert f"holds arrays of {str(optimizer)!r}, not of {FACTORY!r}" in refusal(path)


NAME = "operators.mutation.attention.key.weight"
SHAPE = "mutation.attention.key.weight must have shape (5, 16), but it has "


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda array: array[:-1].copy(), SHAPE + "(4, 16)"),
        (lambda array: array.T.copy(), SHAPE + "(16, 5)"),
        (lambda array: array.ravel(), SHAPE + "(80,)"),
        (lambda array: array[None], SHAPE + "(1, 5, 16)"),
        (lambda array: array * np.float32(np.nan), NAME),
    ],
)
def test_an_array_of_another_shape(change: Callable[[np.ndarray], np.ndarray], complaint: str, path: Path) -> None:
    arrays, header = parts(path)
    rewrite(path, arrays | {NAME: change(arrays[NAME])}, header)
    assert complaint in refusal(path)


def test_a_file_that_was_changed(path: Path) -> None:
    """What is wrong with any file of evolved arrays is wrong here too."""
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert "truncated" in refusal(path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "SHA-256" in refusal(path)
    assert "there is no file" in refusal(path.with_name("missing.safetensors"))


def test_an_array_that_is_missing_or_too_many(path: Path) -> None:
    arrays, header = parts(path)
    fewer = {name: array for name, array in arrays.items() if name != NAME}
    more = arrays | {"operators.extra": np.zeros(2, np.float32)}
    for changed, complaint in ((fewer, "mutation.attention.key.weight"), (more, "extra"), ({}, "mutation.attention")):
        rewrite(path, changed, header)
        message = refusal(path)
        assert "header and arrays disagree about" in message
        assert complaint in message


def test_shipped_files_lie_in_the_package() -> None:
    path = shipped("lga")
    assert path.name == "lga.safetensors"
    assert path.parent.name == "trained"
    assert path.parent.parent == Path(lga.__file__).parent
