"""What a trial costs its worker and its driver, on one and two workers, and how wide a run may go by that."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.bbob_peers import brief
from benchmarks.display import steps
from benchmarks.launch import attempt
from qdbench.wording import count

_PACKAGES = ("qdbench", "jax", "jaxlib", "numpy", "ray")
_WIDTHS = (1, 2, 8, 64, 512, 4096)


class Kind(NamedTuple):
    """Trials of one kind, and how many of them are run."""

    name: str
    task: str
    arguments: dict[str, Any]
    optimizer: str
    budget: int
    trials: int


KINDS = (
    Kind("small", "BBOB-v0", {"function": 15, "dim": 20}, "gaussian-ga", 1_600, 200),
    Kind("large", "LP-Sphere-v0", {}, "cma-mega", 72_100, 10),
)
"""Fifty generations of a genetic algorithm, 50 trials a call, and a fifth of a trial of Table 1."""
CONTESTANTS = (("local", 1), ("local", 2), ("ray", 1), ("ray", 2))
PARTS = ("seconds", "driver", "worker", "services")


def run(out: Path, rounds: int, timeout: float) -> bool:
    """Measures and writes ``workers.csv`` and ``workers.md``; returns whether every measurement succeeded.

    What a trial costs is the difference between a run of four times as many trials and one of the given number, divided
    by the trials between; the rest of the shorter run is what a run costs once.

    Args:
        out: The folder.
        rounds: How often to measure; medians are reported.
        timeout: Seconds after which a run is given up.
    """
    rows: list[dict[str, Any]] = []
    with steps("workers", rounds * len(KINDS) * len(CONTESTANTS) * 2) as progress:
        for round_ in range(rounds):
            for kind in KINDS:
                for executor, workers in CONTESTANTS:
                    for trials in (kind.trials, 4 * kind.trials):
                        name = f"{trials} {kind.name} trials, {executor}, {count(workers, 'worker')}"
                        progress.begin(name)
                        setting = {"executor": executor, "workers": workers, "trials": trials}
                        request = {**kind._asdict(), **setting}
                        request.pop("name")
                        found = attempt("trials on workers", request, None, timeout)
                        figures = found.result or dict.fromkeys(PARTS, "")
                        rows.append(
                            {
                                "kind": kind.name,
                                **setting,
                                "round": round_,
                                "load_average": round(found.load, 2),
                                **{part: figures[part] and round(figures[part], 3) for part in PARTS},
                                "error": brief(found.error),
                            }
                        )
                        progress.end(f"{name}: {brief(found.error) or 'done'}")
    report.write(out, "workers", rows, _page(rows))
    return all(not row["error"] for row in rows)


class Cost(NamedTuple):
    """What a trial costs, and what a run costs once, both in seconds of a part: the clock or a process' CPU."""

    trial: float
    once: float


def costs(rows: list[dict[str, Any]], kind: str, executor: str, workers: int, part: str) -> Cost | None:
    """The median costs; None where a measurement is missing."""
    chosen = [
        row
        for row in rows
        if (row["kind"], row["executor"], row["workers"]) == (kind, executor, workers) and not row["error"]
    ]
    counts = sorted({row["trials"] for row in chosen})
    if len(counts) != 2:
        return None
    few, many = (statistics.median(float(row[part]) for row in chosen if row["trials"] == count) for count in counts)
    trial = (many - few) / (counts[1] - counts[0])
    return Cost(trial, few - trial * counts[0])


def _page(rows: list[dict[str, Any]]) -> str:
    loads = [row["load_average"] for row in rows]
    sections = [
        "# What a trial costs on one and two workers\n",
        report.environment(None, _PACKAGES),
        f"The load average was {min(loads):g} to {max(loads):g}: above 1 for each worker, something else was running, "
        "and seconds by the clock say little; those of the CPU still do.\n",
    ]
    for kind in KINDS:
        sections.append(f"## {kind.name.capitalize()}: {kind.optimizer} on {kind.task}, {kind.budget:,} evaluations\n")
        head = ("executor", "workers", "clock", "driver", "workers' CPU", "Ray's processes", "clock", "CPU")
        body = [_line(rows, kind, executor, workers) for executor, workers in CONTESTANTS]
        sections.append("Milliseconds a trial, then seconds once a run:\n")
        sections.append(report.markdown_table(head, body, left=2))
        sections.append(_model(rows, kind))
    return "\n".join(sections)


def _line(rows: list[dict[str, Any]], kind: Kind, executor: str, workers: int) -> list[str]:
    found = {part: costs(rows, kind.name, executor, workers, part) for part in PARTS}
    trial = [_milliseconds(found[part]) for part in PARTS]
    once = found["seconds"]
    spent = [cost.once for part, cost in found.items() if part != "seconds" and cost is not None]
    return [
        executor,
        str(workers),
        *trial,
        "-" if once is None else report.number(once.once),
        report.number(sum(spent)),
    ]


def _model(rows: list[dict[str, Any]], kind: Kind) -> str:
    """The model of a wide run: whichever is busy all the time, the workers or the driver."""
    worker, driver = (costs(rows, kind.name, "ray", 1, part) for part in ("worker", "driver"))
    if worker is None or driver is None or min(worker.trial, driver.trial) <= 0:
        return "There is no model without the measurements on one worker of Ray.\n"
    body = [[f"{width:,}", report.number(min(width / worker.trial, 1 / driver.trial))] for width in _WIDTHS]
    return (
        f"**Model**, not measured: a worker does a trial in {report.number(1e3 * worker.trial)} ms and the driver "
        f"takes in one in {report.number(1e3 * driver.trial)} ms, so "
        f"{count(round(worker.trial / driver.trial), 'worker')} keep the driver's core busy, and more bring nothing. "
        "It leaves out the network, and the compilation that "
        "every worker does for every program that it meets (in the seconds once a run).\n\n"
        + report.markdown_table(("workers of Ray", "trials a second at most"), body)
    )


def _milliseconds(cost: Cost | None) -> str:
    return "-" if cost is None else report.number(max(0.0, 1e3 * cost.trial))
