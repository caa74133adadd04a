"""A small evolution strategy in NumPy: an optimizer is a class of (spec, seed) with ask and tell."""

import numpy as np


class MySearch:
    """Moves the mean to the better half of what it asked for, and its step size by how far it moved."""

    def __init__(self, spec, seed, batch_size=36):
        self.rng = np.random.default_rng(seed)
        start = spec.start
        self.mean = np.full(spec.dim, (start.low + start.high) / 2 if start.kind == "uniform" else start.mean)
        self.sigma = (start.high - start.low) / 4 if start.kind == "uniform" else start.scale or 1.0
        self.batch_size = batch_size

    def ask(self):
        """Returns the next solutions, an array of shape (batch, dim)."""
        return self.mean + self.sigma * self.rng.normal(size=(self.batch_size, len(self.mean)))

    def tell(self, solutions, evaluation):
        """Learns from evaluation.objective, of shape (batch,); higher is better."""
        better = solutions[np.argsort(-evaluation.objective)[: self.batch_size // 2]]
        moved = np.linalg.norm(better.mean(axis=0) - self.mean) / self.sigma
        # The mean of as many steps at random would move by the square root of twice the dimension over the batch.
        expected = np.sqrt(2 * len(self.mean) / self.batch_size)
        self.mean = better.mean(axis=0)
        self.sigma = np.clip(self.sigma * np.exp(0.3 * (moved / expected - 1)), 1e-9, 1e3)
