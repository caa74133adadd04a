"""The rules for tasks, QDB101 and up. Each is one function of a :class:`TaskSubject`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from qdbench.protocols import Evaluation, HostTask, Task, precision_of
from qdbench.spec import TaskSpec
from qdbench.testing.rule import Violation, rule

_BATCH = 5
# Relative to the larger of the two numbers and 1, in either precision.
_NEAR = 1e-4
_STEPS = {"float32": 10.0 ** -np.arange(1, 5), "float64": 10.0 ** -np.arange(3, 13)}


class TaskSubject:
    """A task under test.

    Args:
        name: What messages call it.
        task: The task.
        remake: Makes a task of the same kind with other arguments; None where there is only the object.
    """

    def __init__(self, name: str, task: Task | HostTask, remake: Callable[..., Task | HostTask] | None = None) -> None:
        self.name = name
        self.task = task
        self.remake = remake
        self.changes_settings = False

    @property
    def spec(self) -> TaskSpec:
        """The task's spec."""
        return self.task.spec

    def solutions(self, batch: int = _BATCH) -> np.ndarray:
        """Random solutions within the bounds, or without bounds in [-3, 3], in the task's precision."""
        low, high = self.spec.solution_bounds or (-3, 3)
        return np.random.default_rng(0).uniform(low, high, (batch, self.spec.dim)).astype(self.spec.precision)

    def evaluate(self, solutions: Any = None, gradients: bool = False, seed: int | None = 0) -> Evaluation:
        """Evaluates, with the key of a seed or without one; the parts are NumPy arrays, or None."""
        key = None if seed is None else jax.random.key(seed)
        given = self.solutions() if solutions is None else solutions
        before = jax.config.read("jax_enable_x64")
        try:
            result = self.task.evaluate(key, given, gradients=gradients)
        finally:
            # Put back, so that one rule alone fails.
            if jax.config.read("jax_enable_x64") != before:
                self.changes_settings = True
                jax.config.update("jax_enable_x64", before)
        return Evaluation(*(None if part is None else np.asarray(part) for part in result))

    @functools.cached_property
    def plain(self) -> Evaluation:
        """The random solutions' evaluation."""
        return self.evaluate()

    def values(self, solutions: np.ndarray) -> np.ndarray:
        """The objective and the measures side by side, ``(batch, 1 + k)`` in float64; compiled where that can be."""
        if isinstance(self.task, Task):
            with precision_of(self.spec):
                result = self.compiled(self.task, jax.random.key(0), solutions)
        else:
            result = self.evaluate(solutions)
        return np.column_stack([result.objective, result.measures]).astype(float)

    @functools.cached_property
    def compiled(self) -> Callable[..., Evaluation]:
        """The task's compiled function of the task, a key and solutions."""
        return jax.jit(lambda task, key, solutions: task.evaluate(key, solutions))


@rule("QDB101")
def spec_survives_json(subject: TaskSubject) -> None:
    """The spec survives JSON, and its arguments make the same task again.

    Results are stored with the spec as JSON. A registered task's spec has the id that it is registered under, and every
    argument that it was made with: `qdbench.make(spec.id, **spec.arguments)` has the same spec.
    """
    spec = subject.spec
    again = TaskSpec.model_validate_json(spec.model_dump_json())
    if again != spec:
        raise Violation(f"after JSON the spec is {again}", f"{spec}")
    if subject.remake is not None:
        remade = subject.remake(**spec.arguments).spec
        if remade != spec:
            raise Violation(f"spec.arguments {spec.arguments} make {remade}", f"the same spec, {spec}")


@rule("QDB102")
def shapes_and_types(subject: TaskSubject) -> None:
    """Evaluations have the declared shapes and the spec's precision.

    For solutions `(batch, dim)` the objective is `(batch,)` and the measures are `(batch, k)`, `k` being
    `len(spec.measures)` (an array `(batch, 0)` if there are none), in `spec.precision`. The gradients are None unless
    they were asked for.
    """
    spec = subject.spec
    for batch in (1, _BATCH):
        result = subject.plain if batch == _BATCH else subject.evaluate(subject.solutions(1))
        wanted = {"objective": (batch,), "measures": (batch, spec.num_measures)}
        for name, shape in wanted.items():
            part = getattr(result, name)
            if part.shape != shape or part.dtype != spec.precision:
                raise Violation(f"{name} {part.shape} of {part.dtype}", f"{shape} of {spec.precision}")
        if result.objective_gradient is not None or result.measures_jacobian is not None:
            raise Violation("gradients that were not asked for", "None")


@rule("QDB103")
def finite_values(subject: TaskSubject) -> None:
    """Objectives and measures are finite.

    A solution that fails (a simulation that diverges, say) has a finite, bad objective: one that is not finite ends a
    trial.
    """
    for name in ("objective", "measures"):
        part = getattr(subject.plain, name)
        if bad := int((~np.isfinite(part)).sum()):
            raise Violation(f"{bad} of {part.size} values of the {name} are not finite", "finite numbers")


