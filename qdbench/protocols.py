"""The protocol: what a task and an optimizer are. Read this page first.

Higher is better everywhere. A :class:`Task` is a pure function ``evaluate(key, solutions)`` with a frozen
:class:`~qdbench.spec.TaskSpec`. An :class:`Optimizer` is three pure functions, ``init``, ``ask`` and ``tell``, with
explicit state. Both are equinox modules, so their arrays are pytree leaves (they can be traced, batched with ``vmap``
and differentiated) and everything else is static.

A harness drives them like this, and that is all it does::

    state = optimizer.init(key)
    for batch in optimizer.initial + optimizer.iteration + optimizer.iteration + ...:
        solutions, state = optimizer.ask(key, state, batch)
        evaluation = task.evaluate(key, solutions, gradients=batch.gradients)
        state = optimizer.tell(key, state, batch, solutions, evaluation)

Anything else plugs in too: an object with ``ask() -> solutions`` (or ``-> (solutions, wants_gradients)``) and
``tell(solutions, evaluation)``, in NumPy or whatever it likes, is a host optimizer; an object with a ``spec`` and
``evaluate(key, solutions, gradients=False)`` is a host task. They run in a Python loop over the same scoring code.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from qdbench.spec import TaskSpec

State = Any
"""An optimizer's state: any pytree whose structure, shapes and dtypes never change."""


class Evaluation(NamedTuple):
    """What a task says about a batch of solutions.

    Attributes:
        objective: ``(batch,)``, higher is better.
        measures: ``(batch, k)``; k may be 0.
        objective_gradient: ``(batch, dim)``, the gradient of the objective, or None if it was not asked for.
        measures_jacobian: ``(batch, k, dim)``, or None if it was not asked for.
    """

    objective: Any
    measures: Any
    objective_gradient: Any = None
    measures_jacobian: Any = None


@dataclasses.dataclass(frozen=True)
class Batch:
    """One call of ask and tell that an optimizer makes in every iteration: a name, a fixed size, and its needs."""

    name: str
    size: int
    gradients: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise ValueError(f"batch {self.name!r}: the size must be an integer of at least 1, but it is {self.size!r}")


class Task(eqx.Module):
    """A pure, batched evaluation function with a spec. Subclasses implement ``_evaluate`` and nothing else."""

    spec: eqx.AbstractVar[TaskSpec]
    is_compiled: ClassVar[bool] = False
    """Whether ``evaluate`` runs programs of its own, which a compilation around it would only repeat."""

    def evaluate(self, key: Key[Array, ""] | None, solutions: Any, gradients: bool = False) -> Evaluation:
        """Evaluates a batch of solutions.

        Args:
            key: Source of randomness of a stochastic task; deterministic tasks ignore it and take None.
            solutions: ``(batch, dim)`` array.
            gradients: Whether to return the objective's gradient and the measures' Jacobian.

        Raises:
            ValueError: If the shape is wrong, a value is not finite, or the task has no gradients to give.
            TypeError: If the solutions are not real numbers.
        """
        solutions = check_solutions(self.spec, solutions)
        if gradients and not self.spec.differentiable:
            raise ValueError(f"{self.spec.id} is not differentiable: call evaluate with gradients=False")
        if isinstance(solutions, jax.core.Tracer):
            return self._evaluate(key, solutions, gradients)
        with precision_of(self.spec):
            return self._evaluate(key, jnp.asarray(solutions), gradients)

    @abc.abstractmethod
    def _evaluate(self, key: Key[Array, ""] | None, solutions: Array, gradients: bool) -> Evaluation:
        """The pure function: checked solutions of the spec's precision in, an :class:`Evaluation` out."""

    def for_fingerprint(self) -> Task:
        """The task whose values are its fingerprint: itself, or a shorter or wider one where rounding would show."""
        return self

    def test(self, key: Key[Array, ""] | None, solutions: Any) -> Array:
        """The test score of solutions: the mean return on a test stream apart from what ``evaluate`` sees.

        Args:
            key: Source of randomness of the test stream; tasks with a fixed test set ignore it and take None.
            solutions: ``(batch, dim)`` array.

        Returns:
            ``(batch,)``, higher is better; the mean over ``spec.test_episodes`` episodes or images.

        Raises:
            ValueError: If the task has no test (``spec.test_episodes`` is None), or as ``evaluate``.
            TypeError: If the solutions are not real numbers.
        """
        if self.spec.test_episodes is None:
            raise ValueError(f"{self.spec.id or 'the task'} has no test: its spec has no test_episodes")
        solutions = check_solutions(self.spec, solutions)
        if isinstance(solutions, jax.core.Tracer):
            return self._test(key, solutions)
        with precision_of(self.spec):
            return self._test(key, jnp.asarray(solutions))

    def _test(self, key: Key[Array, ""] | None, solutions: Array) -> Array:
        """The pure function behind ``test``; tasks whose spec has ``test_episodes`` have it."""
        raise NotImplementedError(f"{type(self).__name__} has test_episodes in its spec, but no _test")


