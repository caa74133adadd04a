"""Trains the tiny CLIP on images and captions, with the symmetric contrastive loss of Radford et al. (2021).

An optimizer finds whatever picture a classifier misreads, so the model is trained not to: on pictures that are moved a
little to where it reads another class (Madry et al. 2018), and on scribbles that are of no class.
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
from scripts.lsi import steps
from scripts.lsi.subject import Pictures, Subject

EMBEDDING = 32
WIDTHS, LAYERS, HEADS, RATIO = {"vision": 48, "text": 32}, {"vision": 2, "text": 1}, {"vision": 4, "text": 2}, 2
_MOST = 10_000
# Of a picture, on average.
_BLOTS = 5
Tensors = dict[str, Any]


def config(images: np.ndarray) -> clip.ClipConfig:
    """The settings of the model; images are those to train on."""
    return clip.ClipConfig(
        vision_heads=HEADS["vision"],
        text_heads=HEADS["text"],
        mean=(round(float(images.mean()), 4),),
        deviation=(round(float(images.std()), 4),),
    )


def initial(subject: Subject, rng: np.random.Generator) -> Tensors:
    """Random tensors with Hugging Face's names."""
    patch = subject.clip.patch
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
    put(clip.PATCH, width, 1, patch, patch, scale=1 / patch)
    count = (subject.side // patch) ** 2
    put("vision_model.embeddings.position_embedding.weight", count + 1, width, scale=width**-0.5)
    norm("vision_model.pre_layrnorm", width)
    norm("vision_model.post_layernorm", width)
    width = WIDTHS["text"]
    put(clip.TOKENS, len(subject.vocabulary), width, scale=width**-0.5)
    put("text_model.embeddings.position_embedding.weight", subject.longest, width, scale=width**-0.5)
    norm("text_model.final_layer_norm", width)
    return tensors


def train(subject: Subject, found: Pictures, seed: int, progress: Callable[[int, int], None]) -> Tensors:
    """The averaged tensors after training."""
    settings, setting = subject.clip, config(found.images)
    captions = jnp.asarray(subject.captions())
    nothing = len(subject.classes)
    wildcard = jnp.asarray(captions.shape[:3], jnp.int32) - 1
    adam = optax.adamw(
        optax.cosine_decay_schedule(settings.learning_rate, settings.steps), weight_decay=settings.weight_decay
    )
    edges = jnp.asarray(found.edges)
    # A caption of anything is wrong of a scribble.
    scribble = jnp.asarray([nothing, -1, -1])
    drawn = round(settings.scribbles * settings.batch)

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

    def step(carry: Any, inputs: Any, images: Any, attributes: Any) -> Any:
        (tensors, averaged, state), (key, radius) = carry, inputs
        keys = jax.random.split(key, 4)
        rows = jax.random.randint(keys[0], (settings.batch,), 0, len(images))
        classes = attributes[rows, 0].at[:drawn].set(nothing)
        pictures = images[rows]
        pictures = pictures.at[:drawn].set(
            scribbled(keys[2], pictures[:drawn], pictures[drawn : 2 * drawn], subject.coarse, settings.blots)
        )
        model = clip.make(Parameters(tensors, "training"), setting)
        texts = model.embed_texts(captions[:-1, -1, -1])
        pictures = attacked(model, texts, keys[3], pictures, classes, radius, settings.attack)
        places = [
            jnp.searchsorted(edge, measure(pictures)) for edge, measure in zip(edges, subject.measures, strict=True)
        ]
        truth = jnp.stack([classes, *places], axis=1).astype(jnp.int32)
        left_out = jax.random.bernoulli(keys[1], settings.left_out, truth.shape).at[:drawn, 0].set(False)
        slopes = jax.grad(loss)(tensors, pictures, truth, jnp.where(left_out, wildcard, truth))
        change, state = adam.update(slopes, state, tensors)
        tensors = optax.apply_updates(tensors, change)
        # As in the paper, logits are never multiplied by more than 100.
        tensors["logit_scale"] = jnp.minimum(tensors["logit_scale"], jnp.log(100.0))
        keep = settings.average
        averaged = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, averaged, tensors)
        return tensors, averaged, state

    tensors = {name: jnp.asarray(array) for name, array in initial(subject, np.random.default_rng(seed)).items()}
    carry = (tensors, jax.tree.map(jnp.copy, tensors), adam.init(tensors))
    keys = jax.random.split(jax.random.key(seed), settings.steps)
    # A model that knows nothing yet would learn nothing from pictures that fool it.
    radii = settings.radius * jnp.minimum(1, jnp.linspace(0, 2, settings.steps))
    known = jnp.asarray(found.images), jnp.asarray(found.attributes)
    carry = steps.run(step, carry, (keys, radii), known, settings.steps, progress)
    return {name: np.asarray(array) for name, array in carry[1].items()}


