"""Fashion-MNIST: the article of clothing, how bright and how wide it is."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from qdbench.data_catalogue import FASHION_MNIST
from qdbench.tasks.lsi.fashion import NAMES
from qdbench.tasks.lsi.pictures import ink, width
from qdbench.tasks.lsi.zero_shot import SCRIBBLE
from qdbench.tasks.neuroevolution.image_data import from_folder
from scripts.lsi.subject import ClipSettings, Data, GeneratorSettings, Subject

SUBJECT = Subject(
    source="Fashion-MNIST (Zalando, MIT)",
    side=28,
    classes=NAMES,
    anything="article",
    terciles=(("dark", "medium", "bright"), ("narrow", "regular", "wide")),
    words=("article", ".", *NAMES, SCRIBBLE, "dark", "medium", "bright", "narrow", "regular", "wide"),
    measures=(ink, width),
    coarse=7,
    generator=GeneratorSettings(
        channels={4: 32, 8: 32, 16: 16, 32: 8},
        critic=(24, 48, 64, 128),
        convolutional=True,
        steps=12_000,
        batch=64,
        learning_rate=0.002,
        r1=1.0,
    ),
    clip=ClipSettings(patch=7, steps=10_000, radius=1.0, blots=0.5),
)
_STRETCH, _GAMMA = 1.35, 2.0
"""Each copy is stretched along x by up to so much or little, and its pixels are raised to a power of at most this."""


def load(seed: int) -> Data:
    """The data, from the data folder: 60,000 images to train on and 10,000 held out, and one copy of each.

    Raises:
        DataError: If Fashion-MNIST is not in the data folder.
    """
    found = from_folder(FASHION_MNIST)
    rng = np.random.default_rng(seed)
    parts = [
        (np.asarray(images, np.float32)[..., None] / 255, np.asarray(labels))
        for images, labels in ((found.images, found.labels), (found.test_images, found.test_labels))
    ]
    copies = [np.stack([_varied(rng, image[..., 0]) for image in images])[..., None] for images, _ in parts]
    return SUBJECT.describe(parts, copies)


def _varied(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    stretch, power = _STRETCH ** rng.uniform(-1, 1), _GAMMA ** rng.uniform(-1, 1)
    matrix = np.array([[1.0, 0.0], [0.0, 1 / stretch]])
    centre = np.array([13.5, 13.5])
    moved = ndimage.affine_transform(image, matrix, centre - matrix @ centre, order=1)
    return np.clip(moved, 0, 1).astype(np.float32) ** np.float32(power)
