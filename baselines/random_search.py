"""Random search: the floor that every optimizer should beat."""

from __future__ import annotations

import equinox as eqx
from jaxtyping import Array, Float, Key

from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal, uniform
from qdbench.spec import TaskSpec


def sample_start(key: Key[Array, ""], spec: TaskSpec, count: int) -> Float[Array, "count dim"]:
    """Samples of the task's start distribution, N(mean, scale^2 I) or uniform."""
    start = spec.start
    if start.kind == "uniform":
        return start.low + (start.high - start.low) * uniform(key, (count, spec.dim), spec.precision)
    return start.mean + start.scale * normal(key, (count, spec.dim), spec.precision)


class RandomSearch(Optimizer):
    """Independent samples of the task's start distribution; it learns nothing.

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
        return sample_start(key, self.spec, batch.size), state

    def tell(self, key: Key[Array, ""], state: None, batch: Batch, solutions: Array, evaluation: Evaluation) -> None:
        """Ignores the evaluation."""


def make(spec: TaskSpec, batch_size: int = 36) -> RandomSearch:
    """Makes the optimizer; see :class:`RandomSearch`."""
    return RandomSearch(
        id="random-search", spec=spec.structure(), initial=(), iteration=(Batch("samples", batch_size),)
    )