@rule("QDB104")
def key_decides(subject: TaskSubject) -> None:
    """The same key gives the same evaluation, and another key another one unless the task is deterministic.

    A task with `spec.deterministic` ignores its key and takes None for it; any other one needs a key, and says so.
    """
    again = subject.evaluate()
    if not _same(subject.plain, again):
        raise Violation("two evaluations with one key differ", "the same numbers: draw from the key alone")
    same = _same(subject.plain, subject.evaluate(seed=9))
    if subject.spec.deterministic:
        if not same or not _same(subject.plain, subject.evaluate(seed=None)):
            raise Violation("the evaluation depends on the key", "spec.deterministic=False, or no use of the key")
        return
    if same:
        raise Violation("another key gives the same numbers", "other numbers, or spec.deterministic=True")
    if isinstance(subject.task, Task):
        _expect(ValueError, "an evaluation without a key", lambda: subject.evaluate(seed=None))


@rule("QDB105")
def rows_are_independent(subject: TaskSubject) -> None:
    """A solution's evaluation does not depend on the solutions beside it.

    Checked for deterministic tasks, to rounding: batch sizes are the optimizer's choice.
    """
    if not subject.spec.deterministic:
        return
    rows = [subject.evaluate(row[None]) for row in subject.solutions()]
    for name in ("objective", "measures"):
        alone = np.concatenate([getattr(row, name) for row in rows])
        _check_near(f"{name} of solutions evaluated alone", alone, getattr(subject.plain, name))


@rule("QDB106")
def inputs_stay(subject: TaskSubject) -> None:
    """What is handed in is not changed."""
    solutions = subject.solutions()
    subject.evaluate(solutions)
    if not np.array_equal(solutions, subject.solutions()):
        raise Violation("evaluate() has written to the solutions", "solutions as they were: work on a copy")


@rule("QDB107")
def gradients_are_derivatives(subject: TaskSubject) -> None:
    """Gradients agree with finite differences, and come with the same values.

    The objective's gradient is `(batch, dim)` and the measures' Jacobian `(batch, k, dim)`, in the spec's precision.
    Along a random direction they agree with central differences, to 3 % (float32) or 1 % (float64), at the best of
    several step sizes. A task with `spec.differentiable=False` raises ValueError when it is asked for them.
    """
    spec = subject.spec
    if not spec.differentiable:
        if isinstance(subject.task, Task):
            _expect(ValueError, "gradients of a task without", lambda: subject.evaluate(gradients=True))
        return
    solutions = subject.solutions()
    result = subject.evaluate(gradients=True)
    for name in ("objective", "measures"):
        _check_near(f"{name} with gradients", getattr(result, name), getattr(subject.plain, name))
    shapes = {"objective_gradient": solutions.shape, "measures_jacobian": (_BATCH, spec.num_measures, spec.dim)}
    for name, shape in shapes.items():
        part = getattr(result, name)
        if part is None or part.shape != shape or part.dtype != spec.precision:
            raise Violation(f"{name} {None if part is None else (part.shape, str(part.dtype))}", f"{shape}")
    direction = np.random.default_rng(1).normal(size=spec.dim)
    direction /= np.linalg.norm(direction)
    slopes = np.concatenate([result.objective_gradient[:, None], result.measures_jacobian], axis=1) @ direction
    differences = np.array([_central(subject, solutions, step * direction) for step in _STEPS[spec.precision]])
    scale = np.maximum(np.abs(slopes), 1e-3 * np.maximum(1, np.abs(slopes).max()))
    errors = np.nanmin(np.abs(differences - slopes) / scale, axis=0)
    row, part_index = np.unravel_index(errors.argmax(), errors.shape)
    if errors.max() > (0.03 if spec.precision == "float32" else 0.01):
        part_name = "objective" if part_index == 0 else f"measure {part_index - 1}"
        near = differences[np.abs(differences[:, row, part_index] - slopes[row, part_index]).argmin(), row, part_index]
        raise Violation(
            f"a slope of the {part_name} of {slopes[row, part_index]:.6g}", f"about {near:.6g}, by finite differences"
        )


@rule("QDB108")
def measures_stay_in_bounds(subject: TaskSubject) -> None:
    """Measures stay in their declared intervals, or are declared unbounded.

    For solutions within `spec.solution_bounds`, or samples of the start distribution where there are none. A measure
    that may leave its interval, so that the archive's edge cells collect what is beyond, is declared with
    `Measure(..., bounded=False)`.
    """
    spec = subject.spec
    if spec.solution_bounds is None:
        given = spec.start.mean + spec.start.scale * np.random.default_rng(0).normal(size=(_BATCH, spec.dim))
        measures = subject.evaluate(given.astype(spec.precision)).measures
    else:
        measures = subject.plain.measures
    for column, measure in zip(measures.T, spec.measures, strict=True):
        margin = _NEAR * (measure.high - measure.low)
        if measure.bounded and (column.min() < measure.low - margin or column.max() > measure.high + margin):
            raise Violation(
                f"{measure.name!r} from {column.min():.6g} to {column.max():.6g}",
                f"[{measure.low:g}, {measure.high:g}], or bounded=False",
            )


