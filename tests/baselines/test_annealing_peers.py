"""CMA-MAE and CMA-MAEGA beside pyribs, and in the setting of the paper."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind

import qdbench
from tests.reference import tasks as reference
from tests.reference.cma import standard_update

DIM, SIDE, EMITTERS, BATCH, ITERATIONS, SEEDS = 20, 20, 3, 12, 300, 8


def pyribs_score(optimizer_id: str, seed: int) -> float:
    archives, emitters = pytest.importorskip("ribs.archives"), pytest.importorskip("ribs.emitters")
    schedulers = pytest.importorskip("ribs.schedulers")
    bound = 5.12 * DIM / 2
    shape = {"solution_dim": DIM, "dims": (SIDE, SIDE), "ranges": [(-bound, bound)] * 2, "seed": seed}
    archive = archives.GridArchive(**shape, learning_rate=0.01, threshold_min=0.0)
    scoring = archives.GridArchive(**shape)
    settings = {"x0": np.zeros(DIM), "ranker": "imp", "restart_rule": "basic", "selection_rule": "mu"}
    gradients = optimizer_id == "cma-maega"
    if gradients:
        make = emitters.GradientArborescenceEmitter
        settings |= {"sigma0": 10.0, "lr": 1.0, "grad_opt": "gradient_ascent", "batch_size": BATCH - 1}
    else:
        make = emitters.EvolutionStrategyEmitter
        settings |= {"sigma0": 0.5, "batch_size": BATCH}
    all_emitters = [make(archive, **settings, seed=100 * seed + number) for number in range(EMITTERS)]
    scheduler = schedulers.Scheduler(archive, all_emitters, result_archive=scoring)

    def evaluate(solutions: np.ndarray) -> Any:
        return reference.evaluate("LP-Sphere-v0", solutions)

    for _ in range(ITERATIONS):
        if gradients:
            values = evaluate(scheduler.ask_dqd())
            jacobian = np.concatenate([values.objective_gradient[:, None], values.measures_jacobian], axis=1)
            scheduler.tell_dqd(values.objective, values.measures, jacobian)
        values = evaluate(scheduler.ask())
        scheduler.tell(values.objective, values.measures)
    return float(scoring.stats.norm_qd_score)


@pytest.mark.slow
@pytest.mark.parametrize("id", ["cma-mae", "cma-maega"])
def test_scores_are_those_of_pyribs_with_the_standard_update(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("ribs.emitters.opt._cma_es", reason="pyribs is an optional peer")
    monkeypatch.setattr(module.CMAEvolutionStrategy, "_calc_cov_update", staticmethod(standard_update))
    theirs = [pyribs_score(id, seed) for seed in range(1, SEEDS + 1)]
    task = qdbench.make("LP-Sphere-v0", dim=DIM, precision="float64")
    task = dataclasses.replace(task, spec=task.spec.model_copy(update={"archive_shape": (SIDE, SIDE)}))
    settings = {"emitters": EMITTERS, "batch_size": BATCH}
    budget = EMITTERS * BATCH * ITERATIONS
    ours = [
        qdbench.run(task, id, seed, budget, hyperparameters=settings, keep_solutions=False).metrics["qd_score"]
        for seed in range(SEEDS)
    ]
    assert ttest_ind(ours, theirs, equal_var=False).pvalue > 0.005, (np.mean(ours), np.mean(theirs))


def run_as_in_the_paper(task_id: str, id: str) -> dict[str, Any]:
    task = qdbench.make(task_id, dim=100)
    result = qdbench.run(task, id, budget=5_400_000, hyperparameters={"emitters": 15}, keep_solutions=False)
    assert result.metrics["iterations"] == 10_000
    return dict(result.metrics)


@pytest.mark.slow
def test_cma_mae_is_not_worse_than_published() -> None:
    """64.86 and 83.31 % are the authors' means; better, because of the rank-one update (docs/more_qd.md)."""
    metrics = run_as_in_the_paper("LP-Sphere-v0", "cma-mae")
    assert 64 < metrics["qd_score"] < 72
    assert 82 < metrics["coverage"] < 95


@pytest.mark.slow
def test_cma_maega_fills_the_archive_of_the_paper() -> None:
    """Every cell has its best objective but for 0.1 in the mean: 75.42 is the most there is."""
    metrics = run_as_in_the_paper("LP-Sphere-v0", "cma-maega")
    assert metrics["coverage"] == 100
    assert 75.3 < metrics["qd_score"] < 75.42
