"""The algorithms of fontaine2021dqd that use gradients, and MAP-Elites, in NumPy: plain loops over solutions.

All random numbers come from outside: ``normals`` are N(0, 1) numbers and ``picks`` are numbers of elites in the order
in which their cells were first filled. ``evaluate`` maps (batch, n) solutions to ``tests.reference.tasks.Values``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.reference.archive import Grid, improvement_order
from tests.reference.cma import Cma, Sampler
from tests.reference.tasks import Values

Evaluate = Callable[[np.ndarray], Values]


def add(grid: Grid, evaluate: Evaluate, solutions: np.ndarray) -> tuple[Values, np.ndarray, np.ndarray]:
    """Evaluates and inserts a batch; returns its values, statuses and improvement values."""
    values = evaluate(solutions)
    status, value = grid.add(solutions, values.objective, values.measures)
    return values, status, value


def gradient_rows(values: Values, i: int) -> np.ndarray:
    """The gradients of objective and measures at solution i, each divided by its norm + 1e-8."""
    rows = np.vstack([values.objective_gradient[i], *values.measures_jacobian[i]])
    return np.array([row / (np.sqrt((row**2).sum()) + 1e-8) for row in rows])


def gaussian(grid: Grid, sigma: float, picks: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Elites with Gaussian noise."""
    return np.array([grid.pick(pick) + sigma * noise for pick, noise in zip(picks, normals, strict=True)])


def iso_line(
    grid: Grid, iso: float, line: float, picks: np.ndarray, normals: np.ndarray, line_normals: np.ndarray
) -> np.ndarray:
    """The Iso+LineDD operator; the second half of the picks are the partners."""
    children = []
    for i in range(len(normals)):
        parent, partner = grid.pick(picks[i]), grid.pick(picks[len(normals) + i])
        children.append(parent + iso * normals[i] + line * line_normals[i, 0] * (partner - parent))
    return np.array(children)


def climb(solutions: np.ndarray, values: Values, learning_rate: float) -> np.ndarray:
    """OG-MAP-Elites' gradient step."""
    return solutions + learning_rate * values.objective_gradient


def omg_branches(parents: np.ndarray, values: Values, sigma_g: float, normals: np.ndarray) -> np.ndarray:
    """OMG-MEGA: every parent goes along |c_0| grad f + c_1 grad m_1 + c_2 grad m_2."""
    branches = []
    for i, parent in enumerate(parents):
        c = sigma_g * normals[i]
        c[0] = abs(c[0])
        branches.append(parent + c @ gradient_rows(values, i))
    return np.array(branches)


class Adam:
    """Adam by Kingma and Ba, ascending."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate, self.m, self.v, self.t = learning_rate, 0.0, 0.0, 0

    def move(self, theta: np.ndarray, step: np.ndarray) -> np.ndarray:
        """The next theta."""
        self.t += 1
        self.m = 0.9 * self.m + (1 - 0.9) * step
        self.v = 0.999 * self.v + (1 - 0.999) * step**2
        m_hat, v_hat = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        return theta + self.learning_rate * m_hat / (np.sqrt(v_hat) + 1e-8)


class Plain:
    """Gradient ascent."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def move(self, theta: np.ndarray, step: np.ndarray) -> np.ndarray:
        """The next theta."""
        return theta + self.learning_rate * step


class CmaMega:
    """CMA-MEGA: Algorithm 1 of the paper with the restart test after the step."""

    def __init__(
        self, dim: int, sigma_g: float, ascent: Callable[[], Plain | Adam], rows: int = 3, start: float = 0.0
    ) -> None:
        self.theta, self.sigma_g, self.rows, self.make_ascent = np.full(dim, start), sigma_g, rows, ascent
        self.restarts = 0
        self._start()

    def _start(self) -> None:
        self.cma, self.ascent = Cma(np.zeros(self.rows), self.sigma_g), self.make_ascent()

    def position(self, grid: Grid, evaluate: Evaluate) -> None:
        """Evaluates theta with its gradients."""
        values, _, _ = add(grid, evaluate, self.theta[None])
        self.gradients = gradient_rows(values, 0)

    def branches(
        self, grid: Grid, evaluate: Evaluate, normals: np.ndarray, sample: Sampler, pick: Callable[[], np.ndarray]
    ) -> np.ndarray:
        """Evaluates the branches, adapts, moves, and restarts if need be; returns the branches."""
        branches = self.propose(normals, sample)
        _, status, value = add(grid, evaluate, branches)
        self.adapt(grid, branches, status, value, pick, stuck=bool((status == 0).all()))
        return branches

    def propose(self, normals: np.ndarray, sample: Sampler) -> np.ndarray:
        """The branches."""
        self.c = self.cma.mean + self.cma.sigma * sample(self.cma.C, normals)
        return np.array([self.theta + row @ self.gradients for row in self.c])

    def adapt(
        self,
        grid: Grid,
        branches: np.ndarray,
        status: np.ndarray,
        value: np.ndarray,
        pick: Callable[[], np.ndarray],
        stuck: bool,
    ) -> None:
        """Adapts, moves, and restarts if need be."""
        c = self.c
        order = improvement_order(status, value)
        best = order[: len(branches) // 2]
        weights = np.log(len(best) + 0.5) - np.log(np.arange(1, len(best) + 1))
        weights /= weights.sum()
        step = sum(weight * (branches[i] - self.theta) for weight, i in zip(weights, best, strict=True))
        self.cma.tell(c[best])
        self.theta = self.ascent.move(self.theta, step)
        if stuck or self.cma.collapsed(status, value, order[0], order[-1]):
            self.theta = grid.pick(pick()[0])
            self._start()
            self.restarts += 1


class CmaMe:
    """CMA-ME with an improvement emitter: all solutions that entered the archive are parents ("filter" selection)."""

    def __init__(self, dim: int, sigma: float, gap: int, start: float = 0.0) -> None:
        self.sigma, self.gap, self.restarts, self.cma = sigma, gap, 0, Cma(np.full(dim, start), sigma, gap)

    def iterate(
        self, grid: Grid, evaluate: Evaluate, normals: np.ndarray, sample: Sampler, pick: Callable[[], np.ndarray]
    ) -> np.ndarray:
        """Samples and evaluates a batch, adapts, and restarts if need be; returns the batch."""
        solutions = self.propose(normals, sample)
        _, status, value = add(grid, evaluate, solutions)
        self.adapt(grid, solutions, status, value, pick, parents=int((status > 0).sum()))
        return solutions

    def propose(self, normals: np.ndarray, sample: Sampler) -> np.ndarray:
        """A batch of samples."""
        return self.cma.mean + self.cma.sigma * sample(self.cma.used, normals)

    def adapt(
        self,
        grid: Grid,
        solutions: np.ndarray,
        status: np.ndarray,
        value: np.ndarray,
        pick: Callable[[], np.ndarray],
        parents: int,
    ) -> None:
        """Adapts to the given number of best solutions, and restarts if need be, or if there are none."""
        order = improvement_order(status, value)
        best = solutions[order[:parents]]
        if parents > 0:
            used = self.cma.used  # the stop criterion looks at the decomposition that is already there
            self.cma.tell(best)
        if parents == 0 or self.cma.collapsed(status, value, order[0], order[-1], used):
            self.cma = Cma(grid.pick(pick()[0]), self.sigma, self.gap)
            self.restarts += 1
