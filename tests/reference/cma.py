"""CMA-ES with positive weights in a few lines of NumPy, after Hansen's tutorial and purecma's step-size rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def expected_length(n: int) -> float:
    """The tutorial's approximation of E|N(0, I)|."""
    return math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))


class Cma:
    """The distribution N(mean, sigma^2 C) and its update from the best parents, given in the order of rank.

    ``used`` is the C that samples and whitens: a copy of C made every ``gap`` generations.
    """

    def __init__(self, mean: np.ndarray, sigma: float, gap: int = 1, squared: bool = True) -> None:
        n = len(mean)
        self.squared = squared
        self.gap, self.used = gap, np.eye(n)
        self.mean, self.sigma, self.C = np.array(mean, float), float(sigma), np.eye(n)
        self.p_sigma, self.p_c, self.generation, self.hsig = np.zeros(n), np.zeros(n), 0, True

    def tell(self, parents: np.ndarray) -> None:
        """Updates the distribution; ``parents`` are solutions, the best first."""
        n, mu = len(self.mean), len(parents)
        w = np.array([math.log(mu + 0.5) - math.log(i + 1) for i in range(mu)])
        w /= w.sum()
        mueff = 1 / (w**2).sum()
        cc = (4 + mueff / n) / (n + 4 + 2 * mueff / n)
        cs = (mueff + 2) / (n + mueff + 5)
        c1 = 2 / ((n + 1.3) ** 2 + mueff)
        cmu = min(1 - c1, 2 * (mueff - 2 + 1 / mueff) / ((n + 2) ** 2 + mueff))
        damps = 1 + 2 * max(0, math.sqrt((mueff - 1) / (n + 1)) - 1) + cs

        old, self.mean = self.mean, w @ parents
        y = (self.mean - old) / self.sigma
        eigenvalues, basis = np.linalg.eigh(self.used)
        whitened = basis @ np.diag(eigenvalues**-0.5) @ basis.T @ y
        self.generation += 1
        self.p_sigma = (1 - cs) * self.p_sigma + math.sqrt(cs * (2 - cs) * mueff) * whitened
        squared = (self.p_sigma**2).sum()
        self.hsig = hsig = squared / n / (1 - (1 - cs) ** (2 * self.generation)) < 2 + 4 / (n + 1)
        self.p_c = (1 - cc) * self.p_c + hsig * math.sqrt(cc * (2 - cc) * mueff) * y
        c1a = c1 * (1 - (1 - hsig) * cc * (2 - cc))
        self.C = (1 - c1a - cmu) * self.C + c1 * np.outer(self.p_c, self.p_c)
        for weight, parent in zip(w, parents, strict=True):
            step = (parent - old) / self.sigma
            self.C += cmu * weight * np.outer(step, step)
        if self.generation % self.gap == 0:
            self.used = self.C.copy()
        excess = (squared / n - 1) / 2 if self.squared else math.sqrt(squared) / expected_length(n) - 1
        self.sigma *= math.exp(min(1, (cs / damps) * excess))

    def collapsed(
        self, status: np.ndarray, value: np.ndarray, best: int, worst: int, covariance: np.ndarray | None = None
    ) -> bool:
        """The stop criteria of fontaine2021dqd: condition, step size, and no difference between best and worst."""
        eigenvalues = np.linalg.eigvalsh(self.C if covariance is None else covariance)
        if eigenvalues.max() > 1e14 * eigenvalues.min() or self.sigma * math.sqrt(eigenvalues.max()) < 1e-11:
            return True
        return bool(status[best] == status[worst] and abs(value[best] - value[worst]) < 1e-12)


Sampler = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Turns a covariance and N(0, I) rows into N(0, C) rows."""


def standard_update(
    covariance: Any, c1a: float, c_mu: float, c_1: float, path: Any, sigma: float, rank_mu: Any, weights: Any
) -> Any:
    """The rank-one and rank-mu update for pyribs, which applies c_1 twice and leaves 1 / sigma out of the path."""
    kept = (1 - c1a - c_mu * np.sum(weights)) * covariance
    return kept + (c_1 * np.outer(path, path) + c_mu * rank_mu) / sigma**2
