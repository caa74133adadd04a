"""Tuning: a grid of hyperparameters on the tasks of a suite, every cell and repetition in one program for each task.

A cell's numbers are those of trials with its hyperparameters: the same keys, the same scoring. Two choices come out:

- *global*: one setting for all tasks. Where tasks rank by precision or regret, the one with the least geometric mean
  over tasks of (mean final precision of the cell / the best cell's mean on that task). A ratio counts as 10 at most, so
  that one task that a cell solves and another misses does not decide alone; a precision better than the task's target
  counts as the target. Where they rank by a score, such as the test score, the one with the best mean rank over tasks.
- *per task*: for every task the cell with the best mean, as Lange et al. (2023) tune.

Among equals the first in the order of the grid is chosen.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd

import baselines
from qdbench.api import make
from qdbench.harness import batched, trace, trial
from qdbench.harness.budget import Budget
from qdbench.harness.compiled import Outcome
from qdbench.harness.fingerprint import fingerprint
from qdbench.harness.jobs import evaluations_of
from qdbench.harness.suite import combinations
from qdbench.harness.targets import LOWER_IS_BETTER, METRIC
from qdbench.protocols import Optimizer, Task, precision_of
from qdbench.registry import OPTIMIZERS
from qdbench.spec import JsonScalar, TaskSpec

FILE = "tune.json"
"""The name of the file that :func:`to_json` makes."""

PAPER_GRID = {"elite_ratio": (0.0, 0.15, 0.25, 0.35, 0.5, 1.0), "sigma": (0.1, 0.25, 0.5, 0.75, 1.0)}
"""The grid of Lange et al. (2023) for BBOB and HPO-B; of it, what an optimizer has."""

_ROBOTS = {"elite_ratio": (0.0, 0.25, 0.5, 1.0), "sigma": (0.025, 0.05, 0.1)}
PAPER_GRIDS = {
    "neuro-pendulum": _ROBOTS,
    "neuro-brax": _ROBOTS,
    "neuro-minatar": {**_ROBOTS, "sigma": (0.05, 0.075, 0.1)},
    "neuroevolution-images": {**_ROBOTS, "sigma": (0.01, 0.025, 0.05)},
}
"""Their grids for families of tasks with networks; all other families have :data:`PAPER_GRID`."""

_RULE_OF_LACKS = (
    "global: the cell with the least geometric mean over tasks of (mean final {metric} of the cell / the best cell's "
    "mean on that task), ratios above 10 counting as 10 and {metric}s better than the task's target as the target; "
    "per task: the cell with the least mean final {metric}; among equals the first of the grid"
)
RULE = _RULE_OF_LACKS.format(metric=METRIC)
"""The rule for tasks that rank by precision."""
_RULE_OF_SCORES = (
    "global: the cell with the best mean over tasks of its rank by its mean {metric}; per task: the cell with the "
    "greatest mean {metric}; among equals the first of the grid"
)

_LARGEST_RATIO = 10.0
# Trials of one call of the program, its seconds on a processor, where trials take turns, and bytes of their tasks.
_TOGETHER = 250
_SECONDS = 5.0
_MOST_BYTES = 2**27

Grid = Mapping[str, Sequence[Any]]
TaskChoices = Sequence[tuple[str, dict[str, JsonScalar]]]


@dataclasses.dataclass(frozen=True)
class Tuned:
    """What came out.

    Attributes:
        optimizer: The optimizer's id.
        grid: The values that were tried.
        fixed: Hyperparameters that were given and not tuned.
        table: One row for each trial: task (its label), the tuned hyperparameters, repetition, and the metric.
        tasks: For each task's label its id, arguments, fingerprint and budget.
        floors: For each task's label the precision below which nothing counts as better; empty for scores.
        metric: By which the tasks rank.
    """

    optimizer: str
    grid: dict[str, tuple[Any, ...]]
    fixed: dict[str, Any]
    table: pd.DataFrame
    tasks: dict[str, dict[str, Any]]
    floors: dict[str, float]
    metric: str = METRIC

    @property
    def lower_is_better(self) -> bool:
        """Whether the metric is a precision or a regret."""
        return self.metric in LOWER_IS_BETTER

    @property
    def rule(self) -> str:
        """How the choices are made, in words."""
        return (_RULE_OF_LACKS if self.lower_is_better else _RULE_OF_SCORES).format(metric=self.metric)

    @property
    def names(self) -> list[str]:
        """The hyperparameters that were tuned."""
        return list(self.grid)

    def means(self) -> pd.DataFrame:
        """The mean final metric, one row for each cell in the order of the grid, one column for each task."""
        means = self.table.groupby(["cell", "task"], sort=False)[self.metric].mean().unstack("task")
        return means[list(self.tasks)].sort_index()

    def scores(self) -> pd.Series:
        """The cells' geometric mean ratio to the best cell, 10 at most, or mean rank; 1 is best on every task."""
        if not self.lower_is_better:
            return self.means().rank(ascending=False).mean(axis=1)
        floored = self.means().clip(lower=pd.Series(self.floors), axis=1)
        ratios = (floored / floored.min()).clip(upper=_LARGEST_RATIO)
        # NumPy's logarithm and exponential depend on the processor in the last digit.
        return ratios.map(math.log).mean(axis=1).map(math.exp)

    def cell(self, index: int) -> dict[str, Any]:
        """The hyperparameters of a cell."""
        return cells(self.grid)[index]

    def best(self) -> dict[str, Any]:
        """The global choice."""
        return self.cell(int(self.scores().idxmin()))

    def best_per_task(self) -> dict[str, dict[str, Any]]:
        """The choice for every task."""
        signed = self.means() if self.lower_is_better else -self.means()
        return {task: self.cell(int(column.idxmin())) for task, column in signed.items()}


