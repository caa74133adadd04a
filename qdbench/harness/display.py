"""A live display of a run: how far it is, what was slow, what failed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from qdbench.harness.experiment import Executor, Job, run_all
from qdbench.harness.result import TEST_COLUMN


def counting(things: str, console: Console) -> Progress:
    """A progress bar that counts things that are done, with a description of the last one at its end."""
    return Progress(
        TextColumn(things),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=console,
    )


def run_with_progress(jobs: Sequence[Job], directory: Path, executor: Executor, console: Console) -> int:
    """Runs the jobs with a progress bar; returns the number of failures, which are printed as they happen."""
    counts = {"finished": 0, "stored": 0, "failed": 0}
    began = time.perf_counter()
    with counting("trials", console) as progress:
        bar = progress.add_task("starting (the first trial of a kind compiles its program)", total=len(jobs))
        for finished in run_all(jobs, directory, executor):
            counts[finished.status] += 1
            note = finished.job.label
            if finished.status == "finished":
                if "precision" in finished.metrics:
                    note += f": precision {finished.metrics['precision']:.2e}"
                elif TEST_COLUMN in finished.metrics:
                    note += f": test score {finished.metrics[TEST_COLUMN]:.4g}"
                else:
                    note += f": QD-score {finished.metrics['qd_score']:.2f}"
            elif finished.status == "stored":
                note += ": stored already"
            else:
                progress.console.print(
                    f"[red]failed[/red] {escape(f'{note}: {finished.error}')}", soft_wrap=True, highlight=False
                )
            progress.update(bar, advance=1, description=note)
        progress.update(bar, description="done")
    seconds = time.perf_counter() - began
    console.print(
        f"{counts['finished']} trials run, {counts['stored']} stored already, {counts['failed']} failed, "
        f"in {seconds:.0f} s; results in {directory}",
        highlight=False,
    )
    return counts["failed"]
