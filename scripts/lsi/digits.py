"""scikit-learn's digits: the number, how bold and how slanted it is."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from sklearn import datasets
from sklearn.model_selection import train_test_split

from qdbench.tasks.lsi.digits import NAMES
from qdbench.tasks.lsi.pictures import ink, slant
from qdbench.tasks.lsi.zero_shot import SCRIBBLE
from scripts.lsi.subject import ClipSettings, Data, GeneratorSettings, Subject

SUBJECT = Subject(
    source="scikit-learn's load_digits (UCI Optical Recognition of Handwritten Digits, CC BY 4.0)",
    side=8,
    classes=NAMES,
    anything="number",
    terciles=(("thin", "medium", "bold"), ("left slanted", "upright", "right slanted")),
    words=(
        *("number", ".", *(name.split()[1] for name in NAMES), SCRIBBLE),
        *("thin", "medium", "bold", "left", "right", "upright", "slanted"),
    ),
    measures=(ink, slant),
    coarse=4,
    generator=GeneratorSettings(
        channels={4: 32, 8: 24},
        critic=(256, 256, 256),
        convolutional=False,
        steps=10_000,
        batch=64,
        learning_rate=0.002,
        r1=0.2,
    ),
    clip=ClipSettings(patch=4, steps=5000, radius=1.0),
)
_HELD_OUT = 0.2
COPIES = 20
_SHEAR, _GAMMA = 0.4, 2.0
"""Each copy is sheared by up to so many pixels a pixel, and its pixels are raised to a power of at most this."""


def load(seed: int) -> Data:
    """The data; a fifth of scikit-learn's images is held out."""
    bunch = datasets.load_digits()
    images = (bunch.data / 16).reshape(-1, 8, 8).astype(np.float32)
    rng = np.random.default_rng(seed)
    rows = train_test_split(np.arange(len(images)), test_size=_HELD_OUT, random_state=seed, stratify=bunch.target)
    copies = [np.stack([_varied(rng, images[row]) for row in part for _ in range(COPIES)])[..., None] for part in rows]
    return SUBJECT.describe([(images[part][..., None], bunch.target[part]) for part in rows], copies)


def _varied(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    shear, power = rng.uniform(-_SHEAR, _SHEAR), _GAMMA ** rng.uniform(-1, 1)
    # Rows above the centre move to the right, by a spline through the pixels.
    matrix = np.array([[1.0, 0.0], [shear, 1.0]])
    centre = np.array([3.5, 3.5])
    moved = ndimage.affine_transform(image, matrix, centre - matrix @ centre, order=3)
    return np.clip(moved, 0, 1).astype(np.float32) ** np.float32(power)
