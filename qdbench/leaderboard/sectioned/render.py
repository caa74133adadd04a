"""A board of sections as one HTML page and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from qdbench.leaderboard import render
from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.sectioned.board import SectionedBoard
from qdbench.leaderboard.sectioned.content import Section
from qdbench.leaderboard.sectioned.style import Mark
from qdbench.leaderboard.site import cards, explorer
from qdbench.leaderboard.tables import Table


@runtime_checkable
class Sectioned(Protocol):
    """What a page of sections shows, whether of results or of tunings."""

    @property
    def title(self) -> str:
        """The heading."""

    @property
    def sections(self) -> tuple[Section, ...]:
        """The parts of the page."""

    @property
    def values(self) -> pd.DataFrame:
        """What the CSV holds."""

    @property
    def look(self) -> dict[str, Mark]:
        """The mark of each optimizer."""

    @property
    def commands(self) -> Sequence[str]:
        """What makes the board again."""

    def description(self) -> str:
        """What was run, in one sentence."""

    def provenance(self) -> dict[str, list[str]]:
        """The distinct values of each key of the provenance."""

    def incidents(self) -> list[Table]:
        """What failed and what does not count."""


def plots(board: Sectioned) -> list[Plot]:
    """All figures of a board."""
    return [plot for section in board.sections for plot in section.plots]


def to_html(board: Sectioned, svgs: Mapping[str, bytes]) -> str:
    """The page: self-contained, loads nothing from anywhere.

    Args:
        board: The board.
        svgs: The figures' SVG by the name of the plot.
    """
    content: dict[str, Any] = {
        "title": board.title,
        "description": board.description(),
        "sections": board.sections,
        "provenance": _provenance(board),
        "incidents": board.incidents(),
        "commands": board.commands,
    }
    if isinstance(board, SectionedBoard) and board.results.trials:
        data = explorer.of_sections(board)
        content |= {"explorer": explorer.to_json(data), "cards": cards.of_results(board.results, data)}
    return render.page("sections.html.j2", content, svgs, {name: mark.color for name, mark in board.look.items()})


def to_markdown(board: Sectioned) -> str:
    """What the template ``sections.html.j2`` shows, as Markdown, with the figures as files beside it."""
    parts = [f"# {board.title}", board.description()]
    parts += [render.bullets(f"{key}: {value}" for key, value in _provenance(board).items())]
    for section in board.sections:
        parts += render.markdown_section(section)
    parts += render.incident_lines(board.incidents()) + render.rebuild_lines(board.commands)
    return "\n\n".join(part for part in parts if part) + "\n"


def _provenance(board: Sectioned) -> dict[str, str]:
    return {key: render.values_text(values) for key, values in board.provenance().items() if values}
