"""qdbench, pyribs and QDax on the same searches, in turns on the same core."""

from __future__ import annotations

import dataclasses
import importlib.util
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.display import steps
from benchmarks.launch import attempt
from benchmarks.measurement import ANNEALED_ALGORITHMS, DIMS, PEER_ALGORITHMS, Contestant, Setting, Timing

_ALGORITHMS = {**PEER_ALGORITHMS, **ANNEALED_ALGORITHMS}
_QDAX_ALGORITHMS = ("cma-mega", "map-elites-line")
_TIMEOUT = 3600.0


REFERENCE = Contestant("qdbench", "float32")
DOUBLE = Contestant("qdbench", "float64")
PYRIBS = Contestant("pyribs", "float64")
QDAX = Contestant("QDax", "float32")


class Run(NamedTuple):
    """A timing with its place in the benchmark."""

    round: int
    algorithm: str
    contestant: Contestant
    load: float
    timing: Timing


def run(out: Path, iterations: int, rounds: int, core: int | None) -> bool:
    """Measures and writes ``peers.csv`` and ``peers.md``; returns whether every measurement succeeded."""
    plan = [
        (turn, algorithm, contestant)
        for algorithm in _ALGORITHMS
        for turn in range(1, rounds + 1)
        for contestant in _contestants(algorithm)
    ]
    runs: list[Run] = []
    failures = 0
    with steps("peers", len(plan)) as progress:
        for turn, algorithm, contestant in plan:
            name = f"{_ALGORITHMS[algorithm]}, round {turn}, {contestant.label}"
            progress.begin(name)
            dim = DIMS.get(algorithm, Setting.dim)
            setting = Setting(algorithm, dim=dim, iterations=iterations, precision=contestant.precision)
            load, result, error = attempt(contestant.package, dataclasses.asdict(setting), core, _TIMEOUT)
            if result is None:
                failures += 1
                progress.end(f"[red]failed[/red] {name}: {error}")
                continue
            timing = Timing(**result)
            runs.append(Run(turn, algorithm, contestant, load, timing))
            progress.end(f"{name}: {timing.run_seconds:.2f} s, compilation {timing.compile_seconds:.1f} s")
    if runs:
        report.write(out, "peers", [_record(entry) for entry in runs], _page(runs, iterations, rounds, core))
    return failures == 0


def _contestants(algorithm: str) -> list[Contestant]:
    chosen = [REFERENCE, PYRIBS, DOUBLE]
    if algorithm in _QDAX_ALGORITHMS and _is_installed("qdax"):
        chosen.append(QDAX)
    return chosen


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _record(entry: Run) -> dict[str, Any]:
    timing = entry.timing
    return {
        "round": entry.round,
        "algorithm": _ALGORITHMS[entry.algorithm],
        "package": entry.contestant.package,
        "version": timing.version,
        "precision": entry.contestant.precision,
        "iterations": timing.iterations,
        "evaluations": timing.evaluations,
        "compile_seconds": round(timing.compile_seconds, 4),
        "run_seconds": round(timing.run_seconds, 4),
        "qd_score": round(timing.qd_score, 4),
        "coverage": round(timing.coverage, 4),
        "load_average": round(entry.load, 2),
    }


def _page(runs: Sequence[Run], iterations: int, rounds: int, core: int | None) -> str:
    head = (
        "algorithm",
        "implementation",
        "run, s",
        "µs / iteration",
        "time / qdbench's",
        "compile, s",
        "QD-score",
        "coverage, %",
    )
    rows = []
    for algorithm in _ALGORITHMS:
        ours = {entry.round: entry.timing for entry in _select(runs, algorithm, REFERENCE)}
        for contestant in (*_contestants(algorithm), *_absent(algorithm)):
            timings = {entry.round: entry.timing for entry in _select(runs, algorithm, contestant)}
            rows.append(_row(algorithm, contestant, timings, ours))
    loads = [entry.load for entry in runs]
    return "\n".join(
        [
            "# Speed beside peers\n",
            report.environment(core),
            "LP-Sphere, 1,000 parameters (CMA-MAE: 100), 100 x 100 cells, 36 evaluations an iteration, "
            f"{iterations:,} iterations; {rounds} rounds, all implementations in turns, each in a fresh process. Load "
            f"average before the measurements: {min(loads):.1f} to {max(loads):.1f} on all cores. Times are medians "
            "(minimum–maximum) of the rounds; the ratio is formed round by round, and above 1 qdbench in float32 is "
            "faster. Scores are medians.\n",
            report.markdown_table(head, rows, left=2),
            "pyribs' compilation is a search of 20 iterations in which Numba compiles. pyribs' array type is float64, "
            "its default; the row of qdbench in float64 shows what the precision is worth.\n",
            "QDax 0.5.0's CMA-MEGA adapts to other coefficients than those that it evaluated, so its time compares and "
            "its score does not. QDax does not have the task; it evaluates qdbench's.\n",
        ]
    )


def _absent(algorithm: str) -> list[Contestant]:
    return [QDAX] if algorithm in _QDAX_ALGORITHMS and not _is_installed("qdax") else []


def _select(runs: Sequence[Run], algorithm: str, contestant: Contestant) -> list[Run]:
    return [entry for entry in runs if (entry.algorithm, entry.contestant) == (algorithm, contestant)]


def _row(
    algorithm: str, contestant: Contestant, timings: dict[int, Timing], ours: dict[int, Timing]
) -> tuple[str, ...]:
    name = _ALGORITHMS[algorithm]
    if not timings:
        reason = "failed" if contestant != QDAX or _is_installed("qdax") else "not installed"
        return (name, contestant.label, reason, "", "", "", "", "")
    values = list(timings.values())
    ratios = [timing.run_seconds / ours[turn].run_seconds for turn, timing in timings.items() if turn in ours]
    score = report.number(statistics.median(timing.qd_score for timing in values))
    is_defective = contestant == QDAX and algorithm == "cma-mega"
    return (
        name,
        f"{contestant.label} {values[0].version}",
        report.summary([timing.run_seconds for timing in values]),
        report.number(statistics.median(timing.microseconds for timing in values)),
        "1" if contestant == REFERENCE else report.summary(ratios) if ratios else "",
        report.summary([timing.compile_seconds for timing in values]),
        f"{score} (not comparable)" if is_defective else score,
        report.number(statistics.median(timing.coverage for timing in values)),
    )
