"""Trains the tiny CLIP on images and captions, with the symmetric contrastive loss of Radford et al. (2021)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from qdbench.tasks.lsi import clip
from qdbench.tasks.lsi.parameters import Parameters
from scripts.lsi_digits.data import DIGITS, LONGEST, VOCABULARY, Digits, all_captions

PATCH, SIDE, EMBEDDING = 4, 8, 32
WIDTHS, LAYERS, HEADS, RATIO = {"vision": 48, "text": 32}, {"vision": 2, "text": 1}, {"vision": 4, "text": 2}, 2
SETTINGS: dict[str, Any] = {
    "steps": 6000,
    "batch": 128,
    "learning_rate": 0.002,
    "weight_decay": 0.02,
    "left_out": 0.5,
    "shift": 1,
    "noise": 0.2,
    "average": 0.998,
}
_CHUNK = 200
Tensors = dict[str, Any]


def config(images: np.ndarray) -> clip.ClipConfig:
    """The settings of the model; images are those to train on."""
    return clip.ClipConfig(
        vision_heads=HEADS["vision"],
        text_heads=HEADS["text"],
        mean=(round(float(images.mean()), 4),),
        deviation=(round(float(images.std()), 4),),
    )


def initial(rng: np.random.Generator) -> Tensors:
    """Random tensors with Hugging Face's names."""
    tensors: Tensors = {"logit_scale": np.asarray(np.log(1 / 0.07), np.float32)}

    def put(name: str, *shape: int, scale: float) -> None:
        tensors[name] = (scale * rng.standard_normal(shape)).astype(np.float32)

    def norm(name: str, width: int) -> None:
        tensors[f"{name}.weight"] = np.ones(width, np.float32)
        tensors[f"{name}.bias"] = np.zeros(width, np.float32)

    for tower, width in WIDTHS.items():
        for index in range(LAYERS[tower]):
            name = f"{tower}_model.encoder.layers.{index}"
            shapes = {f"self_attn.{part}_proj": (width, width) for part in ("q", "k", "v", "out")}
            shapes |= {"mlp.fc1": (RATIO * width, width), "mlp.fc2": (width, RATIO * width)}
            for part, shape in shapes.items():
                put(f"{name}.{part}.weight", *shape, scale=shape[1] ** -0.5)
                tensors[f"{name}.{part}.bias"] = np.zeros(shape[0], np.float32)
            norm(f"{name}.layer_norm1", width)
            norm(f"{name}.layer_norm2", width)
        put(f"{'visual' if tower == 'vision' else tower}_projection.weight", EMBEDDING, width, scale=width**-0.5)
    width = WIDTHS["vision"]
    put("vision_model.embeddings.class_embedding", width, scale=width**-0.5)
    put(clip.PATCH, width, 1, PATCH, PATCH, scale=1 / PATCH)
    put("vision_model.embeddings.position_embedding.weight", (SIDE // PATCH) ** 2 + 1, width, scale=width**-0.5)
    norm("vision_model.pre_layrnorm", width)
    norm("vision_model.post_layernorm", width)
    width = WIDTHS["text"]
    put(clip.TOKENS, len(VOCABULARY), width, scale=width**-0.5)
    put("text_model.embeddings.position_embedding.weight", LONGEST, width, scale=width**-0.5)
    norm("text_model.final_layer_norm", width)
    return tensors


def train(digits: Digits, seed: int, progress: Callable[[int, int], None]) -> Tensors:
    """The averaged tensors after training."""
    settings, setting = SETTINGS, config(digits.images)
    captions = jnp.asarray(all_captions())
    wildcard = jnp.asarray(captions.shape[:3], jnp.int32) - 1
    images, attributes = jnp.asarray(digits.images), jnp.asarray(digits.attributes)
    adam = optax.adamw(
        optax.cosine_decay_schedule(settings["learning_rate"], settings["steps"]), weight_decay=settings["weight_decay"]
    )

    def loss(tensors: Tensors, pictures: Any, truth: Any, named: Any) -> Any:
        model = clip.make(Parameters(tensors, "training"), setting)
        texts = model.embed_texts(captions[named[:, 0], named[:, 1], named[:, 2]])
        logits = model.logit_scale * model.embed_images(model.normalize(pictures)) @ texts.T
        # A caption of another image that is true of this one is not a wrong answer.
        fits = ((named[None] == wildcard) | (named[None] == truth[:, None])).all(axis=-1)
        own = jnp.eye(len(pictures), dtype=bool)
        logits = jnp.where(fits & ~own, -1e9, logits)
        right = jnp.diagonal(jax.nn.log_softmax(logits, axis=1)) + jnp.diagonal(jax.nn.log_softmax(logits, axis=0))
        return -right.mean() / 2

    def step(carry: Any, key: Any) -> tuple[Any, None]:
        tensors, averaged, state = carry
        keys = jax.random.split(key, 5)
        rows = jax.random.randint(keys[0], (settings["batch"],), 0, len(images))
        truth = attributes[rows]
        left_out = jax.random.bernoulli(keys[1], settings["left_out"], truth.shape)
        pictures = _moved(keys[2], images[rows])
        strength = settings["noise"] * jax.random.uniform(keys[4], (len(rows), 1, 1, 1))
        pictures = pictures + strength * jax.random.normal(keys[3], pictures.shape)
        slopes = jax.grad(loss)(tensors, pictures, truth, jnp.where(left_out, wildcard, truth))
        change, state = adam.update(slopes, state, tensors)
        tensors = optax.apply_updates(tensors, change)
        # As in the paper, logits are never multiplied by more than 100.
        tensors["logit_scale"] = jnp.minimum(tensors["logit_scale"], jnp.log(100.0))
        keep = settings["average"]
        averaged = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, averaged, tensors)
        return (tensors, averaged, state), None

    chunk = jax.jit(lambda carry, keys: lax.scan(step, carry, keys)[0], donate_argnums=0)
    tensors = {name: jnp.asarray(array) for name, array in initial(np.random.default_rng(seed)).items()}
    carry = (tensors, jax.tree.map(jnp.copy, tensors), adam.init(tensors))
    keys = jax.random.split(jax.random.key(seed), settings["steps"])
    for first in range(0, settings["steps"], _CHUNK):
        carry = chunk(carry, keys[first : first + _CHUNK])
        jax.block_until_ready(carry)
        progress(first + _CHUNK, settings["steps"])
    return {name: np.asarray(array) for name, array in carry[1].items()}


def accuracy(tensors: Tensors, setting: clip.ClipConfig, digits: Digits) -> list[float]:
    """Shares of images whose number, weight and slant are those of the nearest caption that names only one."""
    model = clip.make(Parameters(tensors, "training"), setting)
    captions = all_captions()
    pictures = model.embed_images(model.normalize(jnp.asarray(digits.images)))
    shares = []
    for place, size in enumerate((len(DIGITS), *np.array(captions.shape[1:3]) - 1)):
        index: list[Any] = [-1, -1, -1]
        index[place] = slice(0, size)
        texts = model.embed_texts(jnp.asarray(captions[tuple(index)]))
        shares.append(float((np.asarray(pictures @ texts.T).argmax(axis=1) == digits.attributes[:, place]).mean()))
    return shares


def _moved(key: Any, images: Any) -> Any:
    reach = SETTINGS["shift"]
    padded = jnp.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    shifts = jax.random.randint(key, (len(images), 2), 0, 2 * reach + 1)
    return jax.vmap(lambda picture, at: lax.dynamic_slice(picture, (at[0], at[1], 0), (SIDE, SIDE, 1)))(padded, shifts)
