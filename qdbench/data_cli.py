"""``qdbench data ...``: gets, imports and checks what users download."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from qdbench.terminal import console, errors, friendly_errors

if TYPE_CHECKING:
    from qdbench.datasets import FileState, Progress

data_app = typer.Typer(
    help="Get, import and check data that does not come with qdbench.", no_args_is_help=True, rich_markup_mode="rich"
)
Home = Annotated[
    Path | None, typer.Option("--data-home", help="The data folder. Default: QDBENCH_DATA, else the system's cache.")
]


@data_app.command("import")
def import_data(
    path: Annotated[
        Path,
        typer.Argument(
            help="saved-surrogates.zip, hpob-data.zip, a folder laid out like either, one model's JSON; StyleGAN's or "
            "CLIP's checkpoint."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The file to write. Default: in the data folder.")] = None,
    unofficial: Annotated[
        bool, typer.Option("--unofficial", help="Import a saved-surrogates.zip that is not HPO-B's as your own.")
    ] = False,
    every_split: Annotated[
        bool, typer.Option("--every-split", help="Import all models, not only those of the 86 meta-test tasks.")
    ] = False,
    y_min: Annotated[float, typer.Option(help="One model: the value that is normalised to 0.")] = 0.0,
    y_max: Annotated[float, typer.Option(help="One model: the value that is normalised to 1.")] = 1.0,
    data_home: Home = None,
) -> None:
    """Import HPO-B's surrogates, its initial designs or an xgboost model as one file, a generator or CLIP as a folder.

    [b]qdbench data import saved-surrogates.zip[/b]

    [b]qdbench data import hpob-data.zip[/b]

    [b]qdbench data import my-model.json --y-min 0.5 --y-max 0.9 --out my-model.npz[/b]

    [b]qdbench data import stylegan2-ffhq-1024x1024.pkl[/b], [b]qdbench data import ViT-B-32.pt[/b]
    """
    with friendly_errors():
        from qdbench.tasks.hpob.designs import holds_designs, import_designs
        from qdbench.tasks.hpob.importing import import_surrogates
        from qdbench.tasks.lsi.checkpoints.names import is_checkpoint

        if is_checkpoint(path):
            _import_checkpoint(path, out, data_home)
            return

        with _progress() as progress:
            if holds_designs(path):
                written, tasks = import_designs(path, out, data_home=data_home, progress=progress)
                console.print(f"initial designs of {tasks} tasks in {written}", soft_wrap=True, highlight=False)
                return
            written, pack = import_surrogates(
                path,
                out,
                unofficial=unofficial,
                every_split=every_split,
                y_range=(y_min, y_max),
                data_home=data_home,
                progress=progress,
            )
        kind = "HPO-B's official surrogates" if pack.official else "not HPO-B's: report no score as HPO-B"
        console.print(f"{len(pack.names)} surrogates ({kind}) in {written}", soft_wrap=True, highlight=False)


def _import_checkpoint(path: Path, out: Path | None, data_home: Path | None) -> None:
    from qdbench.tasks.lsi.checkpoints.importing import import_checkpoint

    folder, converted = import_checkpoint(path, out, data_home)
    console.print(f"{converted.format}, {len(converted.tensors)} tensors, in {folder}", soft_wrap=True, highlight=False)


@data_app.command("fetch")
def fetch_data(
    name: Annotated[str, typer.Argument(help="The data set, such as [b]hpob[/b].")],
    data_home: Home = None,
) -> None:
    """Download a data set into the data folder, check it, and import it.

    [b]qdbench data fetch hpob[/b]
    """
    with friendly_errors():
        from qdbench.datasets import fetch

        with _progress() as progress:
            paths = fetch(name, data_home, progress)
        for path in paths:
            console.print(str(path), soft_wrap=True, highlight=False)


@data_app.command("status")
def show_status(data_home: Home = None) -> None:
    """Show which data is there, whether it is whole, and how to get what is missing."""
    with friendly_errors():
        from qdbench.datasets import data_folder

        states = _states(data_home)
        table = Table(title=f"Data in {data_folder(data_home)}", title_justify="left")
        for name in ("file", "present", "size", "hash", "licence", "get it with"):
            table.add_column(name, overflow="fold")
        for state in states:
            table.add_row(
                state.file.name,
                "no" if state.size is None else "yes",
                "" if state.size is None else f"{state.size:,}",
                _verdict(state),
                state.file.licence,
                state.file.command,
            )
        console.print(table)


@data_app.command("verify")
def verify_data(data_home: Home = None) -> None:
    """Check everything that is there; exits with 1 if something is damaged."""
    with friendly_errors():
        states = _states(data_home)
        damaged = [state for state in states if state.problem]
        for state in states:
            if state.size is not None and not state.problem:
                console.print(f"whole: {state.path}", soft_wrap=True, highlight=False)
        for state in damaged:
            errors.print(
                f"[red]damaged:[/red] {state.path}: {state.problem}\n  remove it, then: {state.file.command}",
                soft_wrap=True,
                highlight=False,
            )
        if not any(state.size is not None for state in states):
            console.print("no data is there: qdbench data status", highlight=False)
    if damaged:
        raise typer.Exit(1)


def _states(data_home: Path | None) -> list[FileState]:
    from qdbench.data_catalogue import DATASETS
    from qdbench.datasets import inspect

    return [inspect(file, data_home) for entry in DATASETS for file in entry.files]


def _verdict(state: FileState) -> str:
    if state.problem:
        return "[red]damaged[/red]: qdbench data verify"
    return "" if state.size is None else "ok"


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """A progress bar; it is told how much of how much is done, and what comes next."""
    from rich.progress import Progress as Bar

    with Bar(console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("")

        def show(done: int, total: int, what: str) -> None:
            bars.update(bar, completed=done, total=total or None, description=what)

        yield show
