"""Trials: counting, scoring, reproducibility, and the two drivers against each other."""

from __future__ import annotations

from importlib.metadata import version

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import baselines
import qdbench
from qdbench.harness import trial
from qdbench.harness.errors import BudgetError, TrialError
from qdbench.harness.plugins import is_pure
from qdbench.harness.verify import verify
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.registry import OPTIMIZERS, UnknownNameError
from tests.harness import optimizers

BUDGET = 1000


@pytest.fixture(scope="module")
def task() -> qdbench.Task:
    return qdbench.make("LP-Sphere-v0", dim=10)


@pytest.mark.parametrize("optimizer", ["cma-mega", "cma-me", "og-map-elites-line", "omg-mega", "random-search"])
def test_both_drivers_give_the_same_result(optimizer: str) -> None:
    task = qdbench.make("Arm-v0", dim=12, precision="float64")
    compiled = qdbench.run(task, optimizer, budget=BUDGET, driver="compiled")
    host = qdbench.run(task, optimizer, budget=BUDGET, driver="host")
    assert compiled.record.config.digest() == host.record.config.digest()
    np.testing.assert_array_equal(compiled.archive.cells, host.archive.cells)
    np.testing.assert_allclose(compiled.archive.objective, host.archive.objective, rtol=1e-8)
    np.testing.assert_allclose(compiled.archive.solutions, host.archive.solutions, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(compiled.trace.to_numpy(), host.trace.to_numpy(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("optimizer", "iterations", "evaluations", "gradient_evaluations"),
    [
        ("map-elites", 25, 1000, 0),  # 100 + 25 x 36
        ("cma-mega", 27, 972, 27),  # 27 x (1 + 35)
        ("omg-mega", 25, 1000, 450),  # 100 + 25 x (18 + 18)
    ],
)
def test_evaluations_are_counted_to_the_last_whole_iteration(
    task: qdbench.Task, optimizer: str, iterations: int, evaluations: int, gradient_evaluations: int
) -> None:
    metrics = qdbench.run(task, optimizer, budget=BUDGET).metrics
    assert metrics["iterations"] == iterations
    assert metrics["evaluations"] == evaluations
    assert metrics["gradient_evaluations"] == gradient_evaluations


def test_the_trace_is_read_at_fixed_fractions(task: qdbench.Task) -> None:
    result = qdbench.run(task, "map-elites", budget=BUDGET)
    trace = result.trace
    np.testing.assert_allclose(trace["fraction"], np.arange(1, 101) / 100)
    marks = np.floor(BUDGET * np.arange(1, 101) / 100)
    assert (trace["evaluations"] <= marks).all()
    assert (trace["evaluations"] + np.where(marks < 100, 100, 36) > marks).all()
    assert trace["best_objective"].isna().sum() == 9
    assert trace["qd_score"].iloc[-1] == result.metrics["qd_score"]
    assert trace["coverage"].is_monotonic_increasing
    assert trace["best_objective"].dropna().is_monotonic_increasing


def test_the_archive_agrees_with_the_metrics_and_with_the_task(task: qdbench.Task) -> None:
    result = qdbench.run(task, "cma-mega", budget=BUDGET)
    archive = result.archive
    assert result.metrics["coverage"] == pytest.approx(100 * archive.size / 10_000)
    assert result.metrics["qd_score"] == pytest.approx(archive.objective.sum() / 10_000, rel=1e-5)
    assert result.metrics["best_objective"] == pytest.approx(archive.objective.max())
    assert np.isnan(archive.grid()).sum() == 10_000 - archive.size
    report = verify(result)
    assert report.agrees
    assert report.elites == archive.size


def test_a_repetition_is_reproducible_and_repetitions_differ(task: qdbench.Task) -> None:
    first, again, other = (qdbench.run(task, "cma-mega", repetition, BUDGET) for repetition in (0, 0, 1))
    np.testing.assert_array_equal(first.archive.objective, again.archive.objective)
    assert first.metrics["qd_score"] != other.metrics["qd_score"]


def test_one_program_serves_all_repetitions(task: qdbench.Task) -> None:
    qdbench.run(task, "map-elites", 0, BUDGET)
    assert qdbench.run(task, "map-elites", 1, BUDGET).metrics["compile_seconds"] < 0.1


def test_hyperparameters_do_not_compile_again_and_are_recorded(task: qdbench.Task) -> None:
    qdbench.run(task, "map-elites", 0, BUDGET)
    result = qdbench.run(task, "map-elites", 0, BUDGET, hyperparameters={"sigma": 0.2})
    assert result.metrics["compile_seconds"] < 0.1
    assert result.record.config.hyperparameters["variation.sigma"] == 0.2


def test_a_host_optimizer_made_from_a_class(task: qdbench.Task) -> None:
    result = qdbench.run(task, optimizers.Sampler, budget=90)
    assert result.metrics["evaluations"] == 80
    assert result.metrics["iterations"] == 4
    assert verify(result).agrees


def test_a_host_optimizer_is_told_what_the_task_says(task: qdbench.Task) -> None:
    optimizer = optimizers.WantsGradients(task.spec, seed=3)
    result = qdbench.run(task, optimizer, budget=60)
    assert result.metrics["gradient_evaluations"] == 60
    assert len(optimizer.told) == 3
    for solutions, evaluation in optimizer.told:
        want = task.evaluate(None, solutions, gradients=True)
        for got, wanted in zip(evaluation, want, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_batch_sizes_of_a_host_optimizer_may_change(task: qdbench.Task) -> None:
    # 1 + 2 + ... + 13 = 91, and 14 more do not fit.
    assert qdbench.run(task, optimizers.GrowingBatches, budget=100).metrics["evaluations"] == 91


def test_an_optimizer_cannot_change_its_score(task: qdbench.Task) -> None:
    honest = qdbench.run(task, optimizers.Sampler(task.spec, 5), budget=100)
    cheating = qdbench.run(task, optimizers.Overwrites(task.spec, 5), budget=100)
    np.testing.assert_array_equal(honest.archive.objective, cheating.archive.objective)
    np.testing.assert_array_equal(honest.archive.solutions, cheating.archive.solutions)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (optimizers.RaisesInAsk, r"raised in ask\(\): RuntimeError: my ask is broken"),
        (optimizers.RaisesInTell, r"raised in tell\(\): RuntimeError: my tell is broken"),
        (optimizers.AsksNaN, r"solutions must be finite float32 numbers, but 1 of 200 values .* row 3, parameter 1"),
        (optimizers.AsksInfinity, r"solutions must be finite float32 numbers, but 200 of 200 values"),
        (optimizers.AsksWrongShape, r"shape \(batch, 10\), but theirs is \(4, 11\)"),
        (optimizers.AsksText, r"must be real numbers"),
        (optimizers.AsksForNothing, r"shape \(batch, 10\), but theirs is \(0, 10\)"),
        (optimizers.Mutates, r"raised in tell\(\): ValueError: assignment destination is read-only"),
    ],
)
def test_a_broken_host_optimizer_is_named_with_what_it_did(
    task: qdbench.Task, broken: type[optimizers.Sampler], message: str
) -> None:
    with pytest.raises(TrialError, match=message) as error:
        qdbench.run(task, broken, budget=100)
    assert broken.__name__ in str(error.value)


class Diverges(Optimizer):
    """A pure optimizer whose solutions become infinite in iteration 3."""

    id: str = eqx.field(static=True)
    spec: qdbench.TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: object) -> jnp.ndarray:
        return jnp.zeros((), jnp.int32)

    def ask(self, key: object, state: jnp.ndarray, batch: Batch) -> tuple[jnp.ndarray, jnp.ndarray]:
        value = jnp.where(state < 3, 1.0, jnp.inf)
        return jnp.full((batch.size, self.spec.dim), value), state

    def tell(
        self, key: object, state: jnp.ndarray, batch: Batch, solutions: jnp.ndarray, evaluation: Evaluation
    ) -> jnp.ndarray:
        return state + 1


