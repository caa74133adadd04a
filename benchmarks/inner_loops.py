"""What an inner loop of a meta-evolution costs: qdbench's beside evosax's learned GA, and beside its floor."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.bbob_peers import EVOSAX, QDBENCH, brief, is_installed
from benchmarks.display import steps
from benchmarks.launch import attempt, measure
from qdbench.wording import count

DIM, BATCH, GENERATIONS, TASKS = 10, 16, 50, 8
MEMBERS = (16, 128, 512)
_HEADS, _FITNESS, _FEATURES = 2, 3, 5
_EXPONENTIAL = 10
_PACKAGES = ("qdbench", "jax", "jaxlib", "numpy", "evosax")


class Entry(NamedTuple):
    """What came of one child process."""

    round: int
    package: str
    members: int
    load: float
    result: dict[str, Any] | None
    error: str = ""


def operations(batch: int, dim: int) -> int:
    """Multiply-adds, comparisons and the like of a member, task and generation, an exponential counting as ten.

    Every pair of individuals takes part in ranks (two comparisons), attention (scores, an exponential, weighted sums,
    for each head) and the choice of the selected child.
    """
    ranks = 2 * (4 + 1)
    selection = _HEADS * (_FITNESS + _EXPONENTIAL + _FITNESS + 1) + _FITNESS + 3
    mutation = _HEADS * (_FEATURES + _EXPONENTIAL + 2)
    mutating_and_evaluating = 4 * batch * dim
    return batch * batch * (ranks + selection + mutation) + mutating_and_evaluating


def bytes_moved(batch: int, dim: int) -> int:
    """What a member, task and generation at least reads and writes: parents, children, and the parents that follow."""
    return 4 * (4 * batch * dim + 12 * batch)


def run(out: Path, rounds: int, seconds: float, core: int | None, timeout: float) -> bool:
    """Measures and writes ``inner-loops.csv`` and ``inner-loops.md``; returns whether every measurement succeeded.

    Args:
        out: The folder.
        rounds: How often to measure.
        seconds: About how long one repetition of a measurement should run.
        core: The core to pin to.
        timeout: Seconds after which a measurement is given up.
    """
    plan = [
        (turn, package, members)
        for members in MEMBERS
        for turn in range(1, rounds + 1)
        for package in (QDBENCH, EVOSAX)
        if is_installed(package)
    ]
    entries = []
    with steps("inner-loops", len(plan)) as progress:
        for turn, package, members in plan:
            name = f"{members} members, round {turn}, {package}"
            progress.begin(name)
            entry = _measure(turn, package, members, seconds, core, timeout)
            entries.append(entry)
            progress.end(f"{name}: {_figure(entry)}")
    machine = measure("machine", {"seconds": seconds}, core, timeout)
    report.write(out, "inner-loops", [_row(entry) for entry in entries], _page(entries, machine, rounds, core))
    return all(entry.result is not None for entry in entries)


def _measure(turn: int, package: str, members: int, seconds: float, core: int | None, timeout: float) -> Entry:
    arguments = {
        "members": members,
        "tasks": TASKS,
        "dim": DIM,
        "batch": BATCH,
        "generations": GENERATIONS,
        "seconds": seconds,
    }
    return Entry(turn, package, members, *attempt(f"inner loops of {package}", arguments, core, timeout))


def _microseconds(entry: Entry) -> float:
    """Of a member, task and generation."""
    assert entry.result is not None
    seconds: float = entry.result["run_seconds"]
    return 1e6 * seconds / (entry.members * TASKS * GENERATIONS)


def _figure(entry: Entry) -> str:
    return brief(entry.error) if entry.result is None else f"{report.number(_microseconds(entry))} µs"


def _row(entry: Entry) -> dict[str, Any]:
    result = entry.result or {}
    return {
        "round": entry.round,
        "package": entry.package,
        "version": result.get("version", ""),
        "members": entry.members,
        "microseconds": "" if entry.result is None else round(_microseconds(entry), 4),
        "compile_seconds": "" if entry.result is None else round(result["compile_seconds"], 3),
        "load_average": round(entry.load, 2),
        "error": brief(entry.error),
    }


def _page(entries: list[Entry], machine: dict[str, float], rounds: int, core: int | None) -> str:
    work, moved = operations(BATCH, DIM), bytes_moved(BATCH, DIM)
    floor = max(work / machine["operations"], moved / machine["bytes"])
    head = ("members", "qdbench, µs", "evosax, µs", "evosax / qdbench", "qdbench / floor", "compile, s")
    rows = []
    for members in MEMBERS:
        ours, theirs = (
            {e.round: e for e in entries if (e.package, e.members) == (package, members) and e.result}
            for package in (QDBENCH, EVOSAX)
        )
        times = [_microseconds(entry) for entry in ours.values()]
        ratios = [_microseconds(theirs[turn]) / _microseconds(ours[turn]) for turn in ours if turn in theirs]
        rows.append(
            (
                str(members),
                report.summary(times) if times else "failed",
                report.summary([_microseconds(entry) for entry in theirs.values()]) if theirs else "not measured",
                report.summary(ratios) if ratios else "",
                report.number(statistics.median(times) / floor) if times else "",
                report.summary([entry.result["compile_seconds"] for entry in ours.values() if entry.result]),
            )
        )
    return "\n".join(
        [
            "# Speed of inner loops of a meta-evolution\n",
            report.environment(core, _PACKAGES),
            f"The learned GA on the sphere, {DIM} parameters, {BATCH} parents and children, {GENERATIONS} generations, "
            f"{TASKS} tasks one after another, the members of the meta-population side by side, with random numbers "
            "that they share. A figure is the time of one member, task and generation: median (minimum–maximum) of "
            f"{count(rounds, 'round')}, each in a fresh process. evosax's learned GA has its own, larger "
            "operators (it samples parents by attention, too), under `vmap` over its parameters.\n",
            report.markdown_table(head, rows),
            f"The floor is {report.number(floor)} µs: {work:,} operations (multiply-adds, comparisons; an exponential "
            f"counts as ten) at this machine's {machine['operations']:,.0f} a microsecond, or {moved:,} bytes at its "
            f"{machine['bytes']:,.0f} a microsecond, whichever takes longer. A meta-generation of 512 members and 256 "
            f"tasks of {GENERATIONS} generations, the paper's, has {512 * 256 * GENERATIONS:,} of them.\n",
        ]
    )
