"""The rules for optimizers, QDB201 and up. Each is one function of an :class:`OptimizerSubject`."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from qdbench.harness.compiled import sizes
from qdbench.protocols import Batch, Evaluation, HostOptimizer, Optimizer, Task, check_solutions, precision_of
from qdbench.spec import TaskSpec
from qdbench.testing.rule import Violation, rule

_ITERATIONS = 2


class Round(NamedTuple):
    """One call of ask and tell: the solutions, and whether gradients were asked for."""

    solutions: np.ndarray
    gradients: bool


class OptimizerSubject:
    """An optimizer under test, on a task.

    Args:
        name: What messages call it.
        task: The task, a pure one.
        make: Makes the optimizer for a spec, a seed (a pure one ignores it) and hyperparameters by name.
        numbers: The hyperparameters of a pure one that are real numbers, with their defaults.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        make: Callable[..., Optimizer | HostOptimizer],
        numbers: Mapping[str, float] | None = None,
    ) -> None:
        self.name = name
        self.task = task
        self.make = make
        self.numbers = numbers or {}
        self.changed: list[str] = []
        self.errors: list[str] = []
        self.traced: list[Any] = []

    @property
    def spec(self) -> TaskSpec:
        """The task's spec."""
        return self.task.spec

    def fresh(self, seed: int = 0, **hyperparameters: Any) -> Any:
        """A new one."""
        with precision_of(self.spec):
            return self.make(self.spec, seed, **hyperparameters)

    @functools.cached_property
    def pure(self) -> Optimizer | None:
        """The optimizer if it is pure."""
        made = self.fresh()
        return made if isinstance(made, Optimizer) else None

    @functools.cached_property
    def step(self) -> Callable[..., tuple[Any, Any, Any]]:
        """One ask and tell of a pure optimizer, compiled; see :func:`ask_and_tell`."""

        def noted(task: Task, optimizer: Optimizer, keys: Any, state: Any, batch: Batch) -> tuple[Any, Any, Any]:
            # A number that came from Python is compiled once as such and once as the array that it becomes.
            weak = tuple(leaf.weak_type for leaf in jax.tree.leaves(state))
            self.traced.append((batch, describe(state), weak))
            return ask_and_tell(task, optimizer, keys, state, batch)

        return eqx.filter_jit(noted)

    @functools.cached_property
    def start(self) -> Callable[..., Any]:
        """The first state of a pure optimizer, compiled."""
        return eqx.filter_jit(lambda optimizer, key: optimizer.init(key))

    @functools.cached_property
    def shapes(self) -> list[tuple[Batch, Any, Any, Any]]:
        """Each batch of a pure optimizer with its solutions and the states after ask and tell, traced; not run."""
        optimizer, traced = self.pure, list[tuple[Batch, Any, Any, Any]]()
        if optimizer is None:
            return traced
        # What raises ends the list; that it does is found by running it.
        with precision_of(self.spec), contextlib.suppress(Exception):
            keys = jax.random.split(jax.random.key(0))
            state = eqx.filter_eval_shape(optimizer.init, keys[0])
            for batch in optimizer.initial + optimizer.iteration:
                solutions, asked, state = eqx.filter_eval_shape(ask_and_tell, self.task, optimizer, keys, state, batch)
                traced.append((batch, solutions, describe(asked), describe(state)))
        return traced

    @functools.cache  # noqa: B019  (a subject lives as long as its test)
    def rounds(self, seed: int = 0, attempt: int = 0) -> list[Round]:
        """The start and two iterations with a seed, or three rounds of one that is not pure; an error ends them."""
        done: list[Round] = []
        try:
            with precision_of(self.spec):
                made = self.fresh(seed)
                run = self._run_pure if isinstance(made, Optimizer) else self._run_host
                run(made, seed, done)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
        return done

    def _run_pure(self, optimizer: Any, seed: int, done: list[Round]) -> None:
        key = jax.random.key(seed)
        state = self.start(optimizer, key)
        for number, batch in enumerate(optimizer.initial + optimizer.iteration * _ITERATIONS):
            keys = jax.random.split(jax.random.fold_in(key, number))
            solutions, _, state = self.step(self.task, optimizer, keys, state, batch)
            done.append(Round(np.asarray(solutions), batch.gradients))

    def _run_host(self, optimizer: Any, seed: int, done: list[Round]) -> None:
        del seed
        for _ in range(1 + _ITERATIONS):
            asked = optimizer.ask()
            proposed, gradients = asked if isinstance(asked, tuple) else (asked, False)
            done.append(Round(np.array(proposed), bool(gradients)))
            evaluation = self._evaluate(done[-1])
            copies = [None if part is None else part.copy() for part in evaluation]
            optimizer.tell(proposed, evaluation)
            for name, part, copy in zip(Evaluation._fields, evaluation, copies, strict=True):
                if copy is not None and not np.array_equal(part, copy):
                    self.changed.append(f"evaluation.{name}")

    def _evaluate(self, asked: Round) -> Evaluation:
        """What a host optimizer is told; zeros where its solutions break a rule, so that no other rule fails."""
        try:
            solutions = check_solutions(self.spec, asked.solutions)
        except (ValueError, TypeError):
            batch = asked.solutions.shape[0] if asked.solutions.ndim else 1
            return Evaluation(np.zeros(batch), np.zeros((batch, self.spec.num_measures)))
        gradients = asked.gradients and self.spec.differentiable
        result = self.task.evaluate(jax.random.key(0), solutions, gradients=gradients)
        return Evaluation(*(None if part is None else np.array(part) for part in result))


