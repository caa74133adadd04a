"""A small stochastic task whose noise, test and correction are known in closed form."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from qdbench.protocols import Evaluation, Task
from qdbench.random import uniform
from qdbench.registry import TASKS
from qdbench.spec import Measure, TaskSpec

ID = "Lottery-v0"
LARGEST = 4.0


class Lottery(Task):
    """f = -|x - a|^2 + luck, measures x_1 + shift and x_2; luck and shift are drawn once for each evaluation.

    The test score is -|x - a|^2 plus a luck of its own.
    """

    centre: Array
    spec: TaskSpec = eqx.field(static=True)

    def _evaluate(self, key: Any, solutions: Array, gradients: bool) -> Evaluation:
        luck, shift = LARGEST * uniform(key, (2,))
        measures = (solutions[:, :2] + jnp.stack([shift, jnp.zeros_like(shift)]))[:, : self.spec.num_measures]
        return Evaluation(self.quality(solutions) + luck, measures)

    def _test(self, key: Any, solutions: Array) -> Array:
        return self.quality(solutions) + LARGEST * uniform(key, (2,))[0]

    def quality(self, solutions: Array) -> Array:
        """What the test is about."""
        return -((solutions - self.centre) ** 2).sum(axis=1)


def make(id: str = ID, instance: int = 1, measures: bool = True, tested: bool = True) -> Lottery:
    spec = TaskSpec(
        id=id,
        arguments={"instance": instance, "measures": measures, "tested": tested},
        family="lottery",
        dim=3,
        measures=tuple(Measure(name=name, low=-5, high=5) for name in "ab") if measures else (),
        archive_shape=(5, 5) if measures else (),
        objective_range=(-100.0, 0.0),
        qd_score_offset=-100.0,
        budget=1000,
        metric="test_score" if tested else "best_objective",
        test_episodes=7 if tested else None,
        deterministic=False,
    )
    return Lottery(centre=jnp.asarray(np.arange(3.0) - instance, jnp.float32), spec=spec)


class HostLottery:
    """The same task as an object of NumPy."""

    def __init__(self, task: Lottery) -> None:
        self.spec = task.spec
        self._task = task

    def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation:
        return Evaluation(*(None if part is None else np.asarray(part) for part in self._task.evaluate(key, solutions)))

    def test(self, key: Any, solutions: Any) -> Any:
        return np.asarray(self._task.test(key, solutions))


def register() -> None:
    if ID not in TASKS:
        TASKS.register(ID, f"{__name__}:make", summary="a lottery")


def unregister() -> None:
    TASKS._entries.pop(ID, None)
