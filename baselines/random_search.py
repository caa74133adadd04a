"""Random search: the floor that every optimizer should beat."""

from __future__ import annotations

import equinox as eqx
from jaxtyping import Array, Float, Key

from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal, uniform
from qdbench.spec import Start, TaskSpec


def sample_start(
    key: Key[Array, ""], spec: TaskSpec, count: int, spread: Float[Array, ""] | float = 0.0
) -> Float[Array, "count dim"]:
    """Samples of the task's start distribution, N(mean, scale^2 I) or uniform.

    Args:
        key: Source of randomness.
        spec: The task's spec.
        count: How many.
        spread: The deviation of normal noise around a start that is one point: a population's first step, which would
            be copies of that point otherwise.
    """
    return _sample(key, spec.start, spec, count, spread)


def _sample(
    key: Key[Array, ""], start: Start, spec: TaskSpec, count: int, spread: Float[Array, ""] | float = 0.0
) -> Float[Array, "count dim"]:
    if start.kind == "uniform":
        return start.low + (start.high - start.low) * uniform(key, (count, spec.dim), spec.precision)
    return start.mean + (start.scale or spread) * normal(key, (count, spec.dim), spec.precision)


class RandomSearch(Optimizer):
    """Independent samples of the task's start distribution; it learns nothing.

    Where all searches start at one point, it samples uniformly within the task's bounds.

    Source: bergstra2012random.

    Hyperparameters: ``batch_size`` 36.
    """

    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> None:
        """There is no state."""

    def ask(self, key: Key[Array, ""], state: None, batch: Batch) -> tuple[Array, None]:
        """Samples a batch."""
        return _sample(key, self.spec.region, self.spec, batch.size), state

    def tell(self, key: Key[Array, ""], state: None, batch: Batch, solutions: Array, evaluation: Evaluation) -> None:
        """Ignores the evaluation."""


def make(spec: TaskSpec, batch_size: int = 36) -> RandomSearch:
    """Makes the optimizer; see :class:`RandomSearch`."""
    return RandomSearch(
        id="random-search", spec=spec.structure(), initial=(), iteration=(Batch("samples", batch_size),)
    )
