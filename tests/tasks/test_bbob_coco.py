"""BBOB against COCO's own code: every function, COCO's dimensions and 25 of its instances."""

from __future__ import annotations

import cocoex
import jax
import numpy as np
import pytest

import qdbench
from qdbench.protocols import precision_of
from tests.reference import bbob
from tests.tasks.instances import points, stacked

DIMS = (2, 3, 5, 10, 20, 40)
INSTANCES = "1-15,71-80"


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("function", range(1, 25))
def test_every_function_and_instance(function: int, dim: int) -> None:
    expected, theta, tasks = [], [], []
    for problem in cocoex.Suite("bbob", f"instances:{INSTANCES}", f"dimensions:{dim} function_indices:{function}"):
        assert (problem.id_function, problem.dimension) == (function, dim)
        task = qdbench.make("BBOB-v0", function=function, dim=dim, instance=problem.id_instance, precision="float64")
        x = points(bbob.make(function, dim, problem.id_instance).x_opt, seed=100 * dim + problem.id_instance)
        tasks.append(task)
        theta.append(x)
        expected.append([problem(row) for row in x])
    assert len(tasks) == 25
    with precision_of(tasks[0].spec):
        program = jax.jit(jax.vmap(lambda task, x: task.evaluate(None, x).objective))
        objective = np.asarray(program(stacked(tasks), np.stack(theta)))
    f_opt = np.array([task.spec.f_opt for task in tasks])[:, None]
    error = np.abs(f_opt - objective - np.array(expected)) / np.maximum(1, np.abs(expected))
    assert error.max() <= 1e-9, (error.max(), np.argwhere(error > 1e-9)[:10])
    np.testing.assert_allclose(objective[:, -1], 0, atol=1e-10)
    assert (objective <= 1e-10).all()


def test_the_reference_agrees_too() -> None:
    """Other tests trust the reference where COCO gives no value, such as before noise is added."""
    for problem in cocoex.Suite("bbob", "instances:1-2,110", "dimensions:2,3,20"):
        function = bbob.make(problem.id_function, problem.dimension, problem.id_instance)
        x = points(function.x_opt, seed=problem.index)
        expected = np.array([problem(row) for row in x])
        error = np.abs(function(x) - expected) / np.maximum(1, np.abs(expected))
        assert error.max() <= 1e-10, problem.id
