"""How the cost of an iteration grows with the dimension, the batch and the archive."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.display import console, steps
from benchmarks.launch import attempt
from benchmarks.measurement import PEER_ALGORITHMS, Setting

AXES: dict[str, tuple[int, ...]] = {"dim": (100, 1000, 10_000), "batch": (36, 144, 576), "side": (50, 100, 300)}
LABELS = {"dim": "parameters", "batch": "evaluations an iteration", "side": "cells"}


def run(out: Path, rounds: int, seconds: float, most: int, core: int | None, timeout: float) -> bool:
    """Measures and writes ``scaling.csv``, ``.md``, ``.svg`` and ``.png``.

    Args:
        out: The folder.
        rounds: How often to measure every point.
        seconds: About how long one measurement of a point should run.
        most: The most iterations of one.
        core: The core to pin to.
        timeout: Seconds after which a point is given up.

    Returns:
        Whether every measurement succeeded.
    """
    points = _points()
    rows: list[dict[str, Any]] = []
    failures = 0
    with steps("scaling", len(points)) as progress:
        for setting in points:
            name = f"{PEER_ALGORITHMS[setting.algorithm]}, n = {setting.dim}, batch {setting.batch}, {setting.side}²"
            progress.begin(name)
            arguments = {
                "setting": dataclasses.asdict(setting),
                "rounds": rounds,
                "seconds": seconds,
                "most": most,
            }
            load, cost, error = attempt("cost", arguments, core, timeout)
            if cost is None:
                failures += 1
                progress.end(f"[red]failed[/red] {name}: {error}")
                continue
            rows.append(_record(setting, cost, load))
            progress.end(f"{name}: {cost['median']:.1f} µs an iteration")
    if rows:
        # matplotlib takes a second to import and is not needed for anything else.
        from benchmarks.figure import draw

        out.mkdir(parents=True, exist_ok=True)
        report.write_csv(out / "scaling.csv", rows)
        (out / "scaling.md").write_text(_page(rows, core))
        draw(rows, out / "scaling")
        console.print(f"wrote {out}/scaling.csv, .md, .svg and .png", highlight=False)
    return failures == 0


def _points() -> list[Setting]:
    """One axis at a time; the common point once."""
    settings = [
        Setting(algorithm).replace(**{axis: value})
        for algorithm in PEER_ALGORITHMS
        for axis, values in AXES.items()
        for value in values
    ]
    return list(dict.fromkeys(settings))


def _record(setting: Setting, cost: dict[str, Any], load: float) -> dict[str, Any]:
    return {
        "algorithm": PEER_ALGORITHMS[setting.algorithm],
        "dim": setting.dim,
        "batch": setting.batch,
        "side": setting.side,
        "iterations": cost["iterations"],
        "microseconds": round(cost["median"], 3),
        "microseconds_low": round(cost["low"], 3),
        "microseconds_high": round(cost["high"], 3),
        "compile_seconds": round(cost["compile_seconds"], 3),
        "load_average": round(load, 2),
    }


def select(rows: Sequence[dict[str, Any]], algorithm: str, axis: str) -> list[dict[str, Any]]:
    """The rows of an algorithm along one axis, the others at their standard value."""
    standard = dataclasses.asdict(Setting(""))
    others = [name for name in AXES if name != axis]
    chosen = [
        row for row in rows if row["algorithm"] == algorithm and all(row[name] == standard[name] for name in others)
    ]
    return sorted(chosen, key=lambda row: int(row[axis]))


def _page(rows: Sequence[dict[str, Any]], core: int | None) -> str:
    sections = [
        "# Cost of an iteration\n",
        report.environment(core),
        "Microseconds an iteration of LP-Sphere in float32, median (minimum–maximum); unless it varies: 1,000 "
        "parameters, 36 evaluations an iteration, 100 x 100 cells. An iteration's cost is the time of a long trial "
        "less that of one of 100 iterations, so that filling an empty archive with zeros is left out; the number of "
        "iterations is in `scaling.csv`.\n",
        "![Cost of an iteration](scaling.svg)\n",
    ]
    for axis, values in AXES.items():
        sections.append(f"## By {LABELS[axis]}\n")
        head = ["algorithm", *(f"{value} x {value}" if axis == "side" else f"{value:,}" for value in values)]
        body = []
        for algorithm in PEER_ALGORITHMS.values():
            found = {row[axis]: row for row in select(rows, algorithm, axis)}
            body.append([algorithm, *(_cell(found.get(value)) for value in values)])
        sections.append(report.markdown_table(head, body))
    return "\n".join(sections)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not measured"
    return report.spread(row["microseconds"], row["microseconds_low"], row["microseconds_high"])
