"""``qdbench export ...``: results in other tools' formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qdbench.terminal import friendly_errors

export_app = typer.Typer(help="Write results in the formats of other tools.", no_args_is_help=True)


@export_app.callback()
def _group() -> None:
    """Keeps ``coco`` a subcommand while it is the only one."""


@export_app.command("coco")
def export_coco(
    results: Annotated[Path, typer.Argument(help="Folder of results on BBOB.")],
    out: Annotated[Path, typer.Option(help="Folder that gets one folder an optimizer.")],
) -> None:
    """Write BBOB results in COCO's data format, one folder an optimizer: python -m cocopp OUT/* reads them."""
    from qdbench.interop.coco import export

    with friendly_errors():
        written = export(results, out)
    for folder in written:
        typer.echo(f"{folder.folder}: {folder.trials:,} trials of {folder.optimizer}")
