"""StyleGAN 1 and 2 and CLIP in NumPy float64, from the papers' definitions: channels first, one operation a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import erf

Tensors = Mapping[str, np.ndarray]


def _get(tensors: Tensors, name: str) -> np.ndarray:
    return np.asarray(tensors[name], np.float64)


def _rms(z: np.ndarray) -> np.ndarray:
    return z / np.sqrt((z**2).mean(axis=1, keepdims=True) + 1e-8)


def _leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, 0.2 * x, x)


def _pad(x: np.ndarray, before: int, after: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, 0), (before, after), (before, after)))


def correlate(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Valid cross-correlation of (B, I, H, W) with (O, I, k, k)."""
    k = w.shape[-1]
    height, width = x.shape[2] - k + 1, x.shape[3] - k + 1
    out = np.zeros((x.shape[0], w.shape[0], height, width))
    for i in range(k):
        for j in range(k):
            out += np.einsum("bihw,oi->bohw", x[:, :, i : i + height, j : j + width], w[:, :, i, j], optimize=True)
    return out


def transposed(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Stride-2 transposed convolution by scattering, full size 2 (H - 1) + k, of (B, I, H, W) with (O, I, k, k)."""
    k = w.shape[-1]
    batch, _, height, width = x.shape
    out = np.zeros((batch, w.shape[0], 2 * (height - 1) + k, 2 * (width - 1) + k))
    for i in range(k):
        for j in range(k):
            part = np.einsum("bihw,oi->bohw", x, w[:, :, i, j], optimize=True)
            out[:, :, i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2] += part
    return out


def depthwise(x: np.ndarray, taps: Sequence[float]) -> np.ndarray:
    """Valid filtering of every channel with the outer product of the taps."""
    n = len(taps)
    height, width = x.shape[2] - n + 1, x.shape[3] - n + 1
    rows = sum(t * x[:, :, i : i + height] for i, t in enumerate(taps))
    return sum(t * rows[:, :, :, j : j + width] for j, t in enumerate(taps))


_FIR = [0.25, 0.75, 0.75, 0.25]


def stylegan2_mapping(tensors: Tensors, z: np.ndarray, truncation: float = 1.0) -> np.ndarray:
    x, index = _rms(np.asarray(z, np.float64)), 0
    while f"mapping.fc{index}.weight" in tensors:
        w, b = _get(tensors, f"mapping.fc{index}.weight"), _get(tensors, f"mapping.fc{index}.bias")
        x = _leaky(x @ (w.T * 0.01 / np.sqrt(w.shape[1])) + 0.01 * b) * np.sqrt(2)
        index += 1
    mean = _get(tensors, "mapping.w_avg")
    return mean + truncation * (x - mean)


def stylegan2_synthesis(tensors: Tensors, ws: np.ndarray, noise: bool = True, clamp: float | None = None) -> np.ndarray:
    """Images (B, colours, H, W): weights are modulated and demodulated for each sample, as the paper has it."""
    return np.concatenate([_synthesize_one(tensors, w, noise, clamp) for w in np.asarray(ws, np.float64)])


def _affine(tensors: Tensors, name: str, w: np.ndarray) -> np.ndarray:
    weight = _get(tensors, f"{name}.affine.weight")
    return weight @ w / np.sqrt(len(w)) + _get(tensors, f"{name}.affine.bias")


def _clip(x: np.ndarray, clamp: float | None) -> np.ndarray:
    return x if clamp is None else np.clip(x, -clamp, clamp)


def _synthesize_one(tensors: Tensors, ws: np.ndarray, noise: bool, clamp: float | None) -> np.ndarray:
    x = _get(tensors, "synthesis.b4.const")[None]
    image, index, resolution = None, 0, 4
    while f"synthesis.b{resolution}.conv1.weight" in tensors:
        for name in ("conv0", "conv1")[resolution == 4 :]:
            full = f"synthesis.b{resolution}.{name}"
            w = _get(tensors, f"{full}.weight") * _affine(tensors, full, ws[index])[None, :, None, None]
            w = w / np.sqrt((w**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
            x = depthwise(_pad(transposed(x, w), 1, 1), _FIR) if name == "conv0" else correlate(_pad(x, 1, 1), w)
            if noise:
                x = x + _get(tensors, f"{full}.noise_const") * _get(tensors, f"{full}.noise_strength")
            x = _clip(_leaky(x + _get(tensors, f"{full}.bias")[:, None, None]) * np.sqrt(2), clamp)
            index += 1
        full = f"synthesis.b{resolution}.torgb"
        w = _get(tensors, f"{full}.weight")
        w = w * (_affine(tensors, full, ws[index]) / np.sqrt(w.shape[1]))[None, :, None, None]
        colours = _clip(correlate(x, w) + _get(tensors, f"{full}.bias")[:, None, None], clamp)
        if image is not None:
            inserted = np.zeros((1, image.shape[1], 2 * image.shape[2], 2 * image.shape[3]))
            inserted[:, :, ::2, ::2] = image
            image = depthwise(_pad(inserted, 2, 1), _FIR)
        image = colours if image is None else image + colours
        resolution *= 2
    return image


def stylegan_mapping(tensors: Tensors, z: np.ndarray) -> np.ndarray:
    x, index = _rms(np.asarray(z, np.float64)), 0
    while f"g_mapping.dense{index}.weight" in tensors:
        w, b = _get(tensors, f"g_mapping.dense{index}.weight"), _get(tensors, f"g_mapping.dense{index}.bias")
        x = _leaky(x @ w.T * (np.sqrt(2) * 0.01 / np.sqrt(w.shape[1])) + 0.01 * b)
        index += 1
    return x


def stylegan_synthesis(tensors: Tensors, ws: np.ndarray, noises: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """Images (B, colours, H, W); noises are one (H, W) for each style."""
    ws = np.asarray(ws, np.float64)
    x = np.repeat(_get(tensors, "g_synthesis.blocks.4x4.const"), len(ws), axis=0)
    x = x + _get(tensors, "g_synthesis.blocks.4x4.bias")[:, None, None]
    resolution, index = 4, 0

    def kernel(name: str) -> np.ndarray:
        w = _get(tensors, f"{name}.weight")
        return w * np.sqrt(2) / np.sqrt(np.prod(w.shape[1:]))

    def style(name: str, x: np.ndarray, index: int) -> np.ndarray:
        if noises is not None:
            x = x + _get(tensors, f"{name}.top_epi.noise.weight")[:, None, None] * noises[index]
        x = _leaky(x)
        mean, variance = x.mean(axis=(2, 3), keepdims=True), x.var(axis=(2, 3), keepdims=True)
        x = (x - mean) / np.sqrt(variance + 1e-5)
        w = _get(tensors, f"{name}.style_mod.lin.weight")
        s = ws[:, index] @ w.T / np.sqrt(w.shape[1]) + _get(tensors, f"{name}.style_mod.lin.bias")
        s = s.reshape(len(ws), 2, -1)[..., None, None]
        return x * (s[:, 0] + 1) + s[:, 1]

    while f"g_synthesis.blocks.{resolution}x{resolution}.epi1.style_mod.lin.weight" in tensors:
        full = f"g_synthesis.blocks.{resolution}x{resolution}"
        if resolution > 4:
            w = kernel(f"{full}.conv0_up")
            if resolution < 128:
                x = correlate(_pad(x.repeat(2, axis=2).repeat(2, axis=3), 1, 1), w)
            else:
                p = _pad(w, 1, 1)
                p = p[:, :, 1:, 1:] + p[:, :, :-1, 1:] + p[:, :, 1:, :-1] + p[:, :, :-1, :-1]
                x = transposed(x, p)[:, :, 1:-1, 1:-1]
            x = depthwise(_pad(x, 1, 1), [0.25, 0.5, 0.25])
            x = x + _get(tensors, f"{full}.conv0_up.bias")[:, None, None]
        x = style(f"{full}.epi1", x, index)
        name = f"{full}.conv" if resolution == 4 else f"{full}.conv1"
        x = correlate(_pad(x, 1, 1), kernel(name)) + _get(tensors, f"{name}.bias")[:, None, None]
        x = style(f"{full}.epi2", x, index + 1)
        resolution, index = 2 * resolution, index + 2
    w = _get(tensors, "g_synthesis.torgb.weight")
    return correlate(x, w / np.sqrt(w.shape[1])) + _get(tensors, "g_synthesis.torgb.bias")[:, None, None]


def _norm(tensors: Tensors, name: str, x: np.ndarray) -> np.ndarray:
    scaled = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return scaled * _get(tensors, f"{name}.weight") + _get(tensors, f"{name}.bias")


def _dense(tensors: Tensors, name: str, x: np.ndarray) -> np.ndarray:
    return x @ _get(tensors, f"{name}.weight").T + _get(tensors, f"{name}.bias")


def _transformer(tensors: Tensors, prefix: str, x: np.ndarray, heads: int, causal: bool, quick: bool) -> np.ndarray:
    index = 0
    tokens, size = x.shape[1], x.shape[2] // heads
    while f"{prefix}.encoder.layers.{index}.layer_norm1.weight" in tensors:
        name = f"{prefix}.encoder.layers.{index}"
        normed = _norm(tensors, f"{name}.layer_norm1", x)
        query, key, value = (_dense(tensors, f"{name}.self_attn.{part}_proj", normed) for part in "qkv")
        mixed = np.zeros_like(query)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = query[..., part] @ key[..., part].swapaxes(1, 2) / np.sqrt(size)
            if causal:
                scores[:, ~np.tril(np.ones((tokens, tokens), bool))] = -np.inf
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            mixed[..., part] = weights / weights.sum(axis=-1, keepdims=True) @ value[..., part]
        x = x + _dense(tensors, f"{name}.self_attn.out_proj", mixed)
        wide = _dense(tensors, f"{name}.mlp.fc1", _norm(tensors, f"{name}.layer_norm2", x))
        wide = wide / (1 + np.exp(-1.702 * wide)) if quick else wide * (1 + erf(wide / np.sqrt(2))) / 2
        x = x + _dense(tensors, f"{name}.mlp.fc2", wide)
        index += 1
    return x


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def clip_images(tensors: Tensors, images: np.ndarray, heads: int, quick: bool = True) -> np.ndarray:
    """Unit embeddings of normalised images (B, colours, H, W)."""
    kernel = _get(tensors, "vision_model.embeddings.patch_embedding.weight")
    patch, count = kernel.shape[-1], images.shape[-1] // kernel.shape[-1]
    tokens = [np.broadcast_to(_get(tensors, "vision_model.embeddings.class_embedding"), (len(images), len(kernel)))]
    for i in range(count):
        for j in range(count):
            window = images[:, :, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch]
            tokens.append(np.einsum("bchw,ochw->bo", window, kernel))
    x = np.stack(tokens, axis=1) + _get(tensors, "vision_model.embeddings.position_embedding.weight")
    x = _transformer(tensors, "vision_model", _norm(tensors, "vision_model.pre_layrnorm", x), heads, False, quick)
    return _unit(_norm(tensors, "vision_model.post_layernorm", x[:, 0]) @ _get(tensors, "visual_projection.weight").T)


def clip_texts(tensors: Tensors, ids: np.ndarray, heads: int, quick: bool = True) -> np.ndarray:
    """Unit embeddings of token ids; the largest id is the end of a text."""
    x = _get(tensors, "text_model.embeddings.token_embedding.weight")[ids]
    x = x + _get(tensors, "text_model.embeddings.position_embedding.weight")[: ids.shape[1]]
    x = _norm(tensors, "text_model.final_layer_norm", _transformer(tensors, "text_model", x, heads, True, quick))
    return _unit(x[np.arange(len(ids)), ids.argmax(axis=1)] @ _get(tensors, "text_projection.weight").T)


def random_stylegan2(
    seed: int = 0, resolution: int = 16, colors: int = 3, z_dim: int = 12, w_dim: int = 10, depth: int = 2, **_: Any
) -> dict[str, np.ndarray]:
    """Tensors with NVIDIA's names; nothing is zero, so nothing hides."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}

    def put(name: str, *shape: int, scale: float = 1.0) -> None:
        tensors[name] = (scale * rng.normal(size=shape)).astype(np.float32)

    for index in range(depth):
        put(f"mapping.fc{index}.weight", w_dim, z_dim if index == 0 else w_dim, scale=100)
        put(f"mapping.fc{index}.bias", w_dim, scale=30)
    put("mapping.w_avg", w_dim)
    put("synthesis.b4.const", 9, 4, 4)
    channels, size = 9, 4
    while size <= resolution:
        outputs = max(3, channels - 1)
        for name in ("conv0", "conv1")[size == 4 :]:
            full = f"synthesis.b{size}.{name}"
            put(f"{full}.weight", outputs, channels, 3, 3)
            put(f"{full}.affine.weight", channels, w_dim)
            put(f"{full}.affine.bias", channels)
            put(f"{full}.bias", outputs)
            put(f"{full}.noise_const", size, size)
            put(f"{full}.noise_strength")
            tensors[f"{full}.resample_filter"] = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
            channels = outputs
        put(f"synthesis.b{size}.torgb.weight", colors, channels, 1, 1)
        put(f"synthesis.b{size}.torgb.affine.weight", channels, w_dim)
        put(f"synthesis.b{size}.torgb.affine.bias", channels)
        put(f"synthesis.b{size}.torgb.bias", colors)
        size *= 2
    return tensors


def random_stylegan(
    seed: int = 0, resolution: int = 16, colors: int = 3, w_dim: int = 10, depth: int = 3
) -> dict[str, np.ndarray]:
    """Tensors with the names of the PyTorch port of StyleGAN."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}

    def put(name: str, *shape: int, scale: float = 1.0) -> None:
        tensors[name] = (scale * rng.normal(size=shape)).astype(np.float32)

    for index in range(depth):
        put(f"g_mapping.dense{index}.weight", w_dim, w_dim, scale=100)
        put(f"g_mapping.dense{index}.bias", w_dim, scale=30)
    put("g_synthesis.torgb.bias", colors)
    channels, size = 8, 4
    while size <= resolution:
        full = f"g_synthesis.blocks.{size}x{size}"
        outputs = max(3, channels - 1)
        if size == 4:
            put(f"{full}.const", 1, channels, 4, 4)
            put(f"{full}.bias", channels)
            outputs = channels
        for name in ("conv",) if size == 4 else ("conv0_up", "conv1"):
            put(f"{full}.{name}.weight", outputs, channels, 3, 3)
            put(f"{full}.{name}.bias", outputs)
            channels = outputs
        if size > 4:
            tensors[f"{full}.conv0_up.intermediate.kernel"] = np.outer([1, 2, 1], [1, 2, 1])[None, None] / np.float32(
                16
            )
        for name in ("epi1", "epi2"):
            put(f"{full}.{name}.top_epi.noise.weight", channels)
            put(f"{full}.{name}.style_mod.lin.weight", 2 * channels, w_dim)
            put(f"{full}.{name}.style_mod.lin.bias", 2 * channels)
        size *= 2
    put("g_synthesis.torgb.weight", colors, channels, 1, 1)
    return tensors


def random_clip(
    seed: int = 0,
    side: int = 8,
    patch: int = 4,
    colors: int = 3,
    widths: tuple[int, int] = (12, 8),
    layers: tuple[int, int] = (2, 1),
    embedding: int = 6,
    vocabulary: int = 49408,
    longest: int = 77,
) -> dict[str, np.ndarray]:
    """Tensors with Hugging Face's names."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {"logit_scale": np.asarray(np.log(100), np.float32)}

    def put(name: str, *shape: int, scale: float = 0.5, mean: float = 0.0) -> None:
        tensors[name] = (mean + scale * rng.normal(size=shape)).astype(np.float32)

    for tower, width, count in zip(("vision_model", "text_model"), widths, layers, strict=True):
        norms = ("pre_layrnorm", "post_layernorm") if tower == "vision_model" else ("final_layer_norm",)
        for index in range(count):
            name = f"{tower}.encoder.layers.{index}"
            for part, outputs, inputs in (
                *((f"self_attn.{letter}_proj", width, width) for letter in ("q", "k", "v", "out")),
                ("mlp.fc1", 4 * width, width),
                ("mlp.fc2", width, 4 * width),
            ):
                put(f"{name}.{part}.weight", outputs, inputs)
                put(f"{name}.{part}.bias", outputs)
            norms += (f"encoder.layers.{index}.layer_norm1", f"encoder.layers.{index}.layer_norm2")
        for norm in norms:
            put(f"{tower}.{norm}.weight", width, scale=0.2, mean=1.0)
            put(f"{tower}.{norm}.bias", width)
    put("vision_model.embeddings.class_embedding", widths[0])
    put("vision_model.embeddings.patch_embedding.weight", widths[0], colors, patch, patch)
    put("vision_model.embeddings.position_embedding.weight", (side // patch) ** 2 + 1, widths[0])
    put("visual_projection.weight", embedding, widths[0])
    put("text_model.embeddings.token_embedding.weight", vocabulary, widths[1])
    put("text_model.embeddings.position_embedding.weight", longest, widths[1])
    put("text_projection.weight", embedding, widths[1])
    return tensors
