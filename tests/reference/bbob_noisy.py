"""The 30 noisy BBOB functions f101 to f130 with COCO's instances, in NumPy float64.

Hansen, Finck, Ros, Auger: Real-Parameter Black-Box Optimization Benchmarking 2009: Noisy Functions Definitions
(INRIA RR-6869, 2009), and where COCO's code says something else, the code (coco-experiment 2.8.2): it adds 1.01e-8 to
every value, does not switch the noise off below 1e-8, and adds the constant 1000 alpha to values with Cauchy noise.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from tests.reference import bbob

# Base function's seed, its own parameters, and whether its noise is moderate.
_BASES = (
    (1, {}, True),
    (8, {}, True),
    (1, {}, False),
    (8, {}, False),
    (7, {}, False),
    (10, {"condition": 1e4}, False),
    (14, {}, False),
    (17, {}, False),
    (19, {"factor": 1}, False),
    (21, {}, False),
)


class Stream:
    """COCO's noise: two counters, each the seed of the next number, which start again with every new Suite."""

    def __init__(self) -> None:
        self._uniform = self._normal = 30

    def uniform(self) -> float:
        self._uniform += 1
        return float(bbob.unif(1, self._uniform)[0])

    def normal(self) -> float:
        self._normal += 1
        return float(bbob.gauss(1, self._normal)[0])


def gaussian(value: np.ndarray, normal: np.ndarray, beta: float) -> np.ndarray:
    return value * np.exp(beta * normal)


def uniform(value: np.ndarray, first: np.ndarray, second: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    return value * first**beta * np.maximum(1, (1e9 / (value + 1e-99)) ** (alpha * second))


def cauchy(
    value: np.ndarray, chosen: np.ndarray, first: np.ndarray, second: np.ndarray, alpha: float, p: float
) -> np.ndarray:
    """Numbers `chosen` are uniform, the other two normal."""
    noise = np.where(chosen < p, first / (np.abs(second) + 1e-199), 0)
    return value + np.maximum(0, alpha * (1000 + noise))


@dataclasses.dataclass(frozen=True)
class Function:
    """One instance: `excess` without noise or penalty, and the noise model with its numbers."""

    x_opt: np.ndarray
    f_opt: float
    excess: bbob.Core
    model: str
    parameters: dict[str, float]

    def draw(self, stream: Stream, batch: int) -> tuple[np.ndarray, ...]:
        """The model's numbers for solutions that are evaluated one after the other, as COCO does."""
        draws = {
            "gaussian": (stream.normal,),
            "uniform": (stream.uniform, stream.uniform),
            "cauchy": (stream.uniform, stream.normal, stream.normal),
        }[self.model]
        return tuple(np.array([[draw() for draw in draws] for _ in range(batch)]).T)

    def __call__(self, x: np.ndarray, numbers: tuple[np.ndarray, ...]) -> np.ndarray:
        """COCO's values, f_opt included."""
        model = {"gaussian": gaussian, "uniform": uniform, "cauchy": cauchy}[self.model]
        noisy = model(self.excess(x), *numbers, **self.parameters) + 1.01e-8
        return noisy + 100 * bbob.penalty(x) + self.f_opt


@functools.lru_cache(maxsize=512)
def make(function: int, dim: int, instance: int) -> Function:
    """The function with the number 101 to 130 for dim >= 2 parameters, in COCO's instance >= 1."""
    base, parameters, moderate = _BASES[(function - 101) // 3]
    seed = base + 10000 * instance
    x_opt, core, _ = bbob._FUNCTIONS[base - 1](seed, dim, **parameters)
    strength = 0.01 if moderate else 1
    model = ("gaussian", "uniform", "cauchy")[(function - 101) % 3]
    noise = {
        "gaussian": {"beta": strength},
        "uniform": {"alpha": (0.49 + 1 / dim) * strength, "beta": strength},
        "cauchy": {"alpha": strength, "p": 0.05 if moderate else 0.2},
    }[model]
    return Function(x_opt, bbob.optimal_value(seed), core, model, noise)
