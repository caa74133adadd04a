"""CMA-ES as COCO would see it: evaluations to 1e-8 beside pycma's, on the same instances in the same run."""

from __future__ import annotations

import statistics
import warnings

import numpy as np
import pytest

import qdbench

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import cma

INSTANCES = range(1, 16)
TARGET = 1e-8


def ours(task: qdbench.Task) -> float:
    result = qdbench.run(task, "cma-es-restarts", hyperparameters={"sigma": 2.0}, keep_solutions=False)
    assert result.targets is not None
    return float(result.targets["evaluations"].iloc[-1] or np.inf)


def pycma(task: qdbench.Task, seed: int) -> float:
    """pycma with its own defaults, restarted from new points like ours."""
    rng = np.random.default_rng(seed)
    evaluated = 0
    while evaluated < task.spec.budget:
        options = {"verbose": -9, "seed": int(rng.integers(1, 2**31)), "maxfevals": task.spec.budget - evaluated}
        search = cma.CMAEvolutionStrategy(rng.uniform(-5, 5, task.spec.dim), 2.0, options)
        while not search.stop():
            solutions = search.ask()
            values = -np.asarray(task.evaluate(None, np.array(solutions)).objective)
            if values.min() <= TARGET:
                return evaluated + int(np.argmax(values <= TARGET)) + 1
            evaluated += len(values)
            search.tell(solutions, values.tolist())
    return np.inf


@pytest.mark.slow
@pytest.mark.parametrize("dim", [5, 20])
@pytest.mark.parametrize("function", [1, 2, 10, 8, 9])
@pytest.mark.filterwarnings("ignore")
def test_median_evaluations_to_the_final_target_are_pycmas(function: int, dim: int) -> None:
    tasks = [qdbench.make("BBOB-v0", function=function, dim=dim, instance=instance) for instance in INSTANCES]
    found = statistics.median(ours(task) for task in tasks)
    theirs = statistics.median(pycma(task, seed) for seed, task in enumerate(tasks))
    assert found <= 1.25 * theirs
    assert found >= theirs / 1.25
