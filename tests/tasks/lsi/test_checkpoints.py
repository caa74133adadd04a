"""Checkpoint readers: every format gives the model that the tensors mean; hostile files run nothing and are refused."""

from __future__ import annotations

import json
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from qdbench.cli import app
from qdbench.datasets import DataError
from qdbench.tasks.lsi import clip, folders
from qdbench.tasks.lsi.checkpoints.formats import convert
from qdbench.tasks.lsi.checkpoints.importing import import_checkpoint
from qdbench.tasks.lsi.checkpoints.unpickling import RefusedError
from tests.reference import lsi as reference
from tests.tasks.lsi import writers

TINY = reference.random_stylegan2(resolution=8)
PORT = reference.random_stylegan(resolution=8)
CLIP = reference.random_clip(widths=(128, 64), vocabulary=120, longest=9)


def images_of(folder: Path, arrays: dict[str, np.ndarray], clamp: float | None = None) -> None:
    """The imported generator draws what the reference draws with the tensors."""
    model = folders.load_generator(folder)
    ws = np.random.default_rng(0).normal(size=(2, model.num_ws, model.w_dim)).astype(np.float32)
    found = np.asarray(model.synthesize(jnp.asarray(ws), "off")).transpose(0, 3, 1, 2)
    if arrays is PORT:
        expected = reference.stylegan_synthesis(arrays, ws)
    else:
        expected = reference.stylegan2_synthesis(arrays, ws, noise=False, clamp=clamp)
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1.0, np.abs(expected).max()))


def embeddings_of(folder: Path, heads: tuple[int, int]) -> None:
    """The imported CLIP embeds as the reference does with the tensors."""
    model = folders.load_clip(folder)
    pictures = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)
    expected = reference.clip_images(CLIP, pictures.transpose(0, 3, 1, 2), heads[0])
    np.testing.assert_allclose(model.embed_images(jnp.asarray(pictures)), expected, atol=1e-4)
    ids = clip.pad([[1, 5, 119], [7, 119]], 9)
    np.testing.assert_allclose(
        model.embed_texts(jnp.asarray(ids)), reference.clip_texts(CLIP, ids, heads[1]), atol=1e-4
    )


@pytest.mark.parametrize("clamp", [None, 0.8])
def test_nvidia(tmp_path: Path, clamp: float | None) -> None:
    path = writers.write_nvidia(tmp_path / "network.pkl", TINY, clamp)
    folder, converted = import_checkpoint(path, data_home=tmp_path)
    assert (folder, converted.kind) == (tmp_path / "lsi" / "stylegan2", "stylegan2")
    images_of(folder, TINY, clamp)
    source = json.loads((folder / "source.json").read_text())
    assert source["file"] == "network.pkl"
    assert len(source["sha256"]) == len(source["tensors_sha256"]) == 64


@pytest.mark.parametrize("write", [writers.write_stream, writers.write_zip])
def test_state_dictionaries_of_both_containers(tmp_path: Path, write: Any) -> None:
    folder, converted = import_checkpoint(write(tmp_path / "port.pt", writers.tensors_of(PORT)), data_home=tmp_path)
    assert (folder.name, converted.kind) == ("stylegan", "stylegan")
    images_of(folder, PORT)
    folder, converted = import_checkpoint(write(tmp_path / "r.pt", writers.rosinality(TINY)), tmp_path / "other")
    assert (folder.name, converted.format) == ("other", "rosinality's checkpoint")
    images_of(folder, TINY)
    np.testing.assert_array_equal(folders.load_generator(folder).mapping.w_avg, TINY["mapping.w_avg"])
    folder, converted = import_checkpoint(
        write(tmp_path / "ViT.pt", writers.tensors_of(writers.openai(CLIP))), data_home=tmp_path
    )
    assert (folder.name, converted.format) == ("clip", "OpenAI's CLIP")
    embeddings_of(folder, (2, 1))


def test_torch_writes_what_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch writes the files")
    state = OrderedDict((name, torch.tensor(array)) for name, array in PORT.items())
    for name, zipped in (("old.pt", False), ("new.pt", True)):
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=zipped)
        converted = convert(tmp_path / name)
        assert set(converted.tensors) == set(PORT)
        for key, array in PORT.items():
            np.testing.assert_array_equal(converted.tensors[key], array)
    half = {"visual.conv1.weight": torch.ones(2, dtype=torch.bfloat16) * 1.5, "x": torch.ones(3, 4).T[1:]}
    torch.save({**state, **half}, tmp_path / "half.pt")
    found = convert(tmp_path / "half.pt").tensors
    np.testing.assert_array_equal(found["visual.conv1.weight"], [1.5, 1.5])
    np.testing.assert_array_equal(found["x"], np.ones((3, 3)))


