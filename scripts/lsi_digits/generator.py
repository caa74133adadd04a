"""Trains the 8 x 8 generator: StyleGAN2's architecture, a small critic, and the loss of karras2020stylegan2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from qdbench.tasks.lsi import stylegan2
from qdbench.tasks.lsi.layers import leaky_relu
from qdbench.tasks.lsi.parameters import Parameters

LATENT, LAYERS, CHANNELS, DEPTH = 32, 4, {4: 32, 8: 24}, 3
SETTINGS: dict[str, Any] = {
    "steps": 10000,
    "batch": 64,
    "learning_rate": 0.002,
    "adam_b1": 0.0,
    "adam_b2": 0.99,
    "r1": 0.2,
    "average": 0.998,
    "critic": 256,
}
_CHUNK = 200
Tensors = dict[str, Any]


def initial(rng: np.random.Generator) -> Tensors:
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
    put("synthesis.b4.const", CHANNELS[4], 4, 4)
    channels = CHANNELS[4]
    for resolution, outputs in CHANNELS.items():
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


def sample(tensors: Tensors, z: Any) -> Any:
    """Images in about [-1, 1] of z, ``(count, LAYERS, LATENT)``."""
    model = stylegan2.make(Parameters(tensors, "training"))
    return model.synthesize(model.mapping(z.reshape(-1, LATENT)).reshape(z.shape), "off")


def train(images: np.ndarray, seed: int, progress: Callable[[int, int], None]) -> Tensors:
    """The averaged tensors after training on images in [0, 1]; ``mapping.w_avg`` is the mean of 100,000 w."""
    settings = SETTINGS
    rng = np.random.default_rng(seed)
    start = initial(rng)
    fixed = {name: array for name, array in start.items() if not trained(name)}
    weights = {name: jnp.asarray(array) for name, array in start.items() if trained(name)}
    critic = _critic(rng)
    adam = optax.adam(settings["learning_rate"], settings["adam_b1"], settings["adam_b2"], eps=1e-8)
    real = jnp.asarray(2 * images - 1)

    # Each layer has its own z, so that all of W+ gives pictures of digits and not only the w that are alike.
    shape = (settings["batch"], LAYERS, LATENT)

    def generator_loss(weights: Tensors, critic: Any, z: Any) -> Any:
        return jax.nn.softplus(-_judge(critic, sample({**fixed, **weights}, z))).mean()

    def critic_loss(critic: Any, fake: Any, batch: Any) -> Any:
        def total(x: Any) -> Any:
            scores = _judge(critic, x)
            return scores.sum(), scores

        slopes, scores = jax.grad(total, has_aux=True)(batch)
        penalty = (slopes**2).sum(axis=(1, 2, 3)).mean()
        losses = jax.nn.softplus(_judge(critic, fake)).mean() + jax.nn.softplus(-scores).mean()
        return losses + 0.5 * settings["r1"] * penalty

    def step(carry: Any, key: Any) -> tuple[Any, None]:
        weights, critic, averaged, states = carry
        keys = jax.random.split(key, 3)
        rows = jax.random.randint(keys[0], shape[:1], 0, len(real))
        fake = sample({**fixed, **weights}, jax.random.normal(keys[1], shape))
        slopes = jax.grad(critic_loss)(critic, fake, real[rows])
        change, critic_state = adam.update(slopes, states[1])
        critic = optax.apply_updates(critic, change)
        z = jax.random.normal(keys[2], shape)
        change, state = adam.update(jax.grad(generator_loss)(weights, critic, z), states[0])
        weights = optax.apply_updates(weights, change)
        keep = settings["average"]
        averaged = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, averaged, weights)
        return (weights, critic, averaged, (state, critic_state)), None

    chunk = jax.jit(lambda carry, keys: lax.scan(step, carry, keys)[0], donate_argnums=0)
    carry = (weights, critic, jax.tree.map(jnp.copy, weights), (adam.init(weights), adam.init(critic)))
    keys = jax.random.split(jax.random.key(seed), settings["steps"])
    for first in range(0, settings["steps"], _CHUNK):
        carry = chunk(carry, keys[first : first + _CHUNK])
        jax.block_until_ready(carry)
        progress(first + _CHUNK, settings["steps"])
    tensors = {name: np.asarray(array) for name, array in {**fixed, **carry[2]}.items()}
    w = stylegan2.make(Parameters(tensors, "training")).mapping(
        jnp.asarray(np.random.default_rng(seed).standard_normal((100_000, LATENT)), jnp.float32)
    )
    tensors["mapping.w_avg"] = np.asarray(w).mean(axis=0)
    return tensors


def _critic(rng: np.random.Generator) -> Any:
    width = SETTINGS["critic"]
    sizes = ((64, width), (width, width), (width + 1, width), (width, 1))
    return [
        (
            jnp.asarray(rng.standard_normal(size) * np.sqrt(2 / size[0]), jnp.float32),
            jnp.zeros(size[1], jnp.float32),
        )
        for size in sizes
    ]


def _judge(critic: Any, images: Any) -> Any:
    x = images.reshape(len(images), -1)
    for index, (weight, bias) in enumerate(critic):
        if index == 2:
            # The mean deviation over the batch tells the critic how varied the images are.
            spread = jnp.sqrt(x.var(axis=0) + 1e-8).mean()
            x = jnp.concatenate([x, jnp.full((len(x), 1), spread)], axis=1)
        x = x @ weight + bias
        if index + 1 < len(critic):
            x = leaky_relu(x)
    return x[:, 0]
