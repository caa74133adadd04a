"""Searches that begin with a design of the task's: solutions that are evaluated before the optimizer proposes any.

HPO-B's protocol is one: five configurations, and then a hundred that the optimizer chooses. The design counts as
evaluations and is scored like all others. A pure optimizer then starts as on a task whose start is the mean of
:class:`~qdbench.spec.Start`, translated so that the mean is the best solution of the design; one without a state, such
as random search, is left as it is. A host optimizer with a method ``start_from(solutions, evaluation)`` is told about
the whole design, and any other about none of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from qdbench.protocols import Batch, Evaluation, HostOptimizer, HostTask, Optimizer
from qdbench.spec import TaskSpec

NAME = "design"
"""The batch of the design."""


class State(NamedTuple):
    """The optimizer's own state, and by how much its solutions are translated."""

    inner: Any
    shift: Float[Array, " dim"]


class FromDesign(Optimizer):
    r"""An optimizer whose first batch is a design, and whose search begins at the best solution of it.

    With the design's best solution :math:`x_b` (the first of equals) and the start's mean :math:`m`, the inner
    optimizer's solutions :math:`x` are evaluated as :math:`x + (x_b - m)`.
    """

    inner: Optimizer
    design: Float[Array, "points dim"]
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """The inner optimizer's state, not translated."""
        return State(self.inner.init(key), jnp.zeros_like(self.design[0]))

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """The design, or what the inner optimizer asks for, translated."""
        if batch.name == NAME:
            return self.design, state
        solutions, inner = self.inner.ask(key, state.inner, batch)
        return solutions + state.shift, State(inner, state.shift)

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Finds the start, or tells the inner optimizer about its own solutions."""
        if batch.name == NAME:
            if not jax.tree.leaves(state.inner):
                return state
            return State(state.inner, solutions[evaluation.objective.argmax()] - self.spec.start.mean)
        inner = self.inner.tell(key, state.inner, batch, solutions - state.shift, evaluation)
        return State(inner, state.shift)


class HostFromDesign:
    """A host optimizer whose first solutions are a design; see the module's docstring."""

    def __init__(self, inner: HostOptimizer, design: np.ndarray) -> None:
        self._inner = inner
        self._design = design
        self._is_first = True

    def ask(self) -> Any:
        """The design, and then what the inner optimizer asks for."""
        return self._design.copy() if self._is_first else self._inner.ask()

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        """Tells the inner optimizer about its own solutions, and about the design if it wants to know."""
        if not self._is_first:
            self._inner.tell(solutions, evaluation)
            return
        self._is_first = False
        start_from = getattr(self._inner, "start_from", None)
        if start_from is not None:
            start_from(solutions, evaluation)


def beginning_with_design(task: HostTask, optimizer: Optimizer | HostOptimizer) -> Optimizer | HostOptimizer:
    """The optimizer as the task's start asks for it: itself, unless that is a design."""
    if task.spec.start.kind != "design":
        return optimizer
    design: Any = getattr(task, "design")  # noqa: B009
    if not isinstance(optimizer, Optimizer):
        return HostFromDesign(optimizer, np.asarray(design))
    return FromDesign(
        inner=optimizer,
        design=design,
        id=optimizer.id,
        spec=optimizer.spec,
        initial=(Batch(NAME, len(design)), *optimizer.initial),
        iteration=optimizer.iteration,
    )
