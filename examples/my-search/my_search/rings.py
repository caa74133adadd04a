"""A task in JAX: the objective oscillates with the distance to the origin, the measures are a solution's place."""

import equinox as eqx
import jax
import jax.numpy as jnp

import qdbench


class Rings(qdbench.Task):
    r"""Rings around the origin: :math:`f(x) = \cos(2 \pi |x|^2 / n) - |x|^2 / n`, which is 1 at the origin.

    Shapes: solutions ``(batch, n)``, objective ``(batch,)``, measures ``(batch, 2)``: the first two parameters, in
    [-2, 2] as all parameters are.

    Version history: v0.
    """

    spec: qdbench.TaskSpec = eqx.field(static=True)

    def _evaluate(self, key, solutions, gradients):
        def objective(solution):
            square = (solution**2).sum() / self.spec.dim
            return jnp.cos(2 * jnp.pi * square) - square

        if not gradients:
            return qdbench.Evaluation(jax.vmap(objective)(solutions), solutions[:, :2])
        values, gradient = jax.vmap(jax.value_and_grad(objective))(solutions)
        jacobian = jnp.broadcast_to(jnp.eye(2, self.spec.dim, dtype=values.dtype), (len(values), 2, self.spec.dim))
        return qdbench.Evaluation(values, solutions[:, :2], gradient, jacobian)


def make(id, dim=10):
    """Makes the task: qdbench calls it with the id and with the arguments of qdbench.make."""
    return Rings(
        spec=qdbench.TaskSpec(
            id=id,
            arguments={"dim": dim},
            family="my-rings",
            summary=f"rings in {dim} dimensions",
            dim=dim,
            measures=(qdbench.Measure(name="x1", low=-2, high=2), qdbench.Measure(name="x2", low=-2, high=2)),
            archive_shape=(20, 20),
            objective_range=(-5, 1),
            budget=10_000,
            differentiable=True,
            solution_bounds=(-2, 2),
            start=qdbench.Start(kind="uniform", low=-2, high=2),
        )
    )
