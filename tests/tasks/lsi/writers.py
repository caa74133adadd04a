"""Writes checkpoints in the formats of PyTorch and NVIDIA without PyTorch: pickles that name its functions."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_NAMES = {
    "torch": ("FloatStorage",),
    "torch._utils": ("_rebuild_tensor_v2", "_rebuild_parameter"),
    "torch.storage": ("_load_from_bytes",),
    "torch_utils": (),
    "torch_utils.persistence": ("_reconstruct_persistent_obj",),
}


@contextlib.contextmanager
def named_modules() -> Iterator[None]:
    """Modules that have the names, so that pickles can refer to them; the functions do nothing."""
    before = {name: sys.modules.get(name) for name in _NAMES}
    for module, names in _NAMES.items():
        made = types.ModuleType(module)
        for name in names:
            function = types.FunctionType((lambda *_: None).__code__, {}, name)
            function.__module__, function.__qualname__ = module, name
            setattr(made, name, function)
        sys.modules[module] = made
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class Storage:
    """The numbers of one tensor."""

    def __init__(self, array: np.ndarray, key: str, nested: bool) -> None:
        self.array, self.key, self.nested = np.asarray(array, np.float32), key, nested

    def __reduce__(self) -> Any:
        assert self.nested
        return sys.modules["torch.storage"]._load_from_bytes, (stream_bytes(Storage(self.array, "0", False)),)


class Tensor:
    """A tensor that is written as PyTorch writes one."""

    def __init__(self, array: np.ndarray, key: str = "0", nested: bool = False) -> None:
        self.array, self.storage = np.asarray(array), Storage(array, key, nested)

    def __reduce__(self) -> Any:
        shape = self.array.shape
        strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
        arguments = (self.storage, 0, shape, strides, False, OrderedDict())
        return sys.modules["torch._utils"]._rebuild_tensor_v2, arguments


class Persistent:
    """A module of NVIDIA's, written with the source code of its class."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        meta = {"type": "class", "version": 6, "module_src": "raise SystemExit", "class_name": "G", "state": self.state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file, protocol=2)
        self.storages: dict[str, np.ndarray] = {}

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, Storage) and not value.nested:
            self.storages[value.key] = value.array
            return "storage", sys.modules["torch"].FloatStorage, value.key, "cpu", value.array.size
        return None


def _pickled(value: Any) -> tuple[bytes, dict[str, np.ndarray]]:
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(value)
    return file.getvalue(), pickler.storages


