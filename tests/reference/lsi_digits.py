"""LSI-Digits and LSI-Digits-CLIP in NumPy float64, from the shipped files and the definitions in their docstrings."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

import qdbench
from tests.reference import lsi

_FOLDER = Path(qdbench.__file__).parent / "tasks" / "lsi" / "digits_data"
_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@functools.cache
def _files() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any], dict[str, Any], dict[str, int]]:
    generator = load_file(_FOLDER / "generator" / "model.safetensors")
    model = load_file(_FOLDER / "clip" / "model.safetensors")
    config, preprocessor, tokenizer = (
        json.loads((_FOLDER / "clip" / f"{name}.json").read_text())
        for name in ("config", "preprocessor_config", "tokenizer")
    )
    return generator, model, config, preprocessor, tokenizer["model"]["vocab"]


@functools.cache
def _space() -> tuple[np.ndarray, np.ndarray, float]:
    z = np.random.default_rng(0).standard_normal((10_000, 32)).astype(np.float32)
    w = lsi.stylegan2_mapping(_files()[0], z)
    mean, deviation = w.mean(axis=0), w.std(axis=0, ddof=1)
    return mean, deviation, float(np.mean([2 * np.linalg.norm((row - mean) / deviation) for row in w]))


def images(theta: np.ndarray) -> np.ndarray:
    """Pictures (B, 1, 8, 8), 0 is black."""
    mean, deviation, _ = _space()
    ws = mean + deviation * np.asarray(theta, np.float64).reshape(-1, 4, 32)
    return (lsi.stylegan2_synthesis(_files()[0], ws, noise=False) + 1) / 2


def _similarities(pictures: np.ndarray, texts: list[str]) -> np.ndarray:
    _, model, config, preprocessor, words = _files()
    ids = np.zeros((len(texts), 12), int)
    for row, text in enumerate(texts):
        tokens = [words["<start>"], *(words[word] for word in text.split()), words["<end>"]]
        ids[row, : len(tokens)] = tokens
    normal = (pictures - preprocessor["image_mean"][0]) / preprocessor["image_std"][0]
    seen = lsi.clip_images(model, normal, config["vision_config"]["num_attention_heads"])
    return seen @ lsi.clip_texts(model, ids, config["text_config"]["num_attention_heads"]).T


def _closeness(theta: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(np.asarray(theta, np.float64), axis=1)
    return np.exp(-4 * np.maximum(lengths / _space()[2] - 1, 0) ** 2)


def _moments(picture: np.ndarray) -> tuple[float, float]:
    light = np.clip(picture, 0, 1)
    mass = light.sum() + 1e-6
    rows, columns = np.mgrid[:8, :8]
    y, x = (light * rows).sum() / mass, (light * columns).sum() / mass
    mu_yy = (light * (rows - y) ** 2).sum() / mass
    mu_xy = (light * (rows - y) * (columns - x)).sum() / mass
    return float(light.mean()), float(-mu_xy / (mu_yy + 0.05))


def digits(theta: np.ndarray, digit: int) -> tuple[np.ndarray, np.ndarray]:
    """Objective (batch,) and measures (batch, 2) of LSI-Digits."""
    pictures = images(theta)
    scale = np.exp(np.float64(_files()[1]["logit_scale"]))
    logits = scale * _similarities(pictures, [*(f"a number {name} ." for name in _NAMES), "a scribble ."])
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = shares[:, digit] / shares.sum(axis=1)
    return 100 * probability * _closeness(theta), np.array([_moments(picture[0]) for picture in pictures])


def digits_clip(theta: np.ndarray, prompt: str) -> tuple[np.ndarray, np.ndarray]:
    """Objective (batch,) and measures (batch, 2) of LSI-Digits-CLIP."""
    texts = [prompt, *(f"a {word} number ." for word in ("thin", "bold", "left slanted", "right slanted"))]
    angles = np.arccos(np.clip(_similarities(images(theta), texts), -1, 1))
    measures = np.stack([angles[:, 1] - angles[:, 2], angles[:, 3] - angles[:, 4]], axis=1)
    return 100 * (1 - angles[:, 0] / np.pi) * _closeness(theta), measures
