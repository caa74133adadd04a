"""The 24 noiseless BBOB functions with COCO's instances, in NumPy float64, as close to the definitions as possible.

Hansen, Finck, Ros, Auger: Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless Functions Definitions
(INRIA RR-6829, 2010), and where COCO's code says something else, the code (coco-experiment 2.8.2).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np

Core = Callable[[np.ndarray], np.ndarray]


# COCO's random numbers -----------------------------------------------------------------------------------------------


def unif(n: int, seed: int) -> np.ndarray:
    """Numbers in (0, 1): Park and Miller's generator with a shuffle table of 32 entries."""

    def step(a: int) -> int:
        return 16807 * a % 2147483647

    state = abs(int(seed)) or 1
    table = [0] * 32
    for i in range(39, -1, -1):
        state = step(state)
        if i < 32:
            table[i] = state
    last = table[0]
    numbers = np.empty(n)
    for i in range(n):
        state = step(state)
        slot = last // 67108865
        last, table[slot] = table[slot], state
        numbers[i] = last / 2147483647
    numbers[numbers == 0] = 1e-99
    return numbers


def gauss(n: int, seed: int) -> np.ndarray:
    """Normal numbers by Box and Muller's formula."""
    u = unif(2 * n, seed)
    # With the C library's functions: a last bit of NumPy's own becomes 1e-8 where a matrix is almost singular.
    pairs = zip(u[:n].tolist(), u[n:].tolist(), strict=True)
    numbers = np.array([math.sqrt(-2 * math.log(a)) * math.cos(2 * math.pi * b) for a, b in pairs])
    numbers[numbers == 0] = 1e-99
    return numbers


@functools.lru_cache(maxsize=4096)
def rotation(seed: int, dim: int) -> np.ndarray:
    """Gram and Schmidt's procedure over the columns of a normal matrix, one subtraction after the other."""
    columns = gauss(dim * dim, seed).reshape(dim, dim)

    def dot(a: np.ndarray, b: np.ndarray) -> float:
        # From left to right, as C does: NumPy's own sums differ by up to 7e-10 in the end, for 40 parameters.
        return np.cumsum(a * b)[-1]

    for i in range(dim):
        for j in range(i):
            columns[i] -= dot(columns[i], columns[j]) * columns[j]
        columns[i] /= np.sqrt(dot(columns[i], columns[i]))
    columns.flags.writeable = False
    return columns.T


def optimum(seed: int, dim: int) -> np.ndarray:
    """x_opt of most functions: on a grid in [-4, 4], never 0."""
    x_opt = 8 * np.floor(1e4 * unif(dim, seed)) / 1e4 - 4
    x_opt[x_opt == 0] = -1e-5
    return x_opt


def optimal_value(seed: int) -> float:
    """f_opt: Cauchy numbers with two decimals in [-1000, 1000]."""
    value = np.floor(100 * 100 * gauss(1, seed)[0] / gauss(1, seed + 1)[0] + 0.5) / 100
    return float(np.clip(value, -1000, 1000))


# Transformations and parts -------------------------------------------------------------------------------------------


def fractions(dim: int) -> np.ndarray:
    """The exponents i / (D - 1) of 0-based i."""
    return np.arange(dim) / (dim - 1)


def conditioned(alpha: float, dim: int) -> np.ndarray:
    """The diagonal of Lambda^alpha."""
    return alpha ** (0.5 * fractions(dim))


def oscillated(x: np.ndarray) -> np.ndarray:
    """T_osz."""
    log = np.log(np.abs(np.where(x == 0, 1, x)))
    c1, c2 = np.where(x > 0, 10, 5.5), np.where(x > 0, 7.9, 3.1)
    return np.sign(x) * np.exp(log + 0.049 * (np.sin(c1 * log) + np.sin(c2 * log))) * (x != 0)


def asymmetric(beta: float, x: np.ndarray) -> np.ndarray:
    """T_asy^beta."""
    positive = np.where(x > 0, x, 1)
    return np.where(x > 0, positive ** (1 + beta * fractions(x.shape[1]) * np.sqrt(positive)), x)


