"""Targets: when each was first met, the early end, and how it is stored."""

from __future__ import annotations

import itertools
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qdbench
from qdbench.harness import hits, store
from qdbench.harness.errors import TrialError
from qdbench.harness.targets import TARGETS, table
from tests.harness import quadratic

pytestmark = pytest.mark.usefixtures("registered")
SPEC = quadratic.make(precision="float32").spec
VALUES = st.one_of(st.floats(-10, 3).map(lambda exponent: 10.0**exponent), st.sampled_from([0.0, np.inf, np.nan, 1e-8]))


def test_the_targets_are_a_fifth_of_a_decade_apart() -> None:
    assert len(TARGETS) == 51
    assert (TARGETS[0], TARGETS[5], TARGETS[10], TARGETS[50]) == (100.0, 10.0, 1.0, 1e-8)
    assert all(a > b for a, b in itertools.pairwise(TARGETS))


@given(st.lists(st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=5))
def test_hits_are_those_of_a_loop_over_evaluations(batches: list[list[float]]) -> None:
    counted = hits.none_yet(SPEC)
    assert counted is not None
    for batch in batches:
        counted = hits.count(counted, -jnp.asarray(batch, jnp.float32))
    precisions = np.float32(TARGETS)
    wanted, at = np.zeros(51, int), np.full(51, np.nan)
    best = np.float32(np.inf)
    for number, value in enumerate(np.float32(batches).ravel(), start=1):
        best = value if value < best else best
        new = (wanted == 0) & (best <= precisions)
        wanted[new], at[new] = number, best
    np.testing.assert_array_equal(counted.evaluations, wanted)
    np.testing.assert_array_equal(counted.precision, np.float32(at))
    assert int(counted.evaluated) == 3 * len(batches)


@pytest.mark.parametrize("settings", [{}, {"initial_size": 10, "sigma": 1.0}])
@pytest.mark.parametrize("target", [1e-8, 1e-2, None])
def test_both_drivers_record_the_same_and_end_early(settings: dict[str, float], target: float | None) -> None:
    task = quadratic.make(dim=3, target=target)
    compiled = qdbench.run(task, "shrinking", budget=3000, driver="compiled", hyperparameters=settings)
    host = qdbench.run(task, "shrinking", budget=3000, driver="host", hyperparameters=settings)
    assert compiled.targets is not None
    np.testing.assert_array_equal(compiled.targets["evaluations"], host.targets["evaluations"])
    np.testing.assert_allclose(compiled.targets["precision"], host.targets["precision"], rtol=1e-9)
    np.testing.assert_allclose(compiled.trace.to_numpy(), host.trace.to_numpy(), rtol=1e-9)
    metrics, trace = compiled.metrics, compiled.trace
    assert len(trace) == 100
    assert metrics["evaluations"] == trace["evaluations"].iloc[-1] == host.metrics["evaluations"]
    assert metrics["precision"] == -trace["best_objective"].iloc[-1]
    assert metrics["targets_reached"] == sum(metrics["precision"] <= value for value in TARGETS)
    if target is None:
        assert metrics["evaluations"] > 2980
    else:
        assert metrics["precision"] <= target
        assert metrics["evaluations"] < 2000
        solved = trace["best_objective"] >= -target
        assert trace[solved].drop(columns="fraction").drop_duplicates().shape[0] == 1


def test_hits_are_of_single_evaluations(tmp_path: Path) -> None:
    result = qdbench.run(quadratic.make(), "shrinking", budget=2000)
    reached = result.targets[result.targets["evaluations"] > 0]
    assert (reached["precision"] <= reached["target"]).all()
    assert reached["evaluations"].is_monotonic_increasing
    assert len(set(reached["evaluations"] % 8)) > 1
    loaded = store.load(store.save_result(tmp_path, result))
    assert loaded.targets.equals(result.targets)
    assert loaded.targets.dtypes.astype(str).to_list() == ["float64", "int64", "float64"]
    assert loaded.record == result.record


def test_other_tasks_have_no_targets(tmp_path: Path) -> None:
    result = qdbench.run(qdbench.make("Arm-v0", dim=5), "random-search", budget=72)
    assert result.targets is None
    assert not {"precision", "targets_reached"} & set(result.metrics)
    assert store.load(store.save_result(tmp_path, result)).targets is None


def test_what_is_not_finite_is_never_the_best() -> None:
    counted = hits.count(hits.none_yet(SPEC), jnp.asarray([jnp.nan, -jnp.inf, -1.0]))
    assert int(counted.evaluations[10]) == 3
    with pytest.raises(TrialError, match="not finite"):
        qdbench.run(quadratic.make(fragile=True), "shrinking", budget=500, hyperparameters={"sigma": 50.0})


def test_a_table_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not \(51,\)"):
        table(np.zeros(50), np.zeros(50))
