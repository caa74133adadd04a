"""CLIP against NumPy, against transformers where it is installed, and by finite differences."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdbench.datasets import DataError
from qdbench.tasks.lsi import clip
from qdbench.tasks.lsi.parameters import Parameters
from tests.reference import lsi as reference

TEXTS = [[49406, 20406, 19063, 593, 3005, 2225, 269, 49407], [49406, 320, 786, 49407], [49406, 49407]]


def images(side: int, colors: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(5, side, side, colors)).astype(np.float32)


def model_of(tensors: dict[str, np.ndarray], dtype: str = "float32", **settings: Any) -> clip.Clip:
    return clip.make(Parameters(tensors, "random", dtype), clip.ClipConfig(**settings))


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize(("side", "patch", "colors", "heads"), [(8, 4, 3, (3, 2)), (6, 2, 1, (1, 4))])
def test_equals_numpy(side: int, patch: int, colors: int, heads: tuple[int, int], activation: Any) -> None:
    tensors = reference.random_clip(side=side, patch=patch, colors=colors)
    model = model_of(
        tensors,
        vision_heads=heads[0],
        text_heads=heads[1],
        activation=activation,
        mean=(0.0,) * colors,
        deviation=(1.0,) * colors,
    )
    assert model.side == side
    pictures = images(side, colors)
    found = eqx.filter_jit(model.embed_images)(pictures)
    quick = activation == "quick_gelu"
    expected = reference.clip_images(tensors, pictures.transpose(0, 3, 1, 2), heads[0], quick)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    ids = clip.pad(TEXTS, 77)
    texts = eqx.filter_jit(model.embed_texts)(ids)
    np.testing.assert_allclose(texts, reference.clip_texts(tensors, ids, heads[1], quick), atol=1e-4)
    assert float(model.logit_scale) == pytest.approx(100, rel=1e-5)
    # What follows the end of a text does not matter.
    np.testing.assert_allclose(model.embed_texts(jnp.asarray(clip.pad(TEXTS, 9))), texts, atol=1e-5)
    other = reference.clip_images(tensors, pictures.transpose(0, 3, 1, 2), heads[0], not quick)
    assert np.abs(found - other).max() > 1e-3


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("end_token", [2, 49407])
def test_equals_transformers(activation: Any, end_token: int) -> None:
    torch = pytest.importorskip("torch", reason="torch computes the values to compare with")
    transformers = pytest.importorskip("transformers", reason="transformers computes the values to compare with")
    torch.manual_seed(0)
    config = transformers.CLIPConfig(
        text_config={
            "hidden_size": 16,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "hidden_act": activation,
            "projection_dim": 10,
            "eos_token_id": end_token,
        },
        vision_config={
            "hidden_size": 24,
            "intermediate_size": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "image_size": 32,
            "patch_size": 8,
            "hidden_act": activation,
            "projection_dim": 10,
        },
        projection_dim=10,
    )
    oracle = transformers.CLIPModel(config).eval()
    with torch.no_grad():
        for parameter in oracle.parameters():
            if parameter.ndim:
                parameter.add_(0.1 * torch.randn_like(parameter))
    tensors = {name: tensor.numpy() for name, tensor in oracle.state_dict().items()}
    model = model_of(
        tensors,
        vision_heads=3,
        text_heads=2,
        activation=activation,
        end_token=None if end_token == 2 else end_token,
    )
    pictures, ids = images(32), clip.pad(TEXTS, 77)
    with torch.no_grad():
        result = oracle(
            input_ids=torch.tensor(ids.astype(np.int64)), pixel_values=torch.tensor(pictures.transpose(0, 3, 1, 2))
        )
    found, texts = model.embed_images(jnp.asarray(pictures)), model.embed_texts(jnp.asarray(ids))
    np.testing.assert_allclose(found, result.image_embeds.numpy(), atol=1e-4)
    np.testing.assert_allclose(texts, result.text_embeds.numpy(), atol=1e-4)
    similarity = np.asarray(found @ texts.T)
    np.testing.assert_allclose(similarity, result.logits_per_image.numpy() / float(model.logit_scale), atol=1e-4)


def test_gradients_by_finite_differences() -> None:
    with jax.enable_x64(True):
        model = model_of(reference.random_clip(), "float64", vision_heads=3, text_heads=2)
        texts = model.embed_texts(jnp.asarray(clip.pad(TEXTS, 77)))
        pictures = jnp.asarray(images(8).astype(np.float64)[:1])
        value = jax.jit(lambda x: clip.angles(model.embed_images(model.normalize(x)), texts)[0, 1])
        gradient = np.asarray(jax.grad(value)(pictures))
        direction = np.random.default_rng(3).normal(size=pictures.shape)
        step = 1e-6
        slope = (value(pictures + step * direction) - value(pictures - step * direction)) / (2 * step)
        assert float(slope) == pytest.approx(float((gradient * direction).sum()), rel=1e-5)


def test_angles_are_those_of_the_cosines_with_finite_gradients_at_the_ends() -> None:
    with jax.enable_x64(True):
        turns = np.linspace(0, np.pi, 9)
        vectors = jnp.asarray(np.stack([np.cos(turns), np.sin(turns)], axis=1))
        found = clip.angles(vectors, vectors[:1])[:, 0]
        np.testing.assert_allclose(found, turns, atol=1e-3)
        np.testing.assert_allclose(found[1:-1], turns[1:-1], atol=1e-12)
        slopes = jax.grad(lambda x: clip.angles(x, vectors[:1]).sum())(vectors)
        assert np.isfinite(np.asarray(slopes)).all()


def test_normalises_colours() -> None:
    model = model_of(reference.random_clip(), vision_heads=3, text_heads=2)
    grey = jnp.full((1, 8, 8, 3), 0.5)
    expected = (0.5 - np.array([0.48145466, 0.4578275, 0.40821073])) / [0.26862954, 0.26130258, 0.27577711]
    np.testing.assert_allclose(model.normalize(grey)[0, 3, 3], expected, rtol=1e-5)


def test_errors() -> None:
    tensors = reference.random_clip()
    with pytest.raises(DataError, match=r"no tensor 'visual_projection\.weight'"):
        model_of({name: array for name, array in tensors.items() if name != "visual_projection.weight"}, vision_heads=3)
    with pytest.raises(DataError, match="width 12, which 5 attention heads do not divide"):
        model_of(tensors, vision_heads=5)
    name = "vision_model.embeddings.position_embedding.weight"
    with pytest.raises(DataError, match="has 6 rows; it should have one more than a square number"):
        model_of({**tensors, name: np.zeros((6, 12), np.float32)}, vision_heads=3)
    with pytest.raises(DataError, match=r"'text_projection\.weight' has the shape \(6, 9\); it should be \(6, 8\)"):
        model_of({**tensors, "text_projection.weight": np.zeros((6, 9), np.float32)}, vision_heads=3, text_heads=2)
    with pytest.raises(DataError, match="a text has 78 tokens; it should have 1 to 77"):
        clip.pad([[1] * 78], 77)
