"""Writing and checking a board of tuned optimizers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qdbench.harness import store
from qdbench.leaderboard import figures, render
from qdbench.leaderboard.build import CSV, MARKDOWN, PAGE, differing
from qdbench.leaderboard.sectioned.render import markdown_page
from qdbench.leaderboard.tuned import REFERENCE, data
from qdbench.leaderboard.tuned.board import TunedBoard, assemble


def build(directories: Iterable[Path], out: Path, reference: str = REFERENCE) -> TunedBoard:
    """Writes ``board.md``, ``board.csv``, ``index.html`` and ``figures/*.svg``, each whole or not at all.

    The files depend on what was tuned and on the reference alone: no time, no path, no order of reading.

    Args:
        directories: Folders with a ``tune.json``, or of folders with one.
        out: The folder to write to, made if needed.
        reference: The optimizer whose precision is 1.

    Raises:
        FileNotFoundError: If a folder does not exist or has no ``tune.json``.
        ValueError: If a file cannot be read, they do not compare, or the reference is not among them.
        StoreError: If a file cannot be written.
    """
    board = assemble(data.find(directories), reference)
    store.write_files(out, files_of(board))
    return board


def check(directories: Iterable[Path], out: Path, reference: str = REFERENCE) -> list[Path]:
    """The files of a board that differ from a rebuild or are missing.

    Raises:
        FileNotFoundError: If a folder does not exist or has no ``tune.json``.
        ValueError: If a file cannot be read, they do not compare, or the reference is not among them.
    """
    return differing(files_of(assemble(data.find(directories), reference)), out)


def files_of(board: TunedBoard) -> dict[str, bytes]:
    """The files of a board by their names."""
    plots = [plot for section in board.sections for plot in section.plots]
    svgs = {plot.name: figures.svg_bytes(plot.figure) for plot in plots}
    provenance = {key: render.values_text(values) for key, values in board.provenance().items()}
    command = f"qdbench leaderboard tuned TUNED --out BOARD --reference {board.reference}"
    commands = (command, f"{command} --check")
    content = {
        "title": board.title,
        "description": board.description(),
        "sections": board.sections,
        "provenance": provenance,
        "incidents": [],
        "commands": commands,
    }
    colors = {name: mark.color for name, mark in board.look.items()}
    named = {
        MARKDOWN: markdown_page(board.title, board.description(), provenance, board.sections, (), commands),
        CSV: board.values.to_csv(index=False, lineterminator="\n"),
        PAGE: render.page("sections.html.j2", content, svgs, colors),
    }
    return {name: text.encode() for name, text in named.items()} | {f"figures/{k}.svg": v for k, v in svgs.items()}
