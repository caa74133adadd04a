"""Building, checking and compacting: what the command line calls."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path

from qdbench.harness import pack, store
from qdbench.harness.result import FinalArchive, TrialResult
from qdbench.leaderboard import aggregate, figures, render
from qdbench.leaderboard.aggregate import Problem, Results
from qdbench.leaderboard.bbob import board as bbob_board
from qdbench.leaderboard.bbob.data import is_bbob
from qdbench.leaderboard.board import Board, assemble
from qdbench.leaderboard.hpob import board as hpob_board
from qdbench.leaderboard.hpob.data import is_hpo
from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.sectioned import render as section_pages
from qdbench.leaderboard.sectioned.board import SectionedBoard
from qdbench.leaderboard.sectioned.render import Sectioned

AnyBoard = Board | SectionedBoard
MARKDOWN, CSV, JSON, PAGE = "board.md", "board.csv", "board.json", "index.html"


class NoResultsError(FileNotFoundError):
    """There is nothing to make a leaderboard of; the message says what was found and what to run."""


@dataclasses.dataclass(frozen=True)
class BuiltBoard:
    """A board that was written: its folder, its files and its contents."""

    out: Path
    files: tuple[Path, ...]
    board: AnyBoard


def build(results: Path, out: Path, title: str | None = None, save_png: bool = False) -> BuiltBoard:
    """Writes ``board.md``, ``board.csv``, ``board.json``, ``index.html`` and ``figures/*.svg``.

    Each file is written whole or not at all.

    The files depend on the results and the title alone: no time, no path, no order of reading.

    Args:
        results: A folder of stored trials.
        out: The folder to write to, made if needed.
        title: The heading of the pages; None: that of the board that is there, if there is one.
        save_png: Write each figure as ``figures/*.png`` too.

    Raises:
        NoResultsError: If the folder does not exist or holds no trial.
        StoreError: If a file cannot be written.
    """
    board, files = files_of(results, title or title_of(out))
    if save_png:
        files |= {f"figures/{plot.name}.png": figures.png_bytes(plot.figure) for plot in _plots(board)}
    return BuiltBoard(out, tuple(store.write_files(out, files)), board)


def check(results: Path, out: Path, title: str | None = None) -> list[Path]:
    """The files of a board that differ from a rebuild or are missing; empty if the board is what the results say.

    Args:
        results: The folder of stored trials that the board claims to be made of.
        out: The board's folder.
        title: The heading it was built with; None: the heading of its ``board.md``.

    Raises:
        NoResultsError: If there are no results to rebuild from.
    """
    return differing(files_of(results, title or title_of(out))[1], out)


def files_of(results: Path, title: str | None = None) -> tuple[AnyBoard, dict[str, bytes]]:
    """The board of a folder of results, and its files by their names; writes nothing.

    Raises:
        NoResultsError: If there are no results.
    """
    board = board_of(results, title)
    return board, rendered(board)


def board_of(results: Path, title: str | None = None) -> AnyBoard:
    """The board of a folder of results.

    It is BBOB's or HPO's where all results are of that kind, else the general one.

    Raises:
        NoResultsError: If there are no results.
    """
    found = _read(results)
    if is_bbob(found):
        return bbob_board.assemble(found, title)
    return hpob_board.assemble(found, title) if is_hpo(found) else assemble(found, title)


def differing(files: Mapping[str, bytes], out: Path) -> list[Path]:
    """The files that have other contents in a folder, or are missing there."""
    return [out / name for name, content in files.items() if _bytes_of(out / name) != content]


def compact(results: Path, out: Path, archives_of_repetition: int = 0, packed: bool = False) -> tuple[Problem, ...]:
    """Copies results without what makes them large, so that they can be committed.

    Solutions are dropped, and archives but for those of one repetition. Records of failures are copied. A board of the
    copy is the same if every file counted and the heatmaps' repetition (the lowest that has an archive) is kept.

    Args:
        results: A folder of stored trials.
        out: Another folder, which gets the same layout.
        archives_of_repetition: The repetition whose archives (objectives and measures) stay.
        packed: Write one Parquet file for each task id and optimizer, without any archive.

    Returns:
        The files that were not copied, with the reasons.

    Raises:
        NoResultsError: If there are no results.
        ValueError: If both folders are the same, because that would destroy the archives.
        StoreError: If a file cannot be written.
    """
    if results.resolve() == out.resolve():
        raise ValueError(f"compact writes to another folder than it reads from: both are {results}")
    found = _read(results)
    trials = () if packed else found.trials.values()
    if packed:
        pack.save(out, (TrialResult(trial.record, trial.trace, None, trial.targets) for trial in found.trials.values()))
    for trial in trials:
        keep = trial.record.config.repetition == archives_of_repetition
        archive = _without_solutions(trial.archive()) if keep else None
        store.save_result(out, TrialResult(trial.record, trial.trace, archive, trial.targets))
    for record in found.failures.values():
        store.save_failure(out, record)
    return found.problems


def _without_solutions(archive: FinalArchive | None) -> FinalArchive | None:
    return dataclasses.replace(archive, solutions=None) if archive else None


def _read(directory: Path) -> Results:
    advice = f"`qdbench run --suite quick --out {directory}` makes some"
    if not directory.is_dir():
        raise NoResultsError(f"no folder {directory}: a leaderboard is built from a folder of results; {advice}")
    results = aggregate.read_results(directory)
    if results.trials or results.failures:
        return results
    files = sum(1 for path in directory.rglob("*") if path.is_file())
    unreadable = "".join(f"\n  {problem.file}: {problem.reason}" for problem in results.problems)
    raise NoResultsError(
        f"no trial results in {directory}: of its {files} files none is a readable *{store.SUFFIX} or "
        f"*{store.FAILED_SUFFIX} of qdbench; {advice}{unreadable}"
    )


def tables_of(board: Board | Sectioned) -> dict[str, bytes]:
    """The files of a board that do not depend on how a library draws: Markdown, CSV and JSON."""
    markdown = render.to_markdown(board) if isinstance(board, Board) else section_pages.to_markdown(board)
    table: str = board.values.to_csv(index=False, lineterminator="\n")
    texts = {MARKDOWN: markdown, CSV: table, JSON: _json(board)}
    return {name: text.encode() for name, text in texts.items()}


def rendered(board: Board | Sectioned) -> dict[str, bytes]:
    """All files of a board by their names."""
    svgs = {plot.name: figures.svg_bytes(plot.figure) for plot in _plots(board)}
    page = render.to_html(board, svgs) if isinstance(board, Board) else section_pages.to_html(board, svgs)
    return tables_of(board) | {PAGE: page.encode()} | {f"figures/{name}.svg": svg for name, svg in svgs.items()}


def _json(board: Board | Sectioned) -> str:
    """The rows of the CSV with the title, the description and the provenance."""
    rows = [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in board.values.to_dict("records")
    ]
    head = {"title": board.title, "description": board.description(), "provenance": board.provenance()}
    return json.dumps(head | {"rows": rows}, indent=0, allow_nan=False, ensure_ascii=False, default=int) + "\n"


def _plots(board: Board | Sectioned) -> list[Plot]:
    if not isinstance(board, Board):
        return section_pages.plots(board)
    return [plot for plots in board.plots.values() for plot in plots] + list(board.suite.plots if board.suite else ())


def title_of(board: Path) -> str | None:
    """The heading of a board that is there; None if there is none."""
    content = _bytes_of(board / MARKDOWN)
    first = content.decode(errors="replace").partition("\n")[0] if content else ""
    return first.removeprefix("# ") if first.startswith("# ") else None


def _bytes_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
