"""pyribs' side: the same searches, with the hyperparameters of the DQD paper."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from ribs.archives import GridArchive
from ribs.emitters import EvolutionStrategyEmitter, GradientArborescenceEmitter, IsoLineEmitter
from ribs.schedulers import Scheduler

from benchmarks.measurement import ANNEALED_ALGORITHMS, Setting, Timing

_BOUND = 5.12
_SHIFT = 0.4 * _BOUND
_INITIAL = 100
_WARM_UP = 20


class LpSphere:
    """LP-Sphere on NumPy arrays, written for speed: two passes for f, one product for both measures."""

    def __init__(self, dim: int) -> None:
        half = dim // 2
        self._scale = 100 / (dim * (_BOUND + _SHIFT) ** 2)
        self._halves = np.zeros((dim, 2))
        self._halves[:half, 0] = 1
        self._halves[half:, 1] = 1

    def evaluate(self, solutions: Any) -> tuple[Any, Any]:
        """Objectives and measures."""
        offset = solutions - _SHIFT
        contribution = solutions.copy()
        # Few parameters are outside as a rule: to visit those is cheaper than to divide all.
        outside = np.flatnonzero(np.abs(solutions) > _BOUND)
        flat = contribution.reshape(-1)
        flat[outside] = _BOUND / flat[outside]
        return 100 - self._scale * np.vecdot(offset, offset), contribution @ self._halves

    def differentiate(self, solutions: Any) -> Any:
        """The gradients of the objective and of the measures, ``(batch, 3, n)``."""
        slope = np.ones_like(solutions)
        outside = np.abs(solutions) > _BOUND
        slope[outside] = -_BOUND / solutions[outside] ** 2
        objective = (-2 * self._scale) * (solutions - _SHIFT)
        return np.concatenate([objective[:, None], slope[:, None] * self._halves.T], axis=1)


class Search:
    """An archive, an emitter and a scheduler, from the start."""

    def __init__(self, setting: Setting, seed: int) -> None:
        bound = _BOUND * setting.dim / 2
        self._problem = LpSphere(setting.dim)
        self._uses_gradients = setting.algorithm in ("cma-mega", "cma-maega")
        shape: dict[str, Any] = {
            "solution_dim": setting.dim,
            "dims": (setting.side, setting.side),
            "ranges": [(-bound, bound)] * 2,
        }
        self.archive = GridArchive(**shape, seed=seed)
        searched, scoring = self.archive, None
        if setting.algorithm in ANNEALED_ALGORITHMS:
            # As in the paper, a second, elitist archive makes the score.
            searched, scoring = GridArchive(**shape, **_ANNEALING, seed=seed), self.archive
        emitter = _EMITTERS[setting.algorithm](searched, setting, seed)
        self._scheduler = Scheduler(searched, [emitter], result_archive=scoring)
        if setting.algorithm == "map-elites-line":
            self.iterate()  # The initial population, which qdbench does not count as an iteration either.

    def iterate(self) -> None:
        """One iteration."""
        if self._uses_gradients:
            solutions = self._scheduler.ask_dqd()
            self._scheduler.tell_dqd(*self._problem.evaluate(solutions), self._problem.differentiate(solutions))
        self._scheduler.tell(*self._problem.evaluate(self._scheduler.ask()))


def time_search(**setting: Any) -> Timing:
    """Times a search, after another one of a few iterations in which Numba compiles."""
    chosen = Setting(**setting)
    began = time.perf_counter()
    _search(chosen, _WARM_UP)
    compiled = time.perf_counter()
    stats = _search(chosen, chosen.iterations).archive.stats
    ended = time.perf_counter()
    initial = _INITIAL if chosen.algorithm == "map-elites-line" else 0
    return Timing(
        implementation="pyribs",
        version=version("ribs"),
        compile_seconds=compiled - began,
        run_seconds=ended - compiled,
        iterations=chosen.iterations,
        evaluations=initial + chosen.iterations * chosen.batch,
        qd_score=float(stats.norm_qd_score),
        coverage=100 * float(stats.coverage),
    )


def _search(setting: Setting, iterations: int) -> Search:
    search = Search(setting, seed=1)
    for _ in range(iterations):
        search.iterate()
    return search


def _arborescence(archive: GridArchive, setting: Setting, seed: int, **rules: Any) -> GradientArborescenceEmitter:
    return GradientArborescenceEmitter(
        archive,
        x0=np.zeros(setting.dim),
        sigma0=10.0,
        lr=1.0,
        grad_opt="gradient_ascent",
        normalize_grad=True,
        selection_rule="mu",
        batch_size=setting.batch - 1,
        seed=seed,
        **rules,
    )


def _map_elites_line(archive: GridArchive, setting: Setting, seed: int) -> IsoLineEmitter:
    return IsoLineEmitter(
        archive,
        iso_sigma=0.5,
        line_sigma=0.2,
        initial_solutions=np.random.default_rng(seed).normal(size=(_INITIAL, setting.dim)),
        batch_size=setting.batch,
        seed=seed,
    )


def _evolution(archive: GridArchive, setting: Setting, seed: int, **rules: Any) -> EvolutionStrategyEmitter:
    return EvolutionStrategyEmitter(
        archive,
        x0=np.zeros(setting.dim),
        sigma0=0.5,
        batch_size=setting.batch,
        seed=seed,
        **rules,
    )


_ANNEALING: dict[str, Any] = {"learning_rate": 0.01, "threshold_min": 0.0}
_EMITTERS: dict[str, Callable[[GridArchive, Setting, int], Any]] = {
    "cma-mega": functools.partial(_arborescence, ranker="2imp", restart_rule="no_improvement"),
    "map-elites-line": _map_elites_line,
    "cma-me": functools.partial(_evolution, ranker="2imp", selection_rule="filter", restart_rule="no_improvement"),
    "cma-maega": functools.partial(_arborescence, ranker="imp", restart_rule="basic"),
    "cma-mae": functools.partial(_evolution, ranker="imp", selection_rule="mu", restart_rule="basic"),
}