def ask_and_tell(task: Task, optimizer: Optimizer, keys: Any, state: Any, batch: Batch) -> tuple[Any, Any, Any]:
    """One round of a pure optimizer: the solutions, and the states after ask and after tell."""
    solutions, asked = optimizer.ask(keys[0], state, batch)
    gradients = batch.gradients and task.spec.differentiable
    evaluation = task.evaluate(keys[1], solutions, gradients=gradients)
    return solutions, asked, optimizer.tell(keys[1], asked, batch, solutions, evaluation)


def describe(state: Any) -> tuple[Any, tuple[tuple[tuple[int, ...], str], ...]]:
    """A state's structure, and the shapes and types of its arrays."""
    leaves = [jnp.asarray(leaf) if isinstance(leaf, int | float) else leaf for leaf in jax.tree.leaves(state)]
    return jax.tree.structure(state), tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)


@rule("QDB201")
def declares_what_it_is(subject: OptimizerSubject) -> None:
    """It says what it is: its id, the task's structure and its batches.

    A pure optimizer has the id under which it is registered, `spec.structure()` of the task that it was made for, at
    least one batch an iteration, and batches that differ from each other, each with a name. Any other has `ask` and
    `tell`.
    """
    optimizer = subject.pure
    if optimizer is None:
        if not isinstance(subject.fresh(), HostOptimizer):
            raise Violation(f"{subject.fresh()!r}", "an object with ask() and tell(solutions, evaluation)")
        return
    if optimizer.id != subject.name:
        raise Violation(f"the id {optimizer.id!r}", repr(subject.name))
    if optimizer.spec != subject.spec.structure():
        raise Violation("another spec", "spec.structure() of the task's spec")
    batches = optimizer.initial + optimizer.iteration
    if not optimizer.iteration or not all(batch.name for batch in batches) or len(set(batches)) < len(batches):
        raise Violation(f"the batches {batches}", "at least one in an iteration, each with a name, all different")


@rule("QDB202")
def solutions_have_the_shape(subject: OptimizerSubject) -> None:
    """Solutions are real numbers of shape (batch, dim).

    A pure optimizer proposes exactly the declared number of them in the spec's precision, which is seen by tracing it;
    any other as many as it likes, at least one.
    """
    spec = subject.spec
    for batch, solutions, _, _ in subject.shapes:
        found, wanted = (solutions.shape, str(solutions.dtype)), ((batch.size, spec.dim), spec.precision)
        if found != wanted:
            raise Violation(f"{found[0]} of {found[1]} for {batch.name!r}", f"{wanted[0]} of {wanted[1]}")
    for asked in () if subject.pure is not None else subject.rounds():
        # Zeros, as whether the values are finite is another rule's question.
        _check_solutions(spec, np.zeros(asked.solutions.shape, asked.solutions.dtype))


@rule("QDB203")
def state_keeps_its_structure(subject: OptimizerSubject) -> None:
    """The state is a pytree that keeps its structure, and the shapes and types of its arrays.

    Its real numbers are in the spec's precision. `ask` and `tell` are traced, not run. Of pure optimizers only.
    """
    if subject.pure is None:
        return
    with precision_of(subject.spec):
        expected = describe(eqx.filter_eval_shape(subject.pure.init, jax.random.key(0)))
    for batch, _, asked, told in subject.shapes:
        for when, found in (("ask", asked), ("tell", told)):
            if found != expected:
                raise Violation(f"after {when} for {batch.name!r}: {_differences(found, expected)}", "no change")
    floats = {dtype for _, dtype in expected[1] if dtype.startswith("float")} - {subject.spec.precision}
    if floats:
        raise Violation(f"state in {', '.join(sorted(floats))}", subject.spec.precision)


@rule("QDB204", runs=True)
def key_decides(subject: OptimizerSubject) -> None:
    """The same key or seed gives the same solutions, and another one other solutions.

    Unless it has an attribute `deterministic` that is true.
    """
    first, again, other = subject.rounds(0), subject.rounds(0, 1), subject.rounds(1)
    if not all(np.array_equal(a.solutions, b.solutions, True) for a, b in zip(first, again, strict=True)):
        raise Violation("two runs with one seed differ", "the same solutions: draw from the key or the seed alone")
    same = all(np.array_equal(a.solutions, b.solutions, True) for a, b in zip(first, other, strict=True))
    if first and same and not getattr(subject.fresh(), "deterministic", False):
        raise Violation("another seed gives the same solutions", "others, or an attribute deterministic = True")


@rule("QDB205", runs=True)
def inputs_stay(subject: OptimizerSubject) -> None:
    """What it is told is not changed."""
    subject.rounds()
    if subject.changed:
        raise Violation(f"{', '.join(sorted(set(subject.changed)))} changed", "no change: work on a copy")


