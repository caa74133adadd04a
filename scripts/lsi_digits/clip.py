"""Trains the tiny CLIP on images and captions, with the symmetric contrastive loss of Radford et al. (2021).

An optimizer finds whatever picture a classifier misreads, so the model is trained not to: on pictures that are moved a
little to where it reads another number (Madry et al. 2018), and on scribbles that are no number.
"""

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
from qdbench.tasks.lsi.pictures import ink, slant
from scripts.lsi_digits.data import DIGITS, LONGEST, VOCABULARY, Digits, all_captions

PATCH, SIDE, EMBEDDING = 4, 8, 32
WIDTHS, LAYERS, HEADS, RATIO = {"vision": 48, "text": 32}, {"vision": 2, "text": 1}, {"vision": 4, "text": 2}, 2
SETTINGS: dict[str, Any] = {
    "steps": 5000,
    "batch": 128,
    "learning_rate": 0.002,
    "weight_decay": 0.02,
    "left_out": 0.5,
    "radius": 1.0,
    "attack": 3,
    "scribbles": 0.25,
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
    edges = jnp.asarray(digits.edges)
    # "A number ." is wrong of a scribble.
    scribble = jnp.asarray([len(DIGITS), -1, -1])
    drawn = round(settings["scribbles"] * settings["batch"])

    def loss(tensors: Tensors, pictures: Any, truth: Any, named: Any) -> Any:
        model = clip.make(Parameters(tensors, "training"), setting)
        texts = model.embed_texts(captions[named[:, 0], named[:, 1], named[:, 2]])
        logits = model.logit_scale * model.embed_images(model.normalize(pictures)) @ texts.T
        # A caption of another image that is true of this one is not a wrong answer.
        unsaid = (named[None] == wildcard) & (truth[:, None] != scribble)
        fits = (unsaid | (named[None] == truth[:, None])).all(axis=-1)
        own = jnp.eye(len(pictures), dtype=bool)
        logits = jnp.where(fits & ~own, -1e9, logits)
        right = jnp.diagonal(jax.nn.log_softmax(logits, axis=1)) + jnp.diagonal(jax.nn.log_softmax(logits, axis=0))
        return -right.mean() / 2

    def step(carry: Any, inputs: Any) -> tuple[Any, None]:
        (tensors, averaged, state), (key, radius) = carry, inputs
        keys = jax.random.split(key, 4)
        rows = jax.random.randint(keys[0], (settings["batch"],), 0, len(images))
        numbers = attributes[rows, 0].at[:drawn].set(len(DIGITS))
        pictures = images[rows]
        pictures = pictures.at[:drawn].set(_scribbled(keys[2], pictures[:drawn], pictures[drawn : 2 * drawn]))
        model = clip.make(Parameters(tensors, "training"), setting)
        pictures = _attacked(model, model.embed_texts(captions[:-1, -1, -1]), keys[3], pictures, numbers, radius)
        places = [jnp.searchsorted(edge, measure(pictures)) for edge, measure in zip(edges, (ink, slant), strict=True)]
        truth = jnp.stack([numbers, *places], axis=1).astype(jnp.int32)
        left_out = jax.random.bernoulli(keys[1], settings["left_out"], truth.shape).at[:drawn, 0].set(False)
        slopes = jax.grad(loss)(tensors, pictures, truth, jnp.where(left_out, wildcard, truth))
        change, state = adam.update(slopes, state, tensors)
        tensors = optax.apply_updates(tensors, change)
        # As in the paper, logits are never multiplied by more than 100.
        tensors["logit_scale"] = jnp.minimum(tensors["logit_scale"], jnp.log(100.0))
        keep = settings["average"]
        averaged = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, averaged, tensors)
        return (tensors, averaged, state), None

    chunk = jax.jit(lambda carry, inputs: lax.scan(step, carry, inputs)[0], donate_argnums=0)
    tensors = {name: jnp.asarray(array) for name, array in initial(np.random.default_rng(seed)).items()}
    carry = (tensors, jax.tree.map(jnp.copy, tensors), adam.init(tensors))
    keys = jax.random.split(jax.random.key(seed), settings["steps"])
    # A model that knows nothing yet would learn nothing from pictures that fool it.
    radii = settings["radius"] * jnp.minimum(1, jnp.linspace(0, 2, settings["steps"]))
    for first in range(0, settings["steps"], _CHUNK):
        carry = chunk(carry, (keys[first : first + _CHUNK], radii[first : first + _CHUNK]))
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


def _attacked(model: clip.Clip, texts: Any, key: Any, pictures: Any, numbers: Any, radius: float) -> Any:
    """Pictures nearby that the model reads as another number: projected gradient ascent (Madry et al. 2018).

    Each moves by at most its own distance, which is drawn from [0, radius]; pixels stay in [0, 1].
    """
    directions, sizes = jax.random.split(key)
    reach = radius * jax.random.uniform(sizes, (len(pictures), 1, 1, 1))
    steps = SETTINGS["attack"]

    def surprise(x: Any) -> Any:
        logits = model.logit_scale * model.embed_images(model.normalize(x)) @ texts.T
        return -jnp.take_along_axis(jax.nn.log_softmax(logits, axis=1), numbers[:, None], axis=1).sum()

    def length(change: Any) -> Any:
        return jnp.sqrt((change**2).sum(axis=(1, 2, 3), keepdims=True)) + 1e-9

    change = jax.random.normal(directions, pictures.shape)
    change = change * reach / length(change)
    for _ in range(steps):
        slope = jax.grad(surprise)(pictures + change)
        change = change + slope * 2 * reach / (steps * length(slope))
        change = jnp.clip(pictures + change * jnp.minimum(1, reach / length(change)), 0, 1) - pictures
    return lax.stop_gradient(pictures + change)


def _scribbled(key: Any, images: Any, others: Any) -> Any:
    """Pictures of no digit: parts of two digits that changed places, and smooth noise."""
    keys = jax.random.split(key, 4)
    count = len(images)
    parts = jnp.concatenate([_parts(images), _parts(others)], axis=1)
    order = jax.vmap(lambda key: jax.random.permutation(key, 8)[:4])(jax.random.split(keys[0], count))
    cuts = jnp.take_along_axis(parts, order[:, :, None, None], axis=1)
    cuts = cuts.reshape(count, 2, 2, 4, 4).transpose(0, 1, 3, 2, 4).reshape(count, SIDE, SIDE, 1)
    low = jax.random.uniform(keys[1], (count, 1, 1, 1), minval=-1.5)
    coarse = jax.random.uniform(keys[2], (count, 4, 4, 1)) * (2 - low) + low
    noise = jnp.clip(jax.image.resize(coarse, images.shape, "linear"), 0, 1)
    return jnp.where(jax.random.bernoulli(keys[3], 0.5, (count, 1, 1, 1)), cuts, noise)


def _parts(images: Any) -> Any:
    return images.reshape(-1, 2, 4, 2, 4).transpose(0, 1, 3, 2, 4).reshape(-1, 4, 4, 4)
