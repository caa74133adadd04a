"""``qdbench leaderboard tuned``: a board of tuned optimizers on BBOB."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qdbench.leaderboard.tuned import REFERENCE
from qdbench.terminal import console, exit_from_check, friendly_errors


def tuned_board(
    directories: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders that [b]qdbench tune[/b] wrote, or a folder of such folders."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the board.")],
    reference: Annotated[str, typer.Option(help="The optimizer whose precision is 1.")] = REFERENCE,
    check: Annotated[bool, typer.Option(help="Write nothing; fail if the files there are not what would be.")] = False,
) -> None:
    """Compare tuned optimizers on BBOB: one setting for all functions, and tuned for each function.

    Reads the tune.json of each optimizer, all of the same suite, tasks, budget and repetitions.

    [b]qdbench leaderboard tuned leaderboards/bbob/tuning --out boards/tuned[/b]
    """
    from qdbench.leaderboard import render
    from qdbench.leaderboard.tuned import build

    with friendly_errors():
        if check:
            exit_from_check(build.check(directories, out, reference), "files")
        board = build.build(directories, out, reference)
    console.print(render.rich_table(board.brief, board.title, board.description()))
    console.print(f"HTML page: [b]{(out / 'index.html').resolve()}[/b]", soft_wrap=True, highlight=False)