def stream_bytes(value: Any) -> bytes:
    """PyTorch's stream of before 2020."""
    content, storages = _pickled(value)
    head = b"".join(pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    tail = pickle.dumps(sorted(storages), protocol=2)
    data = b"".join(struct.pack("<q", storages[key].size) + storages[key].tobytes() for key in sorted(storages))
    return head + content + tail + data


def tensors_of(arrays: dict[str, np.ndarray]) -> OrderedDict[str, Tensor]:
    """A state dictionary."""
    return OrderedDict((name, Tensor(array, str(index))) for index, (name, array) in enumerate(arrays.items()))


def write_stream(path: Path, value: Any) -> Path:
    """Writes the old format."""
    with named_modules():
        path.write_bytes(stream_bytes(value))
    return path


def write_zip(path: Path, value: Any, compression: int = zipfile.ZIP_STORED) -> Path:
    """Writes the zip file."""
    with named_modules():
        content, storages = _pickled(value)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", b"little")
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return path


def module(arrays: dict[str, np.ndarray], **attributes: Any) -> Persistent:
    """NVIDIA's module tree of dotted names: buffers are those of noise, filters and the mean w."""
    children: dict[str, dict[str, np.ndarray]] = {}
    state: dict[str, Any] = {"_parameters": OrderedDict(), "_buffers": OrderedDict(), "_modules": OrderedDict()}
    for name, array in arrays.items():
        head, dot, rest = name.partition(".")
        if dot:
            children.setdefault(head, {})[rest] = array
        else:
            kind = "_buffers" if name in ("w_avg", "noise_const", "resample_filter") else "_parameters"
            state[kind][name] = Tensor(array, nested=True)
    for name, part in children.items():
        state["_modules"][name] = module(part, **attributes)
    # NVIDIA's layers hold the bound themselves.
    return Persistent({**state, **(attributes if "weight" in arrays else {})})


def write_nvidia(path: Path, arrays: dict[str, np.ndarray], clamp: float | None = None) -> Path:
    """Writes NVIDIA's pickle."""
    with named_modules():
        made = module(arrays, conv_clamp=clamp)
        path.write_bytes(pickle.dumps({"G": None, "D": None, "G_ema": made, "augment_pipe": None}, protocol=4))
    return path


def rosinality(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """rosinality's names of tensors that have NVIDIA's."""
    made: dict[str, np.ndarray] = {}
    place = 0
    for name, array in arrays.items():
        if name.startswith("mapping.fc"):
            index, _, end = name.removeprefix("mapping.fc").partition(".")
            made[f"style.{int(index) + 1}.{end}"] = array
        elif name == "synthesis.b4.const":
            made["input.input"] = array[None]
    resolution = 4
    while f"synthesis.b{resolution}.conv1.weight" in arrays:
        for layer in ("conv0", "conv1")[resolution == 4 :]:
            full, to = f"synthesis.b{resolution}.{layer}", "conv1" if place == 0 else f"convs.{place - 1}"
            made[f"{to}.conv.weight"] = arrays[f"{full}.weight"][None]
            made[f"{to}.conv.modulation.weight"] = arrays[f"{full}.affine.weight"]
            made[f"{to}.conv.modulation.bias"] = arrays[f"{full}.affine.bias"]
            made[f"{to}.noise.weight"] = arrays[f"{full}.noise_strength"].reshape(1)
            made[f"{to}.activate.bias"] = arrays[f"{full}.bias"]
            made[f"noises.noise_{place}"] = arrays[f"{full}.noise_const"][None, None]
            if layer == "conv0":
                made[f"{to}.conv.blur.kernel"] = np.ones((4, 4), np.float32)
            place += 1
        full = f"synthesis.b{resolution}.torgb"
        to = "to_rgb1" if resolution == 4 else f"to_rgbs.{int(np.log2(resolution)) - 3}"
        made[f"{to}.conv.weight"] = arrays[f"{full}.weight"][None]
        made[f"{to}.conv.modulation.weight"] = arrays[f"{full}.affine.weight"]
        made[f"{to}.conv.modulation.bias"] = arrays[f"{full}.affine.bias"]
        made[f"{to}.bias"] = arrays[f"{full}.bias"].reshape(1, -1, 1, 1)
        resolution *= 2
    return {"g_ema": tensors_of(made), "latent_avg": Tensor(arrays["mapping.w_avg"], "mean")}


def openai(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """OpenAI's names of tensors that have Hugging Face's."""
    made: dict[str, np.ndarray] = {"logit_scale": arrays["logit_scale"]}
    for tower, prefix in (("vision_model", "visual."), ("text_model", "")):
        index = 0
        while f"{tower}.encoder.layers.{index}.layer_norm1.weight" in arrays:
            old, new = f"{tower}.encoder.layers.{index}", f"{prefix}transformer.resblocks.{index}"
            for end in ("weight", "bias"):
                parts = [arrays[f"{old}.self_attn.{letter}_proj.{end}"] for letter in "qkv"]
                made[f"{new}.attn.in_proj_{end}"] = np.concatenate(parts)
                for theirs, ours in (
                    ("self_attn.out_proj", "attn.out_proj"),
                    ("layer_norm1", "ln_1"),
                    ("layer_norm2", "ln_2"),
                    ("mlp.fc1", "mlp.c_fc"),
                    ("mlp.fc2", "mlp.c_proj"),
                ):
                    made[f"{new}.{ours}.{end}"] = arrays[f"{old}.{theirs}.{end}"]
            index += 1
    for end in ("weight", "bias"):
        made[f"visual.ln_pre.{end}"] = arrays[f"vision_model.pre_layrnorm.{end}"]
        made[f"visual.ln_post.{end}"] = arrays[f"vision_model.post_layernorm.{end}"]
        made[f"ln_final.{end}"] = arrays[f"text_model.final_layer_norm.{end}"]
    vision, text = "vision_model.embeddings", "text_model.embeddings"
    made["visual.class_embedding"] = arrays[f"{vision}.class_embedding"]
    made["visual.conv1.weight"] = arrays[f"{vision}.patch_embedding.weight"]
    made["visual.positional_embedding"] = arrays[f"{vision}.position_embedding.weight"]
    made["visual.proj"] = np.ascontiguousarray(arrays["visual_projection.weight"].T)
    made["token_embedding.weight"] = arrays[f"{text}.token_embedding.weight"]
    made["positional_embedding"] = arrays[f"{text}.position_embedding.weight"]
    made["text_projection"] = np.ascontiguousarray(arrays["text_projection.weight"].T)
    return made
