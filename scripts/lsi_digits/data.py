"""scikit-learn's digits with what a caption can say about them: the number, how bold and how slanted it is."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from sklearn import datasets
from sklearn.model_selection import train_test_split

from qdbench.tasks.lsi.pictures import ink, slant

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WEIGHTS = ("thin", "medium", "bold")
SCRIBBLE = "scribble"
SLANTS = (("left", "slanted"), ("upright",), ("right", "slanted"))
START, END = "<start>", "<end>"
# The end has the largest id, which is how a text tower without a named end token finds it.
VOCABULARY = (
    "<pad>",
    START,
    "a",
    "number",
    ".",
    *DIGITS,
    SCRIBBLE,
    *WEIGHTS,
    "left",
    "right",
    "upright",
    "slanted",
    END,
)
LONGEST = 12
HELD_OUT = 0.2
COPIES = 20
SHEAR, GAMMA = 0.4, 2.0
"""Each copy is sheared by up to so many pixels a pixel, and its pixels are raised to a power of at most this."""


@dataclasses.dataclass(frozen=True)
class Digits:
    """Images in [0, 1], ``(count, 8, 8, 1)``, of each the number and its terciles of ink and slant, and their edges."""

    images: np.ndarray
    attributes: np.ndarray
    edges: np.ndarray


class Data(NamedTuple):
    """The images, and copies of them, to train on and held out.

    The copies are sheared to either side and made bolder or thinner, so that both models know digits over the
    whole range of the measures. Terciles are those of the copies to train on.
    """

    training: Digits
    held_out: Digits
    varied_training: Digits
    varied_held_out: Digits


def load(seed: int) -> Data:
    """The data; a fifth of scikit-learn's images is held out."""
    bunch = datasets.load_digits()
    images = (bunch.data / 16).reshape(-1, 8, 8).astype(np.float32)
    rng = np.random.default_rng(seed)
    parts = train_test_split(np.arange(len(images)), test_size=HELD_OUT, random_state=seed, stratify=bunch.target)
    varied = [np.stack([_varied(rng, images[row]) for row in rows for _ in range(COPIES)])[..., None] for rows in parts]
    edges = np.stack([np.quantile(np.asarray(measure(varied[0])), [1 / 3, 2 / 3]) for measure in (ink, slant)])

    def described(pictures: np.ndarray, numbers: np.ndarray) -> Digits:
        measured = [np.asarray(measure(pictures)) for measure in (ink, slant)]
        places = [np.searchsorted(edge, values) for edge, values in zip(edges, measured, strict=True)]
        return Digits(pictures, np.stack([numbers, *places], axis=1).astype(np.int32), edges)

    plain = [described(images[rows][..., None], bunch.target[rows]) for rows in parts]
    copies = [
        described(pictures, np.repeat(bunch.target[rows], COPIES)) for pictures, rows in zip(varied, parts, strict=True)
    ]
    return Data(*plain, *copies)


def _varied(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    shear, power = rng.uniform(-SHEAR, SHEAR), GAMMA ** rng.uniform(-1, 1)
    # Rows above the centre move to the right, by a spline through the pixels.
    matrix = np.array([[1.0, 0.0], [shear, 1.0]])
    centre = np.array([3.5, 3.5])
    moved = ndimage.affine_transform(image, matrix, centre - matrix @ centre, order=3)
    return np.clip(moved, 0, 1).astype(np.float32) ** np.float32(power)


def caption(digit: int | None = None, weight: int | None = None, lean: int | None = None) -> list[int]:
    """Token ids of a caption such as "a bold right slanted number seven ."; what is None is left out.

    The digit 10 is a scribble: "a thin upright scribble .".
    """
    words = [START, "a"]
    if weight is not None:
        words.append(WEIGHTS[weight])
    if lean is not None:
        words.extend(SLANTS[lean])
    if digit == len(DIGITS):
        words.append(SCRIBBLE)
    else:
        words.extend(("number",) if digit is None else ("number", DIGITS[digit]))
    return [VOCABULARY.index(word) for word in (*words, ".", END)]


def all_captions() -> np.ndarray:
    """Token ids of every caption, ``(12, 4, 4, LONGEST)``; the last index of each attribute leaves it out."""
    table = np.zeros((len(DIGITS) + 2, len(WEIGHTS) + 1, len(SLANTS) + 1, LONGEST), np.int32)
    for index in np.ndindex(table.shape[:3]):
        named = [None if i == size - 1 else i for i, size in zip(index, table.shape[:3], strict=True)]
        ids = caption(*named)
        table[index][: len(ids)] = ids
    return table
