"""HPO-B's tree ensembles beside xgboost: predictions of one model and of all, loading, memory."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.bbob_peers import brief
from benchmarks.display import steps
from benchmarks.launch import attempt, measure
from qdbench.harness.cores import available_cores
from qdbench.tasks.hpob.importing import import_surrogates
from qdbench.wording import count

BATCHES = (1, 8, 64, 1024)
_PACKAGES = ("qdbench", "jax", "jaxlib", "numpy", "xgboost-cpu")


class Entry(NamedTuple):
    """What came of one child process: predictions on so many cores, or one package's loading."""

    round: int
    what: str
    load: float
    result: dict[str, Any] | None
    error: str = ""


def run(archive: Path, out: Path, rounds: int, seconds: float, core: int | None, timeout: float) -> bool:
    """Measures and writes ``surrogates.csv`` and ``surrogates.md``; returns whether every measurement succeeded.

    Args:
        archive: A zip file of models, laid out like HPO-B's.
        out: The folder.
        rounds: How often to measure.
        seconds: About how long one repetition of a measurement should run.
        core: The core to pin to, for the figures of one core.
        timeout: Seconds after which a measurement is given up.
    """
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        pack, read = import_surrogates(archive, Path(folder) / "pack.npz", unofficial=True)
        imported = {"seconds": time.perf_counter() - began, "bytes": pack.stat().st_size, "official": read.official}
        files = {"pack": str(pack), "archive": str(archive.resolve())}
        plan: list[tuple[str, str, dict[str, Any], int | None]] = []
        for threads in sorted({1, len(available_cores()) or 1}):
            arguments = {**files, "batches": list(BATCHES), "threads": threads, "seconds": seconds}
            plan.append((count(threads, "core"), "predictions", arguments, core if threads == 1 else None))
        for package in ("qdbench", "xgboost"):
            plan.append((f"loading, {package}", "loading", {**files, "package": package}, core))
        entries = []
        with steps("surrogates", rounds * len(plan)) as progress:
            for turn in range(1, rounds + 1):
                for name, kind, arguments, pinned in plan:
                    progress.begin(f"{name}, round {turn}")
                    entry = Entry(turn, name, *attempt(f"{kind} of surrogates", arguments, pinned, timeout))
                    entries.append(entry)
                    progress.end(f"{name}, round {turn}: {brief(entry.error) or 'done'}")
        machine = measure("machine", {"seconds": seconds}, core, timeout)
    report.write(out, "surrogates", _rows(entries), _page(archive, imported, entries, machine, rounds, core))
    return all(entry.result is not None for entry in entries)


def _rows(entries: list[Entry]) -> list[dict[str, Any]]:
    rows = []
    for entry in entries:
        common = {"round": entry.round, "what": entry.what, "load_average": round(entry.load, 2)}
        empty = dict.fromkeys(_FIGURES, "")
        found = [{}] if entry.result is None else entry.result.get("records", [entry.result])
        rows += [{**common, **empty, **record, "error": brief(entry.error)} for record in found]
    return rows


_FIGURES = (
    "scope",
    "batch",
    "qdbench_seconds",
    "compile_seconds",
    "xgboost_seconds",
    "xgboost_threads",
    "seconds",
    "bytes",
)


def _page(
    archive: Path,
    imported: dict[str, Any],
    entries: list[Entry],
    machine: dict[str, float],
    rounds: int,
    core: int | None,
) -> str:
    kind = "HPO-B's official surrogates" if imported["official"] else "not HPO-B's official surrogates"
    parts = [
        "# Speed of tree ensembles\n",
        report.environment(core, _PACKAGES),
        f"{archive.name} ({kind}). Median (minimum–maximum) of {count(rounds, 'round')}, each in a fresh process in "
        "which both packages take turns and predict the same bits. xgboost's figure is the faster of one thread and "
        "as many as there are cores; all its models are a Python loop. Compilation is apart.\n",
    ]
    for name in dict.fromkeys(entry.what for entry in entries if not entry.what.startswith("loading")):
        results = [entry.result for entry in entries if entry.what == name and entry.result]
        if results:
            parts += [f"## On {name}\n", _table(results), _floor(results[0], machine) if name == "1 core" else ""]
    parts += ["## Loading\n", _loading(entries), _imported(imported)]
    return "\n".join(part for part in parts if part)


def _table(results: list[dict[str, Any]]) -> str:
    head = ("models", "batch", "qdbench, ms", "xgboost, ms", "xgboost / qdbench", "xgboost's threads", "compile, s")
    rows = []
    for position, first in enumerate(results[0]["records"]):
        records = [result["records"][position] for result in results]
        ours, theirs = ([1e3 * record[f"{name}_seconds"] for record in records] for name in ("qdbench", "xgboost"))
        rows.append(
            (
                "1" if first["scope"] == "one" else str(results[0]["models"]),
                str(first["batch"]),
                report.summary(ours),
                report.summary(theirs),
                report.summary([other / own for own, other in zip(ours, theirs, strict=True)]),
                ", ".join(sorted({str(record["xgboost_threads"]) for record in records})),
                report.summary([record["compile_seconds"] for record in records]),
            )
        )
    return report.markdown_table(head, rows, left=0)


def _floor(result: dict[str, Any], machine: dict[str, float]) -> str:
    batch = BATCHES[-1]
    operations = 2 * result["trees"] * result["splits"] * batch
    floor = operations / machine["operations"] / 1e3
    taken = next(
        record["qdbench_seconds"]
        for record in result["records"]
        if (record["scope"], record["batch"]) == ("one", batch)
    )
    return (
        f"The floor of one model at batch {batch:,} is {report.number(floor)} ms: {result['trees']} trees of "
        f"{result['splits']} nodes, a comparison and a selection each, are {operations:,} operations, at this "
        f"machine's {machine['operations']:,.0f} multiply-adds a microsecond. qdbench takes "
        f"{report.number(1e3 * taken / floor)} times that.\n"
    )


def _loading(entries: list[Entry]) -> str:
    rows = []
    for package in ("qdbench", "xgboost"):
        results = [entry.result for entry in entries if entry.what == f"loading, {package}" and entry.result]
        if results:
            seconds = report.summary([result["seconds"] for result in results])
            rows.append((package, seconds, report.number(statistics.median(r["bytes"] for r in results) / 1e6)))
    return report.markdown_table(("package", "seconds", "the process grows by, MB"), rows)


def _imported(imported: dict[str, Any]) -> str:
    return (
        f"qdbench reads its own file of {imported['bytes'] / 1e6:.1f} MB, which `qdbench data import` made in "
        f"{report.number(imported['seconds'])} s; xgboost reads the JSON of every model from the archive.\n"
    )
