"""Writes tables: CSV for programs, Markdown for people."""

from __future__ import annotations

import csv
import datetime
import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.display import console

_PACKAGES = ("qdbench", "jax", "jaxlib", "numpy", "ribs", "numba", "qdax")


def write(out: Path, name: str, rows: Sequence[dict[str, Any]], page: str) -> None:
    """Writes ``NAME.csv`` and ``NAME.md`` into a folder that is made if needed, and says so."""
    out.mkdir(parents=True, exist_ok=True)
    table, text = out / f"{name}.csv", out / f"{name}.md"
    write_csv(table, rows)
    text.write_text(page)
    console.print(f"wrote {table} and {text}", highlight=False)


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes dictionaries of the same keys."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table, the first columns aligned to the left and the others to the right."""
    lines = [head, ["---" if column < left else "---:" for column in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def environment(core: int | None, packages: Sequence[str] = _PACKAGES) -> str:
    """One paragraph: processor, core, software, date."""
    where = "no core pinned" if core is None else f"one core (number {core} of {os.cpu_count()})"
    software = ", ".join(f"{name} {found}" for name in packages if (found := _version(name)))
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (
        f"Measured on {date} on {where} of {_processor()}, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {software}.\n"
    )


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else "0"


def spread(median: float, low: float, high: float) -> str:
    """``median (low - high)``, or the median alone where there is one value."""
    if low == high:
        return number(median)
    return f"{number(median)} ({number(low)}–{number(high)})"


def summary(values: Sequence[float]) -> str:
    """Median with minimum and maximum."""
    return spread(statistics.median(values), min(values), max(values))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "an unknown processor"
