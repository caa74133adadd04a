"""The tasks on faces with tiny random checkpoints: values, options, errors, and the pipeline on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import image
from typer.testing import CliRunner

import baselines
import qdbench
from qdbench.cli import app
from qdbench.datasets import DataError
from qdbench.tasks.lsi.checkpoints.importing import import_checkpoint
from qdbench.tasks.lsi.prompts import encode
from qdbench.tasks.lsi.resize import resize
from tests.reference import lsi as reference
from tests.tasks.lsi import writers

GENERATORS = {
    "LSI-StyleGAN-CLIP-v0": reference.random_stylegan(resolution=8),
    "LSI-StyleGAN2-CLIP-v0": reference.random_stylegan2(resolution=8),
}
CLIP = reference.random_clip(widths=(64, 64), layers=(1, 1))
TEXTS = ("Elon Musk with short hair.", "A man with blue eyes.", "A person with red hair.")
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with all three checkpoints, imported from files of users' formats."""
    folder = tmp_path_factory.mktemp("data")
    port = writers.write_stream(folder / "port.pt", writers.tensors_of(GENERATORS["LSI-StyleGAN-CLIP-v0"]))
    nvidia = writers.write_nvidia(folder / "network.pkl", GENERATORS["LSI-StyleGAN2-CLIP-v0"])
    openai = writers.write_zip(folder / "ViT.pt", writers.tensors_of(writers.openai(CLIP)))
    for path in (port, nvidia, openai):
        import_checkpoint(path, data_home=folder)
    return folder


