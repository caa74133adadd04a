"""StyleGAN 1 and 2 against NumPy implementations, gradients by finite differences, and errors that name tensors."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdbench.datasets import DataError
from qdbench.tasks.lsi import stylegan, stylegan2
from qdbench.tasks.lsi.parameters import Parameters
from tests.reference import lsi as reference


def relative(images: object, expected: np.ndarray) -> float:
    """The largest difference relative to the largest value of the expected images (or 1)."""
    found = np.asarray(images).transpose(0, 3, 1, 2)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))


def latents(count: int, *shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


@pytest.mark.parametrize("truncation", [1.0, 0.6])
@pytest.mark.parametrize(("resolution", "clamp"), [(4, None), (32, None), (16, 0.9)])
def test_stylegan2_equals_numpy(resolution: int, clamp: float | None, truncation: float) -> None:
    tensors = reference.random_stylegan2(resolution=resolution)
    model = stylegan2.make(Parameters(tensors, "random"), clamp)
    assert (model.resolution, model.colors, model.num_ws) == (resolution, 3, 2 * int(np.log2(resolution)) - 2)
    z = latents(3, model.z_dim)
    w = eqx.filter_jit(model.mapping)(z, truncation)
    expected_w = reference.stylegan2_mapping(tensors, z, truncation)
    np.testing.assert_allclose(w, expected_w, atol=1e-4)
    synthesize = eqx.filter_jit(model.synthesize)
    mapped = np.repeat(expected_w[:, None], model.num_ws, axis=1)
    direct = latents(3, model.num_ws, model.w_dim)
    for mode, noise in (("const", True), ("off", False)):
        assert (
            relative(synthesize(model.repeat(w), mode), reference.stylegan2_synthesis(tensors, mapped, noise, clamp))
            < 1e-4
        )
        assert relative(synthesize(direct, mode), reference.stylegan2_synthesis(tensors, direct, noise, clamp)) < 1e-4


@pytest.mark.parametrize("resolution", [4, 16, 128])
def test_stylegan_equals_numpy(resolution: int) -> None:
    tensors = reference.random_stylegan(resolution=resolution)
    model = stylegan.make(Parameters(tensors, "random"))
    assert (model.resolution, model.colors, model.num_ws) == (resolution, 3, 2 * int(np.log2(resolution)) - 2)
    z = latents(2, model.z_dim)
    w = eqx.filter_jit(model.mapping)(z)
    np.testing.assert_allclose(w, reference.stylegan_mapping(tensors, z), atol=1e-4)
    noises = [np.asarray(style.noise_const) for block in model.blocks for style in (block.first, block.second)]
    synthesize = eqx.filter_jit(model.synthesize)
    direct = latents(2, model.num_ws, model.w_dim)
    for ws in (np.asarray(model.repeat(w)), direct):
        assert relative(synthesize(ws, "const"), reference.stylegan_synthesis(tensors, ws, noises)) < 1e-4
        assert relative(synthesize(ws, "off"), reference.stylegan_synthesis(tensors, ws)) < 1e-4


def test_stylegan_truncates_towards_its_mean() -> None:
    tensors = reference.random_stylegan()
    tensors["w_avg"] = latents(1, 10)[0]
    model = stylegan.make(Parameters(tensors, "random"))
    z = latents(4, 10)
    expected = tensors["w_avg"] + 0.7 * (reference.stylegan_mapping(tensors, z) - tensors["w_avg"])
    np.testing.assert_allclose(model.mapping(jnp.asarray(z), 0.7), expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["stylegan", "stylegan2"])
def test_fresh_noise_follows_the_key_and_has_the_strength_of_the_checkpoint(kind: str) -> None:
    if kind == "stylegan2":
        tensors = reference.random_stylegan2(resolution=4)
        model = stylegan2.make(Parameters(tensors, "random"))
    else:
        tensors = reference.random_stylegan(resolution=4)
        model = stylegan.make(Parameters(tensors, "random"))
    ws = jnp.asarray(latents(2, model.num_ws, model.w_dim))
    keys = jax.random.split(jax.random.key(3), 2)
    first, again, other = (model.synthesize(ws, "fresh", key) for key in (keys[0], keys[0], keys[1]))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    with pytest.raises(ValueError, match="needs a key"):
        model.synthesize(ws, "fresh")
    # With the noise of the key in the reference's place, the reference agrees.
    if kind == "stylegan2":
        noise = jax.random.normal(jax.random.split(keys[0], model.num_ws)[0], (2, 4, 4, 1))
        expected = []
        for index in range(2):
            tensors["synthesis.b4.conv1.noise_const"] = np.asarray(noise[index, ..., 0])
            expected.append(reference.stylegan2_synthesis(tensors, ws[index : index + 1]))
        assert relative(first, np.concatenate(expected)) < 1e-4
    else:
        noises = [jax.random.normal(key, (2, 4, 4, 1)) for key in jax.random.split(keys[0], model.num_ws)]
        expected = [
            reference.stylegan_synthesis(tensors, ws[i : i + 1], [np.asarray(one[i, ..., 0]) for one in noises])
            for i in range(2)
        ]
        assert relative(first, np.concatenate(expected)) < 1e-4


@pytest.mark.parametrize("kind", ["stylegan", "stylegan2"])
def test_gradients_by_finite_differences(kind: str) -> None:
    with jax.enable_x64(True):
        if kind == "stylegan2":
            model = stylegan2.make(Parameters(reference.random_stylegan2(), "random", "float64"))
        else:
            model = stylegan.make(Parameters(reference.random_stylegan(), "random", "float64"))
        ws = latents(1, model.num_ws, model.w_dim).astype(np.float64)
        weights = np.random.default_rng(2).normal(size=(model.resolution, model.resolution, 3))
        value = jax.jit(lambda x: (model.synthesize(x, "const")[0] * weights).sum())
        gradient = np.asarray(jax.grad(value)(ws))
        direction = np.random.default_rng(3).normal(size=ws.shape)
        step = 1e-6
        slope = (value(ws + step * direction) - value(ws - step * direction)) / (2 * step)
        assert float(slope) == pytest.approx(float((gradient * direction).sum()), rel=1e-5)


def test_errors_name_the_tensor_and_the_shapes() -> None:
    tensors = reference.random_stylegan2(resolution=8)
    short = {name: array for name, array in tensors.items() if name != "synthesis.b8.conv1.bias"}
    with pytest.raises(DataError, match=r"file\.pkl: there is no tensor 'synthesis\.b8\.conv1\.bias'.*nearest are"):
        stylegan2.make(Parameters(short, "file.pkl"))
    wrong = {**tensors, "synthesis.b8.conv0.affine.weight": np.zeros((3, 10), np.float32)}
    with pytest.raises(
        DataError, match=r"'synthesis\.b8\.conv0\.affine\.weight' has the shape \(3, 10\); .* \(8, 10\)"
    ):
        stylegan2.make(Parameters(wrong, "file.pkl"))
    for name, words in (("mapping.embed.weight", "conditional"), ("synthesis.b8.skip.weight", "no skip architecture")):
        with pytest.raises(DataError, match=words):
            stylegan2.make(Parameters({**tensors, name: np.zeros(1)}, "file.pkl"))
    with pytest.raises(DataError, match="StyleGAN3"):
        stylegan2.make(Parameters({"synthesis.L0_36_512.weight": np.zeros(1)}, "file.pkl"))
    first = reference.random_stylegan(resolution=8)
    with pytest.raises(DataError, match=r"'g_mapping\.dense0\.bias' has the shape \(3,\); it should be \(10\)"):
        stylegan.make(Parameters({**first, "g_mapping.dense0.bias": np.zeros(3)}, "file.pt"))
