"""The tasks in NumPy float64: fontaine2021dqd's, coordinate by coordinate where that is clearer, BBOB and HPO."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from qdbench.tasks.hpob.mini import shipped
from qdbench.tasks.hpob.pack import Surrogate, cached_pack
from tests.reference import bbob as functions
from tests.reference import lsi_embedded


class Values(NamedTuple):
    """Objective (batch,), measures (batch, 2), gradient (batch, n) and Jacobian (batch, 2, n), or None."""

    objective: np.ndarray
    measures: np.ndarray
    objective_gradient: np.ndarray | None = None
    measures_jacobian: np.ndarray | None = None


def linear_projection(function: str, theta: np.ndarray) -> Values:
    """LP: f = 100 (1 - F / F(-5.12)); measures are sums over the halves of x inside +-5.12 and 5.12 / x outside."""
    theta = np.asarray(theta, np.float64)
    n = theta.shape[1]

    def raw(d: np.ndarray) -> np.ndarray:
        if function == "sphere":
            return (d**2).sum(axis=1)
        return 10 * n + (d**2 - 10 * np.cos(2 * np.pi * d)).sum(axis=1)

    d = theta - 0.4 * 5.12
    raw_gradient = 2 * d if function == "sphere" else 2 * d + 20 * np.pi * np.sin(2 * np.pi * d)
    worst = raw(np.full((1, n), -5.12 - 0.4 * 5.12))[0]

    clipped, slope = theta.copy(), np.ones_like(theta)
    beyond = (theta > 5.12) | (theta < -5.12)
    clipped[beyond] = 5.12 / theta[beyond]
    slope[beyond] = -5.12 / theta[beyond] ** 2

    halves = np.zeros((2, n))
    halves[0, : n // 2] = 1
    halves[1, n // 2 :] = 1
    return Values(
        100 * (1 - raw(d) / worst), clipped @ halves.T, -100 / worst * raw_gradient, slope[:, None, :] * halves[None]
    )


def arm(theta: np.ndarray) -> Values:
    """The arm: f = 100 (1 - Var(theta)), measures are the end effector's position, links of length 1."""
    theta = np.asarray(theta, np.float64)
    batch, n = theta.shape
    objective, measures = np.zeros(batch), np.zeros((batch, 2))
    gradient, jacobian = np.zeros((batch, n)), np.zeros((batch, 2, n))
    for row in range(batch):
        mean = theta[row].sum() / n
        objective[row] = 100 * (1 - ((theta[row] - mean) ** 2).sum() / n)
        gradient[row] = -200 * (theta[row] - mean) / n
        angle = np.cumsum(theta[row])
        measures[row] = np.cos(angle).sum(), np.sin(angle).sum()
        for i in range(n):
            jacobian[row, :, i] = -np.sin(angle[i:]).sum(), np.cos(angle[i:]).sum()
    return Values(objective, measures, gradient, jacobian)


def bbob(function: int, theta: np.ndarray, instance: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """BBOB: minus f - f_opt, and the first two coordinates (gradients: tests/tasks/test_bbob.py)."""
    theta = np.asarray(theta, np.float64)
    return -functions.make(function, theta.shape[1], instance).excess(theta), theta[:, :2]


def surrogate(found: Surrogate, theta: np.ndarray) -> Values:
    """HPO: every tree walked from its root; values are added in float32, in the order of the trees."""
    inside = np.clip(np.asarray(theta, np.float64), 0, 1)
    rows, trees = inside.astype(np.float32), found.trees
    predicted = np.full(len(rows), trees.base_score, np.float32)
    for feature, threshold, leaf in zip(trees.feature, trees.threshold, trees.leaf, strict=True):
        place = np.zeros(len(rows), int)
        for _ in range(trees.depth):
            goes_left = rows[np.arange(len(rows)), feature[place]] < threshold[place]
            place = 2 * place + np.where(goes_left, 1, 2)
        predicted += leaf[place - (2**trees.depth - 1)]
    accuracy = (predicted.astype(np.float64) - found.y_min) / (found.y_max - found.y_min)
    return Values(np.clip(accuracy, 0, 1), inside[:, :2])


def evaluate(id: str, theta: np.ndarray, **arguments: Any) -> Values:
    """The reference of a deterministic task by its registered id; `arguments` are those of its spec."""
    if id == "Arm-v0":
        return arm(theta)
    if id.startswith("BBOB-"):
        number = arguments["function"] if id == "BBOB-v0" else int(id.removeprefix("BBOB-F").removesuffix("-v0"))
        return Values(*bbob(number, theta, arguments["instance"]))
    if id.startswith("HPO"):
        pack = cached_pack(Path(arguments["pack"])) if "pack" in arguments else shipped()
        return surrogate(pack.surrogate(arguments["space"], arguments["dataset"]), theta)
    if id == "LSI-Digits-v0":
        return Values(*lsi_embedded.zero_shot("digits", theta, arguments["digit"]))
    if id == "LSI-Digits-CLIP-v0":
        return Values(*lsi_embedded.digits_clip(theta, arguments["prompt"]))
    if id == "LSI-Fashion-v0":
        return Values(*lsi_embedded.fashion(theta, arguments["article"]))
    return linear_projection({"LP-Sphere-v0": "sphere", "LP-Rastrigin-v0": "rastrigin"}[id], theta)
