"""Times predictions of tree ensembles in a child process: qdbench's and xgboost's, taking turns on the same cores."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import jax
import numpy as np
import psutil
import xgboost

from benchmarks import stopwatch
from qdbench.tasks.hpob.ensemble import TreeEnsemble, predict
from qdbench.tasks.hpob.forest import Forest, predict_each
from qdbench.tasks.hpob.names import task_of
from qdbench.tasks.hpob.pack import Pack, load_pack

_ONE_THREAD_FLAG = "--xla_cpu_multi_thread_eigen=false"


def time_predictions(pack: str, archive: str, batches: list[int], threads: int, seconds: float) -> dict[str, Any]:
    """Seconds of a prediction for one model, the one with most splits, and for all, each with solutions of its own.

    xgboost has a Python loop over models for all of them, and the faster of one thread and ``threads``.
    """
    if threads > 1:
        # Other benchmarks run on one core; JAX reads the flags when it first computes.
        os.environ["XLA_FLAGS"] = os.environ["XLA_FLAGS"].replace(_ONE_THREAD_FLAG, "")
    read = load_pack(Path(pack))
    boosters = _load_boosters(archive, read.names)
    largest = max(read.names, key=lambda name: np.count_nonzero(read.surrogate(*name).trees.threshold))
    records = []
    for scope, names in (("one", [largest]), ("all", list(read.names))):
        for batch in batches:
            solutions = _solutions(read, names, batch)
            compile_seconds, ours = _ours(read, names, solutions)
            theirs = _loop([boosters[name] for name in names], solutions)
            np.testing.assert_array_equal(np.asarray(ours()).reshape(len(names), batch), np.stack(theirs(1)))
            times = {1: 0.0, threads: 0.0}
            for count in times:
                _set_threads(boosters, count)
                times[count] = stopwatch.fastest(lambda theirs=theirs: theirs(None), seconds)  # type: ignore[misc]
            records.append(
                {
                    "scope": scope,
                    "batch": batch,
                    "qdbench_seconds": stopwatch.fastest(ours, seconds),
                    "compile_seconds": compile_seconds,
                    "xgboost_seconds": min(times.values()),
                    "xgboost_threads": min(times, key=lambda count: times[count]),
                }
            )
    model = read.surrogate(*largest).trees
    return {"records": records, "trees": len(model.leaf), "splits": model.feature.shape[1], "models": len(read.names)}


def time_loading(package: str, pack: str, archive: str) -> dict[str, Any]:
    """Seconds to read all models, and by how many bytes the process grows."""
    process = psutil.Process()
    # So that what the libraries need for themselves is there before.
    jax.device_put(np.zeros(1)).block_until_ready()
    names = load_pack(Path(pack)).names
    before, began = process.memory_info().rss, time.perf_counter()
    kept: Any
    if package == "qdbench":
        kept = jax.block_until_ready(_forest(load_pack(Path(pack)), names))
    else:
        kept = _load_boosters(archive, names)
    taken = time.perf_counter() - began
    grown = process.memory_info().rss - before
    del kept
    return {"seconds": taken, "bytes": grown}


def _ours(pack: Pack, names: Sequence[tuple[str, str]], solutions: np.ndarray) -> tuple[float, Callable[[], jax.Array]]:
    """Seconds of compilation, and a call: of a task's own program for one model, of a forest for several."""
    function: Callable[..., jax.Array]
    arguments: tuple[Any, Any]
    if len(names) == 1:
        function, arguments = predict, (TreeEnsemble.from_trees(pack.surrogate(*names[0]).trees), solutions[0])
    else:
        function, arguments = predict_each, (_forest(pack, names), solutions)
    compile_seconds, program = stopwatch.compiled(function, *arguments)
    given = jax.device_put(arguments)
    return compile_seconds, lambda: program(*given).block_until_ready()


def _forest(pack: Pack, names: Sequence[tuple[str, str]]) -> Forest:
    return Forest.from_models([pack.surrogate(*name).trees for name in names])


def _load_boosters(archive: str, names: tuple[tuple[str, str], ...]) -> dict[tuple[str, str], xgboost.Booster]:
    boosters = {}
    with zipfile.ZipFile(archive) as file:
        members = {task_of(PurePosixPath(name).name): name for name in file.namelist()}
        for name in names:
            boosters[name] = xgboost.Booster()
            boosters[name].load_model(bytearray(file.read(members[name])))
    return boosters


def _set_threads(boosters: dict[tuple[str, str], xgboost.Booster], count: int) -> None:
    for booster in boosters.values():
        booster.set_param({"nthread": count})


def _solutions(pack: Pack, names: list[tuple[str, str]], batch: int) -> np.ndarray:
    dim = max(pack.surrogate(*name).trees.num_feature for name in names)
    return np.random.default_rng(1).random((len(names), batch, dim), np.float32)


def _loop(boosters: list[xgboost.Booster], solutions: np.ndarray) -> Callable[[int | None], list[np.ndarray]]:
    """Predictions one model after another; each has its solutions beforehand, without the padded features."""
    pairs = [
        (booster, np.ascontiguousarray(rows[:, : booster.num_features()]))
        for booster, rows in zip(boosters, solutions, strict=True)
    ]

    def predict(threads: int | None) -> list[np.ndarray]:
        if threads is not None:
            for booster, _ in pairs:
                booster.set_param({"nthread": threads})
        return [booster.inplace_predict(rows) for booster, rows in pairs]

    return predict
