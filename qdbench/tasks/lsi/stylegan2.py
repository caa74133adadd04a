"""StyleGAN2's generator: mapping network and synthesis network with skip connections (Karras et al. 2020)."""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from qdbench.datasets import DataError
from qdbench.tasks.lsi.layers import (
    Linear,
    Noise,
    correlate,
    equalized_linear,
    leaky_relu,
    matmul,
    noise,
    noise_keys,
    normalize_second_moment,
    phases,
    unfold,
    upsample,
)
from qdbench.tasks.lsi.parameters import Parameters

_MAPPING_RATE = 0.01
_ROOT_2 = math.sqrt(2)


class Mapping(eqx.Module):
    """z to w: a normalisation and fully connected layers; see :func:`make`."""

    layers: tuple[Linear, ...]
    w_avg: Float[Array, " w_dim"]

    def __call__(self, z: Float[Array, "batch z_dim"], truncation: float = 1.0) -> Float[Array, "batch w_dim"]:
        """``w_avg + truncation (w - w_avg)``."""
        x = normalize_second_moment(z)
        for layer in self.layers:
            x = leaky_relu(layer(x)) * _ROOT_2
        return self.w_avg + truncation * (x - self.w_avg)


class Layer(eqx.Module):
    r"""A modulated 3 x 3 convolution, noise, bias and leaky ReLU.

    With the styles :math:`s = A w + b`, output channel o is
    :math:`\sum_{i,k} W_{oik} s_i x_{i,\cdot+k} / \sqrt{\sum_{i,k} (W_{oik} s_i)^2 + 10^{-8}}`. The styles multiply the
    image and the root divides the result, so that one kernel serves the whole batch.
    """

    style: Linear
    kernel: Float[Array, "3 3 inputs taps"]
    squares: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]
    noise_const: Float[Array, "h w"]
    noise_strength: Float[Array, ""]
    up: bool = eqx.field(static=True)

    def __call__(
        self,
        x: Float[Array, "batch h w inputs"],
        w: Float[Array, "batch w_dim"],
        mode: Noise,
        key: Key[Array, ""] | None,
        clamp: float | None,
    ) -> Float[Array, "batch h2 w2 outputs"]:
        """Applies the layer; h2 and w2 are twice h and w with ``up``."""
        styles = self.style(w)
        demodulation = lax.rsqrt(matmul(styles * styles, self.squares) + 1e-8)
        x = correlate(x * styles[:, None, None, :], self.kernel)
        if self.up:
            x = unfold(x, self.bias.shape[0])
        x = x * demodulation[:, None, None, :]
        if mode == "const":
            x = x + (self.noise_const * self.noise_strength)[:, :, None]
        elif mode == "fresh":
            assert key is not None
            x = x + noise(key, x) * self.noise_strength
        return _clamped(leaky_relu(x + self.bias) * _ROOT_2, clamp)


class ToImage(eqx.Module):
    """A modulated 1 x 1 convolution to the channels of the image, without demodulation."""

    style: Linear
    kernel: Float[Array, "1 1 inputs colors"]
    bias: Float[Array, " colors"]

    def __call__(
        self, x: Float[Array, "batch h w inputs"], w: Float[Array, "batch w_dim"], clamp: float | None
    ) -> Float[Array, "batch h w colors"]:
        """The colours of one resolution."""
        styles = self.style(w)
        return _clamped(correlate(x * styles[:, None, None, :], self.kernel) + self.bias, clamp)


class Block(eqx.Module):
    """The layers of one resolution: the first has one convolution, all others two."""

    convolutions: tuple[Layer, ...]
    to_image: ToImage


