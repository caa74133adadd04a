"""LSI-Fashion: arguments, what the pictures show, and the shipped models."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.svm import SVC

import qdbench
from qdbench.data_catalogue import FASHION_MNIST
from qdbench.datasets import is_present
from qdbench.tasks.lsi import embedded
from qdbench.tasks.lsi.pictures import ink, width
from qdbench.tasks.neuroevolution.image_data import from_folder
from scripts.lsi import critics, fashion, generator
from tests.reference import lsi_embedded as reference

DATA = Path(embedded.__file__).parent / "fashion_data"
NAMES = fashion.SUBJECT.classes
with_data = pytest.mark.skipif(
    not is_present("fashion_mnist"), reason="Fashion-MNIST is not in the data folder (QDBENCH_DATA)"
)


def test_ink_and_width_of_bars() -> None:
    pictures = np.zeros((3, 28, 28, 1), np.float32)
    pictures[0, :, 10:20] = 1
    pictures[1, 5:10, 3:7] = 0.5
    np.testing.assert_allclose(ink(pictures), [10 / 28, 0.5 * 20 / 784, 0], atol=1e-6)
    # The variance of w pixels in a row is (w^2 - 1) / 12.
    expected = np.sqrt(np.array([99 / 12, 15 / 12, 0]) + 0.05)
    np.testing.assert_allclose(width(pictures), expected, atol=1e-4)


def test_wrong_article() -> None:
    with pytest.raises(ValueError, match=r"article must be one of t-shirt, .* boot, but it is 'hat'"):
        qdbench.make("LSI-Fashion-v0", article="hat")


def test_the_wanted_article_decides() -> None:
    theta = np.random.default_rng(0).normal(size=(100, 256))
    shares = np.stack(
        [np.asarray(qdbench.make("LSI-Fashion-v0", article=name).evaluate(None, theta).objective) for name in NAMES]
    )
    total = 100 * reference.closeness("fashion", theta)
    # Probabilities sum to one with that of a scribble, so that the objectives sum to the closeness at most.
    assert (shares.sum(axis=0) <= total * (1 + 1e-4)).all()
    assert np.median(shares.sum(axis=0) / total) > 0.9


@functools.cache
def judge() -> SVC:
    """A classifier that knows neither model."""
    data = from_folder(FASHION_MNIST)
    chosen = slice(None, None, 10)
    images = np.asarray(data.images[chosen], np.float32).reshape(-1, 784) / 255
    return SVC(gamma=0.01, C=10).fit(images, np.asarray(data.labels[chosen]))


@with_data
def test_clip_reads_images_of_the_test() -> None:
    task = qdbench.make("LSI-Fashion-v0")
    data = from_folder(FASHION_MNIST)
    images = jnp.asarray(data.test_images[:1000], jnp.float32)[..., None] / 255
    embeddings = np.asarray(task.clip.embed_images(task.clip.normalize(images)))
    read = (embeddings @ np.asarray(task.texts).T).argmax(axis=1)
    assert (read == np.asarray(data.test_labels[:1000])).mean() > 0.75


@with_data
@pytest.mark.slow
@pytest.mark.parametrize("article", ["dress", "boot"])
def test_an_independent_classifier_reads_pictures_of_high_objective_as_the_wanted_article(article: str) -> None:
    task = qdbench.make("LSI-Fashion-v0", article=article)
    theta = np.random.default_rng(2).normal(size=(1000, 256))
    good = theta[np.asarray(task.evaluate(None, theta).objective) > 80]
    assert len(good) > 10
    images = np.clip(np.asarray(task.images(jnp.asarray(good, jnp.float32))), 0, 1)
    assert (judge().predict(images.reshape(len(good), -1)) == NAMES.index(article)).mean() > 0.7


def test_the_shipped_files_are_small_and_their_record_is_complete() -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 500_000
    record = json.loads((DATA / "training.json").read_text())
    assert {"seed", "data", "versions", "generator", "clip"} <= set(record)
    assert min(record["generator"]["quality"]["read_as_class"]) > 50
    assert record["clip"]["zero_shot_accuracy"]["held_out"]["class"] > 0.75


def test_captions() -> None:
    def words(ids: list[int]) -> str:
        return " ".join(fashion.SUBJECT.vocabulary[id] for id in ids)

    assert words(fashion.SUBJECT.caption(3, 2, 0)) == "<start> a bright narrow dress . <end>"
    assert words(fashion.SUBJECT.caption(None, None, 2)) == "<start> a wide article . <end>"
    assert words(fashion.SUBJECT.caption(10, 0)) == "<start> a dark scribble . <end>"


def test_convolutional_critic_and_the_middle_of_pictures() -> None:
    rng = np.random.default_rng(0)
    tensors = generator.initial(fashion.SUBJECT.generator.channels, rng)
    z = rng.standard_normal((3, generator.layers(fashion.SUBJECT), generator.LATENT)).astype(np.float32)
    whole, cut = (np.asarray(generator.sample(tensors, jnp.asarray(z), side)) for side in (32, 28))
    np.testing.assert_array_equal(cut, whole[:, 2:30, 2:30])
    weights, judged = critics.make(fashion.SUBJECT, rng)
    scores = np.asarray(judged(weights, jnp.asarray(cut)))
    assert scores.shape == (3,)
    # The order within a batch does not matter, and what else is in it does.
    np.testing.assert_allclose(np.asarray(judged(weights, jnp.asarray(cut[::-1]))), scores[::-1], rtol=1e-4)
    assert np.abs(np.asarray(judged(weights, jnp.asarray(cut[[0, 0, 0]])))[0] - scores[0]) > 1e-6
