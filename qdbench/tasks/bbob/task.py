"""BBOB, the 24 noiseless functions of the Black-Box Optimization Benchmarking workshop (Hansen et al. 2009)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from qdbench.arguments import check_integer, check_precision
from qdbench.protocols import Evaluation, Task, precision_of
from qdbench.spec import JsonScalar, Measure, Start, TaskSpec
from qdbench.tasks.bbob import generators
from qdbench.tasks.bbob.definition import Arrays, Function
from qdbench.tasks.bbob.functions import FUNCTIONS
from qdbench.tasks.bbob.names import NAMES
from qdbench.tasks.bbob.transforms import penalty

BOUND = 5.0
_CELLS = 50
_TARGET = 1e-8
# The power of ten nearest to the median of f - f_opt over the domain in 20 dimensions, where the QD-score starts.
_TYPICAL = dict(
    enumerate(10.0 ** np.array([2, 7, 3, 4, 3, 6, 3, 6, 6, 7, 7, 9, 4, 2, 3, 2, 2, 2, 2, 5, 2, 2, 1, 3]), 1)
)


class Bbob(Task):
    r"""One of COCO's functions f with its instance; the objective is :math:`-(f(x) - f_{opt})`.

    The functions are those of the report, built from ``x_opt``, rotations and, for Gallagher's, peaks, which COCO's
    generators make of the function's and the instance's number; values agree with coco-experiment 2.8.2 to a relative
    difference of 1e-9. All that depends on the instance is an array leaf: instances of a function and a dimension share
    one program, and a stack of them is ``vmap``ped.

    The domain is ``[-5, 5]^n``. Solutions outside are evaluated too: the functions are defined there, and f4, f7,
    f16 to f18 and f20 to f24 add a penalty. A value that overflows counts as the largest finite number.

    The measures, for QD optimizers, are the first two parameters on ``[-5, 5]^2``, with 50 x 50 cells
    (``measures=False``: none). The field ranks by the precision f - f_opt, and counts a function as solved at 1e-8.

    Gradients are exact where the functions are differentiable. Elsewhere they are one-sided or zero, on the
    plateaus of f7 they are those of its small slope, and where a value overflows they are zero.

    Precision: float64. float32 is there for accelerators. In 20 dimensions, relative to the value or 1, f - f_opt then
    differs by up to 5e-5; by 1e-4 for f11, 5e-4 for f16 and f23, 1e-2 for f7 (where rounding moves a solution over the
    edge of a step) and 1e-1 for f19 (the cosine of a large number). Precisions below about 1e-6 are out of reach.

    Shapes: solutions ``(batch, n)``, objective ``(batch,)``, measures ``(batch, 2)``.

    Source: hansen2009bbob; hansen2021coco.

    Version history: v0, COCO's instances (bbob, coco-experiment 2.8.2).
    """

    spec: TaskSpec = eqx.field(static=True)
    function: int = eqx.field(static=True)
    f_opt: Float[Array, ""]
    arrays: Arrays

    def _evaluate(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"], gradients: bool) -> Evaluation:
        del key
        measures = solutions[:, : self.spec.num_measures]
        if not gradients:
            return Evaluation(-self.regret(solutions), measures)
        regret, pull_back = jax.vjp(self.regret, solutions)
        (gradient,) = pull_back(jnp.ones_like(regret))
        gradient = jnp.where(jnp.isfinite(gradient), gradient, 0)
        jacobian = jnp.broadcast_to(
            jnp.eye(self.spec.num_measures, self.spec.dim, dtype=solutions.dtype),
            (*measures.shape, self.spec.dim),
        )
        return Evaluation(-regret, measures, -gradient, jacobian)

    def regret(self, solutions: Float[Array, "batch n"]) -> Float[Array, " batch"]:
        """``f - f_opt``, at least 0 up to rounding."""
        function = FUNCTIONS[self.function]
        value = function.regret(self.arrays, solutions)
        if function.penalty:
            value = value + function.penalty * penalty(solutions)
        return finite(value)


def finite(value: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """The values with the largest finite number in place of what overflowed."""
    largest = float(np.finfo(value.dtype).max)
    # False for NaN, the difference of two infinities.
    return jnp.where(value < largest, value, largest)


def make(
    id: str, function: int = 1, dim: int = 20, instance: int = 1, precision: str = "float64", measures: bool = True
) -> Bbob:
    """Makes the task.

    Args:
        id: The registered id.
        function: 1 to 24.
        dim: Number of parameters, at least 2.
        instance: COCO's number of the instance, at least 1.
        precision: ``"float32"`` or ``"float64"``.
        measures: Whether the task has measures.

    Raises:
        ValueError: If an argument has another value.
    """
    function = check_integer(id, "function", function, 1, len(FUNCTIONS))
    return _make(id, function, dim, instance, precision, measures, {"function": function})


def make_one(
    id: str, function: int, dim: int = 20, instance: int = 1, precision: str = "float64", measures: bool = True
) -> Bbob:
    """Makes a task whose function its id names; see :func:`make`."""
    return _make(id, function, dim, instance, precision, measures, {})


def _make(
    id: str,
    number: int,
    dim: Any,
    instance: Any,
    precision: Any,
    measures: Any,
    named: dict[str, JsonScalar],
) -> Bbob:
    fields = assemble(id, FUNCTIONS[number], NAMES[number - 1], dim, instance, precision, measures, named)
    return Bbob(function=number, **fields)


def assemble(
    id: str,
    function: Function,
    name: str,
    dim: Any,
    instance: Any,
    precision: Any,
    measures: Any,
    named: dict[str, JsonScalar],
    **changes: Any,
) -> dict[str, Any]:
    """The spec, with the changes, and the leaves of a task: the fields that all BBOB tasks have.

    Raises:
        ValueError: If an argument has a value that no BBOB task takes.
    """
    dim = check_integer(id, "dim", dim, 2)
    instance = check_integer(id, "instance", instance, 1)
    f_opt = generators.optimal_value(function.number, instance)
    spec = _describe(id, name, function.number, dim, instance, precision, measures, named, f_opt)
    arrays = function.arrays(dim, generators.seed_of(function.number, instance))
    with precision_of(spec):
        return {
            "spec": spec.model_copy(update=changes),
            "f_opt": jnp.asarray(f_opt, spec.precision),
            "arrays": {key: jnp.asarray(np.asarray(array, spec.precision)) for key, array in arrays.items()},
        }


def _describe(
    id: str,
    name: str,
    number: int,
    dim: int,
    instance: int,
    precision: Any,
    measures: Any,
    named: dict[str, JsonScalar],
    f_opt: float,
) -> TaskSpec:
    if not isinstance(measures, bool):
        raise ValueError(f"{id}: measures must be True or False, but it is {measures!r}")
    precision = check_precision(id, precision)
    worst = -float(_TYPICAL[number])
    return TaskSpec(
        id=id,
        arguments={**named, "dim": dim, "instance": instance, "precision": precision, "measures": measures},
        family="bbob",
        summary=f"BBOB {name}, {dim} parameters, instance {instance}",
        dim=dim,
        measures=tuple(Measure(name=f"x{i}", low=-BOUND, high=BOUND) for i in (1, 2)) if measures else (),
        archive_shape=(_CELLS, _CELLS) if measures else (),
        objective_range=(worst, 0.0),
        qd_score_offset=worst,
        budget=10_000 * dim,
        metric="precision",
        f_opt=f_opt,
        target=_TARGET,
        precision=precision,
        differentiable=True,
        solution_bounds=(-BOUND, BOUND),
        start=Start(kind="uniform", low=-BOUND, high=BOUND),
        citations=("hansen2009bbob", "hansen2021coco"),
    )
