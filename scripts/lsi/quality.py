"""How good the generator is: what a classifier that has seen neither model reads, and how near the pictures are."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from sklearn.svm import SVC

from scripts.lsi.generator import LATENT, Tensors, layers, sample
from scripts.lsi.subject import Pictures, Subject

_COUNT, _MOST = 2000, 30_000
# Of the squared distance, by which the mean over the pixels is multiplied.
_GAMMA = 3.2


def classifier(train: Pictures) -> SVC:
    """A support vector machine on the pixels of 30,000 images at most."""
    step = -(-len(train.images) // _MOST)
    found = train.images[::step], train.attributes[::step, 0]
    pixels = found[0][0].size
    return SVC(gamma=_GAMMA / pixels, C=10).fit(_flat(found[0]), found[1])


def measure(subject: Subject, tensors: Tensors, train: Pictures, test: Pictures, seed: int) -> dict[str, Any]:
    """The generator's figures over 2,000 samples; distances are Euclidean, of pixels in [0, 1]."""
    z = np.random.default_rng(seed + 1).standard_normal((_COUNT, layers(subject), LATENT)).astype(np.float32)
    raw = (np.asarray(sample(tensors, jnp.asarray(z), subject.side)) + 1) / 2
    images = _flat(np.clip(raw, 0, 1))
    judge = classifier(train)
    read = np.bincount(judge.predict(images), minlength=10)
    return {
        "samples": _COUNT,
        "read_as_class": read.tolist(),
        "classifier_accuracy_held_out": _rounded((judge.predict(_flat(test.images)) == test.attributes[:, 0]).mean()),
        "nearest_training_image": _rounded(_nearest(images, _flat(train.images)).mean()),
        "nearest_training_image_of_held_out": _rounded(_nearest(_flat(test.images), _flat(train.images)).mean()),
        "nearest_sample_to_held_out": _rounded(_nearest(_flat(test.images), images).mean()),
        "pixels_beyond_0_1_by_a_tenth": _rounded(((raw < -0.1) | (raw > 1.1)).mean()),
    }


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def _nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    squared = (points**2).sum(1)[:, None] + (others**2).sum(1) - 2 * points @ others.T
    return np.sqrt(np.maximum(squared, 0).min(axis=1))


def _rounded(value: Any) -> float:
    return round(float(value), 4)
