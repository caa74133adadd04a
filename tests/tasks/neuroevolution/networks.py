"""The policies in NumPy, weight by weight in the documented order."""

from __future__ import annotations

import numpy as np


def linear(solution: np.ndarray, observation: np.ndarray, outputs: int) -> np.ndarray:
    """tanh(x W + b)."""
    inputs = len(observation)
    values = []
    for output in range(outputs):
        weights = [solution[row * outputs + output] for row in range(inputs)]
        values.append(np.tanh(np.dot(weights, observation) + solution[inputs * outputs + output]))
    return np.array(values, np.float32)


def mlp(solution: np.ndarray, observation: np.ndarray, outputs: int) -> np.ndarray:
    """Two hidden layers of 16."""
    values, first = observation, 0
    for width in (16, 16, outputs):
        size = (len(values) + 1) * width
        values = linear(solution[first : first + size], values, width)
        first += size
    assert first == len(solution)
    return values


def minatar_cnn(solution: np.ndarray, image: np.ndarray) -> np.ndarray:
    """16 filters of 3 x 3, dense 32, readout; written as sums over windows."""
    image = np.asarray(image, np.float32)
    channels = image.shape[-1]
    sizes = (9 * channels * 16, 16, 1600 * 32, 32)
    kernel, bias, dense, dense_bias, readout = np.split(solution, np.cumsum(sizes))
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    features = np.einsum("hwcij,ijcf->hwf", windows, kernel.reshape(3, 3, channels, 16)) + bias
    hidden = np.maximum(np.maximum(features, 0).reshape(-1) @ dense.reshape(1600, 32) + dense_bias, 0)
    outputs = len(readout) // 33
    return hidden @ readout[: 32 * outputs].reshape(32, outputs) + readout[32 * outputs :]
