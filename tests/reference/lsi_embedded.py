"""LSI-Digits, LSI-Digits-CLIP and LSI-Fashion in NumPy float64, from the shipped files and their docstrings."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file

import qdbench
from tests.reference import lsi

_TASKS = Path(qdbench.__file__).parent / "tasks" / "lsi"
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_CLASSES = {
    "digits": [f"number {name}" for name in _DIGITS],
    "fashion": ["t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"],
}
_LAYERS = {"digits": 4, "fashion": 8}


class _Files(NamedTuple):
    generator: dict[str, np.ndarray]
    model: dict[str, np.ndarray]
    config: dict[str, Any]
    preprocessor: dict[str, Any]
    tokenizer: dict[str, Any]


@functools.cache
def _files(subject: str) -> _Files:
    folder = _TASKS / f"{subject}_data"
    tensors = (load_file(folder / part / "model.safetensors") for part in ("generator", "clip"))
    documents = (
        json.loads((folder / "clip" / f"{name}.json").read_text())
        for name in ("config", "preprocessor_config", "tokenizer")
    )
    return _Files(*tensors, *documents)


@functools.cache
def space(subject: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and deviation of w, and the mean length of whitened points of the prior."""
    z = np.random.default_rng(0).standard_normal((10_000, 32)).astype(np.float32)
    w = lsi.stylegan2_mapping(_files(subject).generator, z)
    mean, deviation = w.mean(axis=0), w.std(axis=0, ddof=1)
    root = _LAYERS[subject] ** 0.5
    return mean, deviation, float(np.mean([root * np.linalg.norm((row - mean) / deviation) for row in w]))


def images(subject: str, theta: np.ndarray) -> np.ndarray:
    """Pictures (B, 1, side, side), 0 is black."""
    mean, deviation, _ = space(subject)
    ws = mean + deviation * np.asarray(theta, np.float64).reshape(-1, _LAYERS[subject], 32)
    made = (lsi.stylegan2_synthesis(_files(subject).generator, ws, noise=False) + 1) / 2
    return made if subject == "digits" else made[:, :, 2:30, 2:30]


def _similarities(subject: str, pictures: np.ndarray, texts: list[str]) -> np.ndarray:
    _, model, config, preprocessor, tokenizer = _files(subject)
    words = tokenizer["model"]["vocab"]
    ids = np.zeros((len(texts), config["text_config"]["max_position_embeddings"]), int)
    for row, text in enumerate(texts):
        tokens = [words["<start>"], *(words[word] for word in text.split()), words["<end>"]]
        ids[row, : len(tokens)] = tokens
    normal = (pictures - preprocessor["image_mean"][0]) / preprocessor["image_std"][0]
    seen = lsi.clip_images(model, normal, config["vision_config"]["num_attention_heads"])
    return seen @ lsi.clip_texts(model, ids, config["text_config"]["num_attention_heads"]).T


def closeness(subject: str, theta: np.ndarray) -> np.ndarray:
    """What the objective is multiplied by."""
    lengths = np.linalg.norm(np.asarray(theta, np.float64), axis=1)
    return np.exp(-4 * np.maximum(lengths / space(subject)[2] - 1, 0) ** 2)


def _moments(picture: np.ndarray) -> tuple[float, float, float]:
    """Ink, slant and width."""
    light = np.clip(picture, 0, 1)
    mass = light.sum() + 1e-6
    rows, columns = np.mgrid[: len(light), : len(light)]
    y, x = (light * rows).sum() / mass, (light * columns).sum() / mass
    mu_yy = (light * (rows - y) ** 2).sum() / mass
    mu_xy = (light * (rows - y) * (columns - x)).sum() / mass
    squares = light**2
    middle = (squares * columns).sum() / (squares.sum() + 1e-6)
    mu_xx = (squares * (columns - middle) ** 2).sum() / (squares.sum() + 1e-6)
    return float(light.mean()), float(-mu_xy / (mu_yy + 0.05)), float(np.sqrt(mu_xx + 0.05))


def zero_shot(subject: str, theta: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Objective (batch,) and measures (batch, 2) of LSI-Digits and LSI-Fashion."""
    pictures = images(subject, theta)
    scale = np.exp(np.float64(_files(subject).model["logit_scale"]))
    texts = [*(f"a {name} ." for name in _CLASSES[subject]), "a scribble ."]
    logits = scale * _similarities(subject, pictures, texts)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = shares[:, wanted] / shares.sum(axis=1)
    moments = np.array([_moments(picture[0]) for picture in pictures])
    return 100 * probability * closeness(subject, theta), moments[:, [0, 1 if subject == "digits" else 2]]


def fashion(theta: np.ndarray, article: str) -> tuple[np.ndarray, np.ndarray]:
    """Objective (batch,) and measures (batch, 2) of LSI-Fashion."""
    return zero_shot("fashion", theta, _CLASSES["fashion"].index(article))


def digits_clip(theta: np.ndarray, prompt: str) -> tuple[np.ndarray, np.ndarray]:
    """Objective (batch,) and measures (batch, 2) of LSI-Digits-CLIP."""
    texts = [prompt, *(f"a {word} number ." for word in ("thin", "bold", "left slanted", "right slanted"))]
    angles = np.arccos(np.clip(_similarities("digits", images("digits", theta), texts), -1, 1))
    measures = np.stack([angles[:, 1] - angles[:, 2], angles[:, 3] - angles[:, 4]], axis=1)
    return 100 * (1 - angles[:, 0] / np.pi) * closeness("digits", theta), measures
