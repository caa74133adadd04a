"""A small optimizer that compiles fast, and configurations and draws for the tests of meta-evolution."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from qdbench.leaves import named_leaves
from qdbench.metabbo import distribution
from qdbench.metabbo.config import MetaConfig, TaskFamily
from qdbench.metabbo.loops import Loops, devices_mesh
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal
from qdbench.spec import TaskSpec

ROOT = Path(__file__).resolve().parents[2]
CLIMBER = "tests.metabbo.tiny:make"
LGA = "baselines.learned_ga.lga:make_zero"
PLAIN = {"precision": "float32", "measures": False, "dim": 2}
SPHERE = {"id": "BBOB-F01-v0", "arguments": PLAIN, "pool": {"instance": "1-3"}}
ROSENBROCK = {"id": "BBOB-F08-v0", "arguments": PLAIN, "pool": {"instance": [4, 5]}}


class Climber(Optimizer):
    """Samples around the best solution so far; the first samples are around ``(start, ..., start)``.

    It has no initial population, and an array of integers, which nobody can evolve.
    """

    sigma: Float[Array, ""]
    start: Float[Array, ""]
    steps: Array
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> tuple[Array, Array]:
        return jnp.full(self.spec.dim, self.start), jnp.asarray(-jnp.inf, self.spec.precision)

    def ask(self, key: Key[Array, ""], state: tuple[Array, Array], batch: Batch) -> tuple[Array, tuple[Array, Array]]:
        return state[0] + self.sigma * normal(key, (batch.size, self.spec.dim), self.spec.precision), state

    def tell(
        self, key: Key[Array, ""], state: tuple[Array, Array], batch: Batch, solutions: Array, evaluation: Evaluation
    ) -> tuple[Array, Array]:
        place = evaluation.objective.argmax()
        better = evaluation.objective[place] > state[1]
        return jnp.where(better, solutions[place], state[0]), jnp.where(better, evaluation.objective[place], state[1])


def make(spec: TaskSpec, sigma: float = 0.5, start: float = 3.0, batch_size: int = 4) -> Climber:
    return Climber(
        sigma=jnp.asarray(sigma, spec.precision),
        start=jnp.asarray(start, spec.precision),
        steps=jnp.zeros((), jnp.int32),
        id="climber",
        spec=spec.structure(),
        initial=(),
        iteration=(Batch("samples", batch_size),),
    )


def make_none(spec: TaskSpec) -> str:
    """A factory of something else."""
    return spec.id


def settings(**changes: Any) -> dict[str, Any]:
    """A tiny configuration of the climber, as plain data."""
    return {
        "optimizer": CLIMBER,
        "evolve": ["sigma"],
        "draw": {"start": [1.0, 4.0]},
        "tasks": [SPHERE],
        "generations": 3,
        "members": 4,
        "tasks_per_generation": 3,
        "meta_generations": 6,
        "learning_rate": {"first": 0.1},
        "checkpoint_every": 1,
        **changes,
    }


def config(**changes: Any) -> MetaConfig:
    return MetaConfig.model_validate(settings(**changes))


EVALUATION = {
    "every": 2,
    "repetitions": 2,
    "generations": 3,
    "seen": [{"id": "BBOB-F01-v0", "arguments": PLAIN}],
    "unseen": [{"id": "BBOB-F08-v0", "arguments": PLAIN}],
    "reference": CLIMBER,
    "reference_hyperparameters": {"sigma": 0.01},
}


def as_toml(entries: dict[str, Any]) -> str:
    """Settings as a file; JSON's numbers, texts and lists are TOML's, its objects are not."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in entries.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_value(entry)}" for name, entry in value.items()) + " }"
    return f"[{', '.join(map(_value, value))}]" if isinstance(value, list) else json.dumps(value)


def command(*arguments: str) -> list[str]:
    """The command line, for a process of its own that starts in :data:`ROOT`."""
    # A shell's background jobs ignore Ctrl-C, and what they start inherits that.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    return [sys.executable, "-c", f"{heeds}; from qdbench.cli import main; main()", *arguments]


def results_of_four() -> np.ndarray:
    """Final and best objectives of four climbers on the devices that there are."""
    built = distribution.build([TaskFamily.model_validate(family) for family in (SPHERE, ROSENBROCK)])
    loops = Loops(built, CLIMBER, {}, 3, devices_mesh(4))
    rows = distribution.sample(built, 5, 0, 6, 0.5, {"start": (1.0, 4.0)})
    results = loops.run({"sigma": jax.device_put(np.float32([0.1, 0.5, 1, 2]))}, rows)
    return np.stack([results.final, results.best])


def draw_of(family: int, instance: int, noise: int, key: tuple[int, int], **values: float) -> tuple[Any, ...]:
    """A row for :func:`qdbench.metabbo.distribution.draws`."""
    return family, instance, noise, np.asarray(key, np.uint32), {n: np.float32(value) for n, value in values.items()}


def evolved_of(members: list[Any], under: str) -> dict[str, Array]:
    """The arrays of members that differ in what is under a name, stacked."""
    return {
        name: jnp.stack([named_leaves(member)[name] for member in members])
        for name in named_leaves(members[0])
        if name.split(".")[0] == under
    }