def cells(grid: Grid) -> list[dict[str, Any]]:
    """All combinations, the last name varying fastest."""
    return combinations({}, grid)


def default_grid(optimizer: str, families: Iterable[str] = ()) -> dict[str, tuple[Any, ...]]:
    """The part of the paper's grid for families of tasks that an optimizer has.

    Raises:
        ValueError: If it has none of it, or if the families have different grids.
    """
    factory, bound = OPTIMIZERS.resolve(optimizer)
    known = [name for name in inspect.signature(factory).parameters if name not in bound]
    found = sorted(set(families))
    first, *others = [PAPER_GRIDS.get(family, PAPER_GRID) for family in found] or [PAPER_GRID]
    if any(other != first for other in others):
        raise ValueError(
            f"{', '.join(found)} have different grids: choose tasks of one family, or name what to try, as "
            "--grid sigma=0.1,1"
        )
    grid = {name: values for name, values in first.items() if name in known}
    if not grid:
        raise ValueError(
            f"optimizer {optimizer!r} has neither {' nor '.join(PAPER_GRID)}: name what to tune, such as "
            f"--grid NAME=0.1,1; it has {', '.join(name for name in known if name != 'spec')}"
        )
    return grid


def tune(
    optimizer: str,
    tasks: TaskChoices,
    budget: Budget,
    repetitions: int,
    grid: Grid | None = None,
    fixed: Mapping[str, Any] | None = None,
    progress: Callable[[float, str], None] | None = None,
    first_repetition: int = 0,
) -> Tuned:
    """Tries a grid of hyperparameters on every task.

    Args:
        optimizer: A registered id.
        tasks: Ids and arguments of tasks that rank by precision.
        budget: The budget of the trials.
        repetitions: How many of each cell.
        grid: The values to try; None: :func:`default_grid` of the tasks' families.
        fixed: Other hyperparameters.
        progress: Called with the fraction done and the task's label.
        first_repetition: They are this one and those after it: a board's trials need not be those of the tuning.

    Raises:
        UnknownNameError: If there is no such optimizer or task.
        ValueError: If tasks rank by different metrics, or a hyperparameter of the grid decides shapes.
        TrialError: If a trial fails.
    """
    made = [make(id, **arguments) for id, arguments in tasks]
    if grid is None:
        grid = default_grid(optimizer, (task.spec.family for task in made))
    chosen = {name: tuple(values) for name, values in grid.items()}
    settings = dict(fixed or {})
    seeds = range(first_repetition, first_repetition + repetitions)
    frames, described, floors = [], {}, {}
    metrics: dict[str, str] = {}
    for number, (task, (task_id, arguments)) in enumerate(zip(made, tasks, strict=True)):
        label = label_of(task_id, arguments)
        metrics.setdefault(task.spec.metric, label)
        if len(metrics) > 1:
            (one, first), (other, second) = metrics.items()
            raise ValueError(
                f"tasks that are tuned together rank by one metric, but {first} by {one}, {second} by {other}"
            )

        def report(fraction: float, number: int = number, label: str = label) -> None:
            if progress is not None:
                progress((number + fraction) / len(tasks), label)

        finals, evaluations = _run(task, optimizer, chosen, settings, budget, seeds, report)
        frames.append(_rows(label, chosen, task.spec.metric, seeds, finals))
        described[label] = {
            "id": task_id,
            "arguments": task.spec.arguments,
            "fingerprint": fingerprint(task),
            "budget": evaluations,
        }
        if task.spec.metric in LOWER_IS_BETTER:
            floors[label] = task.spec.target or float(np.finfo(np.float64).tiny)
    (metric,) = metrics
    return Tuned(optimizer, chosen, settings, pd.concat(frames, ignore_index=True), described, floors, metric)


