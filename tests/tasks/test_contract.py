"""What every registered task must do, whichever it is. A new task is tested by being registered."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

import qdbench
from qdbench.protocols import precision_of
from qdbench.spec import TaskSpec
from tests import registered

# Instances whose defaults are tested under another id.
OTHER: dict[str, dict[str, object]] = {"BBOB-v0": {"function": 15}, "BBOB-Noisy-v0": {"function": 117}}

pytestmark = pytest.mark.parametrize("id", registered.AVAILABLE)


def make(id: str, **arguments: object) -> qdbench.Task:
    return registered.make(id, **{**OTHER.get(id, {}), **arguments})


def solutions(spec: TaskSpec, batch: int = 5, seed: int = 0) -> np.ndarray:
    # One size almost everywhere: without jit, JAX compiles each operation for each shape once.
    low, high = spec.solution_bounds or (-3, 3)
    return np.random.default_rng(seed).uniform(low, high, (batch, spec.dim)).astype(spec.precision)


def key() -> jax.Array:
    return jax.random.key(0)


def test_spec_names_the_task_and_goes_to_json_and_back(id: str) -> None:
    spec = make(id).spec
    assert spec.id == id
    text = spec.model_dump_json()
    assert TaskSpec.model_validate_json(text) == spec
    # The arguments in the spec make the same task again.
    assert qdbench.make(id, **json.loads(text)["arguments"]).spec == spec


@pytest.mark.parametrize("batch", [1, 5])
def test_shapes_dtypes_and_finite(id: str, batch: int) -> None:
    task = make(id)
    result = task.evaluate(key(), solutions(task.spec, batch))
    assert result.objective.shape == (batch,)
    assert result.measures.shape == (batch, task.spec.num_measures)
    assert result.objective.dtype == result.measures.dtype == task.spec.precision
    assert np.isfinite(np.asarray(result.objective)).all()
    assert np.isfinite(np.asarray(result.measures)).all()
    assert result.objective_gradient is None
    assert result.measures_jacobian is None


def test_gradients_come_with_the_same_values_or_an_error(id: str) -> None:
    task = make(id)
    theta = solutions(task.spec)
    if not task.spec.differentiable:
        with pytest.raises(ValueError, match="not differentiable"):
            task.evaluate(key(), theta, gradients=True)
        return
    result = task.evaluate(key(), theta, gradients=True)
    plain = task.evaluate(key(), theta)
    np.testing.assert_allclose(result.objective, plain.objective, rtol=1e-6)
    np.testing.assert_allclose(result.measures, plain.measures, rtol=1e-6)
    assert result.objective_gradient.shape == theta.shape
    assert result.measures_jacobian.shape == (len(theta), task.spec.num_measures, task.spec.dim)
    with precision_of(task.spec):
        derivative = jax.jacrev(lambda x: task.evaluate(key(), x[None]).objective[0])
        expected = jax.jit(jax.vmap(derivative))(theta)
    np.testing.assert_allclose(result.objective_gradient, expected, rtol=1e-3, atol=1e-3)


def test_deterministic_and_independent_of_neighbours(id: str) -> None:
    task = make(id)
    theta = solutions(task.spec)
    first = task.evaluate(key(), theta)
    np.testing.assert_array_equal(first.objective, task.evaluate(key(), theta).objective)
    if not task.spec.deterministic:
        assert not np.array_equal(first.objective, task.evaluate(jax.random.key(9), theta).objective)
        with pytest.raises(ValueError, match="needs a key"):
            task.evaluate(None, theta)
    else:
        np.testing.assert_array_equal(first.objective, task.evaluate(None, theta).objective)
        np.testing.assert_array_equal(first.objective, task.evaluate(jax.random.key(9), theta).objective)
        alone = np.concatenate([task.evaluate(None, row[None]).objective for row in theta])
        np.testing.assert_allclose(first.objective, alone, rtol=1e-5, atol=1e-4)


def test_jit_and_vmap_over_stacked_batches_agree_with_eager(id: str) -> None:
    task = make(id)
    theta = solutions(task.spec)
    with precision_of(task.spec):
        eager = task.evaluate(key(), theta)
        jitted = jax.jit(lambda t, x: t.evaluate(key(), x))(task, theta)
        stacked = jax.vmap(lambda x: task.evaluate(key(), x))(theta[None])
    np.testing.assert_allclose(eager.objective, jitted.objective, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(eager.measures, jitted.measures, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(eager.objective, stacked.objective[0], rtol=1e-5, atol=1e-4)


def test_accepts_what_numpy_takes_for_real_numbers(id: str) -> None:
    task = make(id)
    low, high = task.spec.solution_bounds or (-3, 3)
    whole = np.full((5, task.spec.dim), int(np.clip(1, np.ceil(low), np.floor(high))))
    expected = np.asarray(task.evaluate(key(), whole.astype(task.spec.precision)).objective)
    for form in (whole, whole.astype(np.int8), whole.astype(np.float16), whole.astype(np.float64), whole.tolist()):
        result = task.evaluate(key(), form)
        np.testing.assert_array_equal(np.asarray(result.objective), expected)
        assert result.objective.dtype == task.spec.precision


def test_precision_is_scoped(id: str) -> None:
    assert not jax.config.jax_enable_x64
    for precision in ("float32", "float64"):
        try:
            task = make(id, precision=precision)
        except TypeError:
            pytest.skip(f"{id} has one precision only")
        result = task.evaluate(key(), solutions(task.spec), gradients=task.spec.differentiable)
        assert all(part is None or part.dtype == precision for part in result)
        assert not jax.config.jax_enable_x64


@pytest.mark.parametrize("shape", [(), (7,), (1, 6), (1, 8), (0, 7), (1, 1, 7)])
def test_wrong_shapes_are_named(id: str, shape: tuple[int, ...]) -> None:
    task = make(id)
    shape = tuple(task.spec.dim if size == 7 else size for size in shape)
    with pytest.raises(ValueError, match=r"solutions must have shape \(batch, \d+\), but theirs is") as error:
        task.evaluate(None, np.zeros(shape))
    assert str(shape) in str(error.value)
    assert id in str(error.value)
    if len(shape) == 2 and 0 not in shape:
        with pytest.raises(ValueError, match="solutions must have shape"):
            jax.jit(lambda x: task.evaluate(None, x))(np.zeros(shape, np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_located(id: str, bad: float) -> None:
    task = make(id)
    theta = solutions(task.spec)
    theta[3, 2 % task.spec.dim] = bad
    with pytest.raises(ValueError, match=rf"1 of {theta.size} values .*row 3, parameter {2 % task.spec.dim}"):
        task.evaluate(None, theta)


@pytest.mark.parametrize("dtype", [complex, str, object, bool])
def test_what_is_not_a_real_number_is_refused(id: str, dtype: type) -> None:
    task = make(id)
    with pytest.raises(TypeError, match="solutions must be real numbers, but their dtype is"):
        task.evaluate(None, np.zeros((2, task.spec.dim)).astype(dtype))


def test_unknown_arguments_and_precisions(id: str) -> None:
    with pytest.raises(TypeError, match=rf"task '{id}' has no argument sigma; it has"):
        make(id, sigma=1)
    with pytest.raises((ValueError, TypeError), match="precision"):
        make(id, precision="float16")


def test_jit_at_a_large_batch_equals_eager_and_numpy(id: str) -> None:
    """jaxlib 0.10.2 computed wrong values for fused reductions at batch 512 and above (jax-ml/jax#39103)."""
    from tests.reference import tasks as reference

    task = make(id)
    theta = solutions(task.spec, 4096)
    with precision_of(task.spec):
        eager = task.evaluate(key(), theta, gradients=task.spec.differentiable)
        jitted = jax.jit(lambda x: task.evaluate(key(), x, gradients=task.spec.differentiable))(theta)
    for one, other in zip(eager, jitted, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-4)
    if not task.spec.deterministic:
        return  # its noise is tested where it is defined
    expected = reference.evaluate(id, theta, **task.spec.arguments)
    np.testing.assert_allclose(jitted.objective, expected.objective, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(jitted.measures, expected.measures, rtol=1e-4, atol=1e-3)
