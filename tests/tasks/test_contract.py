"""What every registered task must do, whichever it is. A new task is tested by being registered."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from qdbench.protocols import precision_of
from qdbench.spec import TaskSpec
from qdbench.testing import TASK_RULES, Rule, task_subject
from qdbench.testing.task_rules import TaskSubject
from tests.registered import PARAMETERS, SMALL, make

pytestmark = pytest.mark.parametrize("id", PARAMETERS)


def solutions(spec: TaskSpec, batch: int = 5, seed: int = 0) -> np.ndarray:
    # One size almost everywhere: without jit, JAX compiles each operation for each shape once.
    reach = 3 * spec.start.scale or 3
    low, high = spec.solution_bounds or (-reach, reach)
    return np.random.default_rng(seed).uniform(low, high, (batch, spec.dim)).astype(spec.precision)


def key() -> jax.Array:
    return jax.random.key(0)


@functools.cache
def subject(id: str) -> TaskSubject:
    return task_subject(id, **SMALL.get(id, {}))


@pytest.mark.parametrize("rule", TASK_RULES, ids=str)
def test_rule(id: str, rule: Rule) -> None:
    assert subject(id).spec.id == id
    rule.check(subject(id))


def test_the_derivatives_are_those_of_the_compiled_function(id: str) -> None:
    """To more digits than finite differences have."""
    task = make(id)
    if not task.spec.differentiable:
        return
    theta = solutions(task.spec)
    result = task.evaluate(key(), theta, gradients=True)
    with precision_of(task.spec):
        derivative = jax.jacrev(lambda x: task.evaluate(key(), x[None]).objective[0])
        expected = jax.jit(jax.vmap(derivative))(theta)
    np.testing.assert_allclose(result.objective_gradient, expected, rtol=1e-3, atol=1e-3)


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


def test_unknown_arguments_and_precisions(id: str) -> None:
    with pytest.raises(TypeError, match=rf"task '{id}' has no argument sigma; it has"):
        make(id, sigma=1)
    with pytest.raises((ValueError, TypeError), match="precision"):
        make(id, precision="float16")


def test_jit_at_a_large_batch_equals_eager_and_numpy(id: str) -> None:
    """jaxlib 0.10.2 computed wrong values for fused reductions at batch 512 and above (jax-ml/jax#39103)."""
    from tests.reference import tasks as reference

    task = make(id)
    theta = solutions(task.spec, 1024 if task.spec.dim < 10_000 else 64)
    with precision_of(task.spec):
        eager = task.evaluate(key(), theta, gradients=task.spec.differentiable)
        jitted = jax.jit(lambda x: task.evaluate(key(), x, gradients=task.spec.differentiable))(theta)
    for one, other in zip(eager[:2], jitted[:2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-4)
    for one, other in zip(eager[2:], jitted[2:], strict=True):
        if one is not None:
            same = np.isclose(one, other, rtol=1e-4, atol=2e-4).reshape(len(theta), -1).all(axis=1)
            # The gradients of a network jump where an activation has its kink, on whose side rounding decides.
            assert same.mean() >= (0.999 if id.startswith("LSI-") else 1)
    if not task.spec.deterministic or id.startswith("Neuro-"):
        return  # its noise, and its values, are tested where it is defined
    expected = reference.evaluate(id, theta, **task.spec.arguments)
    np.testing.assert_allclose(jitted.objective, expected.objective, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(jitted.measures, expected.measures, rtol=1e-4, atol=1e-3)
