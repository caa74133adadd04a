"""COCO's random numbers and what is made of them: optima, optimal values, rotations (on the host, in float64).

Everything here is a function of a seed, and the seed one of a function's and an instance's number, so an instance means
the same as in COCO for ever. Source: hansen2009bbob; the generator's code is COCO's own, not described in the report.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

_MODULUS, _MULTIPLIER = 2**31 - 1, 16807
_WARM_UP, _TABLE = 40, 32
_TINY = 1e-99
# Functions 4 and 18 take their numbers from the seeds of 3 and 17.
_SEED_OF = {4: 3, 18: 17}


def seed_of(function: int, instance: int) -> int:
    """The seed of an instance: the function's number plus 10,000 times the instance's."""
    return _SEED_OF.get(function, function) + 10_000 * instance


def uniform(count: int, seed: int) -> Vector:
    """Numbers in (0, 1): Park and Miller's generator with Bays and Durham's shuffle, as COCO has it."""
    state = max(1, abs(seed))
    table = [0] * _TABLE
    for step in range(_WARM_UP - 1, -1, -1):
        state = _MULTIPLIER * state % _MODULUS
        if step < _TABLE:
            table[step] = state
    drawn = []
    value = table[0]
    for _ in range(count):
        state = _MULTIPLIER * state % _MODULUS
        place = value // 67108865
        value, table[place] = table[place], state
        drawn.append(value)
    numbers = np.array(drawn, np.float64) / float(_MODULUS)
    return np.where(numbers == 0, _TINY, numbers)


def gaussian(count: int, seed: int) -> Vector:
    """N(0, 1) numbers by the Box-Muller transform of twice as many uniform ones."""
    numbers = uniform(2 * count, seed).tolist()
    # The C library's functions, as in COCO: where a matrix is nearly singular, NumPy's last bit would grow to 1e-8.
    pairs = zip(numbers[:count], numbers[count:], strict=True)
    normals = np.array([math.sqrt(-2 * math.log(first)) * math.cos(2 * math.pi * second) for first, second in pairs])
    return np.where(normals == 0, _TINY, normals)


@functools.lru_cache(maxsize=256)
def rotation(dim: int, seed: int) -> Matrix:
    """A random orthogonal matrix: Gram and Schmidt's procedure on the columns of a Gaussian matrix.

    Dot products are summed one by one in COCO's order: a rounding difference here is a difference of up to 7e-10 in a
    function's value in 40 dimensions.
    """
    matrix = gaussian(dim * dim, seed).reshape(dim, dim).T.copy()
    for column in range(dim):
        direction = matrix[:, column]
        direction /= np.sqrt(_dots(direction, direction[:, None]))
        later = matrix[:, column + 1 :]
        later -= direction[:, None] * _dots(direction, later)
    matrix.setflags(write=False)
    return matrix


def _dots(direction: Vector, columns: Matrix) -> Vector:
    """The dot product with each column, added in order."""
    return np.cumsum(direction[:, None] * columns, axis=0)[-1]


def optimum(dim: int, seed: int) -> Vector:
    """x_opt in [-4, 4]^dim with four decimals, never exactly 0."""
    point = 8 * np.floor(1e4 * uniform(dim, seed)) / 1e4 - 4
    return np.where(point == 0, -1e-5, point)


def optimal_value(function: int, instance: int) -> float:
    """f_opt: Cauchy distributed with two decimals, in [-1000, 1000]."""
    seed = seed_of(function, instance)
    ratio = 100 * gaussian(1, seed)[0] / gaussian(1, seed + 1)[0]
    return float(np.clip(np.floor(100 * ratio + 0.5) / 100, -1000, 1000))


def scaling(dim: int, base: float) -> Vector:
    """``base^(i / (dim - 1))``, i = 0 .. dim - 1; its square root is the diagonal of the report's Lambda."""
    return np.asarray(base ** (np.arange(dim) / (dim - 1)), np.float64)
