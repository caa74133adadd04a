"""The protocol's own checks, on tasks and optimizers made for the purpose."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qdbench.protocols import Evaluation, HostOptimizer, HostTask, Optimizer, Task, check_solutions, precision_of
from qdbench.spec import TaskSpec


def make_spec(**changes: Any) -> TaskSpec:
    return TaskSpec(**{"id": "Sum-v0", "family": "sum", "dim": 3, "objective_range": (0, 1), "budget": 9, **changes})


class Sum(Task):
    """The objective is a weighted sum; the weights are a leaf."""

    weights: jax.Array
    spec: TaskSpec = eqx.field(static=True)

    def _evaluate(self, key: Any, solutions: jax.Array, gradients: bool) -> Evaluation:
        assert solutions.dtype == self.spec.precision or isinstance(solutions, jax.core.Tracer)
        return Evaluation(solutions @ self.weights, jnp.zeros((len(solutions), 0), solutions.dtype))


def make_task(**changes: Any) -> Sum:
    return Sum(weights=jnp.asarray([1.0, 2.0, 3.0]), spec=make_spec(**changes))


@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int64, np.uint16]),
        st.tuples(st.integers(1, 4), st.just(3)),
        elements=st.integers(0, 100),
    )
)
def test_any_real_array_of_the_right_shape_passes_in_the_task_s_precision(solutions: np.ndarray) -> None:
    checked = check_solutions(make_spec(), solutions)
    assert checked.dtype == make_spec().precision
    np.testing.assert_array_equal(checked, solutions.astype(make_spec().precision))


def test_a_number_beyond_the_task_s_precision_is_refused() -> None:
    solutions = np.zeros((2, 3))
    solutions[1, 2] = 1e300
    with pytest.raises(ValueError, match=r"must be finite float32 numbers.*1e\+300 at row 1, parameter 2"):
        check_solutions(make_spec(), solutions)


@given(
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5).filter(
        lambda s: len(s) != 2 or s[1] != 3 or s[0] == 0
    )
)
def test_any_other_shape_is_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^Sum-v0: solutions must have shape \(batch, 3\), but theirs is") as error:
        check_solutions(make_spec(), np.zeros(shape))
    assert str(error.value).endswith(str(shape))


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, unique=True),
    st.sampled_from([np.nan, np.inf]),
)
def test_the_first_bad_value_is_located(places: list[tuple[int, int]], bad: float) -> None:
    solutions = np.zeros((5, 3))
    for place in places:
        solutions[place] = bad
    row, column = min(places)
    with pytest.raises(ValueError, match=rf"{len(places)} of 15 values .* {bad} at row {row}, parameter {column}\)"):
        check_solutions(make_spec(), solutions)


@pytest.mark.parametrize(
    "solutions", ["abc", [["a", "b", "c"]], np.zeros((1, 3), complex), np.zeros((1, 3), bool), None]
)
def test_what_is_not_real_is_refused(solutions: Any) -> None:
    with pytest.raises(TypeError, match="solutions must be real numbers, but their dtype is"):
        check_solutions(make_spec(), solutions)


def test_a_spec_without_id_still_has_a_name_in_errors() -> None:
    with pytest.raises(ValueError, match=r"^the task: solutions must have shape"):
        check_solutions(make_spec().structure(), np.zeros(3))


def test_shapes_are_checked_while_tracing_too() -> None:
    with pytest.raises(ValueError, match=r"solutions must have shape \(batch, 3\), but theirs is \(2, 4\)"):
        jax.jit(lambda x: make_task().evaluate(None, x))(np.zeros((2, 4), np.float32))


def test_gradients_of_a_task_without() -> None:
    with pytest.raises(ValueError, match="Sum-v0 is not differentiable: call evaluate with gradients=False"):
        make_task().evaluate(None, np.zeros((1, 3)), gradients=True)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_precision_is_the_specs_and_scoped(precision: str) -> None:
    task = make_task(precision=precision)
    assert not jax.config.jax_enable_x64
    assert task.evaluate(None, np.ones((2, 3), np.float64)).objective.dtype == precision
    assert task.evaluate(None, np.ones((2, 3), np.float32)).objective.dtype == precision
    assert not jax.config.jax_enable_x64
    with precision_of(task.spec):
        assert jax.config.jax_enable_x64 == (precision == "float64")
        assert jnp.zeros(1).dtype == precision
    assert not jax.config.jax_enable_x64


def test_precision_is_restored_after_an_error() -> None:
    class Broken(Sum):
        def _evaluate(self, key: Any, solutions: jax.Array, gradients: bool) -> Evaluation:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        Broken(weights=jnp.ones(3), spec=make_spec(precision="float64")).evaluate(None, np.zeros((1, 3)))
    assert not jax.config.jax_enable_x64


def test_tasks_are_pytrees_whose_arrays_are_leaves() -> None:
    task = make_task()
    assert len(jax.tree.leaves(task)) == 1
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), task, Sum(weights=jnp.ones(3), spec=task.spec))
    objective = jax.vmap(lambda t: t.evaluate(None, jnp.ones((2, 3))).objective)(stack)
    np.testing.assert_array_equal(objective, [[6, 6], [3, 3]])
    # One program for all instances: the second call does not compile again.
    function = jax.jit(lambda t, x: t.evaluate(None, x).objective)
    function(task, jnp.ones((2, 3)))
    function(Sum(weights=jnp.zeros(3), spec=task.spec), jnp.ones((2, 3)))
    assert function._cache_size() == 1


def test_the_key_reaches_a_stochastic_task() -> None:
    class Noisy(Sum):
        def _evaluate(self, key: Any, solutions: jax.Array, gradients: bool) -> Evaluation:
            return Evaluation(jax.random.normal(key, solutions.shape[:1]), jnp.zeros((len(solutions), 0)))

    task = Noisy(weights=jnp.ones(3), spec=make_spec(deterministic=False))
    one, same, other = (np.asarray(task.evaluate(jax.random.key(s), np.zeros((4, 3))).objective) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()


def test_abstract_classes_stay_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Task()
    with pytest.raises(TypeError, match="abstract"):
        Optimizer()


def test_plain_objects_are_host_optimizers_and_tasks() -> None:
    class Plain:
        spec = make_spec()

        def ask(self) -> Any: ...

        def tell(self, solutions: Any, evaluation: Evaluation) -> None: ...

        def evaluate(self, key: Any, solutions: Any, gradients: bool = False) -> Evaluation: ...

    assert isinstance(Plain(), HostOptimizer)
    assert isinstance(Plain(), HostTask)
    assert isinstance(make_task(), HostTask)
    assert not isinstance(object(), HostOptimizer)
    assert not isinstance(make_task(), HostOptimizer)