def test_a_pure_optimizer_that_diverges_is_named(task: qdbench.Task) -> None:
    optimizer = Diverges("diverges", task.spec.structure(), (), (Batch("one", 5),))
    with pytest.raises(TrialError, match=r"'diverges'.*not finite"):
        qdbench.run(task, optimizer, budget=100)
    assert qdbench.run(task, optimizer, budget=15).metrics["evaluations"] == 15


class AsksForMore(Diverges):
    """Asks for twice as many solutions as it declares."""

    def ask(self, key: object, state: jnp.ndarray, batch: Batch) -> tuple[jnp.ndarray, jnp.ndarray]:
        return jnp.zeros((2 * batch.size, self.spec.dim)), state


@pytest.mark.parametrize("driver", ["compiled", "host"])
def test_a_pure_optimizer_that_asks_for_more_than_it_declares_is_named(task: qdbench.Task, driver: str) -> None:
    optimizer = AsksForMore("more", task.spec.structure(), (), (Batch("one", 5),))
    with pytest.raises(TrialError, match=r"'more' declares 5 solutions for its batch 'one', .* shape \(10, 10\)"):
        qdbench.run(task, optimizer, budget=100, driver=driver)


def test_what_is_not_a_task_or_an_optimizer_is_said_so(task: qdbench.Task) -> None:
    with pytest.raises(TypeError, match=r"is not a task|Type-check"):
        qdbench.run(object(), "cma-mega")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"is not an optimizer|Type-check"):
        qdbench.run(task, 3)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="did you mean cma-mega"):
        qdbench.run(task, "cma-meag")
    with pytest.raises(BudgetError, match="needs 100 evaluations to start and 36 for an iteration"):
        qdbench.run(task, "map-elites", budget=135)
    with pytest.raises(BudgetError, match="first batch is larger than the budget of 19"):
        qdbench.run(task, optimizers.Sampler, budget=19)
    with pytest.raises(TypeError, match="cannot be compiled"):
        qdbench.run(task, optimizers.Sampler, budget=90, driver="compiled")


