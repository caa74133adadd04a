"""MAP-Elites with the line operator in NumPy: an optimizer that knows the task's spec, asks and is told."""

import numpy as np


class NumpySearch:
    """Keeps the best solution of every cell and varies random ones along the line to another."""

    def __init__(self, spec, seed):
        self.spec, self.rng, self.elites = spec, np.random.default_rng(seed), {}

    def ask(self):
        """Returns the next batch of solutions: 100 starting points, then 36 offspring at a time."""
        if not self.elites:
            start, shape = self.spec.start, (100, self.spec.dim)
            if start.kind == "uniform":
                return self.rng.uniform(start.low, start.high, shape)
            return self.rng.normal(start.mean, start.scale, shape)
        elites = [solution for _, solution in self.elites.values()]
        first, second = np.array([elites[i] for i in self.rng.integers(len(elites), size=72)]).reshape(2, 36, -1)
        return first + self.rng.normal(0, 0.1, first.shape) + self.rng.normal(0, 0.2, (36, 1)) * (second - first)

    def tell(self, solutions, evaluation):
        """Learns from their evaluation; higher objectives are better."""
        low, high = np.array([(measure.low, measure.high) for measure in self.spec.measures]).T
        shape = np.array(self.spec.archive_shape)
        cells = np.clip((evaluation.measures - low) / (high - low) * shape, 0, shape - 1).astype(int)
        for cell, objective, solution in zip(map(tuple, cells), evaluation.objective, solutions, strict=True):
            if cell not in self.elites or objective > self.elites[cell][0]:
                self.elites[cell] = objective, solution
