"""The images of the image tasks: of the data folder, or those that come with qdbench."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from qdbench.data_catalogue import IMAGE_FILES, Dataset
from qdbench.datasets import DataError, data_folder, locate, locate_whole
from qdbench.tasks.neuroevolution.idx import read_idx
from qdbench.tasks.neuroevolution.image_network import CLASSES, SIDE

DIGITS_FOLDER = Path(__file__).parent / "digits"
_DIGITS_SIDE, _DIGITS_MOST = 8, 16


class ImageData(NamedTuple):
    """Images of 28 x 28 pixels from 0 to 255 with labels from 0 to 9, for training and for the test; a pytree."""

    images: UInt8[Array, "train 28 28"]
    labels: UInt8[Array, " train"]
    test_images: UInt8[Array, "test 28 28"]
    test_labels: UInt8[Array, " test"]


def from_folder(dataset: Dataset, data_home: Path | None = None) -> ImageData:
    """The images of a data set of the data folder, in MNIST's format.

    Files that have not changed are read and checked once.

    Args:
        dataset: Such as :data:`qdbench.data_catalogue.MNIST`.
        data_home: The data folder; None: see :func:`qdbench.datasets.data_folder`.

    Raises:
        DataError: If a file is missing, damaged or another one.
    """
    states = [locate(file, data_home).stat() for file in dataset.files]
    return _read(dataset, data_folder(data_home), tuple((state.st_mtime_ns, state.st_size) for state in states))


@functools.cache
def digits() -> ImageData:
    """scikit-learn's digits, enlarged from 8 x 8 to 28 x 28 pixels."""
    parts = [read_idx(DIGITS_FOLDER / f"{name}.gz") for name in IMAGE_FILES]
    return _checked([enlarge(parts[0]), parts[1], enlarge(parts[2]), parts[3]], "the digits")


def enlarge(images: np.ndarray) -> np.ndarray:
    """Enlarges images of 8 x 8 pixels from 0 to 16 to 28 x 28 pixels from 0 to 255, by bilinear interpolation.

    Pixels are squares whose value is that of the middle, and beyond the outer middles nothing changes. Whole numbers
    throughout, rounded once, so that the result is the same everywhere.

    Args:
        images: ``(count, 8, 8)`` uint8.

    Returns:
        ``(count, 28, 28)`` uint8.
    """
    weights, unit = _interpolation(_DIGITS_SIDE, SIDE)
    sums = np.einsum("ir,nrc,jc->nij", weights, images.astype(np.int64), weights)
    whole = unit * unit * _DIGITS_MOST
    return ((2 * 255 * sums + whole) // (2 * whole)).astype(np.uint8)


def _interpolation(small: int, large: int) -> tuple[np.ndarray, int]:
    """The weights of linear interpolation as integers ``(large, small)``, and the sum of each row."""
    unit = 2 * large
    # The middle of each large pixel, from the first small pixel's middle on, in units of 1 / unit of a small pixel.
    places = np.clip((2 * np.arange(large) + 1) * small - large, 0, unit * (small - 1))
    distances = np.abs(places[:, None] - unit * np.arange(small)[None, :])
    return np.maximum(unit - distances, 0), unit


@functools.lru_cache(maxsize=4)
def _read(dataset: Dataset, root: Path, states: tuple[tuple[int, int], ...]) -> ImageData:
    del states
    parts = [read_idx(locate_whole(file, root)) for file in dataset.files]
    return _checked(parts, f"the data set {dataset.id} in {root}")


def _checked(parts: Sequence[np.ndarray], where: str) -> ImageData:
    """The parts as arrays of the device, if they fit together."""
    for images, labels in (parts[:2], parts[2:]):
        if images.shape != (len(labels), SIDE, SIDE) or labels.ndim != 1 or labels.max(initial=0) >= CLASSES:
            raise DataError(
                f"{where}: images of shape {images.shape} and labels of shape {labels.shape} up to "
                f"{labels.max(initial=0)}; they should be (count, {SIDE}, {SIDE}) and (count,) up to {CLASSES - 1}"
            )
    return ImageData(*(jnp.asarray(part) for part in parts))
