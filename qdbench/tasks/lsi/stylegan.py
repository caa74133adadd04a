"""StyleGAN's first generator: mapping network and style-based synthesis network (Karras et al. 2019)."""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from qdbench.tasks.lsi.layers import (
    Linear,
    Noise,
    correlate,
    equalized_linear,
    leaky_relu,
    noise,
    noise_keys,
    normalize_second_moment,
    unfold,
)
from qdbench.tasks.lsi.parameters import Parameters

_MAPPING_RATE = 0.01
_ROOT_2 = math.sqrt(2)
# From this resolution on, up-sampling and convolution are one transposed convolution.
_FUSED_FROM = 128
_NOISE_SEED = 0


class Style(eqx.Module):
    """Noise, leaky ReLU, instance normalisation, and a scale and a shift of each channel that w decides."""

    noise_strength: Float[Array, " channels"]
    noise_const: Float[Array, "h w"]
    affine: Linear

    def __call__(
        self,
        x: Float[Array, "batch h w channels"],
        w: Float[Array, "batch w_dim"],
        mode: Noise,
        key: Key[Array, ""] | None,
    ) -> Float[Array, "batch h w channels"]:
        """Applies it to the output of a convolution."""
        if mode == "const":
            x = x + self.noise_const[:, :, None] * self.noise_strength
        elif mode == "fresh":
            assert key is not None
            x = x + noise(key, x) * self.noise_strength
        x = leaky_relu(x)
        centred = x - x.mean(axis=(1, 2), keepdims=True)
        x = centred * lax.rsqrt((centred * centred).mean(axis=(1, 2), keepdims=True) + 1e-5)
        scale, shift = jnp.split(self.affine(w)[:, None, None, :], 2, axis=-1)
        return x * (scale + 1) + shift


class Convolution(eqx.Module):
    """A 3 x 3 convolution; with ``up`` at twice the resolution and blurred by [1, 2, 1] / 4 along both axes."""

    kernel: Float[Array, "3 3 inputs taps"]
    bias: Float[Array, " outputs"]
    up: bool = eqx.field(static=True)

    def __call__(self, x: Float[Array, "batch h w inputs"]) -> Float[Array, "batch h2 w2 outputs"]:
        """Applies it; h2 and w2 are twice h and w with ``up``."""
        x = correlate(x, self.kernel)
        if self.up:
            x = _blur(unfold(x, self.bias.shape[0]))
        return x + self.bias


class Block(eqx.Module):
    """One resolution: convolutions (the first block's constant takes the place of one), each with a style."""

    up: Convolution | None
    first: Style
    convolution: Convolution
    second: Style


