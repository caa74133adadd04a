"""The image tasks in NumPy, pixel by pixel and window by window, in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    """The weights of a flat solution in their order."""

    kernel_1: np.ndarray
    bias_1: np.ndarray
    kernel_2: np.ndarray
    bias_2: np.ndarray
    kernel_3: np.ndarray
    bias_3: np.ndarray


def weights(solution: np.ndarray) -> Weights:
    """Two kernels of 5 x 5 with 8 and 16 channels and a matrix of 784 x 10, each followed by its bias."""
    sizes = [5 * 5 * 1 * 8, 8, 5 * 5 * 8 * 16, 16, 784 * 10, 10]
    parts = np.split(np.asarray(solution, np.float64), np.cumsum(sizes)[:-1])
    return Weights(
        parts[0].reshape(5, 5, 1, 8),
        parts[1],
        parts[2].reshape(5, 5, 8, 16),
        parts[3],
        parts[4].reshape(784, 10),
        parts[5],
    )


def convolve(image: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The sum over the 25 neighbours of every pixel; beyond the edge is zero."""
    rows, columns, _ = image.shape
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    result = np.zeros((rows, columns, kernel.shape[-1]))
    for i in range(rows):
        for j in range(columns):
            result[i, j] = np.einsum("rci,rcio->o", padded[i : i + 5, j : j + 5], kernel) + bias
    return result


def pool(image: np.ndarray) -> np.ndarray:
    """The largest of every window of 2 x 2."""
    rows, columns, channels = image.shape
    return np.array(
        [
            [image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(4, channels).max(axis=0) for j in range(columns // 2)]
            for i in range(rows // 2)
        ]
    )


def logits(solution: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The ten outputs for one image of bytes ``(28, 28)``."""
    w = weights(solution)
    hidden = ((image.astype(np.float64) / 255 - 0.1307) / 0.3081)[..., None]
    hidden = pool(np.maximum(convolve(hidden, w.kernel_1, w.bias_1), 0))
    hidden = pool(np.maximum(convolve(hidden, w.kernel_2, w.bias_2), 0))
    return hidden.reshape(784) @ w.kernel_3 + w.bias_3


def scores(outputs: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Mean log-probability of the right class, mean entropy over log 10, deviation of the class accuracies."""
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    likelihood = np.mean([np.log(row[label]) for row, label in zip(probabilities, labels, strict=True)])
    entropy = np.mean([-(row * np.log(row)).sum() for row in probabilities]) / np.log(10)
    right = outputs.argmax(axis=1) == labels
    deviation = np.std([right[labels == label].mean() for label in np.unique(labels)])
    return float(likelihood), float(entropy), float(deviation)
