"""Writing and checking a board of tuned optimizers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qdbench.harness import store
from qdbench.leaderboard.build import differing, rendered
from qdbench.leaderboard.tuned import REFERENCE, data
from qdbench.leaderboard.tuned.board import TunedBoard, assemble


def build(directories: Iterable[Path], out: Path, reference: str = REFERENCE) -> TunedBoard:
    """Writes ``board.md``, ``board.csv``, ``board.json``, ``index.html`` and ``figures/*.svg``.

    Each file is written whole or not at all.

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
    store.write_files(out, rendered(board))
    return board


def check(directories: Iterable[Path], out: Path, reference: str = REFERENCE) -> list[Path]:
    """The files of a board that differ from a rebuild or are missing.

    Raises:
        FileNotFoundError: If a folder does not exist or has no ``tune.json``.
        ValueError: If a file cannot be read, they do not compare, or the reference is not among them.
    """
    return differing(rendered(assemble(data.find(directories), reference)), out)
