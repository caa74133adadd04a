"""How the models of LSI-Digits are trained: captions, scribbles and pictures that fool the model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

import qdbench
from scripts.lsi_digits import clip, data, generator

IMAGES = (load_digits().images[:64, ..., None] / 16).astype(np.float32)
NUMBERS = load_digits().target[:64]


def words(ids: list[int]) -> str:
    return " ".join(data.VOCABULARY[id] for id in ids)


def test_captions() -> None:
    assert words(data.caption(7, 2, 2)) == "<start> a bold right slanted number seven . <end>"
    assert words(data.caption(None, 0)) == "<start> a thin number . <end>"
    assert words(data.caption(10, None, 1)) == "<start> a upright scribble . <end>"
    table = data.all_captions()
    assert table.shape == (12, 4, 4, data.LONGEST)
    assert words(table[-1, -1, -1, :5]) == "<start> a number . <end>"
    assert words(table[10, -1, -1, :5]) == "<start> a scribble . <end>"


def test_scribbles_are_noise_or_quarters_of_two_digits() -> None:
    first, second = IMAGES[:32], IMAGES[32:]
    found = np.asarray(clip._scribbled(jax.random.key(0), jnp.asarray(first), jnp.asarray(second)))
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


def test_attacked_pictures_are_near_and_more_often_misread() -> None:
    task = qdbench.make("LSI-Digits-v0")
    moved = np.asarray(clip._attacked(task.clip, task.texts, jax.random.key(0), IMAGES, jnp.asarray(NUMBERS), 1.5))
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
    tensors = generator.initial(np.random.default_rng(0))
    z = np.random.default_rng(1).normal(size=(1, generator.LAYERS, generator.LATENT)).astype(np.float32)
    first = np.asarray(generator.sample(tensors, jnp.asarray(z)))
    assert first.shape == (1, 8, 8, 1)
    for layer in range(generator.LAYERS):
        other = z.copy()
        other[:, layer] *= -1
        assert np.abs(np.asarray(generator.sample(tensors, jnp.asarray(other))) - first).max() > 1e-3
