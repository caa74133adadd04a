"""From what a checkpoint holds to tensors by the names that qdbench's generators and CLIP are made of."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qdbench.datasets import DataError
from qdbench.harness.tensors import read as read_safetensors
from qdbench.tasks.lsi import clip, folders
from qdbench.tasks.lsi.checkpoints import containers
from qdbench.tasks.lsi.checkpoints.names import Kind
from qdbench.tasks.lsi.checkpoints.unpickling import Holder, mapping_of, plain

_HEAD = 64
_WANTED = (
    "it should be a StyleGAN2 pickle of NVIDIA (with G_ema), rosinality's .pt (with g_ema), the PyTorch port of "
    "StyleGAN's .pt (with g_mapping.dense0.weight), OpenAI's CLIP .pt, or a folder of Hugging Face's CLIP"
)
_POSITIONS = ".position_ids"


@dataclasses.dataclass(frozen=True)
class Converted:
    """A checkpoint under qdbench's names.

    Attributes:
        kind: What it is.
        format: Where it comes from, for people.
        tensors: Floating-point tensors by name.
        files: The JSON files that belong beside them.
    """

    kind: Kind
    format: str
    tensors: dict[str, np.ndarray]
    files: dict[str, Any]


def convert(path: Path) -> Converted:
    """Reads a checkpoint of any known format.

    Raises:
        DataError: If it is none, or is refused or damaged.
    """
    if path.is_dir():
        return _hugging_face(path)
    content = containers.read(path)
    entries = mapping_of(content)
    if "G_ema" in entries:
        return _nvidia(entries["G_ema"], path)
    if "g_ema" in entries:
        return _rosinality(entries, path)
    tensors = _flatten(content)
    if "g_mapping.dense0.weight" in tensors:
        return _generator("stylegan", "the PyTorch port of StyleGAN", tensors, None)
    if "visual.conv1.weight" in tensors:
        return _openai(tensors, path)
    if isinstance(content, list | tuple) and any(isinstance(part, Holder) for part in content):
        raise DataError(f"{path} looks like a TensorFlow pickle; convert it with NVIDIA's legacy.py first; {_WANTED}")
    some = ", ".join(list(tensors)[:3] or list(map(str, entries))[:3])
    raise DataError(f"{path} is no checkpoint that qdbench knows (it has {some or type(content).__name__}): {_WANTED}")


def _flatten(value: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Tensors by dotted names, of dictionaries and of modules with their parameters, buffers and parts."""
    found: dict[str, np.ndarray] = {}
    for name, part in mapping_of(value).items():
        array = plain(part)
        if isinstance(array, np.ndarray):
            found[prefix + str(name)] = array
        elif name in ("_parameters", "_buffers", "_modules") and isinstance(value, Holder):
            found |= _flatten(part, prefix)
        else:
            found |= _flatten(part, f"{prefix}{name}.")
    return found


def _nvidia(generator: Any, path: Path) -> Converted:
    tensors = _flatten(generator)
    if any(name.startswith("synthesis.L0_") for name in tensors):
        raise DataError(f"{path} holds a StyleGAN3 generator; only StyleGAN2's is supported")
    clamps = {clamp for clamp in _values(generator, "conv_clamp") if clamp is not None}
    if len(clamps) > 1:
        raise DataError(f"{path}: layers have different bounds on activations, {sorted(clamps)}; they should have one")
    _check_filter(tensors, path)
    return _generator("stylegan2", "NVIDIA's pickle", tensors, next(iter(clamps), None))


def _values(value: Any, name: str) -> list[Any]:
    items = mapping_of(value)
    found = [items[name]] if isinstance(value, Holder) and name in items else []
    return found + [entry for part in items.values() for entry in _values(part, name)]


def _check_filter(tensors: Mapping[str, np.ndarray], path: Path) -> None:
    wanted = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    for name, array in tensors.items():
        if name.endswith("resample_filter") and (array.shape != (4, 4) or np.abs(array - wanted).max() > 1e-6):
            raise DataError(f"{path}: tensor {name!r} is not the filter [1, 3, 3, 1] / 8 along both axes")


def _generator(kind: Kind, form: str, tensors: dict[str, np.ndarray], clamp: Any) -> Converted:
    return Converted(kind, form, tensors, {folders.CONFIG: {"architecture": kind, "clamp": clamp}})


def _rosinality(entries: Mapping[str, Any], path: Path) -> Converted:
    tensors = _flatten(entries["g_ema"])
    mean = plain(entries.get("latent_avg"))
    if not isinstance(mean, np.ndarray):
        raise DataError(f"{path} has g_ema but no tensor 'latent_avg'")
    renamed = {"mapping.w_avg": mean}
    for name, array in tensors.items():
        new = _rosinality_name(name)
        if new is None:
            continue
        if new.endswith(("conv1.weight", "conv0.weight", "torgb.weight", "b4.const")):
            array = array[0]
        elif new.endswith("noise_const"):
            array = array[0, 0]
        elif new.endswith(("torgb.bias", "noise_strength")):
            array = array.reshape(() if new.endswith("noise_strength") else -1)
        renamed[new] = array
    return _generator("stylegan2", "rosinality's checkpoint", renamed, None)


