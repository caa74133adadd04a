"""Whole runs of qdbench's and evosax's optimizers on BBOB functions, in turns on the same core."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.bbob_peers import EVOSAX, PACKAGES, QDBENCH, brief, is_installed
from benchmarks.display import steps
from benchmarks.launch import attempt
from qdbench.wording import count

DIM, BATCH, GENERATIONS, SEEDS = 20, 32, 50, 64
FUNCTIONS = {1: "sphere (f1)", 15: "rotated Rastrigin (f15)"}
_ARRANGEMENTS = ("together", "one by one")
# Decompositions under vmap can dead-lock XLA's thread pool on few cores.
_ONE_BY_ONE = ("one by one",)


@dataclasses.dataclass(frozen=True)
class Algorithm:
    """An algorithm in both packages, with the same population and step size.

    Attributes:
        id: qdbench's.
        evosax: evosax's name.
        sigma: Step size, or the one to start with.
        batch: Evaluations of a generation.
        shared: Other hyperparameters that both have, by qdbench's and evosax's name.
        arrangements: How seeds may be put into one program.
    """

    id: str
    evosax: str
    sigma: float = 0.5
    batch: int = BATCH
    shared: tuple[tuple[str, float], ...] = ()
    arrangements: tuple[str, ...] = _ARRANGEMENTS

    @property
    def ours(self) -> dict[str, Any]:
        """Hyperparameters for qdbench."""
        return {"sigma": self.sigma, "batch_size": self.batch, **dict(self.shared)}

    @property
    def theirs(self) -> dict[str, Any]:
        """Settings for evosax."""
        return {"sigma": self.sigma, "population_size": self.batch, **dict(self.shared)}


ALGORITHMS = (
    Algorithm("gaussian-ga", "SimpleGA", shared=(("elite_ratio", 0.5),)),
    # evosax's has one parent for each child.
    Algorithm("mr15-ga", "MR15_GA"),
    Algorithm("samr-ga", "SAMR_GA", shared=(("elite_ratio", 0.5),)),
    # evosax's needs groups of the same size. 31 with 5 groups, which is qdbench's number for 32, is the nearest.
    Algorithm("gesmr-ga", "GESMR_GA", batch=31, shared=(("elite_ratio", 0.5), ("num_groups", 5))),
    Algorithm("sep-cma-es", "Sep_CMA_ES"),
    Algorithm("cma-es", "CMA_ES", arrangements=_ONE_BY_ONE),
    # evosax's samples parents by attention, too, and has other parameters.
    Algorithm("lga", "LGA", sigma=0.25),
    Algorithm("openai-es", "Open_ES", sigma=0.02, shared=(("learning_rate", 0.01),)),
)


class Contestant(NamedTuple):
    """A package at a precision."""

    package: str
    precision: str

    def label(self, algorithm: Algorithm) -> str:
        """The name in tables."""
        name = f" {algorithm.evosax}" if self.package == EVOSAX else ""
        return f"{self.package}{name} ({self.precision})"


REFERENCE = Contestant(QDBENCH, "float32")
PEER = Contestant(EVOSAX, "float32")
DOUBLE = Contestant(QDBENCH, "float64")
CONTESTANTS = (REFERENCE, PEER, DOUBLE)


@dataclasses.dataclass(frozen=True)
class Entry:
    """What came of one child process: its result, or why there is none."""

    round: int
    function: int
    algorithm: Algorithm
    contestant: Contestant
    load: float
    result: dict[str, Any] | None
    error: str = ""

    def of(self, arrangement: str) -> dict[str, Any]:
        """The figures of an arrangement of the seeds."""
        assert self.result is not None
        found: dict[str, Any] = next(item for item in self.result["results"] if item["arrangement"] == arrangement)
        return {**found, "rate": self.result["evaluations"] / found["run_seconds"]}


class Line(NamedTuple):
    """The rounds of a contestant with an algorithm on a function, in the faster arrangement of the seeds."""

    arrangement: str
    by_round: dict[int, dict[str, Any]]
    version: str

    def ratios(self, others: Line | None) -> list[float]:
        """This one's rate in units of another's, round by round."""
        if others is None:
            return []
        return [
            mine["rate"] / others.by_round[turn]["rate"]
            for turn, mine in self.by_round.items()
            if turn in others.by_round
        ]

    def values(self, name: str) -> list[float]:
        """A figure of all rounds."""
        return [figures[name] for figures in self.by_round.values()]


def run(
    out: Path,
    algorithms: Sequence[Algorithm],
    functions: Sequence[int],
    rounds: int,
    seconds: float,
    core: int | None,
    timeout: float,
) -> bool:
    """Measures and writes ``bbob-runs.csv`` and ``.md``; returns whether every measurement succeeded.

    Args:
        out: The folder.
        algorithms: Those to measure.
        functions: Numbers of the functions.
        rounds: How often to measure.
        seconds: About how long one repetition of a measurement should run.
        core: The core to pin to.
        timeout: Seconds after which a measurement is given up.
    """
    plan = [
        (function, algorithm, turn, contestant)
        for function in functions
        for algorithm in algorithms
        for turn in range(1, rounds + 1)
        for contestant in CONTESTANTS
        if is_installed(contestant.package)
    ]
    entries = []
    with steps("bbob-runs", len(plan)) as progress:
        for function, algorithm, turn, contestant in plan:
            name = f"f{function}, {algorithm.id}, round {turn}, {contestant.label(algorithm)}"
            progress.begin(name)
            entry = _measure(function, algorithm, turn, contestant, seconds, core, timeout)
            entries.append(entry)
            if entry.result is None:
                progress.end(f"[red]failed[/red] {name}: {entry.error}")
                continue
            figures = {arrangement: entry.of(arrangement) for arrangement in algorithm.arrangements}
            rates = [f"{how} {report.number(found['rate'] / 1000)}" for how, found in figures.items()]
            progress.end(f"{name}: {', '.join(rates)} thousand evaluations a second")
    rows = [row for entry in entries for row in _rows(entry)]
    report.write(out, "bbob-runs", rows, _page(entries, algorithms, functions, rounds, core))
    return all(entry.result is not None for entry in entries)


def _measure(
    function: int,
    algorithm: Algorithm,
    turn: int,
    contestant: Contestant,
    seconds: float,
    core: int | None,
    timeout: float,
) -> Entry:
    arguments = {
        "function": function,
        "dim": DIM,
        "precision": contestant.precision,
        "generations": GENERATIONS,
        "seeds": SEEDS,
        "arrangements": algorithm.arrangements,
        "seconds": seconds,
    }
    if contestant.package == EVOSAX:
        arguments |= {"algorithm": algorithm.evosax, "settings": algorithm.theirs}
    else:
        arguments |= {"algorithm": algorithm.id, "hyperparameters": algorithm.ours}
    found = attempt(f"runs of {contestant.package}", arguments, core, timeout)
    return Entry(turn, function, algorithm, contestant, *found)


_FIGURES = (
    "version",
    "arrangement",
    "evaluations",
    "run_seconds",
    "evaluations_per_second",
    "compile_seconds",
    "precision_reached",
)


def _rows(entry: Entry) -> list[dict[str, Any]]:
    """Rows of the CSV: one for each arrangement of the seeds, or one for a failure."""
    head = {
        "round": entry.round,
        "function": entry.function,
        "algorithm": entry.algorithm.id if entry.contestant.package == QDBENCH else entry.algorithm.evosax,
        "package": entry.contestant.package,
        "precision": entry.contestant.precision,
    }
    tail = {"load_average": round(entry.load, 2), "error": brief(entry.error)}
    if entry.result is None:
        return [{**head, **dict.fromkeys(_FIGURES, ""), **tail}]
    rows = []
    for arrangement in entry.algorithm.arrangements:
        found = entry.of(arrangement)
        values = (
            entry.result["version"],
            arrangement,
            entry.result["evaluations"],
            round(found["run_seconds"], 6),
            round(found["rate"], 1),
            round(found["compile_seconds"], 4),
            float(f"{found['precision_reached']:.6g}"),
        )
        rows.append({**head, **dict(zip(_FIGURES, values, strict=True)), **tail})
    return rows


def _line(entries: Sequence[Entry], function: int, algorithm: Algorithm, contestant: Contestant) -> Line | None:
    """The rounds that succeeded, or None; the arrangement is the one with the higher median."""
    chosen = [entry for entry in _select(entries, function, algorithm, contestant) if entry.result]
    if not chosen:
        return None
    lines = {how: {entry.round: entry.of(how) for entry in chosen} for how in algorithm.arrangements}
    best = max(lines, key=lambda how: statistics.median(figures["rate"] for figures in lines[how].values()))
    assert chosen[0].result is not None
    return Line(best, lines[best], chosen[0].result["version"])


def _select(entries: Sequence[Entry], function: int, algorithm: Algorithm, contestant: Contestant) -> list[Entry]:
    wanted = (function, algorithm, contestant)
    return [entry for entry in entries if (entry.function, entry.algorithm, entry.contestant) == wanted]


def _page(
    entries: Sequence[Entry], algorithms: Sequence[Algorithm], functions: Sequence[int], rounds: int, core: int | None
) -> str:
    loads = [entry.load for entry in entries]
    sections = [
        "# Speed of whole runs on BBOB\n",
        report.environment(core, PACKAGES),
        f"{SEEDS} seeds, {GENERATIONS} generations of {BATCH} evaluations (gesmr-ga: 31) with the initial population "
        f"counted as one, {DIM} parameters; {count(rounds, 'round')}, all implementations in turns, each in a "
        f"fresh process. Load average before the measurements: {min(loads):.1f} to {max(loads):.1f} on all cores. "
        "Thousands of evaluations a second are medians (minimum–maximum) of the rounds, in the faster arrangement of "
        "the seeds: `together` (`vmap`) or `one by one`, in one compiled program in either case. The ratio is "
        "qdbench's rate in float32 in units of the row's, formed round by round: above 1 qdbench is faster. The "
        "precision is the median over the seeds of the best f - f_opt.\n",
        "evosax evaluates its own instances of the functions. cma-es runs one by one only, because decompositions "
        "under `vmap` can dead-lock on few cores.\n",
    ]
    for function in functions:
        sections.append(f"## {FUNCTIONS.get(function, f'f{function}')}\n")
        head = (
            "algorithm",
            "implementation",
            "thousand evaluations / s",
            "seeds",
            "qdbench / it",
            "compile, s",
            "precision",
        )
        body = [_row(entries, function, algorithm, which) for algorithm in algorithms for which in CONTESTANTS]
        sections.append(report.markdown_table(head, body, left=2))
        sections.append(_summary(entries, algorithms, function))
    return "\n".join(sections)


def _row(entries: Sequence[Entry], function: int, algorithm: Algorithm, contestant: Contestant) -> tuple[str, ...]:
    label = contestant.label(algorithm)
    line = _line(entries, function, algorithm, contestant)
    failures = [entry.error for entry in _select(entries, function, algorithm, contestant) if entry.error]
    if line is None:
        reason = f"failed: {brief(failures[0])}" if failures else "not installed"
        return (algorithm.id, label, reason, "", "", "", "")
    reference = _line(entries, function, algorithm, REFERENCE)
    ratios = reference.ratios(line) if reference else []
    rate = report.summary([value / 1000 for value in line.values("rate")])
    return (
        algorithm.id,
        label,
        f"{rate}, {len(failures)} failed: {brief(failures[0])}" if failures else rate,
        line.arrangement,
        "1" if contestant == REFERENCE else report.summary(ratios) if ratios else "",
        report.summary(line.values("compile_seconds")),
        f"{statistics.median(line.values('precision_reached')):.2g}",
    )


def _summary(entries: Sequence[Entry], algorithms: Sequence[Algorithm], function: int) -> str:
    """One sentence over the algorithms."""
    medians = {}
    for algorithm in algorithms:
        ours = _line(entries, function, algorithm, REFERENCE)
        ratios = ours.ratios(_line(entries, function, algorithm, PEER)) if ours else []
        if ratios:
            medians[algorithm.id] = statistics.median(ratios)
    if not medians:
        return "There is nothing to compare.\n"
    least = min(medians, key=medians.__getitem__)
    values = list(medians.values())
    return (
        f"qdbench / evosax in float32 over {len(values)} of {len(algorithms)} algorithms: median "
        f"{report.number(statistics.median(values))}, geometric mean "
        f"{report.number(statistics.geometric_mean(values))}, smallest {report.number(medians[least])} ({least}).\n"
    )