@rule("QDB206", runs=True)
def ask_before_tell(subject: OptimizerSubject) -> None:
    """It can be asked before it was ever told, and ask and tell in turn do not raise."""
    subject.rounds()
    if subject.errors:
        raise Violation(subject.errors[0], "ask, tell, ask, tell, ... without an error")


@rule("QDB207", runs=True)
def one_compilation_per_batch(subject: OptimizerSubject) -> None:
    """One program serves all keys and iterations, and all that are made alike.

    Static fields are plain data that are equal when they mean the same; arrays are leaves. Of pure optimizers only.
    """
    subject.rounds(0)
    subject.rounds(1)
    # What raises is traced again at every try.
    if not subject.errors and len(set(subject.traced)) < len(subject.traced):
        repeated = len(subject.traced) - len(set(subject.traced))
        raise Violation(f"{repeated} batches compiled again", "none: make static fields equal by value, or leaves")


@rule("QDB208")
def fits_the_budget(subject: OptimizerSubject) -> None:
    """The task's standard budget holds its start and an iteration.

    The harness ends a trial with the last whole iteration that fits the budget, whatever the optimizer asks for.
    """
    if subject.pure is not None:
        needed = sizes(subject.pure.initial)[0] + sizes(subject.pure.iteration)[0]
    else:
        needed = len(subject.rounds()[0].solutions) if subject.rounds() else 0
    if needed > subject.spec.budget:
        raise Violation(f"{needed} evaluations to begin with", f"at most {subject.spec.budget}, the task's budget")


@rule("QDB209")
def gradients_where_there_are(subject: OptimizerSubject) -> None:
    """It asks for gradients of differentiable tasks only.

    An optimizer that needs them raises ValueError when it is made for a task without (`baselines.make` does).
    """
    if subject.spec.differentiable:
        return
    if subject.pure is not None:
        asks = any(batch.gradients for batch in subject.pure.initial + subject.pure.iteration)
    else:
        asks = any(asked.gradients for asked in subject.rounds())
    if asks:
        raise Violation("it asks for gradients", f"none: {subject.spec.id} is not differentiable")


@rule("QDB210", runs=True)
def global_state_stays(subject: OptimizerSubject) -> None:
    """It leaves global state alone: JAX's precision and NumPy's global random numbers.

    Others' trials run in the same process. Draw from `np.random.default_rng(seed)`, not from `np.random`.
    """
    flag, state = jax.config.read("jax_enable_x64"), np.random.get_state()  # noqa: NPY002  (what is tested)
    try:
        subject.rounds(2)
        if jax.config.read("jax_enable_x64") != flag:
            raise Violation("jax_enable_x64 has changed", "precision_of(spec) around the computation")
        now = np.random.get_state()  # noqa: NPY002
        if not all(np.array_equal(a, b) for a, b in zip(state, now, strict=True)):
            raise Violation("NumPy's global random state has changed", "np.random.default_rng(seed)")
    finally:
        jax.config.update("jax_enable_x64", flag)
        np.random.set_state(state)  # noqa: NPY002


@rule("QDB211")
def numbers_are_leaves(subject: OptimizerSubject) -> None:
    """Hyperparameters that are real numbers are leaves in the spec's precision.

    So that a grid of them, or a gradient with respect to them, needs no new program. Of pure optimizers only.
    """
    if subject.pure is None:
        return
    for name, default in subject.numbers.items():
        one, two = (subject.fresh(0, **{name: value}) for value in (default, 2 * default + 1))
        leaves = [jax.tree.leaves(made) for made in (one, two)]
        if describe(one) != describe(two) or all(map(np.array_equal, leaves[0], leaves[1])):
            raise Violation(f"{name} is a static field, or is not used", "a leaf: jnp.asarray(value, spec.precision)")
        floating = [leaf for leaf in leaves[0] if jnp.issubdtype(leaf.dtype, jnp.floating)]
        if types := {str(leaf.dtype) for leaf in floating} - {subject.spec.precision}:
            raise Violation(f"leaves in {', '.join(sorted(types))}", subject.spec.precision)


@rule("QDB212", runs=True)
def solutions_are_finite(subject: OptimizerSubject) -> None:
    """Solutions are finite: nothing is clipped or repaired for an optimizer."""
    for asked in subject.rounds():
        if asked.solutions.shape[1:] == (subject.spec.dim,) and asked.solutions.dtype.kind in "fiu":
            _check_solutions(subject.spec, asked.solutions)


def _check_solutions(spec: TaskSpec, solutions: np.ndarray) -> None:
    try:
        check_solutions(spec, solutions)
    except (ValueError, TypeError) as error:
        raise Violation(str(error), f"finite real numbers of shape (batch, {spec.dim})") from None


def _differences(found: Any, expected: Any) -> str:
    if found[0] != expected[0]:
        return f"the structure is {found[0]}, and was {expected[0]}"
    pairs = zip(found[1], expected[1], strict=True)
    return "; ".join(f"{shape} of {dtype} was {was}" for (shape, dtype), was in pairs if (shape, dtype) != was)
