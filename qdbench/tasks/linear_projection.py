"""Linear projection with a sphere or Rastrigin objective (Fontaine et al. 2020; Fontaine & Nikolaidis 2021)."""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from qdbench.arguments import check_dim, check_precision
from qdbench.numerics import row_sum, sincos_turns
from qdbench.protocols import Evaluation, Task
from qdbench.spec import Measure, TaskSpec

_BOUND = 5.12
_SHIFT = 0.4 * _BOUND


class LinearProjection(Task):
    r"""The linear projection task with n parameters :math:`\theta \in R^n`, unbounded.

    With the shift s = 2.048, d = theta - s, and F the sphere or Rastrigin function of d,

    .. math::
        F_{sphere} = \sum d_i^2, \qquad F_{Rastrigin} = 10 n + \sum (d_i^2 - 10 \cos 2 \pi d_i), \qquad
        f = 100 (1 - F / F(-5.12 \cdot 1)),

    so 100 is the optimum (theta = 2.048) and 0 the corner -5.12; f is not clipped and is negative farther out.
    Each coordinate contributes ``c(x) = x`` inside [-5.12, 5.12] and ``5.12 / x`` outside; the measures are the sums
    of the contributions over the first n // 2 coordinates and over the rest, in [-5.12 n/2, 5.12 n/2] (for an odd n
    the second interval is 5.12 wider on each side). Cells: 100 x 100.

    Gradients are those of f and of the measures. (The authors' code hands out the gradient of -F; theirs is
    ``F(-5.12 . 1) / 100`` times ours, which matters only to algorithms that do not normalise.)

    Shapes: solutions ``(batch, n)``, objective ``(batch,)``, measures ``(batch, 2)``.

    Source: fontaine2021dqd, section 5; fontaine2020cmame.

    Version history: v0, the definition of the authors' published code; float32 by default (they use float64, which
    is an argument here).
    """

    function: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)

    def _evaluate(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"], gradients: bool) -> Evaluation:
        del key
        offset = solutions - _SHIFT
        outside = jnp.abs(solutions) > _BOUND
        # The divisor is 1 where the quotient is not used: a zero there would make autodiff's result NaN.
        reciprocal = _BOUND / jnp.where(outside, solutions, 1)
        contribution = jnp.where(outside, reciprocal, solutions)
        half = self.spec.dim // 2
        measures = jnp.stack([row_sum(contribution[:, :half]), row_sum(contribution[:, half:])], axis=1)
        raw, raw_gradient = self._raw(offset)
        scale = 100 / worst(self.function, self.spec.dim)
        objective = 100 - scale * raw
        if not gradients:
            return Evaluation(objective, measures)
        slope = jnp.where(outside, -reciprocal * reciprocal / _BOUND, 1)
        first = jnp.arange(self.spec.dim) < half
        jacobian = jnp.stack([jnp.where(first, slope, 0), jnp.where(first, 0, slope)], axis=1)
        return Evaluation(objective, measures, -scale * raw_gradient, jacobian)

    def _raw(self, offset: Float[Array, "batch n"]) -> tuple[Float[Array, " batch"], Float[Array, "batch n"]]:
        """F and its gradient; the compiler drops the gradient where it is not used."""
        if self.function == "sphere":
            return row_sum(offset * offset), 2 * offset
        sine, cosine = sincos_turns(offset)
        raw = row_sum(offset * offset + 10 * (1 - cosine))
        return raw, 2 * offset + (20 * math.pi) * sine


def worst(function: str, dim: int) -> float:
    """F at the corner where every parameter is -5.12: the reference value at which the objective is 0."""
    offset = -_BOUND - _SHIFT
    per_coordinate = offset * offset
    if function == "rastrigin":
        per_coordinate += 10 - 10 * math.cos(2 * math.pi * offset)
    return dim * per_coordinate


def make(id: str, function: str, dim: int = 1000, precision: str = "float32") -> LinearProjection:
    """Makes the task.

    Args:
        id: The registered id.
        function: ``"sphere"`` or ``"rastrigin"``.
        dim: Number of parameters, at least 2.
        precision: ``"float32"`` or ``"float64"``.

    Raises:
        ValueError: If an argument has another value.
    """
    dim = check_dim(id, dim, low=2)
    half = dim // 2
    spec = TaskSpec(
        id=id,
        arguments={"dim": dim, "precision": check_precision(id, precision)},
        family="linear-projection-" + function,
        summary=f"Linear projection, {function.capitalize()}, {dim} parameters",
        dim=dim,
        measures=(
            Measure(name="sum of the first half", low=-half * _BOUND, high=half * _BOUND),
            Measure(name="sum of the second half", low=-(dim - half) * _BOUND, high=(dim - half) * _BOUND),
        ),
        archive_shape=(100, 100),
        objective_range=(0.0, 100.0),
        budget=360_100,
        precision=check_precision(id, precision),
        differentiable=True,
        citations=("fontaine2021dqd", "fontaine2020cmame"),
    )
    return LinearProjection(function=function, spec=spec)
