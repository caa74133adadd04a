"""How the models of LSI-Digits are trained: captions, scribbles and pictures that fool the model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

import qdbench
from scripts.lsi import clip, digits, generator

IMAGES = (load_digits().images[:64, ..., None] / 16).astype(np.float32)
NUMBERS = load_digits().target[:64]


def words(ids: list[int]) -> str:
    return " ".join(digits.SUBJECT.vocabulary[id] for id in ids)


def test_captions() -> None:
    assert words(digits.SUBJECT.caption(7, 2, 2)) == "<start> a bold right slanted number seven . <end>"
    assert words(digits.SUBJECT.caption(None, 0)) == "<start> a thin number . <end>"
    assert words(digits.SUBJECT.caption(10, None, 1)) == "<start> a upright scribble . <end>"
    table = digits.SUBJECT.captions()
    assert table.shape == (12, 4, 4, digits.SUBJECT.longest)
    assert words(table[-1, -1, -1, :5]) == "<start> a number . <end>"
    assert words(table[10, -1, -1, :5]) == "<start> a scribble . <end>"


def test_scribbles_are_noise_or_quarters_of_two_digits() -> None:
    first, second = IMAGES[:32], IMAGES[32:]
    found = np.asarray(clip.scribbled(jax.random.key(0), jnp.asarray(first), jnp.asarray(second), 4))
    assert found.min() >= 0
    assert found.max() <= 1

    def quarters(image: np.ndarray) -> list[np.ndarray]:
        return [image[y : y + 4, x : x + 4, 0] for y in (0, 4) for x in (0, 4)]

    cut = 0
    for picture, *sources in zip(found, first, second, strict=True):
        known = [quarter for source in sources for quarter in quarters(source)]
        cut += all(any(np.array_equal(part, quarter) for quarter in known) for part in quarters(picture))
        assert not any(np.array_equal(picture, source) for source in sources)
    assert 8 <= cut <= 24


def test_blots_lie_beside_what_a_picture_shows() -> None:
    first, second = jnp.asarray(IMAGES[:32]), jnp.asarray(IMAGES[32:])
    found = np.asarray(clip.scribbled(jax.random.key(0), first, second, 4, blots=1.0))
    assert found.max() <= 1
    assert (found >= IMAGES[:32]).all()
    changed = (found > IMAGES[:32]).any(axis=(1, 2, 3))
    assert changed.mean() > 0.9
    # Some share of the pictures only; the rest are the scribbles of the same key.
    some = np.asarray(clip.scribbled(jax.random.key(0), first, second, 4, blots=0.5))
    plain = np.asarray(clip.scribbled(jax.random.key(0), first, second, 4))
    blotted = (some == found).all(axis=(1, 2, 3))
    assert 8 <= blotted.sum() <= 24
    np.testing.assert_array_equal(some[~blotted], plain[~blotted])


def test_attacked_pictures_are_near_and_more_often_misread() -> None:
    task = qdbench.make("LSI-Digits-v0")
    moved = np.asarray(clip.attacked(task.clip, task.texts, jax.random.key(0), IMAGES, jnp.asarray(NUMBERS), 1.5, 3))
    distance = np.sqrt(((moved - IMAGES) ** 2).sum(axis=(1, 2, 3)))
    assert distance.max() <= 1.5 + 1e-5
    assert distance.mean() > 0.4
    assert moved.min() >= 0
    assert moved.max() <= 1

    def surprise(pictures: np.ndarray) -> np.ndarray:
        logits = (
            task.clip.logit_scale * task.clip.embed_images(task.clip.normalize(jnp.asarray(pictures))) @ task.texts.T
        )
        return -np.asarray(jax.nn.log_softmax(logits, axis=1))[np.arange(64), NUMBERS]

    random = np.random.default_rng(0).normal(size=IMAGES.shape).astype(np.float32)
    random *= (distance / np.sqrt((random**2).sum(axis=(1, 2, 3))))[:, None, None, None]
    assert surprise(moved).mean() > 2 * surprise(np.clip(IMAGES + random, 0, 1)).mean()


def test_each_layer_of_the_generator_has_its_own_latent() -> None:
    channels = digits.SUBJECT.generator.channels
    tensors, layers = generator.initial(channels, np.random.default_rng(0)), generator.layers(digits.SUBJECT)
    z = np.random.default_rng(1).normal(size=(1, layers, generator.LATENT)).astype(np.float32)
    first = np.asarray(generator.sample(tensors, jnp.asarray(z), 8))
    assert first.shape == (1, 8, 8, 1)
    for layer in range(layers):
        other = z.copy()
        other[:, layer] *= -1
        assert np.abs(np.asarray(generator.sample(tensors, jnp.asarray(other), 8)) - first).max() > 1e-3
