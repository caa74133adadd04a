"""A small task that ranks by precision, and a small evolution strategy for it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from qdbench.protocols import Batch, Evaluation, Optimizer, Task
from qdbench.random import normal
from qdbench.registry import OPTIMIZERS, TASKS
from qdbench.spec import Measure, Start, TaskSpec


class Quadratic(Task):
    """f = |R (x - x_opt)|^2 with two measures; NaN beyond |x_1| = 5 if it is ``fragile``."""

    optimum: Array
    rotation: Array
    spec: TaskSpec = eqx.field(static=True)
    fragile: bool = eqx.field(static=True)

    def _evaluate(self, key: Any, solutions: Array, gradients: bool) -> Evaluation:
        values = jnp.sum(((solutions - self.optimum) @ self.rotation) ** 2, axis=1)
        if self.fragile:
            values = jnp.where(jnp.abs(solutions[:, 0]) > 5, jnp.nan, values)
        return Evaluation(-values, solutions[:, : self.spec.num_measures])


def make(
    id: str = "Quadratic-v0",
    dim: int = 4,
    instance: int = 1,
    function: int = 1,
    measures: bool = True,
    target: float | None = 1e-8,
    precision: str = "float64",
    fragile: bool = False,
) -> Quadratic:
    generator = np.random.default_rng([instance, function])
    spec = TaskSpec(
        id=id,
        arguments={"dim": dim, "instance": instance, "function": function},
        family="quadratic",
        dim=dim,
        measures=tuple(Measure(name=name, low=-5, high=5) for name in "ab") if measures else (),
        archive_shape=(10, 10) if measures else (),
        objective_range=(-100.0, 0.0),
        budget=2000,
        metric="precision",
        f_opt=float(instance),
        target=target,
        precision=precision,
        start=Start(kind="uniform", low=-4.0, high=4.0),
    )
    rotation = np.linalg.qr(generator.standard_normal((dim, dim)))[0] if function != 2 else np.eye(dim)
    optimum = generator.uniform(-2, 2, dim)
    with jax.enable_x64(precision == "float64"):
        return Quadratic(
            spec=spec,
            optimum=jnp.asarray(optimum, precision),
            rotation=jnp.asarray(rotation, precision),
            fragile=fragile,
        )


class Shrinking(Optimizer):
    """A (1, lambda) evolution strategy whose step size shrinks; with eigh if ``decomposes``."""

    sigma: Array
    elite_ratio: Array
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)
    decomposes: bool = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> Any:
        return jnp.zeros(self.spec.dim, self.spec.precision), jnp.asarray(self.sigma), -jnp.inf * self.sigma

    def ask(self, key: Key[Array, ""], state: Any, batch: Batch) -> tuple[Array, Any]:
        mean, sigma, _ = state
        deviates = normal(key, (batch.size, self.spec.dim), self.spec.precision)
        if self.decomposes:
            _, axes = jnp.linalg.eigh(jnp.cov(deviates.T) + jnp.eye(self.spec.dim))
            deviates = deviates @ axes
        return mean + sigma * deviates, state

    def tell(self, key: Key[Array, ""], state: Any, batch: Batch, solutions: Array, evaluation: Evaluation) -> Any:
        mean, sigma, best = state
        place = jnp.argmax(evaluation.objective)
        better = evaluation.objective[place] > best
        mean = jnp.where(better, solutions[place], mean)
        sigma = sigma * jnp.where(better, 1.1, 0.9 + 0.01 * self.elite_ratio)
        return mean, sigma, jnp.maximum(best, evaluation.objective[place])


def make_shrinking(
    spec: TaskSpec,
    sigma: float = 0.5,
    elite_ratio: float = 0.5,
    batch_size: int = 8,
    initial_size: int = 0,
    decomposes: bool = False,
) -> Shrinking:
    return Shrinking(
        sigma=jnp.asarray(sigma, spec.precision),
        elite_ratio=jnp.asarray(elite_ratio, spec.precision),
        id="shrinking-eigh" if decomposes else "shrinking",
        spec=spec.structure(),
        initial=(Batch("initial", initial_size),) if initial_size else (),
        iteration=(Batch("offspring", batch_size),),
        decomposes=bool(decomposes),
    )


def register() -> None:
    """Registers the task and the optimizers; worker processes do not know them."""
    TASKS.register("Quadratic-v0", f"{__name__}:make")
    OPTIMIZERS.register("shrinking", f"{__name__}:make_shrinking", decomposes=False)
    OPTIMIZERS.register("shrinking-eigh", f"{__name__}:make_shrinking", decomposes=True)


def unregister() -> None:
    """Takes them out again: tests of everything that is registered would find them in the same process."""
    del TASKS._entries["Quadratic-v0"], OPTIMIZERS._entries["shrinking"], OPTIMIZERS._entries["shrinking-eigh"]
