"""Writes the images of Neuro-Digits-v0: ``python -m scripts.digits`` (needs scikit-learn).

scikit-learn's ``load_digits`` is the test set of the UCI repository's "Optical recognition of handwritten digits"
(CC BY 4.0): 1,797 images of 8 x 8 pixels from 0 to 16. They are shuffled and split once, here, so that the task does
not depend on anybody's random numbers, and stored as four IDX files, as MNIST's are.
"""

from __future__ import annotations

import gzip

import numpy as np
from sklearn.datasets import load_digits

from qdbench.data_catalogue import IMAGE_FILES
from qdbench.tasks.neuroevolution.idx import to_idx
from qdbench.tasks.neuroevolution.image_data import DIGITS_FOLDER

SEED = 0
TRAIN = 1437
"""Four fifths."""


def main() -> None:
    """Writes the files."""
    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.target))
    images, labels = digits.images[order].astype(np.uint8), digits.target[order].astype(np.uint8)
    parts = images[:TRAIN], labels[:TRAIN], images[TRAIN:], labels[TRAIN:]
    DIGITS_FOLDER.mkdir(exist_ok=True)
    for name, part in zip(IMAGE_FILES, parts, strict=True):
        # Without a time, so that the same images are the same file.
        (DIGITS_FOLDER / f"{name}.gz").write_bytes(gzip.compress(to_idx(part), 9, mtime=0))


if __name__ == "__main__":
    main()
