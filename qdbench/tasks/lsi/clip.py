"""CLIP: a vision transformer and a text transformer with one embedding space (Radford et al. 2021)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from qdbench.datasets import DataError
from qdbench.numerics import exp
from qdbench.tasks.lsi.layers import Linear, matmul
from qdbench.tasks.lsi.parameters import Parameters

Activation = Literal["quick_gelu", "gelu"]
PATCH = "vision_model.embeddings.patch_embedding.weight"
# A score whose share in attention is 0.
_NEVER = -1e30
TOKENS = "text_model.embeddings.token_embedding.weight"


@dataclasses.dataclass(frozen=True)
class ClipConfig:
    """What the tensors' shapes do not say; the defaults are those of CLIP ViT-B/32.

    Attributes:
        vision_heads: Attention heads of the image tower.
        text_heads: Attention heads of the text tower.
        activation: Of the multilayer perceptrons: ``"quick_gelu"`` is ``x sigmoid(1.702 x)``.
        epsilon: Of layer normalisations.
        end_token: The id after which a text ends, or None: the largest id of a text is its end.
        mean: Subtracted from each colour of an image in [0, 1].
        deviation: Divides each colour after that.
    """

    vision_heads: int = 12
    text_heads: int = 8
    activation: Activation = "quick_gelu"
    epsilon: float = 1e-5
    end_token: int | None = None
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    deviation: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)


class Norm(eqx.Module):
    """Layer normalisation."""

    weight: Float[Array, " width"]
    bias: Float[Array, " width"]
    epsilon: float = eqx.field(static=True)

    def __call__(self, x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        """Normalises the last axis."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        return centred * lax.rsqrt(variance + self.epsilon) * self.weight + self.bias


class Block(eqx.Module):
    """A transformer's layer: attention and a multilayer perceptron, each normalised first and added."""

    first_norm: Norm
    queries_keys_values: Linear
    attended: Linear
    second_norm: Norm
    wide: Linear
    narrow: Linear
    heads: int = eqx.field(static=True)
    activation: Activation = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "batch tokens width"], allowed: Bool[np.ndarray, "tokens tokens"] | None
    ) -> Float[Array, "batch tokens width"]:
        """Applies the layer; ``allowed`` says which token (row) sees which."""
        x = x + self.attended(self._attention(self.first_norm(x), allowed))
        hidden = self.wide(self.second_norm(x))
        return x + self.narrow(_quick_gelu(hidden) if self.activation == "quick_gelu" else _gelu(hidden))

    def _attention(self, x: Array, allowed: np.ndarray | None) -> Array:
        batch, tokens, width = x.shape
        size = width // self.heads
        parts = self.queries_keys_values(x).reshape(batch, tokens, 3, self.heads, size)
        queries, keys, values = parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]
        scores = jnp.einsum("bqhs,bkhs->bhqk", queries, keys, precision=lax.Precision.HIGHEST)
        if allowed is not None:
            scores = jnp.where(allowed, scores, _NEVER)
        weights = exp(scores - lax.stop_gradient(scores.max(axis=-1, keepdims=True)))
        weights = weights / weights.sum(axis=-1, keepdims=True)
        mixed = jnp.einsum("bhqk,bkhs->bqhs", weights, values, precision=lax.Precision.HIGHEST)
        return mixed.reshape(batch, tokens, width)


class VisionTower(eqx.Module):
    """Patches, a class token, transformer layers; the class token's output is projected."""

    patches: Float[Array, "inputs width"]
    class_token: Float[Array, " width"]
    positions: Float[Array, "tokens width"]
    before: Norm
    blocks: tuple[Block, ...]
    after: Norm
    projection: Float[Array, "width embedding"]
    patch: int = eqx.field(static=True)

    def __call__(self, images: Float[Array, "batch side side colors"]) -> Float[Array, "batch embedding"]:
        """The embeddings of normalised images, not of unit length."""
        batch, side, _, colors = images.shape
        count = side // self.patch
        cut = images.reshape(batch, count, self.patch, count, self.patch, colors).transpose(0, 1, 3, 2, 4, 5)
        tokens = matmul(cut.reshape(batch, count * count, -1), self.patches)
        first = jnp.broadcast_to(self.class_token, (batch, 1, self.class_token.shape[0]))
        x = self.before(jnp.concatenate([first, tokens], axis=1) + self.positions)
        for block in self.blocks:
            x = block(x, None)
        return matmul(self.after(x[:, 0]), self.projection)


