"""CMA-ES, its separable form and OpenAI's ES against NumPy, given the same numbers, and their rules one by one."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.evolution import cma_core, lazy_covariance
from qdbench.protocols import Evaluation, precision_of
from qdbench.spec import Start
from tests.baselines.driving import (
    best_after,
    draw_normal,
    drive,
    ellipsoid,
    function_task,
    make,
    rosenbrock,
    sphere,
)
from tests.reference import evolution

IDS = ("sep-cma-es", "cma-es", "openai-es")
TOLERANCE = 1e-8


def assert_close(actual: object, expected: object) -> None:
    expected = np.asarray(expected)
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize(("dim", "batch", "gap"), [(3, 16, 1), (20, 6, 4), (6, 7, 2)])
@pytest.mark.parametrize("active", [True, False])
def test_cma_es_against_numpy(active: bool, dim: int, batch: int, gap: int) -> None:
    task = function_task(ellipsoid, dim)
    optimizer = make("cma-es", task, batch_size=batch, sigma=2.0, active=active)
    assert optimizer.gap == gap
    oracle = None
    with precision_of(task.spec):
        for step in drive(task, optimizer, 40):
            if oracle is None:
                oracle = evolution.CmaEs(np.asarray(step.before.paths.mean), 2.0, gap, active)
            # Eigenvectors have no sign, so the oracle samples with ours once it has checked what they make.
            before = step.before.covariance
            factors = before.factors
            axes, scales = (np.asarray(part) for part in (factors.axes, factors.scales))
            if bool(before.is_identity):
                axes = np.eye(dim)
            assert_close((axes.T * scales**2) @ axes, oracle.used)
            normals = np.asarray(draw_normal(step.ask_key, (batch, dim), "float64"))
            assert_close(step.solutions, oracle.mean + oracle.sigma * (normals * scales @ axes))
            oracle.tell_batch(evolution.best_first(step.solutions, step.objective))
            paths = step.state.paths
            assert_close(paths.mean, oracle.mean)
            assert_close(paths.sigma, oracle.sigma)
            assert_close(paths.p_c, oracle.p_c)
            if gap == 1:
                assert_close(step.state.covariance.matrix.reshape(dim, dim), oracle.C)


def test_negative_weights_keep_the_covariance_positive() -> None:
    """A batch much larger than the default, in which the worse half says most, on a badly scaled function."""
    task = function_task(ellipsoid, 4)
    with precision_of(task.spec):
        for step in drive(task, make("cma-es", task, batch_size=200, sigma=3.0), 60):
            covariance = step.state.covariance
        eigenvalues = np.linalg.eigvalsh(np.asarray(covariance.matrix).reshape(4, 4))
        assert eigenvalues.min() > 0
        assert -step.objective.max() < 1e-8


@pytest.mark.parametrize("speedup", [None, 1.0, 12.0])
@pytest.mark.parametrize(("dim", "batch"), [(5, 8), (12, 11)])
def test_sep_cma_es_against_numpy(dim: int, batch: int, speedup: float | None) -> None:
    task = function_task(ellipsoid, dim)
    settings = {} if speedup is None else {"speedup": speedup}
    optimizer = make("sep-cma-es", task, batch_size=batch, sigma=2.0, **settings)
    oracle = None
    with precision_of(task.spec):
        for step in drive(task, optimizer, 50):
            if oracle is None:
                oracle = evolution.SepCmaEs(np.asarray(step.before.paths.mean), 2.0, speedup or (dim + 2) / 3)
            normals = np.asarray(draw_normal(step.ask_key, (batch, dim), "float64"))
            assert_close(step.solutions, oracle.ask(normals))
            oracle.tell(evolution.best_first(step.solutions, step.objective))
            assert_close(step.state.paths.mean, oracle.mean)
            assert_close(step.state.paths.sigma, oracle.sigma)
            assert_close(step.state.variances, oracle.d)


@pytest.mark.parametrize(("batch", "weight_decay"), [(8, 0.0), (8, 0.1), (7, 0.0)])
def test_openai_es_against_numpy(batch: int, weight_decay: float) -> None:
    dim = 5
    task = function_task(rosenbrock, dim)
    optimizer = make("openai-es", task, batch_size=batch, sigma=0.1, learning_rate=0.05, weight_decay=weight_decay)
    oracle = None
    with precision_of(task.spec):
        for step in drive(task, optimizer, 50):
            if oracle is None:
                oracle = evolution.OpenAiEs(np.asarray(step.before.mean), 0.1, 0.05, weight_decay)
            normals = np.asarray(draw_normal(step.ask_key, (batch - batch // 2, dim), "float64"))
            assert_close(step.solutions, oracle.ask(normals, batch))
            oracle.tell(step.objective)
            assert_close(step.state.mean, oracle.mean)


@pytest.mark.parametrize("batch", [8, 9])
def test_openai_es_samples_in_pairs(batch: int) -> None:
    task = function_task(sphere, 4)
    with precision_of(task.spec):
        for step in drive(task, make("openai-es", task, batch_size=batch), 3):
            steps = step.solutions - np.asarray(step.before.mean)
            half = batch - batch // 2
            np.testing.assert_allclose(steps[half:], -steps[: batch // 2], atol=1e-14)


def test_the_separable_factor_is_ros_and_hansens() -> None:
    task = function_task(sphere, 10)
    assert float(make("sep-cma-es", task).speedup) == 4
    assert float(make("sep-cma-es", task, speedup=1.0).speedup) == 1


def test_the_separable_factor_pays_off() -> None:
    task = function_task(ellipsoid, 10)
    with precision_of(task.spec):
        run = jax.jit(jax.vmap(lambda optimizer, key: best_after(task, optimizer, key, 300), in_axes=(None, 0)))
        keys = jax.random.split(jax.random.key(0), 9)
        fast, slow = (-np.median(run(make("sep-cma-es", task, **s), keys)) for s in ({}, {"speedup": 1.0}))
    assert fast < 1e-6 * slow


@pytest.mark.parametrize("dim", [1, 2, 5, 20, 40])
def test_default_batch_sizes_are_the_tutorials(dim: int) -> None:
    task = function_task(sphere, dim)
    expected = {1: 4, 2: 6, 5: 8, 20: 12, 40: 15}[dim]
    assert {make(id, task).iteration[0].size for id in ("cma-es", "sep-cma-es")} == {expected}


@pytest.mark.parametrize("id", IDS)
def test_a_batch_has_a_parent(id: str) -> None:
    with pytest.raises(ValueError, match=rf"'{id}': the size must be an integer of at least 2, but"):
        make(id, function_task(sphere, 2), batch_size=1)


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("start", [Start(kind="uniform", low=2, high=4), Start(mean=100.0, scale=0.5)])
def test_starts_with_a_sample_of_the_start_distribution(id: str, start: Start) -> None:
    task = function_task(sphere, 50, start=start)
    with precision_of(task.spec):
        state = eqx.filter_jit(make(id, task).init)(jax.random.key(0))
        mean = np.asarray(state.mean if id == "openai-es" else state.paths.mean)
    centre, deviation = (3, 2 / 12**0.5) if start.kind == "uniform" else (100, 0.5)
    assert abs(mean.mean() - centre) < deviation
    assert 0.7 * deviation < mean.std() < 1.3 * deviation


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_counts_as_worst(id: str, value: float) -> None:
    task = function_task(sphere, 3)
    with precision_of(task.spec):
        optimizer = make(id, task, batch_size=6)
        batch, key = optimizer.iteration[0], jax.random.key(0)
        tell = jax.jit(lambda state, x, f: optimizer.tell(key, state, batch, x, Evaluation(f, jnp.zeros((6, 0)))))
        solutions, state = jax.jit(lambda: optimizer.ask(key, optimizer.init(key), batch))()
        bad = tell(state, solutions, jnp.asarray([3.0, value, 5.0, value, 4.0, 1.0]))
        worst = tell(state, solutions, jnp.asarray([3.0, -1e9, 5.0, -1e9, 4.0, 1.0]))
        hopeless = tell(state, solutions, jnp.full(6, value))
    for one, two in zip(jax.tree.leaves(bad), jax.tree.leaves(worst), strict=True):
        np.testing.assert_array_equal(one, two)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(hopeless))


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize(
    ("function", "precision"),
    [("constant", "float32"), ("slope", "float32"), ("sphere", "float32"), ("slope", "float64")],
)
def test_long_runs_stay_finite(function: str, id: str, precision: str) -> None:
    """Where nothing can be learnt, where there is no end, and long after the search has converged."""
    functions = {"constant": lambda x: 0 * sphere(x), "slope": lambda x: x.sum(axis=1), "sphere": sphere}
    task = function_task(functions[function], 3, precision)
    with precision_of(task.spec):
        optimizer = make(id, task, batch_size=6)

        @jax.jit
        def run(key: jax.Array) -> object:
            (batch,) = optimizer.iteration

            def advance(number: jax.Array, carry: tuple[object, jax.Array]) -> tuple[object, jax.Array]:
                state, finite = carry
                solutions, state = optimizer.ask(jax.random.fold_in(key, number), state, batch)
                state = optimizer.tell(key, state, batch, solutions, task.evaluate(None, solutions))
                return state, finite & jnp.isfinite(solutions).all()

            return jax.lax.fori_loop(0, 10_000, advance, (optimizer.init(key), jnp.ones((), bool)))

        state, finite = run(jax.random.key(0))
    assert bool(finite)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("id", IDS)
def test_translation_of_the_task_is_a_translation_of_the_run(id: str) -> None:
    def run(centre: float) -> list[np.ndarray]:
        start = Start(mean=centre, scale=1.0)
        task = function_task(lambda x: ellipsoid(x - centre), 3, start=start)
        with precision_of(task.spec):
            return [step.solutions - centre for step in drive(task, make(id, task, batch_size=8), 10)]

    for one, two in zip(run(0.0), run(16.0), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)


def test_degenerate_distributions() -> None:
    def degenerate(sigma: float, *scales: float) -> bool:
        return bool(cma_core.is_degenerate(jnp.asarray(sigma, jnp.float32), jnp.asarray(scales, jnp.float32)))

    assert not degenerate(1, 1, 0.9e7)
    assert degenerate(1, 1, 1.1e7)
    assert degenerate(0.9e-11, 1, 1)
    assert not degenerate(0.9e-11, 1, 2)


def test_a_singular_covariance_can_be_divided_by() -> None:
    with jax.enable_x64(True):
        factors = jax.jit(cma_core.decompose)(jnp.diag(jnp.asarray([1.0, 0.0, 4.0])))
        assert float(factors.scales.min()) == pytest.approx(2e-10)


def test_decomposing_now_is_decomposing_when_due() -> None:
    with jax.enable_x64(True):
        covariance = lazy_covariance.identity(3, 4, 1, "float64")
        rate = cma_core.rates(cma_core.weights_by_rank(jnp.arange(4), 2, "float64"), 3)
        rng = np.random.default_rng(0)
        arrays = (
            jnp.asarray(rng.normal(size=3)),
            jnp.asarray([0.7, 0.3, -0.1, -0.2]),
            jnp.asarray(rng.normal(size=(4, 3))),
        )
        logged = jax.jit(lazy_covariance.log_update)(covariance, jnp.asarray(0.9), rate, *arrays)
        now, due = (jax.jit(f)(logged) for f in (lazy_covariance.decompose_now, lazy_covariance.decompose_if_due))
        p_c, weights, steps = map(np.asarray, arrays)
    expected = 0.9 * np.eye(3) + float(rate.c_1) * np.outer(p_c, p_c) + float(rate.c_mu) * (steps.T * weights) @ steps
    for result in (now, due):
        np.testing.assert_allclose(np.asarray(result.matrix).reshape(3, 3), expected, rtol=1e-12, atol=1e-15)
