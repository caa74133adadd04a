"""All boards below a folder: each rebuilt from its results, and a page that lists them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from qdbench.harness import store
from qdbench.leaderboard import build, render
from qdbench.leaderboard.sectioned.board import SectionedBoard
from qdbench.leaderboard.tables import Table

TITLE = "qdbench leaderboards"
RESULTS, PAGE = "results", "index.html"
_TOP = 5


@dataclasses.dataclass(frozen=True)
class Suite:
    """What the overview says about a board; numbers are None where it has no results of its own."""

    name: str
    link: str
    title: str
    description: str
    tasks: int | None = None
    optimizers: int | None = None
    trials: int | None = None
    failures: int | None = None
    first: str = "–"
    ranking: Table | None = None


def build_all(root: Path, check: bool = False, progress: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Rebuilds every board below a folder (each folder with ``results``) and writes the overview, ``index.html``.

    Boards without results of their own, such as those of tuned optimizers, are listed as they are.

    Args:
        root: The folder.
        check: Write nothing.
        progress: Is told which board comes next.

    Returns:
        The files that are written or, with ``check``, that differ from a rebuild.

    Raises:
        NoResultsError: If no board is below the folder.
        StoreError: If a file cannot be written.
    """
    pages = sorted(path.parent for path in root.rglob(build.MARKDOWN) if RESULTS not in path.relative_to(root).parts)
    boards = sorted({*pages, *(path.parent for path in root.rglob(RESULTS) if path.is_dir())})
    if not boards:
        raise build.NoResultsError(f"no board below {root}: a board is a folder with the folder {RESULTS} in it")
    suites, found = [], []
    for folder in boards:
        name = folder.relative_to(root).as_posix()
        progress(name)
        if not (folder / RESULTS).is_dir():
            suites.append(_listed(folder, name))
            continue
        board, files = build.files_of(folder / RESULTS, build.title_of(folder))
        found += build.differing(files, folder) if check else store.write_files(folder, files)
        suites.append(_described(board, name))
    content = {"title": TITLE, "description": "Every board is rebuilt from raw results, offline.", "suites": suites}
    overview = {PAGE: render.page("overview.html.j2", content, {}, {}).encode()}
    return found + (build.differing(overview, root) if check else store.write_files(root, overview))


def _listed(folder: Path, name: str) -> Suite:
    title = build.title_of(folder) or name
    lines = (folder / build.MARKDOWN).read_text("utf-8").splitlines()
    description = next((line for line in lines[1:] if line.strip()), "")
    return Suite(name, f"{name}/{PAGE}", title, description)


def _described(board: build.AnyBoard, name: str) -> Suite:
    if isinstance(board, SectionedBoard):
        tasks, optimizers = len(board.groups), len({name for group in board.groups for name in group.trials})
    else:
        tasks, optimizers = len(board.specs), board.overall["optimizer"].nunique()
    brief = board.brief
    rows = brief.rows[:_TOP]
    return Suite(
        name=name,
        link=f"{name}/{PAGE}",
        title=board.title,
        description=board.description(),
        tasks=tasks,
        optimizers=optimizers,
        trials=len(board.results.trials),
        failures=len(board.results.failures),
        first=rows[0][0].text if rows else "–",
        ranking=Table(f"The first {len(rows)}", brief.columns, rows) if rows else None,
    )