def _rosinality_name(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] == "style":
        # The first entry of the list is the normalisation.
        return f"mapping.fc{int(parts[1]) - 1}.{parts[2]}"
    if name == "input.input":
        return "synthesis.b4.const"
    if parts[0] == "noises":
        index = int(parts[1].removeprefix("noise_"))
        return f"synthesis.{_layer(index)}.noise_const"
    ends = {
        "conv.weight": "weight",
        "conv.modulation.weight": "affine.weight",
        "conv.modulation.bias": "affine.bias",
        "noise.weight": "noise_strength",
        "activate.bias": "bias",
        "bias": "bias",
    }
    numbered = parts[0] in ("convs", "to_rgbs")
    end = ends.get(".".join(parts[2 if numbered else 1 :]))
    if end is None:
        return None
    if parts[0] == "conv1":
        return f"synthesis.{_layer(0)}.{end}"
    if parts[0] == "convs":
        return f"synthesis.{_layer(int(parts[1]) + 1)}.{end}"
    if parts[0] == "to_rgb1":
        return f"synthesis.b4.torgb.{end}"
    return f"synthesis.b{8 << int(parts[1])}.torgb.{end}" if parts[0] == "to_rgbs" else None


def _layer(index: int) -> str:
    """The block and the name of the convolution of a number: 4 x 4 has one, all others two."""
    return "b4.conv1" if index == 0 else f"b{8 << ((index - 1) // 2)}.conv{(index - 1) % 2}"


_OPENAI = (
    (r"visual\.class_embedding", "vision_model.embeddings.class_embedding"),
    (r"visual\.conv1\.weight", clip.PATCH),
    (r"visual\.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
    (r"visual\.ln_pre\.(\w+)", r"vision_model.pre_layrnorm.\1"),
    (r"visual\.ln_post\.(\w+)", r"vision_model.post_layernorm.\1"),
    (r"visual\.proj", "visual_projection.weight"),
    (r"token_embedding\.weight", clip.TOKENS),
    (r"positional_embedding", "text_model.embeddings.position_embedding.weight"),
    (r"ln_final\.(\w+)", r"text_model.final_layer_norm.\1"),
    (r"text_projection", "text_projection.weight"),
    (r"logit_scale", "logit_scale"),
    (r"visual\.transformer\.resblocks\.(\d+)\.(.+)", r"vision_model.encoder.layers.\1.\2"),
    (r"transformer\.resblocks\.(\d+)\.(.+)", r"text_model.encoder.layers.\1.\2"),
)
_OPENAI_PARTS = {
    "attn.out_proj.": "self_attn.out_proj.",
    ".ln_1.": ".layer_norm1.",
    ".ln_2.": ".layer_norm2.",
    "mlp.c_fc.": "mlp.fc1.",
    "mlp.c_proj.": "mlp.fc2.",
}


def _openai(tensors: Mapping[str, np.ndarray], path: Path) -> Converted:
    renamed: dict[str, np.ndarray] = {}
    for name, array in tensors.items():
        new = next((re.sub(old, to, name) for old, to in _OPENAI if re.fullmatch(old, name)), None)
        if new is None:
            continue
        for old, part in _OPENAI_PARTS.items():
            new = new.replace(old, part)
        if new.endswith("_projection.weight"):
            array = array.T
        joined = re.fullmatch(r"(.*)\.attn\.in_proj_(weight|bias)", new)
        if joined is None:
            renamed[new] = array
            continue
        for letter, third in zip("qkv", np.split(array, 3), strict=True):
            renamed[f"{joined[1]}.self_attn.{letter}_proj.{joined[2]}"] = third
    heads = {}
    for tower, name in (("vision", "vision_model.embeddings.class_embedding"), ("text", clip.TOKENS)):
        if name not in renamed:
            raise DataError(
                f"{path}: OpenAI's CLIP has no tensor for {name}; only its vision transformers are supported"
            )
        heads[tower] = max(1, renamed[name].shape[-1] // _HEAD)
    config = {f"{tower}_config": {"num_attention_heads": count} for tower, count in heads.items()}
    return Converted("clip", "OpenAI's CLIP", renamed, {folders.CONFIG: {"model_type": "clip", **config}})


def _hugging_face(folder: Path) -> Converted:
    config = folders.read_json(folder / folders.CONFIG)
    if config.get("model_type") != "clip":
        raise DataError(f"{folder / folders.CONFIG}: model_type is {config.get('model_type')!r}; it should be 'clip'")
    binary = folder / "pytorch_model.bin"
    if (folder / folders.TENSORS).is_file():
        try:
            _, tensors = read_safetensors(folder / folders.TENSORS)
        except (OSError, TypeError, ValueError) as error:
            raise DataError(f"{folder / folders.TENSORS} cannot be read as safetensors ({error})") from error
    elif binary.is_file():
        tensors = _flatten(containers.read(binary))
    else:
        raise DataError(f"{folder} has neither {folders.TENSORS} nor {binary.name}")
    # Old configurations have the towers' settings under another name.
    for tower in ("text", "vision"):
        config[f"{tower}_config"] = config.get(f"{tower}_config") or config.get(f"{tower}_config_dict") or {}
    files = {folders.CONFIG: config}
    for name in (folders.PREPROCESSOR, folders.TOKENIZER):
        if (folder / name).is_file():
            files[name] = folders.read_json(folder / name)
    kept = {name: array for name, array in tensors.items() if not name.endswith(_POSITIONS)}
    return Converted("clip", "Hugging Face's CLIP", kept, files)
