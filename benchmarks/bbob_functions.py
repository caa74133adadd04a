"""How fast BBOB's functions are in qdbench, coco-experiment and evosax, in turns on the same core."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.bbob_peers import COCO, EVOSAX, PACKAGES, QDBENCH, brief, is_installed
from benchmarks.display import console, steps
from benchmarks.launch import attempt
from benchmarks.measurement import Contestant
from qdbench.leaderboard.bbob.functions import title
from qdbench.wording import count

DIM = 20
SITUATIONS = (("call", 1), ("call", 32), ("call", 1024), ("loop", 1), ("loop", 32))


DOUBLE = Contestant(QDBENCH, "float64")
PYTHON = Contestant(COCO, "float64")
SINGLE = Contestant(QDBENCH, "float32")
JAX = Contestant(EVOSAX, "float32")
CONTESTANTS = (DOUBLE, PYTHON, SINGLE, JAX)
# A ratio compares the same precision.
_PAIRS = ((DOUBLE, PYTHON), (SINGLE, JAX))
_RATIO_HEADS = ("float64: qdbench / COCO", "float32: qdbench / evosax")
_TITLES = {"call": "Called from Python", "loop": "In a compiled loop"}


@dataclasses.dataclass(frozen=True)
class Entry:
    """What came of one child process: its result, or why there is none."""

    round: int
    function: int
    contestant: Contestant
    load: float
    result: dict[str, Any] | None
    error: str = ""

    def figure(self, situation: str, batch: int) -> dict[str, Any] | None:
        """The record of a situation; COCO has one for all of them."""
        for found in self.result["records"] if self.result else ():
            if self.contestant == PYTHON or (found["situation"], found["batch"]) == (situation, batch):
                return dict(found)
        return None


def run(out: Path, functions: Sequence[int], rounds: int, seconds: float, core: int | None, timeout: float) -> bool:
    """Measures and writes ``bbob-functions.csv`` and ``.md``; returns whether every measurement succeeded.

    Args:
        out: The folder.
        functions: Numbers of the functions.
        rounds: How often to measure.
        seconds: About how long one repetition of a measurement should run.
        core: The core to pin to.
        timeout: Seconds after which a measurement is given up.
    """
    contestants = [contestant for contestant in CONTESTANTS if is_installed(contestant.package)]
    plan = [
        (function, turn, contestant)
        for function in functions
        for turn in range(1, rounds + 1)
        for contestant in contestants
    ]
    order = " | ".join(_label(situation, batch) for situation, batch in SITUATIONS)
    console.print(f"thousands of evaluations a second, {order}; COCO row by row:", highlight=False, soft_wrap=True)
    entries = []
    with steps("bbob-functions", len(plan)) as progress:
        for function, turn, contestant in plan:
            name = f"f{function}, round {turn}, {contestant.label}"
            progress.begin(name)
            entry = _measure(function, turn, contestant, seconds, core, timeout)
            entries.append(entry)
            if entry.result is None:
                progress.end(f"[red]failed[/red] {name}: {entry.error}")
            else:
                rates = [report.number(found["evaluations_per_second"] / 1000) for found in entry.result["records"]]
                progress.end(f"{name}: {' | '.join(rates)}")
    rows = [row for entry in entries for row in _rows(entry)]
    report.write(out, "bbob-functions", rows, _page(entries, functions, rounds, core))
    return all(entry.result is not None for entry in entries)


def _measure(
    function: int, turn: int, contestant: Contestant, seconds: float, core: int | None, timeout: float
) -> Entry:
    arguments = {
        "function": function,
        "dim": DIM,
        "precision": contestant.precision,
        "situations": SITUATIONS,
        "seconds": seconds,
    }
    found = attempt(f"functions of {contestant.package}", arguments, core, timeout)
    return Entry(turn, function, contestant, *found)


def _rows(entry: Entry) -> list[dict[str, Any]]:
    """Rows of the CSV: one for each figure, or one for a failure."""
    head = {
        "round": entry.round,
        "function": entry.function,
        "package": entry.contestant.package,
        "precision": entry.contestant.precision,
    }
    tail = {"load_average": round(entry.load, 2), "error": brief(entry.error)}
    if entry.result is None:
        empty = dict.fromkeys(
            ("version", "situation", "batch", "evaluations_per_second", "compile_seconds", "mean_value"), ""
        )
        return [{**head, **empty, **tail}]
    rows = []
    for found in entry.result["records"]:
        compile_seconds = found["compile_seconds"]
        figures = {
            "version": entry.result["version"],
            "situation": found["situation"],
            "batch": found["batch"],
            "evaluations_per_second": round(found["evaluations_per_second"], 1),
            "compile_seconds": "" if compile_seconds is None else round(compile_seconds, 4),
            "mean_value": entry.result["mean_value"],
        }
        rows.append({**head, **figures, **tail})
    return rows


class Rates:
    """The figures of all rounds, by function, contestant and situation."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def of(self, function: int, contestant: Contestant, situation: str, batch: int) -> dict[int, dict[str, Any]]:
        """By round."""
        found = {
            entry.round: entry.figure(situation, batch)
            for entry in self._entries
            if (entry.function, entry.contestant) == (function, contestant)
        }
        return {turn: figure for turn, figure in found.items() if figure is not None}

    def ratios(self, function: int, pair: tuple[Contestant, Contestant], situation: str, batch: int) -> list[float]:
        """The rate of qdbench in units of the peer's, round by round."""
        ours, theirs = (self.of(function, contestant, situation, batch) for contestant in pair)
        rate = "evaluations_per_second"
        return [ours[turn][rate] / theirs[turn][rate] for turn in ours if turn in theirs]

    def failure(self, function: int, contestant: Contestant) -> str:
        """Why there is no figure."""
        if not is_installed(contestant.package):
            return "not installed"
        errors = [
            entry.error
            for entry in self._entries
            if (entry.function, entry.contestant) == (function, contestant) and entry.error
        ]
        return f"failed: {brief(errors[0])}" if errors else "failed"

    def largest_difference(self, functions: Sequence[int]) -> float | None:
        """The largest relative difference of mean values between qdbench in float64 and COCO."""
        values: dict[tuple[int, Contestant], float] = {
            (entry.function, entry.contestant): entry.result["mean_value"] for entry in self._entries if entry.result
        }
        pairs = [
            (values[function, DOUBLE], values[function, PYTHON])
            for function in functions
            if (function, DOUBLE) in values and (function, PYTHON) in values
        ]
        return max((abs(ours - theirs) / max(1, abs(theirs)) for ours, theirs in pairs), default=None)


