"""Searches that begin with a design: it is evaluated first, and the best of it is where they start."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import baselines
import qdbench
from qdbench.harness import trial
from qdbench.harness.design import FromDesign, HostFromDesign, beginning_with_design
from qdbench.protocols import Evaluation, Optimizer, Task, precision_of
from qdbench.random import derive
from qdbench.spec import Measure, Start, TaskSpec

DESIGN = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.4], [0.7, 0.7, 0.7]])
BEST = DESIGN[1]
OPTIMUM = np.array([0.25, 0.3, 0.45])


class Bowl(Task):
    """Minus the squared distance to a point near the second solution of the design."""

    design: Array
    spec: TaskSpec = eqx.field(static=True)

    def _evaluate(self, key: Any, solutions: Array, gradients: bool) -> Evaluation:
        return Evaluation(-((solutions - OPTIMUM) ** 2).sum(axis=1), solutions[:, :2])


def bowl(kind: str = "design") -> Bowl:
    spec = TaskSpec(
        id="Bowl-v0",
        family="bowl",
        dim=3,
        measures=tuple(Measure(name=name, low=0, high=1) for name in "ab"),
        archive_shape=(5, 5),
        objective_range=(-3.0, 0.0),
        budget=103,
        metric="best_objective",
        precision="float64",
        solution_bounds=(0.0, 1.0),
        start=Start(kind=kind, mean=0.5, scale=0.0),
    )
    with precision_of(spec):
        return Bowl(spec=spec, design=jnp.asarray(DESIGN if kind == "design" else DESIGN[:0]))


# One with an initial population, one with a mean, one with an archive and one that learns nothing.
IDS = ("gaussian-ga", "sep-cma-es", "map-elites", "random-search")
SETTINGS = {"map-elites": {"initial_size": 10, "batch_size": 10}, "random-search": {"batch_size": 10}}


def make(id: str, task: Task) -> Optimizer:
    settings = SETTINGS.get(id, {"batch_size": 10, "sigma": 0.1})
    return baselines.make(id, task.spec, **settings)


@pytest.mark.parametrize("id", IDS)
def test_the_optimizer_searches_from_the_best_of_the_design(id: str) -> None:
    """As the optimizer does that starts at the mean, and is told about a translated task."""
    task = bowl()
    inner = make(id, task)
    made = beginning_with_design(task, inner)
    assert isinstance(made, FromDesign)
    assert [batch.size for batch in made.initial] == [3, *(batch.size for batch in inner.initial)]
    shift = np.zeros(3) if id == "random-search" else BEST - 0.5
    with precision_of(task.spec):
        key = jax.random.key(0)
        state, alone = made.init(key), inner.init(key)
        design, state = made.ask(key, state, made.initial[0])
        np.testing.assert_array_equal(design, DESIGN)
        state = made.tell(key, state, made.initial[0], design, task.evaluate(None, design))
        for number, batch in enumerate((*inner.initial, *inner.iteration, *inner.iteration)):
            ask, tell = derive(key, number, 0), derive(key, number, 1)
            found, state = made.ask(ask, state, batch)
            expected, alone = inner.ask(ask, alone, batch)
            np.testing.assert_allclose(found, expected + shift, atol=1e-12)
            evaluation = task.evaluate(None, found)
            state = made.tell(tell, state, batch, found, evaluation)
            alone = inner.tell(tell, alone, batch, found - shift, evaluation)


@pytest.mark.parametrize("id", IDS)
def test_the_design_counts_and_both_drivers_agree(id: str) -> None:
    task = bowl()
    compiled, host = (qdbench.run(task, make(id, task), driver=driver) for driver in ("compiled", "host"))
    assert compiled.metrics["evaluations"] == 103
    np.testing.assert_allclose(compiled.trace.to_numpy(), host.trace.to_numpy(), rtol=1e-8, atol=1e-10)
    # The mark of 3 evaluations: the design alone.
    first = compiled.trace[compiled.trace["evaluations"] == 3]["best_objective"]
    np.testing.assert_allclose(first, -((BEST - OPTIMUM) ** 2).sum(), rtol=1e-12)
    assert compiled.record.config.optimizer == id


class Listener:
    """A host optimizer that wants to know the design."""

    def __init__(self) -> None:
        self.known: list[tuple[Any, Evaluation]] = []
        self.told = 0

    def start_from(self, solutions: Any, evaluation: Evaluation) -> None:
        self.known.append((solutions, evaluation))

    def ask(self) -> Any:
        return np.full((10, 3), 0.5)

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        self.told += 1
        np.testing.assert_array_equal(solutions, np.full((10, 3), 0.5))


class Deaf:
    """A host optimizer that does not."""

    ask = Listener.ask
    tell = Listener.tell

    def __init__(self) -> None:
        self.told = 0


def test_host_optimizers_may_be_told() -> None:
    task = bowl()
    listener = Listener()
    result = qdbench.run(task, listener)
    ((solutions, evaluation),) = listener.known
    np.testing.assert_array_equal(solutions, DESIGN)
    np.testing.assert_allclose(evaluation.objective, -((DESIGN - OPTIMUM) ** 2).sum(axis=1), rtol=1e-12)
    assert (listener.told, result.metrics["evaluations"]) == (10, 103)
    deaf = Deaf()
    assert qdbench.run(task, deaf).metrics["evaluations"] == 103
    assert deaf.told == 10


def test_other_starts_change_nothing() -> None:
    task = bowl("normal")
    for optimizer in (make("gaussian-ga", task), Deaf()):
        assert beginning_with_design(task, optimizer) is optimizer
    prepared = trial.prepare(bowl(), Deaf(), 0, None)
    assert isinstance(prepared.optimizer, HostFromDesign)


def test_populations_are_no_copies_of_a_start_that_is_one_point() -> None:
    task = bowl("normal")
    with precision_of(task.spec):
        for id in ("gaussian-ga", "mr15-ga", "samr-ga", "gesmr-ga", "lga", "map-elites", "map-elites-line"):
            optimizer = baselines.make(id, task.spec, batch_size=50, **({"initial_size": 50} if "map" in id else {}))
            solutions, _ = optimizer.ask(jax.random.key(1), optimizer.init(jax.random.key(0)), optimizer.initial[0])
            spread = float(jax.tree.leaves(optimizer.variation)[0] if "map" in id else optimizer.sigma)
            assert np.std(np.asarray(solutions) - 0.5) == pytest.approx(spread, rel=0.2)
        sampled, _ = baselines.make("random-search", task.spec, batch_size=500).ask(
            jax.random.key(1), None, baselines.make("random-search", task.spec).iteration[0]
        )
        assert (sampled.min(), sampled.max()) == (pytest.approx(0, abs=0.1), pytest.approx(1, abs=0.1))
