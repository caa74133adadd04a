"""Checkpoint folders: a model's tensors as safetensors with its settings as JSON; reading runs no code.

A generator's folder has ``config.json`` and ``model.safetensors``; CLIP's is Hugging Face's: ``config.json``,
``preprocessor_config.json``, ``model.safetensors`` and perhaps ``tokenizer.json``. Folders that ``qdbench data import``
wrote have ``source.json`` as well, which names the file that they were made of and the hash of the tensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from qdbench.datasets import DataError
from qdbench.harness.store import StoreError, write_atomically
from qdbench.harness.tensors import read
from qdbench.tasks.lsi import clip, stylegan, stylegan2
from qdbench.tasks.lsi.parameters import Parameters

TENSORS, CONFIG, PREPROCESSOR, TOKENIZER, SOURCE = (
    "model.safetensors",
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "source.json",
)
Generator = stylegan.StyleGan | stylegan2.StyleGan2
_AGAIN = "make it again with: qdbench data import"
# A text's end is where its largest id is; 2 is what old configurations say, and what they mean by it.
_LARGEST_IS_END = 2


def load_generator(folder: Path, dtype: str = "float32") -> Generator:
    """The generator of a folder.

    Raises:
        DataError: If a file is missing or damaged, or a tensor is missing or has another shape.
    """
    return _generator(read_json(folder / CONFIG), Parameters(read_tensors(folder), str(folder), dtype))


def architecture(folder: Path) -> str:
    """The architecture of a generator's folder, ``"stylegan"`` or ``"stylegan2"``."""
    return str(read_json(folder / CONFIG).get("architecture"))


def load_clip(folder: Path, dtype: str = "float32") -> clip.Clip:
    """The CLIP model of a folder; what its settings leave out are Hugging Face's defaults.

    Raises:
        DataError: If a file is missing or damaged, or a tensor is missing or has another shape.
    """
    preprocessor = read_json(folder / PREPROCESSOR) if (folder / PREPROCESSOR).is_file() else {}
    parameters = Parameters(read_tensors(folder), str(folder), dtype)
    return clip.make(parameters, _clip_config(read_json(folder / CONFIG), preprocessor, str(folder)))


def check(kind: str, tensors: Mapping[str, np.ndarray], files: Mapping[str, Any], source: str) -> None:
    """Makes the model of tensors and settings, for the sake of the errors.

    Args:
        kind: ``"clip"``, or anything else for a generator.
        tensors: By name.
        files: The content of the JSON files by name.
        source: For messages.

    Raises:
        DataError: If a tensor is missing or has another shape.
    """
    parameters = Parameters(tensors, source)
    if kind == "clip":
        clip.make(parameters, _clip_config(files[CONFIG], files.get(PREPROCESSOR, {}), source))
    else:
        _generator(files[CONFIG], parameters)


def _generator(config: Mapping[str, Any], parameters: Parameters) -> Generator:
    architecture = config.get("architecture")
    if architecture == "stylegan":
        return stylegan.make(parameters)
    if architecture == "stylegan2":
        clamp = config.get("clamp")
        return stylegan2.make(parameters, None if clamp is None else float(clamp))
    raise DataError(
        f"{parameters.source}: architecture is {architecture!r} in {CONFIG}; it should be 'stylegan' or 'stylegan2'; "
        f"{_AGAIN}"
    )


def _clip_config(config: Mapping[str, Any], preprocessor: Mapping[str, Any], source: str) -> clip.ClipConfig:
    text, vision = (config.get(f"{tower}_config") or {} for tower in ("text", "vision"))
    plain = clip.ClipConfig()
    activation = vision.get("hidden_act", plain.activation)
    if activation not in ("quick_gelu", "gelu") or text.get("hidden_act", activation) != activation:
        raise DataError(
            f"{source}: hidden_act in {CONFIG} is {activation!r} for images and {text.get('hidden_act', activation)!r} "
            "for texts; it should be 'quick_gelu' for both, or 'gelu'"
        )
    end = text.get("eos_token_id", _LARGEST_IS_END)
    return clip.ClipConfig(
        vision_heads=int(vision.get("num_attention_heads", plain.vision_heads)),
        text_heads=int(text.get("num_attention_heads", plain.text_heads)),
        activation=activation,
        epsilon=float(vision.get("layer_norm_eps", plain.epsilon)),
        end_token=None if end == _LARGEST_IS_END else int(end),
        mean=tuple(map(float, preprocessor.get("image_mean", plain.mean))),
        deviation=tuple(map(float, preprocessor.get("image_std", plain.deviation))),
    )


def read_tensors(folder: Path) -> dict[str, np.ndarray]:
    """The tensors of a folder by name.

    Raises:
        DataError: If they are missing, damaged, or not those that were imported.
    """
    path = folder / TENSORS
    try:
        _, tensors = read(path)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; {_AGAIN}") from None
    except (OSError, TypeError, ValueError) as error:
        raise DataError(f"{path} cannot be read as safetensors ({error}); {_AGAIN}") from error
    source = folder / SOURCE
    if source.is_file():
        stored, found = read_json(source).get("tensors_sha256"), digest(tensors)
        if stored != found:
            raise DataError(f"{path} is damaged: its tensors have the hash {found}, {source} names {stored}; {_AGAIN}")
    return tensors


def write(
    folder: Path, tensors: Mapping[str, np.ndarray], files: Mapping[str, Any], source: Mapping[str, Any] | None = None
) -> None:
    """Writes a folder, ``source.json`` last.

    Args:
        folder: It is made if it is not there.
        tensors: The tensors.
        files: The content of JSON files by their names.
        source: What ``source.json`` says about the file that they come from; None for no such file.

    Raises:
        DataError: If something cannot be written.
    """
    contiguous = {name: np.asarray(array, order="C") for name, array in sorted(tensors.items())}
    documents = dict(files)
    if source is not None:
        documents[SOURCE] = {**source, "tensors_sha256": digest(contiguous)}
    try:
        write_atomically(folder / TENSORS, save(contiguous, metadata={"format": "pt"}))
    except StoreError as error:
        raise DataError(f"{error}; choose another folder with --out") from error
    for name, content in documents.items():
        write_json(folder / name, content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file.

    Raises:
        DataError: If it cannot be written.
    """
    try:
        write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
    except StoreError as error:
        raise DataError(f"{error}; choose another folder with --out") from error


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 over names, types, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        array = np.asarray(tensors[name], order="C")
        total.update(f"{name} {array.dtype} {tuple(array.shape)};".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        DataError: If it cannot be read or is something else.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; {_AGAIN}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); {_AGAIN}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} has a {type(content).__name__}; it should have an object; {_AGAIN}")
    return content
