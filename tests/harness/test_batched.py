"""The batched driver against the compiled one, and what the executor makes of it."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import baselines
from qdbench.harness import batched, compiled, jobs, store, trial
from qdbench.harness.errors import BudgetError, TrialError
from qdbench.harness.executors import local
from qdbench.harness.experiment import plan, run_all, shard
from qdbench.harness.jaxprs import has_decomposition, primitives
from qdbench.protocols import precision_of
from tests.harness import quadratic

pytestmark = pytest.mark.usefixtures("registered")


def trials(optimizer: str = "shrinking", instances: int = 3, **settings: object) -> list[batched.Trial]:
    """Instances of one program that end at different times, each with its own step size."""
    made = []
    for instance in range(1, instances + 1):
        task = quadratic.make(dim=3, instance=instance, target=1e-3)
        sigma = {"sigma": instance / 2} if optimizer.startswith("shrinking") else {}
        prepared = trial.prepare(task, optimizer, instance, 1200, {**sigma, **settings}, golden="-")
        made.append(batched.Trial(prepared.task, prepared.optimizer, prepared.keys))
    return made


@pytest.mark.parametrize("mode", ["map", "vmap"])
# As large as a batch, the start is a turn of the loop; the other tests have none.
@pytest.mark.parametrize("initial", [8, 20])
def test_batched_trials_are_the_compiled_driver_s(mode: batched.Mode, initial: int) -> None:
    with precision_of(quadratic.make().spec):
        given = trials(initial_size=initial)
        together = batched.run(given, 1200, True, capacity=4 if mode == "map" else 3, mode=mode)
        alone = [compiled.run(*one, 1200, True) for one in given]
    assert len({outcome.evaluations for outcome in alone}) > 1
    for left, right in zip(together, alone, strict=True):
        assert (left.iterations, left.evaluations) == (right.iterations, right.evaluations)
        np.testing.assert_allclose(left.rows, right.rows, rtol=1e-9)
        np.testing.assert_array_equal(left.score.hits.evaluations, right.score.hits.evaluations)
        np.testing.assert_array_equal(left.score.archive.size, right.score.archive.size)
        np.testing.assert_allclose(left.score.archive.objective, right.score.archive.objective, rtol=1e-9)
        np.testing.assert_allclose(left.score.archive.solutions, right.score.archive.solutions, rtol=1e-9)
        if mode == "map":
            np.testing.assert_array_equal(left.score.best_objective, right.score.best_objective)


def test_decompositions_are_found_wherever_they_are() -> None:
    matrix = jnp.eye(3)

    def hidden(x: jax.Array) -> jax.Array:
        def body(index: jax.Array, x: jax.Array) -> jax.Array:
            return jax.lax.cond(index > 0, jax.jit(lambda x: jnp.linalg.eigh(x)[1]), lambda x: x, x)

        return jax.lax.fori_loop(0, 3, body, x)

    for function in (hidden, jnp.linalg.qr, jnp.linalg.cholesky, jnp.linalg.svd, jnp.linalg.inv):
        assert has_decomposition(jax.make_jaxpr(function)(matrix)), function
    plain = jax.make_jaxpr(lambda x: jax.lax.fori_loop(0, 3, lambda _, x: jnp.sort(x @ x, axis=0), x))(matrix)
    assert not has_decomposition(plain)
    assert {"dot_general", "sort"} <= set(primitives(plain))


def test_a_decomposition_is_not_vmapped_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    if jax.default_backend() != "cpu":
        pytest.skip("the hazard is the CPU's")
    with precision_of(quadratic.make().spec):
        given = trials("shrinking-eigh")
        (left, *_) = batched.run(given, 200, False, mode="vmap")
        right = compiled.run(*given[0], 200, False)
    # What ran is the loop, whose numbers are the compiled driver's to the last bit.
    np.testing.assert_array_equal(left.score.best_objective, right.score.best_objective)


def test_trials_that_differ_in_structure_share_no_program() -> None:
    one, two = quadratic.make(instance=1), quadratic.make(instance=2)
    optimizer = baselines.make("shrinking", one.spec)
    assert batched.signature(one, optimizer) == batched.signature(two, baselines.make("shrinking", two.spec, sigma=9.0))
    for task, settings in ((quadratic.make(dim=5), {}), (one, {"batch_size": 9}), (quadratic.make(measures=False), {})):
        assert batched.signature(one, optimizer) != batched.signature(
            task, baselines.make("shrinking", task.spec, **settings)
        )


def test_a_budget_too_small_and_values_not_finite_are_errors() -> None:
    with precision_of(quadratic.make().spec):
        with pytest.raises(BudgetError):
            batched.run(trials(), 5, False)
        task = quadratic.make(fragile=True)
        prepared = trial.prepare(task, "shrinking", 0, 400, {"sigma": 50.0}, golden="-")
        with pytest.raises(TrialError, match="not finite"):
            batched.run([batched.Trial(task, prepared.optimizer, prepared.keys)], 400, False)


def small_jobs(sigmas: tuple[float, ...] = (0.5,), **arguments: object) -> list[jobs.Job]:
    tasks = [("Quadratic-v0", {"dim": 3, "instance": instance, **arguments}) for instance in (1, 2)]
    chosen = [("shrinking", {"sigma": sigma}) for sigma in sigmas] + [("random-search", {})]
    return plan(tasks, chosen, range(2), 360, keep_solutions=False)


def outcome(directory: Path) -> dict[str, tuple[object, ...]]:
    result = {}
    for path in store.result_paths(directory):
        loaded = store.load(path)
        metrics = {name: value for name, value in loaded.metrics.items() if not name.endswith("_seconds")}
        tables = loaded.trace.to_csv(), loaded.targets.to_csv(), loaded.archive.objective.tobytes()
        result[str(path.relative_to(directory))] = (metrics, *tables)
    return result


def test_the_executor_runs_jobs_of_a_program_together(tmp_path: Path) -> None:
    todo = small_jobs(sigmas=(0.5, 1.0))
    assert [len(group) for group in jobs.programs(todo)] == [8, 4]
    finished = list(run_all(todo, tmp_path / "together", local.run_here))
    assert sorted(item.job.label for item in finished) == sorted(job.label for job in todo)
    drivers = {store.load(path).record.provenance["driver"] for path in store.result_paths(tmp_path / "together")}
    assert drivers == {"batched"}
    # The last bits do not depend on the company either.
    for job in todo[::-3]:
        list(run_all([job], tmp_path / "alone", local.run_here))
    alone, together = outcome(tmp_path / "alone"), outcome(tmp_path / "together")
    assert len(alone) == 4
    assert alone == {name: together[name] for name in alone}
    again = list(run_all(todo, tmp_path / "together", local.run_here))
    assert {item.status for item in again} == {"stored"}


def test_only_the_bad_trial_of_a_group_fails(tmp_path: Path) -> None:
    todo = [job for job in small_jobs(sigmas=(0.1, 50.0), fragile=True) if job.optimizer == "shrinking"]
    assert len(jobs.programs(todo)) == 1
    status = {item.job: item.status for item in run_all(todo, tmp_path, local.run_here)}
    assert {job.hyperparameters: found for job, found in status.items()} == {
        (("sigma", 0.1),): "finished",
        (("sigma", 50.0),): "failed",
    }


def test_shards_are_a_partition_that_keeps_programs_whole() -> None:
    todo = small_jobs(sigmas=(0.5, 1.0))
    parts = [shard(todo, index, 2) for index in (1, 2)]
    assert sorted(len(part) for part in parts) == [4, 8]
    assert {job.label for part in parts for job in part} == {job.label for job in todo}
    assert shard(todo, 1, 2) == parts[0]
    with pytest.raises(ValueError, match="no shard 3/2"):
        shard(todo, 3, 2)