class TextTower(eqx.Module):
    """Tokens and transformer layers in which a token sees itself and those before it; the end token is projected."""

    tokens: Float[Array, "vocabulary width"]
    positions: Float[Array, "longest width"]
    blocks: tuple[Block, ...]
    after: Norm
    projection: Float[Array, "width embedding"]
    end_token: int | None = eqx.field(static=True)

    def __call__(self, ids: Int[Array, "batch length"]) -> Float[Array, "batch embedding"]:
        """The embeddings of texts, not of unit length; what follows the end token does not matter."""
        batch, length = ids.shape
        x = self.tokens[ids] + self.positions[:length]
        causal = np.tril(np.ones((length, length), bool))
        for block in self.blocks:
            x = block(x, causal)
        ends = (ids if self.end_token is None else ids == self.end_token).argmax(axis=1)
        return matmul(self.after(x[jnp.arange(batch), ends]), self.projection)


class Clip(eqx.Module):
    """Both towers; :func:`make` makes it.

    Attributes:
        vision: The image tower.
        text: The text tower.
        logit_scale: The factor of similarities in logits (its exponential is taken already).
        mean: Of the colours of images in [0, 1].
        deviation: Of the colours of images in [0, 1].
        side: Height and width of an image, in pixels.
    """

    vision: VisionTower
    text: TextTower
    logit_scale: Float[Array, ""]
    mean: Float[Array, " colors"]
    deviation: Float[Array, " colors"]
    side: int = eqx.field(static=True)

    def normalize(self, images: Float[Array, "batch side side colors"]) -> Float[Array, "batch side side colors"]:
        """Images in [0, 1] as the image tower expects them."""
        return (images - self.mean) / self.deviation

    def embed_images(self, images: Float[Array, "batch side side colors"]) -> Float[Array, "batch embedding"]:
        """Unit vectors of normalised images, ``(batch, side, side, colors)``."""
        return unit(self.vision(images))

    def embed_texts(self, ids: Int[Array, "batch length"]) -> Float[Array, "batch embedding"]:
        """Unit vectors of texts given as token ids."""
        return unit(self.text(ids))


def unit(vectors: Float[Array, "batch n"]) -> Float[Array, "batch n"]:
    """Vectors of length 1; a vector of zeros stays, with a finite gradient."""
    return vectors * lax.rsqrt((vectors * vectors).sum(axis=-1, keepdims=True) + 1e-12)


def angles(images: Float[Array, "batch n"], texts: Float[Array, "prompts n"]) -> Float[Array, "batch prompts"]:
    r"""The angles between unit vectors, :math:`2 \arcsin(\|x - y\| / 2)`, with finite gradients everywhere."""
    squared = jnp.clip(2 - 2 * matmul(images, texts.T), 1e-12, 4 - 1e-6)
    return 2 * jnp.arcsin(jnp.sqrt(squared) / 2)


def make(parameters: Parameters, config: ClipConfig) -> Clip:
    """Makes a model from tensors with Hugging Face's names; sizes come from the shapes.

    Args:
        parameters: The checkpoint's tensors; they may be traced.
        config: What shapes do not say.

    Raises:
        DataError: If a tensor is missing or has another shape, or the numbers of heads do not divide the widths.
    """
    vision = _vision(parameters, config)
    text = _text(parameters, config, vision.projection.shape[1])
    return Clip(
        vision=vision,
        text=text,
        logit_scale=jnp.exp(parameters.take("logit_scale")),
        mean=jnp.asarray(config.mean, parameters.dtype),
        deviation=jnp.asarray(config.deviation, parameters.dtype),
        side=math.isqrt(vision.positions.shape[0] - 1) * vision.patch,
    )