def _page(entries: Sequence[Entry], functions: Sequence[int], rounds: int, core: int | None) -> str:
    rates = Rates(entries)
    loads = [entry.load for entry in entries]
    sections = [
        "# Speed of BBOB's functions\n",
        report.environment(core, PACKAGES),
        f"{len(functions)} functions in {DIM} dimensions; {count(rounds, 'round')}, all implementations in turns, "
        f"each in a fresh process. Load average before the measurements: {min(loads):.1f} to {max(loads):.1f} on all "
        "cores. Thousands of evaluations a second and ratios of them, formed round by round, are medians "
        "(minimum–maximum) of the rounds. Above 1 qdbench is faster; a ratio compares the same precision.\n",
        "COCO's figure is its Python call in a loop over rows and the same in all tables: it has no batches. evosax "
        "evaluates its own instances, compiled as qdbench is.\n",
        _agreement(rates, functions),
        "## Summary\n",
        report.markdown_table(
            ("situation", *(f"{head}, {what}" for head in _RATIO_HEADS for what in ("geometric mean", "smallest"))),
            [_summary_row(rates, functions, situation, batch) for situation, batch in SITUATIONS],
        ),
    ]
    for situation, batch in SITUATIONS:
        sections.append(f"## {_TITLES[situation]}, batch {batch:,}\n")
        if (situation, batch) == ("call", 1):
            sections.append("The time of a call is mostly that of calling a compiled program from Python.\n")
        head = ("function", *(contestant.label for contestant in CONTESTANTS), *_RATIO_HEADS)
        body = [_function_row(rates, function, situation, batch) for function in functions]
        sections.append(report.markdown_table(head, body))
    sections += [
        "## Compilation\n",
        "Seconds: median over the functions, and the longest. Of a call it is the first call; of a loop, tracing and "
        "compiling. COCO compiles nothing.\n",
        report.markdown_table(
            ("situation", *(contestant.label for contestant in CONTESTANTS if contestant != PYTHON)),
            [_compilation_row(rates, functions, situation, batch) for situation, batch in SITUATIONS],
        ),
    ]
    return "\n".join(sections)


def _agreement(rates: Rates, functions: Sequence[int]) -> str:
    difference = rates.largest_difference(functions)
    if difference is None:
        return ""
    return (
        "qdbench's instances are COCO's: the mean values of qdbench in float64 and of COCO over the 1,024 solutions "
        f"differ by {difference:.0e} at most, relative to the value and at least 1.\n"
    )


def _label(situation: str, batch: int) -> str:
    title = _TITLES[situation]
    return f"{title[0].lower()}{title[1:]}, batch {batch:,}"


def _summary_row(rates: Rates, functions: Sequence[int], situation: str, batch: int) -> list[str]:
    row = [_label(situation, batch)]
    for pair in _PAIRS:
        found = {function: rates.ratios(function, pair, situation, batch) for function in functions}
        medians = {function: statistics.median(ratios) for function, ratios in found.items() if ratios}
        if not medians:
            row += ["", ""]
            continue
        mean = report.number(statistics.geometric_mean(medians.values()))
        least = min(medians, key=medians.__getitem__)
        missing = len(functions) - len(medians)
        row.append(f"{mean} ({missing} not measured)" if missing else mean)
        row.append(f"{report.number(medians[least])} (f{least})")
    return row


def _function_row(rates: Rates, function: int, situation: str, batch: int) -> list[str]:
    row = [title(function)]
    for contestant in CONTESTANTS:
        figures = rates.of(function, contestant, situation, batch).values()
        values = [figure["evaluations_per_second"] / 1000 for figure in figures]
        row.append(report.summary(values) if values else rates.failure(function, contestant))
    for pair in _PAIRS:
        ratios = rates.ratios(function, pair, situation, batch)
        row.append(report.summary(ratios) if ratios else "")
    return row


def _compilation_row(rates: Rates, functions: Sequence[int], situation: str, batch: int) -> list[str]:
    row = [_label(situation, batch)]
    for contestant in CONTESTANTS:
        if contestant == PYTHON:
            continue
        medians = {}
        for function in functions:
            figures = rates.of(function, contestant, situation, batch).values()
            medians[function] = statistics.median([f["compile_seconds"] for f in figures]) if figures else math.nan
        known = {function: value for function, value in medians.items() if not math.isnan(value)}
        if known:
            longest = max(known, key=known.__getitem__)
            middle = report.number(statistics.median(known.values()))
            row.append(f"{middle}, {report.number(known[longest])} (f{longest})")
        else:
            row.append("")
    return row
