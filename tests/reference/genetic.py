"""The genetic algorithms in NumPy: lists of individuals, sorted and cut, with the random numbers from outside.

Higher is better. ``picks`` are places among the parents, ``normals`` N(0, 1) numbers and ``powers`` the exponents of 2
by which step sizes mutate, uniform in [-1, 1).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Individual(NamedTuple):
    objective: float
    solution: np.ndarray
    sigma: float


def best(individuals: list[Individual], count: int) -> list[Individual]:
    """The best, earlier ones first among equals; what is not a number is worse than anything."""
    worth = [individual.objective if math.isfinite(individual.objective) else -math.inf for individual in individuals]
    return [individuals[i] for i in sorted(range(len(worth)), key=lambda i: -worth[i])[:count]]


def count_of(ratio: float, size: int) -> int:
    return max(1, math.ceil(round(ratio * size, 6)))


class Plus:
    """E parents, of which and of whose children the best E are the next parents."""

    def __init__(self, sigma: float, elite_ratio: float, size: int) -> None:
        self.sigma, self.elites = sigma, count_of(elite_ratio, size)

    def start(self, solutions: np.ndarray, objective: np.ndarray) -> None:
        self.parents = best(
            [Individual(f, x, self.sigma) for f, x in zip(objective, solutions, strict=True)], self.elites
        )

    def ask(self, picks: np.ndarray, normals: np.ndarray, powers: np.ndarray) -> np.ndarray:
        self.chosen = [self.parents[pick] for pick in picks]
        self.sigmas = self.steps(powers)
        self.children = [p.solution + s * z for p, s, z in zip(self.chosen, self.sigmas, normals, strict=True)]
        return np.array(self.children)

    def steps(self, powers: np.ndarray) -> list[float]:
        return [self.sigma] * len(self.chosen)

    def tell(self, objective: np.ndarray) -> None:
        children = [Individual(*row) for row in zip(objective, self.children, self.sigmas, strict=True)]
        self.adapt(objective)
        self.parents = best(self.parents + children, self.elites)

    def adapt(self, objective: np.ndarray) -> None:
        """The Gaussian GA's step size is fixed."""


class Mr15(Plus):
    """The 1/5 rule."""

    def adapt(self, objective: np.ndarray) -> None:
        successes = sum(f > parent.objective for f, parent in zip(objective, self.chosen, strict=True))
        self.sigma = self.sigma * 2 if successes / len(objective) > 1 / 5 else self.sigma / 2


class Samr(Plus):
    """Inherited step sizes."""

    def steps(self, powers: np.ndarray) -> list[float]:
        return [parent.sigma * 2**power for parent, power in zip(self.chosen, powers, strict=True)]


class Gesmr:
    """Group elite selection of mutation rates, equations (3) to (7) of the paper."""

    def __init__(self, sigma: float, elite_ratio: float, sigma_ratio: float, size: int, groups: int) -> None:
        self.sigmas, self.size = [sigma] * groups, size
        self.elites, self.sigma_elites = count_of(elite_ratio, size), count_of(sigma_ratio, groups)
        self.groups = [k for k, part in enumerate(np.array_split(np.arange(size - 1), groups)) for _ in part]

    def start(self, solutions: np.ndarray, objective: np.ndarray) -> None:
        self.population = best([Individual(f, x, 0) for f, x in zip(objective, solutions, strict=True)], self.size)

    def ask(self, picks: np.ndarray, normals: np.ndarray) -> np.ndarray:
        self.chosen = [self.population[pick] for pick in picks]
        children = [p.solution + self.sigmas[k] * z for p, k, z in zip(self.chosen, self.groups, normals, strict=True)]
        self.batch = np.array([self.population[0].solution, *children])
        return self.batch

    def tell(self, objective: np.ndarray, picks: np.ndarray, powers: np.ndarray) -> None:
        worth = [-math.inf] * len(self.sigmas)
        for k, f, parent in zip(self.groups, objective[1:], self.chosen, strict=True):
            worth[k] = max(worth[k], f - parent.objective)
        order = sorted(range(len(worth)), key=lambda k: -worth[k])
        ranked = [self.sigmas[k] for k in order]
        drawn = [ranked[pick] * 2**power for pick, power in zip(picks, powers, strict=True)]
        self.sigmas = [ranked[0], *drawn[1:]]
        self.start(self.batch, objective)
