"""How long the protocol ``hpob-lga`` takes over HPO-B's 86 tasks: one run of the harness, compilation and all."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import report
from benchmarks.display import console
from qdbench.harness import store
from qdbench.harness.display import run_with_progress
from qdbench.harness.executors import local
from qdbench.harness.experiment import plan
from qdbench.harness.suite import load_suite
from qdbench.spec import JsonScalar
from qdbench.tasks.hpob.importing import import_surrogates
from qdbench.wording import count

_SHARES = ("compile_seconds", "run_seconds")
OPTIMIZERS = ("lga", "gaussian-ga", "mr15-ga", "samr-ga", "gesmr-ga", "sep-cma-es")


def run(archive: Path, out: Path, jobs: int, repetitions: int) -> bool:
    """Runs, and writes ``hpob-run.csv`` and ``hpob-run.md``; returns whether every trial succeeded.

    Scores are not reported: the models need not be HPO-B's own.

    Args:
        archive: A zip file of models, laid out like HPO-B's.
        out: The folder.
        jobs: Worker processes.
        repetitions: Of each optimizer on each task.
    """
    suite = load_suite("hpob-lga")
    optimizers = [(id, settings) for id, settings in suite.all_optimizers() if id in OPTIMIZERS]
    with tempfile.TemporaryDirectory() as folder:
        path, pack = import_surrogates(archive, Path(folder) / "pack.npz", unofficial=True)
        tasks: list[tuple[str, dict[str, JsonScalar]]] = [
            ("HPO-Own-v0", {"pack": str(path), "space": space, "dataset": dataset}) for space, dataset in pack.names
        ]
        planned = plan(tasks, optimizers, range(repetitions), suite.rule(), False)
        results = Path(folder) / "results"
        began = time.perf_counter()
        failures = run_with_progress(planned, results, local.in_processes(jobs), console)
        seconds = time.perf_counter() - began
        records = [store.load(file).record for file in store.result_paths(results)]
    totals = {name: sum(float(record.metrics[name]) for record in records) for name in _SHARES}
    row = {
        "tasks": len(tasks),
        "optimizers": len(optimizers),
        "repetitions": repetitions,
        "trials": len(records),
        "evaluations": sum(int(record.metrics["evaluations"]) for record in records),
        "jobs": jobs,
        "seconds": round(seconds, 1),
        **{name: round(total, 1) for name, total in totals.items()},
        "failures": failures,
    }
    sizes = sorted({settings["batch_size"] for _, settings in optimizers})
    page = [
        "# The protocol hpob-lga over all tasks",
        f"{count(len(tasks), 'task')}, {', '.join(OPTIMIZERS)} with populations of {' and '.join(map(str, sizes))}, "
        f"100 generations, {count(repetitions, 'repetition')}: {len(records):,} trials, {row['evaluations']:,} "
        f"evaluations. On {count(jobs, 'worker')} it took **{seconds:.0f} s**, of which the workers spent "
        f"{totals['compile_seconds']:.0f} s compiling and {totals['run_seconds']:.0f} s running (a trial: "
        f"{1000 * statistics.median(float(record.metrics['run_seconds']) for record in records):.1f} ms).",
        "A speed figure: the scores are not HPO-B's unless the models are, and are not kept.",
        report.environment(None),
    ]
    report.write(out, "hpob-run", [row], "\n\n".join(page) + "\n")
    return not failures
