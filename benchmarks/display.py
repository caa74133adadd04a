"""Live progress of a benchmark."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

console = Console()


class Steps:
    """A bar over the steps of a benchmark, with a line for each one that is done."""

    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self._progress = progress
        self._bar = progress.add_task(title, total=total, step="")

    def begin(self, step: str) -> None:
        """Says what is being measured."""
        self._progress.update(self._bar, step=step)

    def end(self, line: str) -> None:
        """Prints a result and moves on."""
        self._progress.console.print(line, highlight=False, soft_wrap=True)
        self._progress.update(self._bar, advance=1, step="")


@contextlib.contextmanager
def steps(title: str, total: int) -> Iterator[Steps]:
    """Shows a bar while the body runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[step]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield Steps(progress, title, total)
