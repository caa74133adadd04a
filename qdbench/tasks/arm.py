"""Arm repertoire: inverse kinematics of a planar arm (Cully et al. 2015; Fontaine & Nikolaidis 2021)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from qdbench.arguments import check_dim, check_precision
from qdbench.numerics import row_cumsum, row_sum, sincos
from qdbench.protocols import Evaluation, Task
from qdbench.spec import Measure, TaskSpec


class Arm(Task):
    r"""A planar arm of n joints with links of length 1; theta are the relative joint angles in radians, unbounded.

    The objective is ``f = 100 (1 - Var(theta))`` with the population variance (unbounded below). The measures are the
    end effector's position, with the absolute angles :math:`\phi_i = \theta_1 + \dots + \theta_i`:

    .. math:: x = \sum_i \cos \phi_i, \qquad y = \sum_i \sin \phi_i, \qquad (x, y) \in [-n, n]^2.

    Cells: 100 x 100. The disc of radius n meets 8024 of the 10,000 cells for n = 1000, so 80.24 bounds the QD-score
    and the coverage.

    Gradients: :math:`\partial f / \partial \theta_i = -200 (\theta_i - \bar\theta) / n` (100 times what the authors'
    code hands out, which is the gradient of -Var),
    :math:`\partial x / \partial \theta_i = -\sum_{j \ge i} \sin \phi_j` and
    :math:`\partial y / \partial \theta_i = \sum_{j \ge i} \cos \phi_j`.

    Shapes: solutions ``(batch, n)``, objective ``(batch,)``, measures ``(batch, 2)``.

    Source: fontaine2021dqd, section 5; cully2015animals.

    Version history: v0, the definition of the authors' published code; float32 by default (they use float64, which
    is an argument here).
    """

    spec: TaskSpec = eqx.field(static=True)

    def _evaluate(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"], gradients: bool) -> Evaluation:
        del key
        n = self.spec.dim
        mean = row_sum(solutions)[:, None] / n
        deviation = solutions - mean
        objective = 100 - (100 / n) * row_sum(deviation * deviation)
        sine, cosine = sincos(row_cumsum(solutions))
        measures = jnp.stack([row_sum(cosine), row_sum(sine)], axis=1)
        if not gradients:
            return Evaluation(objective, measures)
        jacobian = jnp.stack([-_sum_from(sine), _sum_from(cosine)], axis=1)
        return Evaluation(objective, measures, (-200 / n) * deviation, jacobian)


def _sum_from(values: Float[Array, "batch n"]) -> Float[Array, "batch n"]:
    """The sum from each position to the end."""
    # Reversing the rows around a running sum would say the same, at the cost of two slow passes.
    return row_sum(values)[:, None] - row_cumsum(values) + values


def make(id: str, dim: int = 1000, precision: str = "float32") -> Arm:
    """Makes the task.

    Args:
        id: The registered id.
        dim: Number of joints, at least 1.
        precision: ``"float32"`` or ``"float64"``.

    Raises:
        ValueError: If an argument has another value.
    """
    dim = check_dim(id, dim)
    reach = float(dim)
    spec = TaskSpec(
        id=id,
        arguments={"dim": dim, "precision": check_precision(id, precision)},
        family="arm",
        summary=f"Arm repertoire, {dim} joints",
        dim=dim,
        measures=(
            Measure(name="end effector x", low=-reach, high=reach, unit="link lengths"),
            Measure(name="end effector y", low=-reach, high=reach, unit="link lengths"),
        ),
        archive_shape=(100, 100),
        objective_range=(0.0, 100.0),
        budget=360_100,
        precision=check_precision(id, precision),
        differentiable=True,
        citations=("fontaine2021dqd", "cully2015animals"),
    )
    return Arm(spec=spec)
