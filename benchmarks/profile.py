"""Where the time of an iteration goes: the table of pieces with their floors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.display import console
from benchmarks.launch import MeasurementError, measure
from benchmarks.measurement import PEER_ALGORITHMS

_BATCH, _DIM, _CELLS = 36, 1000, 10_000
_BATCH_BYTES = 4 * _BATCH * _DIM
_ROW_BYTES = 4 * _DIM
_MATRIX = 384
_BIT_OPERATIONS = 120
# Counted in qdbench.random.normal: 20 rounds of 3 operations (a rotation is one), 12 for the keys, and 48 (a
# multiply-add is one) for the Box-Muller transform.
_OPERATIONS_PER_PAIR = 120
_OPERATIONS_PER_COMPARISON = 6
_TIMEOUT = 1200.0


class Machine(NamedTuple):
    """What the machine can do, as measured in the same process as the pieces.

    Attributes:
        cache: Bytes a microsecond that a pass over a batch reads and writes.
        memory: Bytes a microsecond that a pass over an archive reads and writes.
        operations: Operations on numbers a microsecond: multiply-adds of a product of matrices or operations on bits,
            whichever is faster.
        step: Microseconds of a step of a compiled program that does next to nothing.
    """

    cache: float
    memory: float
    operations: float
    step: float


class Line(NamedTuple):
    """A row of the table."""

    name: str
    microseconds: float
    floor: float
    why: str


def run(out: Path, rounds: int, seconds: float, core: int | None) -> bool:
    """Measures and writes ``profile.csv`` and ``profile.md``; returns whether it succeeded."""
    try:
        with console.status("timing the pieces of an iteration in a fresh process (a minute or two)"):
            result = measure("profile", {"rounds": rounds, "seconds": seconds}, core, _TIMEOUT)
    except MeasurementError as error:
        console.print(f"[red]failed[/red]: {error}", highlight=False, soft_wrap=True)
        return False
    times = result["pieces"]
    machine = _machine(times)
    lines = _lines(times, machine)
    accounts = {algorithm: _account(algorithm, lines, result["iterations"]) for algorithm in PEER_ALGORITHMS}
    shown = [*lines.values(), *accounts.values()]
    for line in shown:
        console.print(f"{line.name}: {line.microseconds:.2f} µs (floor {line.floor:.2f})", highlight=False)
    report.write(out, "profile", [_record(line) for line in shown], _page(machine, lines, accounts, core))
    return True


def _machine(times: Mapping[str, float]) -> Machine:
    return Machine(
        cache=2 * _BATCH_BYTES / times["pass"],
        memory=2 * _CELLS * _ROW_BYTES / times["memory pass"],
        operations=max(_MATRIX**3 / times["matrix product"], _BIT_OPERATIONS * _BATCH * _DIM / times["bit operations"]),
        step=times["16 steps"] / 16,
    )


def _lines(times: Mapping[str, float], machine: Machine) -> dict[str, Line]:
    in_cache = _BATCH_BYTES / machine.cache
    rows_written = 2 * _BATCH_BYTES / machine.memory
    comparisons = _OPERATIONS_PER_COMPARISON * _BATCH**2 / machine.operations
    entries = {
        "pass": ("bare pass over a 36 x 1000 batch", times["pass"], "288 kB read and written in cache: the unit"),
        "normal": (
            "36 x 1000 normal deviates",
            max(_OPERATIONS_PER_PAIR * _BATCH * _DIM / 2 / machine.operations, in_cache),
            f"{_OPERATIONS_PER_PAIR} operations a pair of numbers at the machine's rate",
        ),
        "evaluate": ("evaluation of LP-Sphere, 36 solutions", in_cache, "144 kB read in cache"),
        "differentiate": (
            "evaluation with normalised gradients, 1 solution",
            max(4 * _ROW_BYTES / machine.cache, 2 * machine.step),
            "16 kB in cache and two dependent steps (norms, quotients)",
        ),
        "branch": ("branching 36 solutions, theta + c G", in_cache, "144 kB written in cache"),
        "gather": (
            "2 x 36 random elites of a 10,000 x 1000 archive",
            2 * _BATCH_BYTES / machine.memory + 2 * in_cache,
            "288 kB read from memory, as much written in cache",
        ),
        "insert none": (
            "insertion of 36 solutions, none improves",
            2 * machine.step,
            "two dependent steps (look up, compare)",
        ),
        "insert all": (
            "insertion of 36 solutions, all improve",
            2 * machine.step + in_cache + rows_written,
            "the same, 144 kB read in cache and written to memory (which reads it first)",
        ),
        "score": (
            "the harness's scoring of 36 solutions",
            2 * machine.step + in_cache,
            "an insertion without solutions, and 144 kB read in cache: is every parameter finite?",
        ),
        "insert one": ("insertion of 1 solution, no improvement", 2 * machine.step, "two dependent steps"),
        "rank": (
            "improvement ranking of 36",
            comparisons + machine.step,
            f"36² comparisons of {_OPERATIONS_PER_COMPARISON} operations in one step",
        ),
        "eigh": ("eigendecomposition 3 x 3", machine.step, "one step; its arithmetic is a tenth of a microsecond"),
        "log": (
            "CMA-ME: mean step, log of 37 vectors",
            2 * in_cache,
            "144 kB read, 148 kB written in cache",
        ),
    }
    return {key: Line(name, times[key], floor, why) for key, (name, floor, why) in entries.items()}


# Pieces of an iteration when few solutions enter the archive.
_PARTS = {
    "cma-mega": ("differentiate", "insert one", "branch", "evaluate", "insert none", "score", "rank", "eigh"),
    "map-elites-line": ("normal", "gather", "pass", "evaluate", "insert none", "score"),
    "cma-me": ("normal", "pass", "evaluate", "insert none", "score", "rank", "log"),
}


def _account(algorithm: str, lines: Mapping[str, Line], iterations: Mapping[str, float]) -> Line:
    parts = [lines[part] for part in _PARTS[algorithm]]
    total = sum(part.microseconds for part in parts)
    return Line(
        f"whole iteration of {PEER_ALGORITHMS[algorithm]}",
        iterations[algorithm],
        sum(part.floor for part in parts),
        f"floors of its pieces, which alone take {report.number(total)}: {', '.join(_PARTS[algorithm])}",
    )


def _record(line: Line) -> dict[str, Any]:
    return {"piece": line.name, "microseconds": round(line.microseconds, 3), "floor": round(line.floor, 3)}


def _page(
    machine: Machine,
    lines: Mapping[str, Line],
    accounts: Mapping[str, Line],
    core: int | None,
) -> str:
    head = ("piece", "short", "µs", "floor, µs", "ratio", "what the floor is")
    body = [(key, line) for key, line in lines.items()] + [("", line) for line in accounts.values()]
    rows = [
        (line.name, key, report.number(line.microseconds), report.number(line.floor), _ratio(line), line.why)
        for key, line in body
    ]
    text = report.markdown_table(head, rows, left=2)
    return "\n".join(
        [
            "# Where the time of an iteration goes\n",
            report.environment(core),
            "LP-Sphere, 1,000 parameters, batch 36, 100 x 100 cells, float32. Each piece is timed alone in a compiled "
            "loop whose turns depend on each other; the fastest of the repetitions. A floor is what the bytes, the "
            "arithmetic or the number of dependent steps of a piece take at the rates that this machine reached in "
            "the same process:\n",
            f"- a pass in cache {machine.cache / 1000:.1f} GB/s, in memory {machine.memory / 1000:.1f} GB/s, each "
            "read and write counted;\n"
            f"- arithmetic {machine.operations / 1000:.1f} operations on numbers a nanosecond, the faster of "
            f"multiply-adds in a product of {_MATRIX} x {_MATRIX} matrices and of shifts and exclusive ors;\n"
            f"- a step of a compiled program that does next to nothing {machine.step:.2f} µs.\n",
            text,
            "A whole iteration is faster than its pieces together where the compiler fuses neighbours (branching and "
            "evaluation, variation and evaluation), and slower by what is not listed (restarts, new elites, the "
            "distribution's update).\n",
        ]
    )


def _ratio(line: Line) -> str:
    return f"{line.microseconds / line.floor:.1f}"