def accuracy(subject: Subject, tensors: Tensors, setting: clip.ClipConfig, found: Pictures) -> list[float]:
    """Shares of images whose class and terciles are those of the nearest caption that names only one."""
    model = clip.make(Parameters(tensors, "training"), setting)
    captions = subject.captions()
    embed = jax.jit(lambda images: model.embed_images(model.normalize(images)))
    parts = np.array_split(found.images, max(1, len(found.images) // _MOST))
    pictures = np.concatenate([np.asarray(embed(jnp.asarray(part))) for part in parts])
    shares = []
    for place, size in enumerate((len(subject.classes), *np.array(captions.shape[1:3]) - 1)):
        index: list[Any] = [-1, -1, -1]
        index[place] = slice(0, size)
        texts = model.embed_texts(jnp.asarray(captions[tuple(index)]))
        shares.append(float(((pictures @ np.asarray(texts).T).argmax(axis=1) == found.attributes[:, place]).mean()))
    return shares


def attacked(model: clip.Clip, texts: Any, key: Any, pictures: Any, classes: Any, radius: float, steps: int) -> Any:
    """Pictures nearby that the model reads as another class: projected gradient ascent (Madry et al. 2018).

    Each moves by at most its own distance, which is drawn from [0, radius]; pixels stay in [0, 1].
    """
    directions, sizes = jax.random.split(key)
    reach = radius * jax.random.uniform(sizes, (len(pictures), 1, 1, 1))

    def surprise(x: Any) -> Any:
        logits = model.logit_scale * model.embed_images(model.normalize(x)) @ texts.T
        return -jnp.take_along_axis(jax.nn.log_softmax(logits, axis=1), classes[:, None], axis=1).sum()

    def length(change: Any) -> Any:
        return jnp.sqrt((change**2).sum(axis=(1, 2, 3), keepdims=True)) + 1e-9

    change = jax.random.normal(directions, pictures.shape)
    change = change * reach / length(change)
    for _ in range(steps):
        slope = jax.grad(surprise)(pictures + change)
        change = change + slope * 2 * reach / (steps * length(slope))
        change = jnp.clip(pictures + change * jnp.minimum(1, reach / length(change)), 0, 1) - pictures
    return lax.stop_gradient(pictures + change)


def scribbled(key: Any, images: Any, others: Any, coarse: int, blots: float = 0.0) -> Any:
    """Pictures of nothing: quarters of two pictures that changed places, and noise that is smooth between few values.

    Args:
        key: Of the draws.
        images: Pictures.
        others: As many others.
        coarse: Values of the noise along a side.
        blots: The share of pictures that are kept but for some blots beside what they show.
    """
    keys = jax.random.split(key, 4)
    count, half = len(images), images.shape[1] // 2
    quarters = jnp.concatenate([_quarters(images), _quarters(others)], axis=1)
    order = jax.vmap(lambda key: jax.random.permutation(key, 8)[:4])(jax.random.split(keys[0], count))
    cuts = jnp.take_along_axis(quarters, order[:, :, None, None], axis=1)
    cuts = cuts.reshape(count, 2, 2, half, half).transpose(0, 1, 3, 2, 4).reshape(images.shape)
    low = jax.random.uniform(keys[1], (count, 1, 1, 1), minval=-1.5)
    values = jax.random.uniform(keys[2], (count, coarse, coarse, 1)) * (2 - low) + low
    noise = jnp.clip(jax.image.resize(values, images.shape, "linear"), 0, 1)
    found = jnp.where(jax.random.bernoulli(keys[3], 0.5, (count, 1, 1, 1)), cuts, noise)
    return _blotted(jax.random.fold_in(key, 0), images, found, coarse, blots) if blots else found


def _blotted(key: Any, images: Any, others: Any, coarse: int, share: float) -> Any:
    """A share of the images with light blots, and others for the rest."""
    keys = jax.random.split(key, 3)
    places = jax.random.bernoulli(keys[0], _BLOTS / coarse**2, (len(images), coarse, coarse, 1))
    strength = jax.random.uniform(keys[1], places.shape, minval=0.2)
    blots = jax.image.resize(places * strength, images.shape, "linear")
    return jnp.where(jax.random.bernoulli(keys[2], share, (len(images), 1, 1, 1)), jnp.maximum(images, blots), others)


def _quarters(images: Any) -> Any:
    half = images.shape[1] // 2
    return images.reshape(-1, 2, half, 2, half).transpose(0, 1, 3, 2, 4).reshape(-1, 4, half, half)
