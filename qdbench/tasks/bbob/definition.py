"""What a BBOB function is made of: arrays that depend on the instance, and the value that they and a batch give."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Array

from qdbench.tasks.bbob import generators

Arrays = dict[str, Array]
HostArrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Function:
    """One of the functions.

    Attributes:
        number: 1 .. 24.
        arrays: ``(dim, seed)`` to the instance's arrays in float64; one is ``x_opt``.
        regret: ``(arrays, solutions)`` to f - f_opt without the penalty, ``(batch,)``.
        penalty: The factor of ``sum_i max(0, |x_i| - 5)^2``, which is added.
    """

    number: int
    arrays: Callable[[int, int], HostArrays]
    regret: Callable[[Arrays, Array], Array]
    penalty: float = 0.0


def rotations(dim: int, seed: int) -> tuple[generators.Matrix, generators.Matrix]:
    """The report's R and Q."""
    return generators.rotation(dim, seed + 1_000_000), generators.rotation(dim, seed)


def only_optimum(dim: int, seed: int) -> HostArrays:
    """The arrays of a function that is shifted and not rotated."""
    return {"x_opt": generators.optimum(dim, seed)}


def rotated(dim: int, seed: int) -> HostArrays:
    """The arrays of a function of ``R (x - x_opt)``."""
    return {**only_optimum(dim, seed), "rotation": rotations(dim, seed)[0]}


def conditioned(base: float) -> Callable[[int, int], HostArrays]:
    """Arrays of a function of ``R Lambda Q (x - x_opt)``; the three matrices are multiplied beforehand."""

    def arrays(dim: int, seed: int) -> HostArrays:
        return {**only_optimum(dim, seed), "matrix": conditioning(dim, seed, base)}

    return arrays


def conditioning(dim: int, seed: int, base: float) -> generators.Matrix:
    """``R Lambda Q``, with a condition number of the square root of the base."""
    outer, inner = rotations(dim, seed)
    return (outer * np.sqrt(generators.scaling(dim, base))) @ inner


def scaled_rotation(dim: int, seed: int) -> HostArrays:
    """The arrays of a function of ``c Q x + 1/2`` with ``c = max(1, sqrt(dim) / 8)``, whose optimum is at ones."""
    inner = rotations(dim, seed)[1]
    scale = expansion(dim)
    return {"x_opt": inner.sum(axis=0) / (2 * scale), "matrix": scale * inner}


def expansion(dim: int) -> float:
    """The factor by which the Rosenbrock functions' domain shrinks with the dimension."""
    return max(1.0, float(np.sqrt(dim)) / 8)
