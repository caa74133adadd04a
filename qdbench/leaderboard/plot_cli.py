"""``qdbench plot ...``: figures of single results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qdbench.terminal import console, friendly_errors

plot_app = typer.Typer(help="Draw figures of stored results.", no_args_is_help=True, rich_markup_mode="rich")


@plot_app.callback()
def plot() -> None:
    """Draw figures of stored results."""


@plot_app.command("collage")
def plot_collage(
    result: Annotated[Path, typer.Argument(help="A result that was run with --keep-solutions, or its folder.")],
    out: Annotated[Path, typer.Option(help="The PNG file to write.")] = Path("collage.png"),
    rows: Annotated[int, typer.Option(min=1, help="Pictures along the second measure.")] = 14,
    columns: Annotated[int, typer.Option(min=1, help="Pictures along the first measure.")] = 14,
) -> None:
    """Lay the pictures of an archive out over the measures, for tasks of latent space illumination.

    [b]qdbench run --task LSI-Digits-v0 --optimizer cma-mega --keep-solutions --out results/lsi[/b]

    [b]qdbench plot collage results/lsi --out collage.png[/b]
    """
    with friendly_errors():
        from qdbench.harness.store import write_atomically
        from qdbench.leaderboard.collage import collage

        write_atomically(out, collage(result, rows, columns))
    console.print(f"written: {out}", soft_wrap=True, highlight=False)


@plot_app.command("curves")
def plot_curves(
    results: Annotated[Path, typer.Argument(help="Folder of results.")],
    out: Annotated[Path, typer.Option(help="The SVG or PNG file to write.")] = Path("curves.svg"),
    columns: Annotated[int, typer.Option(min=1, help="Panels in a row.")] = 4,
) -> None:
    """Draw the learning curves of all tasks, a panel for each: the mean and 1.96 standard errors over repetitions.

    [b]qdbench plot curves leaderboards/neuroevolution/small/results --out curves.svg[/b]
    """
    with friendly_errors():
        from qdbench.harness.store import write_atomically
        from qdbench.leaderboard.learning_curves import draw

        write_atomically(out, draw(results, columns, out.suffix))
    console.print(f"written: {out}", soft_wrap=True, highlight=False)