class Optimizer(eqx.Module):
    """A pure optimizer for one task spec. Subclasses are final; their array fields are hyperparameters.

    Attributes:
        id: The name on leaderboards.
        spec: The structure of the task that it was made for.
        initial: The batches before the first iteration (an initial population, say); may be empty.
        iteration: The batches of one iteration, at least one.
    """

    id: eqx.AbstractVar[str]
    spec: eqx.AbstractVar[TaskSpec]
    initial: eqx.AbstractVar[tuple[Batch, ...]]
    iteration: eqx.AbstractVar[tuple[Batch, ...]]

    @abc.abstractmethod
    def init(self, key: Key[Array, ""]) -> State:
        """The state before anything was evaluated."""

    @abc.abstractmethod
    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """Proposes ``(batch.size, dim)`` solutions for one of the declared batches."""

    @abc.abstractmethod
    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Learns from the evaluation of the solutions that the last ``ask`` for the same batch returned."""


@runtime_checkable
class HostOptimizer(Protocol):
    """Any object that can be asked and told; see the module's docstring."""

    def ask(self) -> Any:
        """Returns ``(batch, dim)`` solutions, or the pair (solutions, wants_gradients)."""

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        """Receives what was asked, with its evaluation as NumPy arrays."""


@runtime_checkable
class HostTask(Protocol):
    """Any object with a spec that evaluates batches; see the module's docstring."""

    spec: TaskSpec

    def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation:
        """Evaluates ``(batch, dim)`` solutions."""


def precision_of(spec: TaskSpec) -> Any:
    """A context in which JAX computes in the precision that the spec names (global settings stay as they are)."""
    return jax.enable_x64(spec.precision == "float64")


def check_solutions(spec: TaskSpec, solutions: Any) -> Any:
    """Returns the solutions as an array in the task's precision (a traced one as it is), or says what is wrong.

    Raises:
        ValueError: If the shape is not ``(batch, dim)``, or a value is NaN, infinite or too large for the precision.
        TypeError: If they are not real numbers.
    """
    name = spec.id or "the task"
    if isinstance(solutions, jax.core.Tracer):
        shape = solutions.shape
    else:
        solutions = np.asarray(solutions)
        shape = solutions.shape
        if solutions.dtype.kind not in "fiu":
            raise TypeError(f"{name}: solutions must be real numbers, but their dtype is {solutions.dtype}")
    if len(shape) != 2 or shape[1] != spec.dim or shape[0] < 1:
        raise ValueError(f"{name}: solutions must have shape (batch, {spec.dim}), but theirs is {tuple(shape)}")
    if not isinstance(solutions, np.ndarray):
        return solutions
    with np.errstate(over="ignore"):
        rounded = solutions.astype(spec.precision)
    if not np.isfinite(rounded).all():
        bad = np.argwhere(~np.isfinite(rounded))
        raise ValueError(
            f"{name}: solutions must be finite {spec.precision} numbers, but {len(bad)} of {rounded.size} values are "
            f"not (the first is {solutions[tuple(bad[0])]} at row {bad[0][0]}, parameter {bad[0][1]})"
        )
    return rounded