class StyleGan(eqx.Module):
    """The generator; :func:`make` makes it.

    Attributes:
        layers: The mapping network's.
        w_avg: The mean of w, which truncation moves towards; zeros where the checkpoint has none.
        const: The learned constant that synthesis starts from, with its bias.
        blocks: From 4 x 4 upwards.
        to_image: The kernel of the last, 1 x 1 convolution.
        bias: Its bias.
    """

    layers: tuple[Linear, ...]
    w_avg: Float[Array, " w_dim"]
    const: Float[Array, "4 4 channels"]
    blocks: tuple[Block, ...]
    to_image: Float[Array, "1 1 inputs colors"]
    bias: Float[Array, " colors"]

    @property
    def z_dim(self) -> int:
        """The size of a mapping network's input."""
        return int(self.layers[0].weight.shape[0])

    @property
    def w_dim(self) -> int:
        """The size of one w."""
        return int(self.w_avg.shape[0])

    @property
    def num_ws(self) -> int:
        """How many w an image takes: two for each resolution."""
        return 2 * len(self.blocks)

    @property
    def resolution(self) -> int:
        """The height and width of an image."""
        return 4 * 2 ** (len(self.blocks) - 1)

    @property
    def colors(self) -> int:
        """The channels of an image."""
        return int(self.bias.shape[0])

    def mapping(self, z: Float[Array, "batch z_dim"], truncation: float = 1.0) -> Float[Array, "batch w_dim"]:
        """Z to w, moved towards the mean: ``w_avg + truncation (w - w_avg)``."""
        x = normalize_second_moment(z)
        for layer in self.layers:
            x = leaky_relu(layer(x))
        return self.w_avg + truncation * (x - self.w_avg)

    def synthesize(
        self, ws: Float[Array, "batch num_ws w_dim"], mode: Noise = "const", key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch h w colors"]:
        """The images of latents, about [-1, 1], not clipped.

        Args:
            ws: One w for each style, ``(batch, num_ws, w_dim)``.
            mode: ``"fresh"`` noise from the key at every style, ``"const"`` noise that is drawn when the generator is
                made, or ``"off"``.
            key: For fresh noise.

        Raises:
            ValueError: If the noise is to be fresh and there is no key.
        """
        keys = noise_keys(mode, key, self.num_ws)
        x = jnp.broadcast_to(self.const, (ws.shape[0], *self.const.shape))
        for index, block in enumerate(self.blocks):
            if block.up is not None:
                x = block.up(x)
            x = block.first(x, ws[:, 2 * index], mode, keys[2 * index])
            x = block.second(block.convolution(x), ws[:, 2 * index + 1], mode, keys[2 * index + 1])
        return correlate(x, self.to_image) + self.bias

    def repeat(self, w: Float[Array, "batch w_dim"]) -> Float[Array, "batch num_ws w_dim"]:
        """One w for all layers."""
        return jnp.repeat(w[:, None], self.num_ws, axis=1)


def make(parameters: Parameters) -> StyleGan:
    """Makes a generator from tensors with the names of the PyTorch port that the authors of fontaine2021dqd used.

    The names are ``g_mapping.dense0.weight``, ``g_synthesis.blocks.8x8.conv0_up.weight`` and so on; sizes come from the
    shapes. The format has no constant noise, so it is drawn from a fixed seed, and w_avg is ``w_avg`` if there is a
    tensor of that name.

    Raises:
        DataError: If a tensor is missing or has another shape.
    """
    depth = max(1, sum(f"g_mapping.dense{index}.weight" in parameters for index in range(64)))
    layers = tuple(
        equalized_linear(parameters, f"g_mapping.dense{index}", rate=_MAPPING_RATE, gain=_ROOT_2)
        for index in range(depth)
    )
    w_dim = layers[-1].bias.shape[0]
    const = parameters.take("g_synthesis.blocks.4x4.const", 1, None, 4, 4)[0]
    const = const + parameters.take("g_synthesis.blocks.4x4.bias", const.shape[0])[:, None, None]
    rng = np.random.default_rng(_NOISE_SEED)
    blocks, resolution, channels = [], 4, const.shape[0]
    while f"g_synthesis.blocks.{resolution}x{resolution}.epi1.style_mod.lin.weight" in parameters or resolution == 4:
        blocks.append(_block(parameters, resolution, channels, w_dim, rng))
        channels = blocks[-1].convolution.bias.shape[0]
        resolution *= 2
    kernel = parameters.take("g_synthesis.torgb.weight", None, channels, 1, 1)
    return StyleGan(
        layers=layers,
        w_avg=parameters.take("w_avg", w_dim) if "w_avg" in parameters else jnp.zeros(w_dim, parameters.dtype),
        const=const.transpose(1, 2, 0),
        blocks=tuple(blocks),
        to_image=kernel.transpose(2, 3, 1, 0) / math.sqrt(channels),
        bias=parameters.take("g_synthesis.torgb.bias", kernel.shape[0]),
    )


def _block(parameters: Parameters, resolution: int, channels: int, w_dim: int, rng: np.random.Generator) -> Block:
    prefix = f"g_synthesis.blocks.{resolution}x{resolution}"
    up = None
    if resolution > 4:
        up = _convolution(parameters, f"{prefix}.conv0_up", channels, resolution)
        channels = up.bias.shape[0]
    first = _style(parameters, f"{prefix}.epi1", channels, w_dim, resolution, rng)
    convolution = _convolution(parameters, f"{prefix}.{'conv' if up is None else 'conv1'}", channels)
    second = _style(parameters, f"{prefix}.epi2", convolution.bias.shape[0], w_dim, resolution, rng)
    return Block(up, first, convolution, second)


def _convolution(parameters: Parameters, name: str, channels: int, up_to: int | None = None) -> Convolution:
    weight = parameters.take(f"{name}.weight", None, channels, 3, 3)
    kernel = weight.transpose(2, 3, 1, 0) * (_ROOT_2 / math.sqrt(9 * channels))
    if up_to is not None:
        kernel = _phases(kernel[::-1, ::-1] if up_to >= _FUSED_FROM else kernel)
    return Convolution(kernel, parameters.take(f"{name}.bias", weight.shape[0]), up_to is not None)


def _phases(kernel: Float[Array, "3 3 inputs outputs"]) -> Float[Array, "3 3 inputs 4*outputs"]:
    """Doubling of every pixel and a correlation with the kernel, as one correlation at the low resolution.

    Along one axis, an even output sees x[i-1] through the first tap and x[i] through the other two, an odd one x[i]
    through the first two and x[i+1] through the last. Above 64 x 64 the format means a transposed convolution with the
    sum of the four kernels shifted by a pixel, which is the same with the kernel turned by 180 degrees.
    """
    fold = np.zeros((2, 3, 3))
    fold[0, 0, 0] = fold[0, 1, 1] = fold[0, 1, 2] = 1
    fold[1, 1, 0] = fold[1, 1, 1] = fold[1, 2, 2] = 1
    folding = jnp.asarray(fold, kernel.dtype)
    folded = jnp.einsum("pta,qub,abio->tuipqo", folding, folding, kernel, precision=lax.Precision.HIGHEST)
    return folded.reshape(*folded.shape[:3], -1)


def _blur(x: Float[Array, "batch h w c"]) -> Float[Array, "batch h w c"]:
    for axis in (1, 2):
        pad = [(0, 0)] * 4
        pad[axis] = (1, 1)
        padded, size = jnp.pad(x, pad), x.shape[axis]
        before, after = (lax.slice_in_dim(padded, start, start + size, axis=axis) for start in (0, 2))
        x = 0.25 * before + 0.5 * x + 0.25 * after
    return x


def _style(
    parameters: Parameters, name: str, channels: int, w_dim: int, resolution: int, rng: np.random.Generator
) -> Style:
    return Style(
        noise_strength=parameters.take(f"{name}.top_epi.noise.weight", channels),
        noise_const=jnp.asarray(rng.standard_normal((resolution, resolution)), parameters.dtype),
        affine=equalized_linear(parameters, f"{name}.style_mod.lin", 2 * channels, w_dim),
    )