def test_torchscript_clip(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch writes the file")

    class Part(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    root = Part()
    for name, array in writers.openai(CLIP).items():
        *path, last = name.split(".")
        place = root
        for step in path:
            if not hasattr(place, step):
                place.add_module(step, Part())
            place = getattr(place, step)
        place.register_parameter(last, torch.nn.Parameter(torch.tensor(array)))
    with warnings.catch_warnings():
        # PyTorch discourages what OpenAI's files are made with.
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(root, torch.zeros(1)), tmp_path / "ViT.pt")
    folder, converted = import_checkpoint(tmp_path / "ViT.pt", data_home=tmp_path)
    assert converted.format == "OpenAI's CLIP"
    embeddings_of(folder, (2, 1))


def test_nvidia_with_tensors_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch writes the tensors")
    import sys
    import types

    made = types.ModuleType("torch_utils.persistence")
    exec("def _reconstruct_persistent_obj(meta): return meta", made.__dict__)
    made._reconstruct_persistent_obj.__module__ = "torch_utils.persistence"

    def module_of(arrays: dict[str, np.ndarray]) -> writers.Persistent:
        part = writers.module(arrays, conv_clamp=None)

        def converted(value: Any) -> Any:
            if isinstance(value, writers.Tensor):
                return torch.nn.Parameter(torch.tensor(value.array))
            if isinstance(value, writers.Persistent):
                return writers.Persistent(converted(value.state))
            return type(value)((k, converted(v)) for k, v in value.items()) if isinstance(value, dict) else value

        return converted(part)

    package = types.ModuleType("torch_utils")
    sys.modules |= {"torch_utils": package, "torch_utils.persistence": made}
    try:
        (tmp_path / "network.pkl").write_bytes(pickle.dumps({"G_ema": module_of(TINY)}))
    finally:
        del sys.modules["torch_utils"], sys.modules["torch_utils.persistence"]
    folder, _ = import_checkpoint(tmp_path / "network.pkl", data_home=tmp_path)
    images_of(folder, TINY)


@pytest.mark.parametrize("binary", [False, True])
def test_hugging_face(tmp_path: Path, binary: bool) -> None:
    source = tmp_path / "clip-tiny"
    config = {
        "model_type": "clip",
        "text_config": {"num_attention_heads": 2, "eos_token_id": 2},
        "vision_config": {"num_attention_heads": 4},
    }
    files = {"config.json": config, "preprocessor_config.json": {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}}
    folders.write(source, {**CLIP, "text_model.embeddings.position_ids": np.arange(9)}, files)
    if binary:
        (source / "model.safetensors").unlink()
        writers.write_zip(source / "pytorch_model.bin", writers.tensors_of(CLIP))
    folder, converted = import_checkpoint(source, data_home=tmp_path)
    assert (folder, converted.kind) == (tmp_path / "lsi" / "clip", "clip")
    embeddings_of(folder, (4, 2))
    np.testing.assert_array_equal(folders.load_clip(folder).mean, [0.5] * 3)


def test_transformers_writes_what_is_read(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="transformers needs it")
    transformers = pytest.importorskip("transformers", reason="transformers writes the folder")
    small = {"num_hidden_layers": 1, "intermediate_size": 16, "hidden_size": 16, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config={**small, "vocab_size": 99, "eos_token_id": 98, "bos_token_id": 0, "pad_token_id": 1},
        vision_config={**small, "image_size": 8, "patch_size": 4},
        projection_dim=8,
    )
    oracle = transformers.CLIPModel(config).eval()
    oracle.save_pretrained(tmp_path / "tiny")
    folder, _ = import_checkpoint(tmp_path / "tiny", data_home=tmp_path)
    pictures = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    import torch

    with torch.no_grad():
        found = oracle(
            input_ids=torch.tensor([[0, 5, 98]]), pixel_values=torch.tensor(pictures.transpose(0, 3, 1, 2))
        ).logits_per_image.numpy()
    model = folders.load_clip(folder)
    similarity = model.embed_images(jnp.asarray(pictures)) @ model.embed_texts(jnp.array([[0, 5, 98]])).T
    np.testing.assert_allclose(model.logit_scale * similarity, found, atol=1e-4)


class Command:
    """Unpickled by Python's own reader, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


class Evaluated(Command):
    def __reduce__(self) -> Any:
        return eval, (f"open({str(self.path)!r}, 'w').close()",)


@pytest.mark.parametrize("kind", [Command, Evaluated])
def test_hostile_pickles_run_nothing(tmp_path: Path, kind: type[Command]) -> None:
    trace = tmp_path / "trace"
    evil = kind(trace)
    # The file would run the command: Python's own reader does.
    pickle.loads(pickle.dumps(evil))
    assert trace.exists()
    trace.unlink()
    plain = tmp_path / "plain.pkl"
    plain.write_bytes(pickle.dumps({"G_ema": evil}))
    stream = writers.write_stream(tmp_path / "stream.pt", {"state": evil})
    zipped = writers.write_zip(tmp_path / "zip.pt", {"state": evil})
    with writers.named_modules():
        nested = tmp_path / "nested.pkl"

        class Nested:
            def __reduce__(self) -> Any:
                import sys

                return sys.modules["torch.storage"]._load_from_bytes, (pickle.dumps(evil),)

        nested.write_bytes(pickle.dumps(Nested()))
    for path in (plain, stream, zipped, nested):
        with pytest.raises(RefusedError, match=r"is refused: .*(system|eval), which is not part of any checkpoint"):
            convert(path)
        result = CliRunner().invoke(app, ["data", "import", str(path), "--out", str(tmp_path / "out")])
        assert result.exit_code == 2
    assert not trace.exists()
    assert not (tmp_path / "out").exists()


def _pickle_of(tmp_path: Path, tensor: writers.Tensor, arguments: tuple[Any, ...]) -> Path:
    class Bent(writers.Tensor):
        def __reduce__(self) -> Any:
            return super().__reduce__()[0], (self.storage, *arguments, False, OrderedDict())

    return writers.write_zip(tmp_path / "bent.pt", {"a": Bent(tensor.array)})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, (5,), (1,)), "ends at number 4 of a storage of 4"),
        ((3, (2,), (1,)), "ends at number 4 of a storage of 4"),
        ((-1, (2,), (1,)), "impossible geometry"),
        ((0, (2,), (-1,)), "impossible geometry"),
        ((0, (2, 2), (1,)), "impossible geometry"),
        ((0, (2**40, 4), (0, 1)), "would take"),
    ],
)
def test_impossible_geometry(tmp_path: Path, arguments: tuple[Any, ...], words: str) -> None:
    path = _pickle_of(tmp_path, writers.Tensor(np.arange(4.0)), arguments)
    with pytest.raises(RefusedError, match=words):
        convert(path)


def test_compressed_and_damaged_files(tmp_path: Path) -> None:
    bomb = writers.write_zip(
        tmp_path / "bomb.pt", writers.tensors_of({"a": np.zeros(10_000)}), compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(RefusedError, match="is compressed, which PyTorch never does"):
        convert(bomb)
    whole = writers.write_stream(tmp_path / "whole.pt", writers.tensors_of(PORT)).read_bytes()
    for keep in (0, 10, len(whole) // 2, len(whole) - 3):
        (tmp_path / "cut.pt").write_bytes(whole[:keep])
        with pytest.raises(DataError, match=r"cut\.pt|storage"):
            convert(tmp_path / "cut.pt")
    with pytest.raises(DataError, match="there is no file"):
        convert(tmp_path / "nowhere.pkl")


def test_what_is_no_known_checkpoint(tmp_path: Path) -> None:
    path = writers.write_zip(tmp_path / "other.pt", writers.tensors_of({"layer.weight": np.zeros(3)}))
    with pytest.raises(DataError, match=r"it has layer\.weight.*should be a StyleGAN2 pickle of NVIDIA"):
        convert(path)
    third = {f"synthesis.L0_36_512.{name}": array for name, array in {"weight": np.zeros(3)}.items()}
    with pytest.raises(DataError, match="StyleGAN3"):
        convert(writers.write_nvidia(tmp_path / "three.pkl", third))
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DataError, match="model_type is 'bert'; it should be 'clip'"):
        convert(tmp_path / "bert")


def test_wrong_tensors_are_named_with_their_shapes(tmp_path: Path) -> None:
    wrong = {**TINY, "synthesis.b8.conv1.weight": np.zeros((7, 7, 5, 5), np.float32)}
    path = writers.write_nvidia(tmp_path / "wrong.pkl", wrong)
    with pytest.raises(DataError, match=r"wrong\.pkl: tensor 'synthesis\.b8\.conv1\.weight' has .* \(7, 7, 5, 5\)"):
        import_checkpoint(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_changed_tensor_is_found(tmp_path: Path) -> None:
    folder, _ = import_checkpoint(writers.write_nvidia(tmp_path / "n.pkl", TINY), tmp_path / "out")
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"is damaged: its tensors have the hash .*qdbench data import"):
        folders.load_generator(folder)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        folders.load_generator(folder)
    path.unlink()
    with pytest.raises(DataError, match="there is no file"):
        folders.load_generator(folder)