@rule("QDB109")
def solutions_are_checked(subject: TaskSubject) -> None:
    """Real numbers of any type are accepted, and anything else is refused by name.

    Wrong shapes and values that are not finite raise ValueError, what is not a real number TypeError. Of tasks that
    are subclasses of `Task` only, which inherit it; the harness checks for all others.
    """
    if not isinstance(subject.task, Task):
        return
    spec = subject.spec
    low, high = spec.solution_bounds or (-3, 3)
    whole = np.full((_BATCH, spec.dim), int(np.clip(1, np.ceil(low), np.floor(high))))
    expected = subject.evaluate(whole.astype(spec.precision)).objective
    for form in (whole.astype(np.int8), whole.astype(np.float16), whole.astype(np.float64), whole.tolist()):
        if not np.array_equal(subject.evaluate(form).objective, expected, equal_nan=True):
            raise Violation(f"other values for solutions as {getattr(form, 'dtype', 'lists')}", "the same values")
    wrong = {
        "a solution without a batch": np.zeros(spec.dim),
        "a batch of no solutions": np.zeros((0, spec.dim)),
        "a parameter too many": np.zeros((1, spec.dim + 1)),
        "NaN": np.full((2, spec.dim), np.nan),
        "infinity": np.full((2, spec.dim), np.inf),
    }
    for name, solutions in wrong.items():
        _expect(ValueError, name, functools.partial(subject.evaluate, solutions))
    for dtype in (complex, str, object, bool):
        solutions = np.zeros((2, spec.dim)).astype(dtype)
        _expect(TypeError, f"dtype {solutions.dtype}", functools.partial(subject.evaluate, solutions))


@rule("QDB110")
def precision_is_scoped(subject: TaskSubject) -> None:
    """JAX's global precision stays as it is.

    `jax_enable_x64` is the user's. A task in float64 computes within `precision_of(spec)`, as `Task.evaluate` does.
    """
    subject.evaluate()
    if subject.changes_settings:
        raise Violation("jax_enable_x64 has changed", "precision_of(spec) around the computation")


@rule("QDB111", runs=True)
def one_compilation_per_shape(subject: TaskSubject) -> None:
    """One program serves all keys, solutions and remade tasks of the same shape.

    Static fields of the module are plain data that are equal when they mean the same; arrays are leaves. Of pure tasks
    only.
    """
    if not isinstance(subject.task, Task):
        return
    tasks: list[Any] = [subject.task]
    if subject.remake is not None and (remade := subject.remake(**subject.spec.arguments)).spec == subject.spec:
        tasks.append(remade)
    with precision_of(subject.spec):
        for seed, task in enumerate(tasks * 2):
            subject.compiled(task, jax.random.key(seed), subject.solutions())
    programs = subject.compiled._cache_size()  # type: ignore[attr-defined]
    if programs > 1:
        raise Violation(f"{programs} programs for one shape", "one: make static fields equal by value, or leaves")


@rule("QDB112", runs=True)
def jit_and_vmap_agree(subject: TaskSubject) -> None:
    """Under `jax.jit`, also of `jax.vmap`, the values are the same to rounding.

    Of pure tasks only.
    """
    if not isinstance(subject.task, Task):
        return
    key, solutions = jax.random.key(0), subject.solutions()
    with precision_of(subject.spec):
        jitted = subject.compiled(subject.task, key, solutions)
        stacked = jax.jit(jax.vmap(lambda rows: subject.task.evaluate(key, rows)))(solutions[None])
    for name in ("objective", "measures"):
        _check_near(f"{name} under jit", np.asarray(getattr(jitted, name)), getattr(subject.plain, name))
        _check_near(f"{name} under vmap", np.asarray(getattr(stacked, name))[0], getattr(subject.plain, name))


def _central(subject: TaskSubject, solutions: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Slopes of the objective and the measures along a step, ``(batch, 1 + k)``, by central differences."""
    above, below = (solutions + sign * step for sign in (1, -1))
    # The steps that are taken, which in floating point are not those that were meant.
    above, below = above.astype(solutions.dtype), below.astype(solutions.dtype)
    length = (above.astype(float) - below.astype(float)) @ step / np.linalg.norm(step)
    return (subject.values(above) - subject.values(below)) / length[:, None]


def _same(one: Evaluation, other: Evaluation) -> bool:
    pairs = ((one.objective, other.objective), (one.measures, other.measures))
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def _check_near(name: str, found: np.ndarray, wanted: np.ndarray) -> None:
    if found.shape == wanted.shape:
        scale = np.nan_to_num(np.maximum(1, np.maximum(np.abs(found), np.abs(wanted))), nan=1)
        near = np.isclose(found, wanted, 0, _NEAR * scale, equal_nan=True).all()
    if found.shape != wanted.shape or not near:
        raise Violation(f"{name}: {found.ravel()[:5]}", f"{wanted.ravel()[:5]}")


def _expect(kind: type[Exception], what: str, call: Callable[[], Any]) -> None:
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise Violation(f"{type(error).__name__} for {what}", kind.__name__) from None
    raise Violation(f"no error for {what}", kind.__name__)
