"""CMA-ES with active weights, its separable form and OpenAI's ES in NumPy, after their papers.

Higher is better. Solutions come from outside or from N(0, 1) numbers that do.
"""

from __future__ import annotations

import math

import numpy as np

from tests.reference.cma import Cma, expected_length
from tests.reference.mega import Adam


def best_first(solutions: np.ndarray, objective: np.ndarray) -> np.ndarray:
    return solutions[np.argsort(-objective, kind="stable")]


class CmaEs(Cma):
    """The tutorial's CMA-ES; half of the batch are parents, the other half takes variance out of its directions."""

    def __init__(self, mean: np.ndarray, sigma: float, gap: int, active: bool) -> None:
        super().__init__(mean, sigma, gap, squared=False)
        self.active = active

    def tell_batch(self, solutions: np.ndarray) -> None:
        """Updates the distribution; ``solutions`` are the batch, the best first."""
        n, batch = solutions.shape[1], len(solutions)
        old_mean, old_sigma, old, used = self.mean, self.sigma, self.C.copy(), self.used.copy()
        self.tell(solutions[: batch // 2])
        if not self.active:
            return
        # Equations (49) to (53) of the tutorial; mu_eff, c_1 and c_mu are those of the parents.
        raw = [math.log((batch + 1) / 2) - math.log(i) for i in range(1, batch + 1)]
        negative = [min(0.0, w) for w in raw]
        parents = np.array([math.log(batch // 2 + 0.5) - math.log(i + 1) for i in range(batch // 2)])
        parents /= parents.sum()
        mueff = 1 / (parents**2).sum()
        c1 = 2 / ((n + 1.3) ** 2 + mueff)
        cmu = min(1 - c1, 2 * (mueff - 2 + 1 / mueff) / ((n + 2) ** 2 + mueff))
        mueff_minus = sum(negative) ** 2 / sum(w**2 for w in negative)
        alpha = min(1 + c1 / cmu, 1 + 2 * mueff_minus / (mueff + 2), (1 - c1 - cmu) / (n * cmu))
        weights = [alpha * w / -sum(negative) for w in negative]
        inverse = np.linalg.inv(used)
        for weight, solution in zip(weights, solutions, strict=True):
            y = (solution - old_mean) / old_sigma
            self.C += cmu * weight * n / (y @ inverse @ y) * np.outer(y, y)
        self.C -= cmu * sum(weights) * old
        if self.generation % self.gap == 0:
            self.used = self.C.copy()


class SepCmaEs:
    """CMA-ES with a diagonal covariance, element by element."""

    def __init__(self, mean: np.ndarray, sigma: float, speedup: float) -> None:
        self.mean, self.sigma, self.d, self.speedup = mean.copy(), sigma, np.ones(len(mean)), speedup
        self.p_sigma, self.p_c, self.generation = np.zeros(len(mean)), np.zeros(len(mean)), 0

    def ask(self, normals: np.ndarray) -> np.ndarray:
        return np.array([self.mean + self.sigma * np.sqrt(self.d) * z for z in normals])

    def tell(self, solutions: np.ndarray) -> None:
        n, mu = len(self.mean), len(solutions) // 2
        w = np.array([math.log(mu + 0.5) - math.log(i + 1) for i in range(mu)])
        w /= w.sum()
        mueff = 1 / (w**2).sum()
        cc = (4 + mueff / n) / (n + 4 + 2 * mueff / n)
        cs = (mueff + 2) / (n + mueff + 5)
        c1 = 2 / ((n + 1.3) ** 2 + mueff)
        cmu = min(1 - c1, 2 * (mueff - 2 + 1 / mueff) / ((n + 2) ** 2 + mueff))
        damps = 1 + 2 * max(0, math.sqrt((mueff - 1) / (n + 1)) - 1) + cs
        c1 = min(1, self.speedup * c1)
        cmu = min(1 - c1, self.speedup * cmu)

        steps = (solutions[:mu] - self.mean) / self.sigma
        mean_step = w @ steps
        self.generation += 1
        self.mean = self.mean + self.sigma * mean_step
        self.p_sigma = (1 - cs) * self.p_sigma + math.sqrt(cs * (2 - cs) * mueff) * mean_step / np.sqrt(self.d)
        squared = (self.p_sigma**2).sum()
        hsig = squared / n / (1 - (1 - cs) ** (2 * self.generation)) < 2 + 4 / (n + 1)
        self.p_c = (1 - cc) * self.p_c + hsig * math.sqrt(cc * (2 - cc) * mueff) * mean_step
        self.d = (1 - c1 * (1 - (1 - hsig) * cc * (2 - cc)) - cmu) * self.d
        self.d += c1 * self.p_c**2 + cmu * sum(weight * step**2 for weight, step in zip(w, steps, strict=True))
        self.sigma *= math.exp(min(1, (cs / damps) * (math.sqrt(squared) / expected_length(n) - 1)))


class OpenAiEs:
    """Pairs of samples, centred ranks, Adam."""

    def __init__(self, mean: np.ndarray, sigma: float, learning_rate: float, weight_decay: float) -> None:
        self.mean, self.sigma, self.weight_decay, self.adam = mean.copy(), sigma, weight_decay, Adam(learning_rate)

    def ask(self, normals: np.ndarray, batch: int) -> np.ndarray:
        self.epsilon = np.vstack([normals, -normals])[:batch]
        return self.mean + self.sigma * self.epsilon

    def tell(self, objective: np.ndarray) -> None:
        batch = len(objective)
        utility = np.empty(batch)
        utility[np.argsort(-objective, kind="stable")] = np.linspace(0.5, -0.5, batch)
        gradient = utility @ self.epsilon / (batch * self.sigma)
        self.mean = self.adam.move(self.mean, gradient - self.weight_decay * self.mean)
