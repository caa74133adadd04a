"""The image tasks beside evosax's TorchVisionProblem: generations per second, memory, compilation."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.bbob_peers import EVOSAX, QDBENCH, brief, is_installed
from benchmarks.display import steps
from benchmarks.launch import attempt
from qdbench.wording import count

_PACKAGES = ("qdbench", "jax", "jaxlib", "numpy", "evosax", "flax")
_FIGURES = ("cpu_seconds", "compile_seconds", "temporary_bytes", "mean_objective")


class Entry(NamedTuple):
    """What came of one child process."""

    round: int
    package: str
    load: float
    result: dict[str, Any] | None
    error: str = ""


def run(
    out: Path, dataset: str, population: int, batch_size: int, rounds: int, core: int | None, timeout: float
) -> bool:
    """Measures and writes ``image-networks.csv`` and ``image-networks.md``; returns whether everything succeeded.

    Args:
        out: The folder.
        dataset: The task's id.
        population: Networks of a generation.
        batch_size: Images of a minibatch.
        rounds: How often to measure.
        core: The core to pin to.
        timeout: Seconds after which a measurement is given up.
    """
    packages = [package for package in (QDBENCH, EVOSAX) if is_installed(package)]
    arguments = {"task_id": dataset, "population": population, "batch_size": batch_size}
    entries = []
    with steps("image networks", rounds * len(packages)) as progress:
        for turn in range(1, rounds + 1):
            for package in packages:
                label = f"{package}, round {turn}"
                progress.begin(label)
                entry = Entry(turn, package, *attempt(f"image networks of {package}", arguments, core, timeout))
                entries.append(entry)
                progress.end(f"{label}: {brief(entry.error) or 'done'}")
    report.write(out, "image-networks", [_row(entry) for entry in entries], _page(entries, arguments, rounds, core))
    return all(entry.result is not None for entry in entries)


def _row(entry: Entry) -> dict[str, Any]:
    common = {"round": entry.round, "package": entry.package, "load_average": round(entry.load, 2)}
    return {**common, **dict.fromkeys(_FIGURES, ""), **(entry.result or {}), "error": brief(entry.error)}


def _page(entries: list[Entry], arguments: dict[str, Any], rounds: int, core: int | None) -> str:
    results = {
        package: [entry.result for entry in entries if entry.package == package and entry.result]
        for package in dict.fromkeys(entry.package for entry in entries)
    }
    found = {package: records for package, records in results.items() if records}
    lines = [_line(package, records) for package, records in found.items()]
    parts = [
        "# Speed of the image tasks\n",
        report.environment(core, _PACKAGES),
        f"A generation of {arguments['population']} networks of 11,274 weights on a shared minibatch of "
        f"{arguments['batch_size']} images of {arguments['task_id']}. Median (minimum–maximum) of "
        f"{count(rounds, 'round')}, each in a fresh process, in seconds of the processor (not of the clock, so that "
        "other work on the machine matters less). evosax's class evaluates as it always does, with `vmap` over flax's "
        "convolutions; its images come from qdbench, because its own loading needs torch. Memory is what the compiled "
        "program needs beside its arguments and constants.\n",
        report.markdown_table(("package", "generations / s", "compile, s", "temporary memory, MB"), lines),
    ]
    if {QDBENCH, EVOSAX} <= set(found):
        ours, theirs = (statistics.median(r["cpu_seconds"] for r in found[name]) for name in (QDBENCH, EVOSAX))
        parts.append(f"qdbench is {report.number(theirs / ours)} times as fast.\n")
    return "\n".join(parts)


def _line(package: str, records: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return (
        package,
        report.summary([1 / record["cpu_seconds"] for record in records]),
        report.summary([record["compile_seconds"] for record in records]),
        report.summary([record["temporary_bytes"] / 1e6 for record in records]),
    )