def rotated(matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The matrix times every row of x, summed from left to right as C does; f19 magnifies the last bit to 2e-9."""
    return sum(x[:, j, None] * matrix[:, j] for j in range(x.shape[1]))


def penalty(x: np.ndarray, bound: float = 5) -> np.ndarray:
    """f_pen: squared distances from the box."""
    return (np.maximum(0, np.abs(x) - bound) ** 2).sum(axis=1)


def rastrigin(z: np.ndarray) -> np.ndarray:
    return 10 * (z.shape[1] - np.cos(2 * np.pi * z).sum(axis=1)) + (z**2).sum(axis=1)


def rosenbrock_terms(z: np.ndarray) -> np.ndarray:
    return 100 * (z[:, :-1] ** 2 - z[:, 1:]) ** 2 + (z[:, :-1] - 1) ** 2


# The functions: (seed, dim) -> x_opt, f - f_opt without the penalty, and the penalty's weight ------------------------


def f1(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Sphere."""
    x_opt = optimum(seed, dim)
    return x_opt, lambda x: ((x - x_opt) ** 2).sum(axis=1), 0


def f2(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Separable ellipsoid."""
    x_opt = optimum(seed, dim)
    return x_opt, lambda x: (1e6 ** fractions(dim) * oscillated(x - x_opt) ** 2).sum(axis=1), 0


def f3(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Separable Rastrigin."""
    x_opt = optimum(seed, dim)
    return x_opt, lambda x: rastrigin(conditioned(10, dim) * asymmetric(0.2, oscillated(x - x_opt))), 0


def f4(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Bueche-Rastrigin."""
    x_opt = optimum(seed, dim)
    x_opt[::2] = np.abs(x_opt[::2])
    even = np.arange(dim) % 2 == 0

    def core(x: np.ndarray) -> np.ndarray:
        z = oscillated(x - x_opt)
        return rastrigin(conditioned(10, dim) * np.where((z > 0) & even, 10, 1) * z)

    return x_opt, core, 100


def f5(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Linear slope."""
    x_opt = np.where(optimum(seed, dim) < 0, -5.0, 5.0)
    slope = np.sign(x_opt) * 10 ** fractions(dim)

    def core(x: np.ndarray) -> np.ndarray:
        z = np.where(x * x_opt < 25, x, x_opt)
        return (5 * np.abs(slope) - slope * z).sum(axis=1)

    return x_opt, core, 0


def f6(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Attractive sector."""
    x_opt, q, r = optimum(seed, dim), rotation(seed, dim), rotation(seed + 1000000, dim)

    def core(x: np.ndarray) -> np.ndarray:
        z = rotated(r, conditioned(10, dim) * rotated(q, x - x_opt))
        return oscillated((np.where(z * x_opt > 0, 100 * z, z) ** 2).sum(axis=1)) ** 0.9

    return x_opt, core, 0


def f7(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Step ellipsoid."""
    x_opt, q, r = optimum(seed, dim), rotation(seed, dim), rotation(seed + 1000000, dim)

    def core(x: np.ndarray) -> np.ndarray:
        z_hat = conditioned(10, dim) * rotated(q, x - x_opt)
        steps = np.where(np.abs(z_hat) > 0.5, np.floor(z_hat + 0.5), np.floor(10 * z_hat + 0.5) / 10)
        z = rotated(r, steps)
        return 0.1 * np.maximum(1e-4 * np.abs(z_hat[:, 0]), (100 ** fractions(dim) * z**2).sum(axis=1))

    return x_opt, core, 1


def f8(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Rosenbrock."""
    x_opt = 0.75 * optimum(seed, dim)
    scale = max(1, np.sqrt(dim) / 8)
    return x_opt, lambda x: rosenbrock_terms(scale * (x - x_opt) + 1).sum(axis=1), 0


def f9(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Rotated Rosenbrock."""
    scale = max(1, np.sqrt(dim) / 8)
    q = rotation(seed, dim)
    x_opt = (q.T @ np.full(dim, 0.5)) / scale
    return x_opt, lambda x: rosenbrock_terms(scale * rotated(q, x) + 0.5).sum(axis=1), 0


def f10(seed: int, dim: int, condition: float = 1e6) -> tuple[np.ndarray, Core, float]:
    """Ellipsoid."""
    x_opt, r = optimum(seed, dim), rotation(seed + 1000000, dim)
    return x_opt, lambda x: (condition ** fractions(dim) * oscillated(rotated(r, x - x_opt)) ** 2).sum(axis=1), 0


def f11(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Discus."""
    x_opt, r = optimum(seed, dim), rotation(seed + 1000000, dim)

    def core(x: np.ndarray) -> np.ndarray:
        z = oscillated(rotated(r, x - x_opt))
        return 1e6 * z[:, 0] ** 2 + (z[:, 1:] ** 2).sum(axis=1)

    return x_opt, core, 0


def f12(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Bent cigar."""
    x_opt, r = optimum(seed + 1000000, dim), rotation(seed + 1000000, dim)

    def core(x: np.ndarray) -> np.ndarray:
        z = rotated(r, asymmetric(0.5, rotated(r, x - x_opt)))
        return z[:, 0] ** 2 + 1e6 * (z[:, 1:] ** 2).sum(axis=1)

    return x_opt, core, 0


def f13(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Sharp ridge."""
    x_opt, q, r = optimum(seed, dim), rotation(seed, dim), rotation(seed + 1000000, dim)

    def core(x: np.ndarray) -> np.ndarray:
        z = rotated(r, conditioned(10, dim) * rotated(q, x - x_opt))
        return z[:, 0] ** 2 + 100 * np.sqrt((z[:, 1:] ** 2).sum(axis=1))

    return x_opt, core, 0


def f14(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Different powers."""
    x_opt, r = optimum(seed, dim), rotation(seed + 1000000, dim)
    return x_opt, lambda x: np.sqrt((np.abs(rotated(r, x - x_opt)) ** (2 + 4 * fractions(dim))).sum(axis=1)), 0


def f15(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Rastrigin."""
    x_opt, q, r = optimum(seed, dim), rotation(seed, dim), rotation(seed + 1000000, dim)

    def core(x: np.ndarray) -> np.ndarray:
        y = asymmetric(0.2, oscillated(rotated(r, x - x_opt)))
        return rastrigin(rotated(r, conditioned(10, dim) * rotated(q, y)))

    return x_opt, core, 0


def f16(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Weierstrass."""
    x_opt, q, r = optimum(seed, dim), rotation(seed, dim), rotation(seed + 1000000, dim)
    k = np.arange(12)
    f0 = (0.5**k * np.cos(np.pi * 3.0**k)).sum()

    def core(x: np.ndarray) -> np.ndarray:
        z = rotated(r, conditioned(0.01, dim) * rotated(q, oscillated(rotated(r, x - x_opt))))
        sums = (0.5**k * np.cos(2 * np.pi * (z[:, :, None] + 0.5) * 3.0**k)).sum(axis=(1, 2))
        return 10 * (sums / dim - f0) ** 3

    return x_opt, core, 10 / dim


def f17(seed: int, dim: int, condition: float = 10) -> tuple[np.ndarray, Core, float]:
    """Schaffer's F7."""
    x_opt, q, r = optimum(seed, dim), rotation(seed, dim), rotation(seed + 1000000, dim)

    def core(x: np.ndarray) -> np.ndarray:
        z = conditioned(condition, dim) * rotated(q, asymmetric(0.5, rotated(r, x - x_opt)))
        s = z[:, :-1] ** 2 + z[:, 1:] ** 2
        return (s**0.25 * (1 + np.sin(50 * s**0.1) ** 2)).mean(axis=1) ** 2

    return x_opt, core, 10


def f18(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Ill-conditioned Schaffer's F7."""
    return f17(seed, dim, condition=1000)


def f19(seed: int, dim: int, factor: float = 10) -> tuple[np.ndarray, Core, float]:
    """Griewank-Rosenbrock."""
    scale = max(1, np.sqrt(dim) / 8)
    q = rotation(seed, dim)
    x_opt = (q.T @ np.full(dim, 0.5)) / scale

    def core(x: np.ndarray) -> np.ndarray:
        s = rosenbrock_terms(scale * rotated(q, x) + 0.5)
        return factor * (1 + (s / 4000 - np.cos(s)).mean(axis=1))

    return x_opt, core, 0


def f20(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Schwefel."""
    sign = np.where(unif(dim, seed) < 0.5, -1, 1)
    x_opt = 4.2096874637 / 2 * sign
    twice = 2 * np.abs(x_opt)

    def core(x: np.ndarray) -> np.ndarray:
        x_hat = 2 * sign * x
        z_hat = x_hat.copy()
        z_hat[:, 1:] += 0.25 * (x_hat[:, :-1] - twice[:-1])
        z = 100 * (conditioned(10, dim) * (z_hat - twice) + twice)
        return 0.01 * (418.9828872724339 - (z * np.sin(np.sqrt(np.abs(z)))).mean(axis=1) + penalty(z, 500))

    return x_opt, core, 0


def f21(seed: int, dim: int, peaks: int = 101) -> tuple[np.ndarray, Core, float]:
    """Gallagher's Gaussian peaks, 101 of them."""
    width, shift, first = {101: (10, 5, np.sqrt(1000)), 21: (9.8, 4.9, 1000)}[peaks]
    q = rotation(seed, dim)
    centres = width * unif(dim * peaks, seed).reshape(peaks, dim) - shift
    centres[0] *= 0.8
    order = np.argsort(unif(peaks - 1, seed), kind="stable")
    conditions = np.concatenate([[first], 1000 ** (order / (peaks - 2))])
    scales = np.stack(
        [
            condition ** (np.argsort(unif(dim, seed + 1000 * j), kind="stable") / (dim - 1) - 0.5)
            for j, condition in enumerate(conditions)
        ]
    )
    heights = np.concatenate([[10], 1.1 + 8 * np.arange(peaks - 1) / (peaks - 2)])

    rotated_centres = rotated(q, centres)

    def core(x: np.ndarray) -> np.ndarray:
        best, y = np.full(len(x), -np.inf), rotated(q, x)
        for height, centre, scale in zip(heights, rotated_centres, scales, strict=True):
            best = np.maximum(best, height * np.exp(-(scale * (y - centre) ** 2).sum(axis=1) / (2 * dim)))
        return oscillated(10 - best) ** 2

    return centres[0], core, 1


def f22(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Gallagher's Gaussian peaks, 21 of them."""
    return f21(seed, dim, peaks=21)


def f23(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Katsuura."""
    x_opt, q, r = optimum(seed, dim), rotation(seed, dim), rotation(seed + 1000000, dim)
    powers = 2.0 ** np.arange(1, 33)

    def core(x: np.ndarray) -> np.ndarray:
        z = rotated(r, conditioned(100, dim) * rotated(q, x - x_opt))
        y = z[:, :, None] * powers
        sums = (np.abs(y - np.floor(y + 0.5)) / powers).sum(axis=2)
        product = np.prod((1 + np.arange(1, dim + 1) * sums) ** (10 / dim**1.2), axis=1)
        return 10 / dim**2 * (product - 1)

    return x_opt, core, 1


def f24(seed: int, dim: int) -> tuple[np.ndarray, Core, float]:
    """Lunacek's bi-Rastrigin."""
    q, r = rotation(seed, dim), rotation(seed + 1000000, dim)
    sign = np.where(gauss(dim, seed) < 0, -1, 1)
    mu0, depth = 2.5, 1.0
    s = 1 - 0.5 / (np.sqrt(dim + 20) - 4.1)
    mu1 = -np.sqrt((mu0**2 - depth) / s)

    def core(x: np.ndarray) -> np.ndarray:
        x_hat = 2 * sign * x
        z = rotated(r, conditioned(100, dim) * rotated(q, x_hat - mu0))
        first = ((x_hat - mu0) ** 2).sum(axis=1)
        second = depth * dim + s * ((x_hat - mu1) ** 2).sum(axis=1)
        return np.minimum(first, second) + 10 * (dim - np.cos(2 * np.pi * z).sum(axis=1))

    return mu0 / 2 * sign, core, 1e4


_FUNCTIONS = (
    f1,
    f2,
    f3,
    f4,
    f5,
    f6,
    f7,
    f8,
    f9,
    f10,
    f11,
    f12,
    f13,
    f14,
    f15,
    f16,
    f17,
    f18,
    f19,
    f20,
    f21,
    f22,
    f23,
    f24,
)


@dataclasses.dataclass(frozen=True)
class Function:
    """One instance; a call takes (batch, dim) to COCO's values (batch,), f_opt included."""

    x_opt: np.ndarray
    f_opt: float
    core: Core
    penalty_weight: float

    def excess(self, x: np.ndarray) -> np.ndarray:
        """f - f_opt."""
        x = np.asarray(x, np.float64)
        return self.core(x) + self.penalty_weight * penalty(x)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.excess(x) + self.f_opt


@functools.lru_cache(maxsize=512)
def make(function: int, dim: int, instance: int) -> Function:
    """The function with the number 1 to 24 for dim >= 2 parameters, in COCO's instance >= 1."""
    seed = {4: 3, 18: 17}.get(function, function) + 10000 * instance
    x_opt, core, weight = _FUNCTIONS[function - 1](seed, dim)
    return Function(x_opt, optimal_value(seed), core, weight)