class StyleGan2(eqx.Module):
    """The generator; :func:`make` makes it.

    Attributes:
        mapping: From z to w.
        const: The learned constant that synthesis starts from.
        blocks: From 4 x 4 upwards.
        clamp: The bound on activations, or None.
    """

    mapping: Mapping
    const: Float[Array, "4 4 channels"]
    blocks: tuple[Block, ...]
    clamp: float | None = eqx.field(static=True)

    @property
    def z_dim(self) -> int:
        """The size of a mapping network's input."""
        return int(self.mapping.layers[0].weight.shape[0])

    @property
    def w_dim(self) -> int:
        """The size of one w."""
        return int(self.mapping.w_avg.shape[0])

    @property
    def num_ws(self) -> int:
        """How many w an image takes: one for each convolution and one for the last conversion to colours."""
        return sum(len(block.convolutions) for block in self.blocks) + 1

    @property
    def resolution(self) -> int:
        """The height and width of an image."""
        return 4 * 2 ** (len(self.blocks) - 1)

    @property
    def colors(self) -> int:
        """The channels of an image."""
        return int(self.blocks[-1].to_image.bias.shape[0])

    def synthesize(
        self, ws: Float[Array, "batch num_ws w_dim"], mode: Noise = "const", key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch h w colors"]:
        """The images of latents, about [-1, 1], not clipped.

        Args:
            ws: One w for each layer, ``(batch, num_ws, w_dim)``.
            mode: ``"fresh"`` noise from the key at every layer, the checkpoint's ``"const"`` noise, or ``"off"``.
            key: For fresh noise.

        Raises:
            ValueError: If the noise is to be fresh and there is no key.
        """
        keys = noise_keys(mode, key, self.num_ws)
        x = jnp.broadcast_to(self.const, (ws.shape[0], *self.const.shape))
        image, index = None, 0
        for block in self.blocks:
            for layer in block.convolutions:
                x = layer(x, ws[:, index], mode, keys[index], self.clamp)
                index += 1
            # The next block's first convolution takes the same w.
            colors = block.to_image(x, ws[:, index], self.clamp)
            image = colors if image is None else upsample(image) + colors
        assert image is not None
        return image

    def repeat(self, w: Float[Array, "batch w_dim"]) -> Float[Array, "batch num_ws w_dim"]:
        """One w for all layers."""
        return jnp.repeat(w[:, None], self.num_ws, axis=1)


def make(parameters: Parameters, clamp: float | None = None) -> StyleGan2:
    """Makes a generator from tensors with the names of NVIDIA's PyTorch checkpoints (``G_ema``).

    The mapping network is ``mapping.fc0``, ``mapping.fc1``, ... with a learning rate of 0.01; resolution, channels and
    latent sizes come from the shapes.

    Args:
        parameters: The checkpoint's tensors; they may be traced.
        clamp: The bound on activations, which the file's settings name; None for none.

    Raises:
        DataError: If a tensor is missing or has another shape, or the architecture is not the one with skip
            connections and without labels.
    """
    _check_architecture(parameters)
    depth = max(1, sum(f"mapping.fc{index}.weight" in parameters for index in range(64)))
    dense = tuple(equalized_linear(parameters, f"mapping.fc{index}", rate=_MAPPING_RATE) for index in range(depth))
    w_dim = dense[-1].bias.shape[0]
    mapping = Mapping(dense, parameters.take("mapping.w_avg", w_dim))
    const = parameters.take("synthesis.b4.const", None, 4, 4)
    blocks, resolution, channels = [], 4, const.shape[0]
    while f"synthesis.b{resolution}.torgb.weight" in parameters or resolution == 4:
        block = _block(parameters, resolution, channels, w_dim)
        blocks.append(block)
        channels = block.convolutions[-1].bias.shape[0]
        resolution *= 2
    return StyleGan2(mapping, const.transpose(1, 2, 0), tuple(blocks), clamp)


def _check_architecture(parameters: Parameters) -> None:
    names = parameters.names()
    if any(name.startswith("mapping.embed.") for name in names):
        raise DataError(
            f"{parameters.source}: the generator is conditional (it has mapping.embed); it must have no labels"
        )
    if any(".skip." in name for name in names) or "synthesis.b4.torgb.weight" not in parameters:
        kind = "StyleGAN3" if any(name.startswith("synthesis.L0_") for name in names) else "no skip architecture"
        raise DataError(
            f"{parameters.source}: the generator is not StyleGAN2's with skip connections ({kind}): it should have "
            "synthesis.b4.torgb.weight and no synthesis.b8.skip.weight"
        )


def _block(parameters: Parameters, resolution: int, channels: int, w_dim: int) -> Block:
    prefix = f"synthesis.b{resolution}"
    layers = []
    for name in ("conv1",) if resolution == 4 else ("conv0", "conv1"):
        layers.append(_layer(parameters, f"{prefix}.{name}", resolution, channels, w_dim, up=name == "conv0"))
        channels = layers[-1].bias.shape[0]
    return Block(tuple(layers), _to_image(parameters, f"{prefix}.torgb", channels, w_dim))


def _layer(parameters: Parameters, name: str, resolution: int, channels: int, w_dim: int, up: bool) -> Layer:
    weight = parameters.take(f"{name}.weight", None, channels, 3, 3)
    kernel = weight.transpose(2, 3, 1, 0)
    return Layer(
        style=equalized_linear(parameters, f"{name}.affine", channels, w_dim),
        kernel=phases(kernel) if up else kernel,
        squares=(kernel * kernel).sum(axis=(0, 1)),
        bias=parameters.take(f"{name}.bias", weight.shape[0]),
        noise_const=parameters.take(f"{name}.noise_const", resolution, resolution),
        noise_strength=parameters.take(f"{name}.noise_strength"),
        up=up,
    )


def _to_image(parameters: Parameters, name: str, channels: int, w_dim: int) -> ToImage:
    weight = parameters.take(f"{name}.weight", None, channels, 1, 1)
    # The styles of this layer are divided by sqrt(channels); the kernel may be as well.
    return ToImage(
        style=equalized_linear(parameters, f"{name}.affine", channels, w_dim),
        kernel=weight.transpose(2, 3, 1, 0) / math.sqrt(channels),
        bias=parameters.take(f"{name}.bias", weight.shape[0]),
    )


def _clamped(x: Array, clamp: float | None) -> Array:
    return x if clamp is None else jnp.clip(x, -clamp, clamp)