class NumpyTask:
    """A host task: f = -|x|^2 and the first parameter as its measure."""

    def __init__(self) -> None:
        self.spec = qdbench.TaskSpec(
            id="Numpy-v0",
            family="numpy",
            dim=3,
            measures=(qdbench.Measure(name="first", low=-2.0, high=2.0),),
            archive_shape=(10,),
            objective_range=(-10.0, 0.0),
            budget=500,
        )

    def evaluate(self, key: object, solutions: np.ndarray, gradients: bool = False) -> Evaluation:
        solutions = np.asarray(solutions)
        return Evaluation(-(solutions**2).sum(axis=1), solutions[:, :1])


@pytest.mark.parametrize("optimizer", ["map-elites", optimizers.Sampler])
def test_a_host_task_meets_any_optimizer(optimizer: object) -> None:
    result = qdbench.run(NumpyTask(), optimizer)
    assert result.record.provenance["driver"] == "host"
    assert result.archive.size == 10
    np.testing.assert_allclose(result.archive.objective, -(result.archive.solutions**2).sum(axis=1), rtol=1e-5)


def test_asking_for_gradients_that_a_task_has_not_is_named() -> None:
    with pytest.raises(TrialError, match=r"WantsGradients' asked for gradients, but Numpy-v0 is not differentiable"):
        qdbench.run(NumpyTask(), optimizers.WantsGradients)


def test_a_task_without_measures_keeps_its_best_solution() -> None:
    class Plain(NumpyTask):
        def __init__(self) -> None:
            super().__init__()
            self.spec = self.spec.model_copy(update={"measures": (), "archive_shape": ()})

        def evaluate(self, key: object, solutions: np.ndarray, gradients: bool = False) -> Evaluation:
            evaluation = super().evaluate(key, solutions)
            return evaluation._replace(measures=np.zeros((len(solutions), 0)))

    result = qdbench.run(Plain(), "random-search")
    assert result.archive.size == 1
    assert result.metrics["qd_score"] == result.metrics["best_objective"]


def test_every_registered_optimizer_is_described_the_same_way_twice(task: qdbench.Task) -> None:
    for entry in OPTIMIZERS:
        if not entry.is_available:
            continue
        name, settings = trial.describe(entry.id, task.spec)
        assert name == entry.id
        if is_pure(entry.id):
            assert trial.describe(baselines.make(entry.id, task.spec), task.spec) == (name, settings)
        else:
            assert settings[entry.requires] == version(entry.requires)