@pytest.fixture(autouse=True)
def _data(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDBENCH_DATA", str(home))


def cosines(id: str, ws: np.ndarray) -> np.ndarray:
    """Of the images of w with the three texts, by the NumPy reference."""
    tensors = GENERATORS[id]
    if id == "LSI-StyleGAN-CLIP-v0":
        images = reference.stylegan_synthesis(tensors, ws)
    else:
        images = reference.stylegan2_synthesis(tensors, ws, noise=False)
    colours = ((images + 1) / 2 - np.array(MEAN)[:, None, None]) / np.array(DEVIATION)[:, None, None]
    ids = np.zeros((3, 77), int)
    for row, text in enumerate(TEXTS):
        tokens = encode(Path(), text)
        ids[row, : len(tokens)] = tokens
    return reference.clip_images(CLIP, colours, 1) @ reference.clip_texts(CLIP, ids, 1).T


@pytest.mark.parametrize("id", list(GENERATORS))
def test_values_equal_numpy_whatever_the_image_batch(id: str) -> None:
    task = qdbench.make(id, latent="w", noise="off", image_batch=2)
    theta = np.random.default_rng(0).normal(size=(5, task.spec.dim)).astype(np.float32)
    found = cosines(id, np.repeat(theta[:, None], task.generator.num_ws, axis=1))
    result = task.evaluate(None, theta, gradients=True)
    losses = 1 / np.maximum(found, 0.05)
    np.testing.assert_allclose(result.objective, 100 - 10 * losses[:, 0], rtol=1e-3)
    np.testing.assert_allclose(result.measures, losses[:, 1:], rtol=1e-3)
    whole = qdbench.make(id, latent="w", noise="off", image_batch=5)
    assert whole.spec == task.spec
    other = whole.evaluate(None, theta, gradients=True)
    for one, two in zip(result, other, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_angles_whitened_latents_and_slopes() -> None:
    id = "LSI-StyleGAN2-CLIP-v0"
    task = qdbench.make(id, noise="off", score="angle", image_batch=2)
    assert task.spec.dim == task.generator.num_ws * task.generator.w_dim
    theta = np.random.default_rng(0).normal(size=(3, task.spec.dim)).astype(np.float32)
    z = np.random.default_rng(0).standard_normal((10_000, 12)).astype(np.float32)
    w = reference.stylegan2_mapping(GENERATORS[id], z)
    ws = w.mean(axis=0) + w.std(axis=0, ddof=1) * theta.reshape(3, -1, task.generator.w_dim)
    angles = np.arccos(cosines(id, ws))
    result = task.evaluate(None, theta, gradients=True)
    np.testing.assert_allclose(result.objective, 100 * (1 - angles[:, 0] / np.pi), rtol=1e-3)
    np.testing.assert_allclose(result.measures, angles[:, 1:], rtol=1e-3)
    expected = jax.vmap(jax.jacrev(lambda x: task._values(x[None], None)[0]))(jnp.asarray(theta))
    np.testing.assert_allclose(result.objective_gradient, expected[:, 0], rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(result.measures_jacobian, expected[:, 1:], rtol=1e-2, atol=1e-4)
    np.testing.assert_allclose(task.images(jnp.asarray(theta)).shape, (3, 8, 8, 3))


def test_fresh_noise_follows_the_key() -> None:
    task = qdbench.make("LSI-StyleGAN-CLIP-v0", noise="fresh", score="angle")
    assert not task.spec.deterministic
    theta = np.ones((2, task.spec.dim))
    first, again, other = (task.evaluate(jax.random.key(seed), theta) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.objective, again.objective)
    assert (np.asarray(first.objective) != np.asarray(other.objective)).all()
    with pytest.raises(ValueError, match="needs a key"):
        task.evaluate(None, theta)


def test_the_authors_variants_differ_from_the_default() -> None:
    theta = np.random.default_rng(0).normal(size=(2, 10))
    usual = qdbench.make("LSI-StyleGAN-CLIP-v0", score="angle").evaluate(None, theta)
    for options in ({"normalize": False}, {"first": "An man with blue eyes."}, {"noise": "off"}):
        other = qdbench.make("LSI-StyleGAN-CLIP-v0", score="angle", **options).evaluate(None, theta)
        assert np.abs(np.asarray(other.measures) - np.asarray(usual.measures)).max() > 1e-3


def test_resizing_against_interpolation() -> None:
    pictures = np.random.default_rng(0).random((1, 9, 9, 2)).astype(np.float32)
    corners = np.asarray(resize(jnp.asarray(pictures), 5, "corners"))
    np.testing.assert_allclose(corners, pictures[:, ::2, ::2], atol=1e-6)
    rows = np.linspace(0, 8, 4)
    expected = np.stack([[np.interp(rows, range(9), line) for line in pictures[0, ..., c]] for c in range(2)], axis=-1)
    expected = np.apply_along_axis(lambda line: np.interp(rows, range(9), line), 0, expected)
    np.testing.assert_allclose(resize(jnp.asarray(pictures), 4, "corners")[0], expected, atol=1e-5)
    flat = jnp.full((1, 9, 9, 2), 0.3)
    np.testing.assert_allclose(resize(flat, 4, "antialias"), 0.3, atol=1e-6)


def test_wrong_arguments_and_checkpoints(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="score must be one of inverse, angle, but it is 'cosine'"):
        qdbench.make("LSI-StyleGAN-CLIP-v0", score="cosine")
    with pytest.raises(ValueError, match="image_batch must be an integer of at least 0, but it is -1"):
        qdbench.make("LSI-StyleGAN-CLIP-v0", image_batch=-1)
    with pytest.raises(DataError, match="takes stylegan2"):
        qdbench.make("LSI-StyleGAN2-CLIP-v0", generator=str(home / "lsi" / "stylegan"))
    with pytest.raises(DataError, match=r"make it with: qdbench data import FILE --out"):
        qdbench.make("LSI-StyleGAN2-CLIP-v0", generator=str(tmp_path))
    with pytest.raises(DataError, match=r"'An owl\.' takes (a tokenizer|the vocabulary)"):
        qdbench.make("LSI-StyleGAN-CLIP-v0", prompt="An owl.")
    monkeypatch.setenv("QDBENCH_DATA", str(tmp_path))
    wanted = {
        "LSI-StyleGAN-CLIP-v0": ("lernapparat", "105 MB", "CC BY-NC 4.0", "qdbench data import karras2019stylegan"),
        "LSI-StyleGAN2-CLIP-v0": ("catalog.ngc.nvidia.com", "380 MB", "NVIDIA Source Code License", "data import"),
    }
    for id, words in wanted.items():
        with pytest.raises(DataError, match="there is no file") as error:
            qdbench.make(id)
        assert all(word in str(error.value) for word in words)
        result = CliRunner().invoke(app, ["run", "--task", id, "--optimizer", "cma-mega-adam", "--out", str(tmp_path)])
        assert result.exit_code == 1


@pytest.mark.parametrize(
    ("id", "optimizer", "published"),
    [
        ("LSI-StyleGAN-CLIP-v0", "cma-mega-adam", {"sigma_g": 0.002}),
        ("LSI-StyleGAN2-CLIP-v0", "cma-mega-adam", {"sigma_g": 0.01}),
    ],
)
def test_published_hyperparameters_are_used(id: str, optimizer: str, published: dict[str, float]) -> None:
    made = baselines.make(optimizer, qdbench.make(id).spec)
    assert {name: float(getattr(made, name)) for name in published} == pytest.approx(published)


def test_the_pipeline_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDBENCH_DATA", str(tmp_path / "data"))
    nvidia = writers.write_nvidia(tmp_path / "network.pkl", GENERATORS["LSI-StyleGAN2-CLIP-v0"])
    openai = writers.write_zip(tmp_path / "ViT.pt", writers.tensors_of(writers.openai(CLIP)))
    run: Callable[[list[str]], None] = lambda words: _invoke(words)  # noqa: E731
    for path in (nvidia, openai):
        run(["data", "import", str(path)])
    out = tmp_path / "results"
    run(
        [
            *("run", "--task", "LSI-StyleGAN2-CLIP-v0", "--optimizer", "cma-mega-adam"),
            *("--budget", "1800", "--keep-solutions", "--out", str(out)),
        ]
    )
    run(["plot", "collage", str(out), "--out", str(tmp_path / "collage.png"), "--rows", "4", "--columns", "4"])
    assert image.imread(tmp_path / "collage.png").ndim == 3


def _invoke(words: list[str]) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