def label_of(task_id: str, arguments: Mapping[str, JsonScalar]) -> str:
    """A task's name in tables."""
    return " ".join([task_id, *(f"{name}={value}" for name, value in arguments.items())])


def _run(
    task: Task,
    optimizer: str,
    grid: dict[str, tuple[Any, ...]],
    fixed: dict[str, Any],
    budget: Budget,
    repetitions: Sequence[int],
    report: Callable[[float], None],
) -> tuple[np.ndarray, int]:
    """The final metrics, ``(cells, repetitions)``, and the number of evaluations of a trial."""
    spec = task.spec
    candidates = [baselines.make(optimizer, spec, **fixed, **cell) for cell in cells(grid)]
    _check_one_program(task, optimizer, candidates, grid)
    evaluations = evaluations_of(budget, spec, candidates[0])
    with precision_of(spec):
        keys = [trial.keys_of(spec, candidates[0].id, repetition) for repetition in repetitions]
        trials = [batched.Trial(task, candidate, key) for candidate in candidates for key in keys]
        # Every trial has its copy of the task's arrays, and a data set is large.
        bytes_each = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(task)) or 1
        capacity = min(_TOGETHER, len(trials), max(1, _MOST_BYTES // bytes_each))
        on_cpu = jax.default_backend() == "cpu"
        finals: list[float] = []
        # An accelerator takes as long for a few as for all.
        size = 1 if on_cpu else capacity
        while len(finals) < len(trials):
            outcomes = batched.run(trials[len(finals) : len(finals) + size], evaluations, False, capacity)
            finals += [_final(outcome, spec) for outcome in outcomes]
            report(len(finals) / len(trials))
            if on_cpu:
                size = _as_many_as_fit(outcomes[0].run_seconds, capacity)
    return np.array(finals).reshape(len(candidates), len(repetitions)), evaluations


def _as_many_as_fit(seconds: float, capacity: int) -> int:
    """How many trials of so many seconds a call of the program takes, after which progress shows."""
    return max(1, int(_SECONDS / max(seconds, _SECONDS / capacity)))


def _final(outcome: Outcome, spec: TaskSpec) -> float:
    if spec.metric in LOWER_IS_BETTER:
        return spec.objective_range[1] - float(outcome.score.best_objective)
    return float(trace.frame(outcome.rows[-1:])[spec.metric].iloc[0])


def _check_one_program(task: Task, optimizer: str, candidates: Sequence[Optimizer], grid: Grid) -> None:
    if len({batched.signature(task, candidate) for candidate in candidates}) > 1:
        raise ValueError(
            f"optimizer {optimizer!r}: one of {', '.join(grid)} decides shapes, such as a batch size does; "
            "only hyperparameters that are arrays are tuned in one program"
        )


def _rows(label: str, grid: Grid, metric: str, repetitions: Sequence[int], finals: np.ndarray) -> pd.DataFrame:
    rows = [
        {"task": label, "cell": index, **cell, "repetition": repetition, metric: float(value)}
        for index, cell in enumerate(cells(grid))
        for repetition, value in zip(repetitions, finals[index], strict=True)
    ]
    return pd.DataFrame(rows)


def to_json(tuned: Tuned, suite: str, provenance: Mapping[str, str]) -> str:
    """The choices, the rule and what they rest on; every single trial is in the table beside it."""
    spread = tuned.table.groupby(["task", "cell"], sort=False)[tuned.metric].agg(["mean", "std", "median"])
    per_task = tuned.best_per_task()
    scores = tuned.scores()
    content = {
        "optimizer": tuned.optimizer,
        "suite": suite,
        "rule": tuned.rule,
        "grid": tuned.grid,
        "fixed": tuned.fixed,
        "repetitions": tuned.table["repetition"].nunique(),
        "first_repetition": int(tuned.table["repetition"].min()),
        "global": {"hyperparameters": tuned.best(), "score": float(scores.min())},
        "per_task": {task: per_task[task] for task in tuned.tasks},
        "tasks": tuned.tasks,
        "scores": [{**tuned.cell(index), "score": float(score)} for index, score in enumerate(scores)],
        "evidence": [
            {"task": task, **tuned.cell(cell), **{name: _number(value) for name, value in row.items()}}
            for (task, cell), row in zip(spread.index, spread.to_dict("records"), strict=True)
        ],
        "provenance": dict(provenance),
    }
    return json.dumps(content, indent=1) + "\n"


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
