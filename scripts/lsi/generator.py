"""Trains a generator: StyleGAN2's architecture, a small critic, and the loss of karras2020stylegan2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from qdbench.tasks.lsi import stylegan2
from qdbench.tasks.lsi.parameters import Parameters
from qdbench.tasks.lsi.pictures import middle
from scripts.lsi import critics, steps
from scripts.lsi.subject import Subject

LATENT, DEPTH = 32, 3
_ADAM_B1, _ADAM_B2 = 0.0, 0.99
Tensors = dict[str, Any]


def initial(channels_of: dict[int, int], rng: np.random.Generator) -> Tensors:
    """Random tensors with NVIDIA's names; noise has the strength 0 and stays there."""
    tensors: Tensors = {}

    def put(name: str, *shape: int, scale: float = 1.0) -> None:
        tensors[name] = (scale * rng.standard_normal(shape)).astype(np.float32)

    def style(name: str, channels: int) -> None:
        put(f"{name}.affine.weight", channels, LATENT)
        tensors[f"{name}.affine.bias"] = np.ones(channels, np.float32)

    for index in range(DEPTH):
        put(f"mapping.fc{index}.weight", LATENT, LATENT, scale=100)
        tensors[f"mapping.fc{index}.bias"] = np.zeros(LATENT, np.float32)
    tensors["mapping.w_avg"] = np.zeros(LATENT, np.float32)
    channels = channels_of[4]
    put("synthesis.b4.const", channels, 4, 4)
    for resolution, outputs in channels_of.items():
        for name in ("conv0", "conv1")[resolution == 4 :]:
            full = f"synthesis.b{resolution}.{name}"
            style(full, channels)
            put(f"{full}.weight", outputs, channels, 3, 3)
            tensors[f"{full}.bias"] = np.zeros(outputs, np.float32)
            put(f"{full}.noise_const", resolution, resolution)
            tensors[f"{full}.noise_strength"] = np.zeros((), np.float32)
            channels = outputs
        full = f"synthesis.b{resolution}.torgb"
        style(full, channels)
        put(f"{full}.weight", 1, channels, 1, 1)
        tensors[f"{full}.bias"] = np.zeros(1, np.float32)
    return tensors


def trained(name: str) -> bool:
    """Whether a tensor is trained."""
    return "noise" not in name and name != "mapping.w_avg"


def layers(subject: Subject) -> int:
    """How many latents a picture takes: two for each resolution, as the first has one convolution less."""
    return 2 * len(subject.generator.channels)


def sample(tensors: Tensors, z: Any, side: int) -> Any:
    """Images in about [-1, 1] of z, ``(count, layers, LATENT)``: the middle of what the generator makes."""
    model = stylegan2.make(Parameters(tensors, "training"))
    return middle(model.synthesize(model.mapping(z.reshape(-1, LATENT)).reshape(z.shape), "off"), side)


def train(subject: Subject, images: np.ndarray, seed: int, progress: Callable[[int, int], None]) -> Tensors:
    """The averaged tensors after training on images in [0, 1]; ``mapping.w_avg`` is the mean of 100,000 w."""
    settings, side = subject.generator, subject.side
    rng = np.random.default_rng(seed)
    start = initial(settings.channels, rng)
    fixed = {name: array for name, array in start.items() if not trained(name)}
    weights = {name: jnp.asarray(array) for name, array in start.items() if trained(name)}
    critic, judge = critics.make(subject, rng)
    adam = optax.adam(settings.learning_rate, _ADAM_B1, _ADAM_B2, eps=1e-8)

    # Each layer has its own z, so that all of W+ gives pictures of the data and not only the w that are alike.
    shape = (settings.batch, layers(subject), LATENT)

    def generator_loss(weights: Tensors, critic: Any, z: Any) -> Any:
        return jax.nn.softplus(-judge(critic, sample({**fixed, **weights}, z, side))).mean()

    def critic_loss(critic: Any, fake: Any, batch: Any) -> Any:
        def total(x: Any) -> Any:
            scores = judge(critic, x)
            return scores.sum(), scores

        slopes, scores = jax.grad(total, has_aux=True)(batch)
        penalty = (slopes**2).sum(axis=(1, 2, 3)).mean()
        losses = jax.nn.softplus(judge(critic, fake)).mean() + jax.nn.softplus(-scores).mean()
        return losses + 0.5 * settings.r1 * penalty

    def step(carry: Any, key: Any, real: Any) -> Any:
        weights, critic, averaged, states = carry
        keys = jax.random.split(key, 3)
        rows = jax.random.randint(keys[0], shape[:1], 0, len(real))
        fake = sample({**fixed, **weights}, jax.random.normal(keys[1], shape), side)
        slopes = jax.grad(critic_loss)(critic, fake, real[rows])
        change, critic_state = adam.update(slopes, states[1])
        critic = optax.apply_updates(critic, change)
        z = jax.random.normal(keys[2], shape)
        change, state = adam.update(jax.grad(generator_loss)(weights, critic, z), states[0])
        weights = optax.apply_updates(weights, change)
        keep = settings.average
        averaged = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, averaged, weights)
        return weights, critic, averaged, (state, critic_state)

    carry = (weights, critic, jax.tree.map(jnp.copy, weights), (adam.init(weights), adam.init(critic)))
    keys = jax.random.split(jax.random.key(seed), settings.steps)
    real = jnp.asarray(2 * images - 1)
    carry = steps.run(step, carry, keys, (real,), settings.steps, progress, scanned=not settings.convolutional)
    tensors = {name: np.asarray(array) for name, array in {**fixed, **carry[2]}.items()}
    w = stylegan2.make(Parameters(tensors, "training")).mapping(
        jnp.asarray(np.random.default_rng(seed).standard_normal((100_000, LATENT)), jnp.float32)
    )
    tensors["mapping.w_avg"] = np.asarray(w).mean(axis=0)
    return tensors
