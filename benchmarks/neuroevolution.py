"""Generations of policies a second: qdbench's tasks of control beside evosax's problem classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.bbob_peers import EVOSAX, QDBENCH, brief, is_installed
from benchmarks.display import steps
from benchmarks.launch import attempt
from qdbench.tasks.neuroevolution.budgets import BUDGETS, Budget
from qdbench.wording import count

ENVIRONMENTS = tuple(BUDGETS)
_BUDGET = "small"
_PACKAGES = ("qdbench", "jax", "jaxlib", "evosax", "gymnax", "brax", "mujoco", "mujoco-mjx")


class Entry(NamedTuple):
    """What came of one child process."""

    round: int
    environment: str
    package: str
    load: float
    result: dict[str, Any] | None
    error: str = ""

    @property
    def budget(self) -> Budget:
        """Population, episodes and steps."""
        return BUDGETS[self.environment][_BUDGET]

    def figures(self) -> dict[str, float]:
        """Rates, seconds of compilation and memory."""
        assert self.result is not None
        rate = 1 / self.result["run_seconds"]
        size = self.budget.population * self.budget.rollouts * self.budget.steps
        return {
            "generations_per_second": rate,
            "steps_per_second": rate * size,
            "compile_seconds": self.result["compile_seconds"],
            "megabytes": self.result["bytes"] / 1e6,
            "process_megabytes": self.result["process_bytes"] / 1e6,
        }


def run(out: Path, environments: Sequence[str], rounds: int, seconds: float, core: int | None, timeout: float) -> bool:
    """Measures and writes ``neuroevolution.csv`` and ``.md``; returns whether every measurement succeeded.

    Args:
        out: The folder.
        environments: Those to measure.
        rounds: How often to measure.
        seconds: About how long one repetition of a measurement should run.
        core: The core to pin to.
        timeout: Seconds after which a measurement is given up.
    """
    plan = [
        (turn, environment, package)
        for environment in environments
        for turn in range(1, rounds + 1)
        for package in (QDBENCH, EVOSAX)
        if is_installed(package)
    ]
    entries = []
    with steps("neuroevolution", len(plan)) as progress:
        for turn, environment, package in plan:
            name = f"{environment}, round {turn}, {package}"
            progress.begin(name)
            arguments = {
                "task": f"Neuro-{environment}-v0",
                "arguments": {"budget": _BUDGET},
                "population": BUDGETS[environment][_BUDGET].population,
                "seconds": seconds,
            }
            entry = Entry(turn, environment, package, *attempt(f"policies of {package}", arguments, core, timeout))
            entries.append(entry)
            progress.end(f"{name}: {_figure(entry)}")
    report.write(out, "neuroevolution", [_row(entry) for entry in entries], _page(entries, environments, rounds, core))
    return all(entry.result is not None for entry in entries)


def _figure(entry: Entry) -> str:
    if entry.result is None:
        return brief(entry.error)
    return f"{report.number(entry.figures()['generations_per_second'])} generations / s"


def _row(entry: Entry) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("generations_per_second", "steps_per_second", "compile_seconds", "megabytes", "process_megabytes"), ""
    )
    found = {name: float(f"{value:.5g}") for name, value in entry.figures().items()} if entry.result else empty
    return {
        "round": entry.round,
        "environment": entry.environment,
        "package": entry.package,
        **{name: getattr(entry.budget, name) for name in ("population", "rollouts", "steps")},
        **found,
        "load_average": round(entry.load, 2),
        "error": brief(entry.error),
    }


def _page(entries: Sequence[Entry], environments: Sequence[str], rounds: int, core: int | None) -> str:
    head = (
        "environment",
        "networks x episodes x steps",
        "qdbench, generations / s",
        "evosax, generations / s",
        "qdbench / evosax",
        "qdbench, steps / s",
        "compile, s",
        "memory, MB",
        "evosax's memory / ours",
    )
    body = [_line(entries, environment) for environment in environments]
    return "\n".join(
        [
            "# Speed of policies\n",
            report.environment(core, _PACKAGES),
            f"The budget `{_BUDGET}` of every task, the linear policy or MinAtar's network, random weights of the "
            f"task's start distribution; median (minimum–maximum) of {count(rounds, 'round')}, each in a fresh process "
            "on one core. Seconds are CPU seconds. Steps are networks x episodes x steps, also those after an "
            "episode's end, which qdbench need not run once all episodes of a chunk are over: the better policies "
            "are, the less that saves. Memory is what a compiled generation needs for temporary arrays and results.\n",
            report.markdown_table(head, body, left=2),
        ]
    )


def _line(entries: Sequence[Entry], environment: str) -> tuple[str, ...]:
    found = {
        package: {
            e.round: e.figures() for e in entries if (e.environment, e.package) == (environment, package) and e.result
        }
        for package in (QDBENCH, EVOSAX)
    }
    budget = BUDGETS[environment][_BUDGET]
    ours, theirs = found[QDBENCH], found[EVOSAX]
    both = [turn for turn in ours if turn in theirs]

    def values(of: dict[int, dict[str, float]], name: str) -> str:
        return report.summary([figures[name] for figures in of.values()]) if of else "not measured"

    def ratios(name: str, reverse: bool = False) -> str:
        found = [ours[turn][name] / theirs[turn][name] for turn in both]
        return report.summary([1 / ratio for ratio in found] if reverse else found) if both else ""

    return (
        environment,
        f"{budget.population} x {budget.rollouts} x {budget.steps}",
        values(ours, "generations_per_second"),
        values(theirs, "generations_per_second"),
        ratios("generations_per_second"),
        values(ours, "steps_per_second"),
        values(ours, "compile_seconds"),
        values(ours, "megabytes"),
        ratios("megabytes", reverse=True),
    )
