"""qdbench's side: trials through ``qdbench.run``, timed by its own metrics."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

import baselines
import qdbench
from benchmarks.measurement import Setting, Timing
from qdbench.harness.compiled import sizes
from qdbench.protocols import Task


def make_task(setting: Setting) -> Task:
    """LP-Sphere with the setting's dimension, precision and archive."""
    task = qdbench.make("LP-Sphere-v0", dim=setting.dim, precision=setting.precision)
    spec = task.spec.model_copy(update={"archive_shape": (setting.side, setting.side)})
    return dataclasses.replace(task, spec=spec)


def time_search(**setting: Any) -> Timing:
    """Times one trial: compilation, and the run with the harness's own scoring archive."""
    chosen = Setting(**setting)
    metrics = _run(make_task(chosen), chosen, chosen.iterations)
    return Timing(
        implementation="qdbench",
        version=qdbench.__version__,
        compile_seconds=metrics["compile_seconds"],
        run_seconds=metrics["run_seconds"],
        iterations=int(metrics["iterations"]),
        evaluations=int(metrics["evaluations"]),
        qd_score=metrics["qd_score"],
        coverage=metrics["coverage"],
    )


def cost_of_iteration(
    setting: dict[str, Any], rounds: int, seconds: float, most: int, first: int = 100
) -> dict[str, Any]:
    """What one more iteration costs: the time of a long trial less that of a short one, by the iterations between.

    The difference leaves out what a trial costs once: to fill the empty archives and to write the 100 points of its
    trace, which at large sizes is more than the search of a second.

    Args:
        setting: A :class:`Setting` as a dictionary.
        rounds: How often to measure.
        seconds: About how long the long trial should take.
        most: The most iterations of it.
        first: Iterations of the short trial.
    """
    chosen = Setting(**setting)
    task = make_task(chosen)
    short = _run(task, chosen, first)
    compile_seconds = short["compile_seconds"]
    estimate = max(_run(task, chosen, 2 * first)["run_seconds"] - short["run_seconds"], 1e-4) / first
    iterations = first + int(min(most, max(first, seconds / estimate)))
    costs = []
    for _ in range(rounds):
        begin, end = (_run(task, chosen, count) for count in (first, iterations))
        costs.append(1e6 * (end["run_seconds"] - begin["run_seconds"]) / (end["iterations"] - begin["iterations"]))
    return {
        "compile_seconds": compile_seconds,
        "iterations": iterations,
        "median": statistics.median(costs),
        "low": min(costs),
        "high": max(costs),
    }


def _run(task: Task, setting: Setting, iterations: int) -> dict[str, Any]:
    hyperparameters = {"batch_size": setting.batch}
    optimizer = baselines.make(setting.algorithm, task.spec, **hyperparameters)
    budget = sizes(optimizer.initial)[0] + iterations * sizes(optimizer.iteration)[0]
    result = qdbench.run(
        task, setting.algorithm, budget=budget, hyperparameters=hyperparameters, keep_solutions=False, driver="compiled"
    )
    return dict(result.metrics)