def _vision(parameters: Parameters, config: ClipConfig) -> VisionTower:
    prefix = "vision_model"
    width, colors, patch, _ = parameters.shape(PATCH) if PATCH in parameters else (None, None, None, None)
    kernel = parameters.take(PATCH, width, colors, patch, patch)
    tokens = parameters.take(f"{prefix}.embeddings.position_embedding.weight", None, width)
    if math.isqrt(tokens.shape[0] - 1) ** 2 != tokens.shape[0] - 1:
        raise DataError(
            f"{parameters.source}: {prefix}.embeddings.position_embedding.weight has {tokens.shape[0]} rows; "
            "it should have one more than a square number of patches"
        )
    return VisionTower(
        patches=kernel.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0]),
        class_token=parameters.take(f"{prefix}.embeddings.class_embedding", width),
        positions=tokens,
        # The name is misspelt in the format itself.
        before=_norm(parameters, f"{prefix}.pre_layrnorm", config),
        blocks=_blocks(parameters, prefix, kernel.shape[0], config.vision_heads, config),
        after=_norm(parameters, f"{prefix}.post_layernorm", config),
        projection=parameters.take("visual_projection.weight", None, width).T,
        patch=kernel.shape[-1],
    )


def _text(parameters: Parameters, config: ClipConfig, embedding: int) -> TextTower:
    prefix = "text_model"
    tokens = parameters.take(TOKENS, None, None)
    width = tokens.shape[1]
    return TextTower(
        tokens=tokens,
        positions=parameters.take(f"{prefix}.embeddings.position_embedding.weight", None, width),
        blocks=_blocks(parameters, prefix, width, config.text_heads, config),
        after=_norm(parameters, f"{prefix}.final_layer_norm", config),
        projection=parameters.take("text_projection.weight", embedding, width).T,
        end_token=config.end_token,
    )


def _blocks(parameters: Parameters, prefix: str, width: int, heads: int, config: ClipConfig) -> tuple[Block, ...]:
    if width % heads:
        raise DataError(
            f"{parameters.source}: {prefix} has the width {width}, which {heads} attention heads do not divide"
        )
    blocks: list[Block] = []
    while f"{prefix}.encoder.layers.{len(blocks)}.layer_norm1.weight" in parameters or not blocks:
        blocks.append(_block(parameters, f"{prefix}.encoder.layers.{len(blocks)}", width, heads, config))
    return tuple(blocks)


def _block(parameters: Parameters, name: str, width: int, heads: int, config: ClipConfig) -> Block:
    # The scores' division by the root of a head's size is put into the queries.
    query, key, value = (_dense(parameters, f"{name}.self_attn.{part}_proj", width, width) for part in "qkv")
    root = math.sqrt(width // heads)
    joined = Linear(
        jnp.concatenate([query.weight / root, key.weight, value.weight], axis=1),
        jnp.concatenate([query.bias / root, key.bias, value.bias]),
    )
    wide = _dense(parameters, f"{name}.mlp.fc1", None, width)
    return Block(
        first_norm=_norm(parameters, f"{name}.layer_norm1", config),
        queries_keys_values=joined,
        attended=_dense(parameters, f"{name}.self_attn.out_proj", width, width),
        second_norm=_norm(parameters, f"{name}.layer_norm2", config),
        wide=wide,
        narrow=_dense(parameters, f"{name}.mlp.fc2", width, wide.bias.shape[0]),
        heads=heads,
        activation=config.activation,
    )


def _dense(parameters: Parameters, name: str, outputs: int | None, inputs: int) -> Linear:
    weight = parameters.take(f"{name}.weight", outputs, inputs)
    return Linear(weight.T, parameters.take(f"{name}.bias", weight.shape[0]))


def _norm(parameters: Parameters, name: str, config: ClipConfig) -> Norm:
    weight = parameters.take(f"{name}.weight", None)
    return Norm(weight, parameters.take(f"{name}.bias", weight.shape[0]), config.epsilon)


def _quick_gelu(x: Array) -> Array:
    return x / (1 + exp(-1.702 * x))


def _gelu(x: Array) -> Array:
    return 0.5 * x * (1 + lax.erf(x / math.sqrt(2)))


def pad(texts: Sequence[Sequence[int]], length: int) -> Any:
    """Token ids as an array, ``(texts, length)``, filled up with zeros, which are not looked at."""
    for ids in texts:
        if not 0 < len(ids) <= length:
            raise DataError(f"a text has {len(ids)} tokens; it should have 1 to {length}")
    return np.array([[*ids, *[0] * (length - len(ids))] for ids in texts], np.int32)
