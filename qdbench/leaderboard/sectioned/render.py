"""A board of sections as one HTML page, as Markdown and as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qdbench.leaderboard import render
from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.sectioned.board import SectionedBoard
from qdbench.leaderboard.sectioned.content import Section
from qdbench.leaderboard.site import cards, explorer
from qdbench.leaderboard.tables import Table


def plots(board: SectionedBoard) -> list[Plot]:
    """All figures of a board."""
    return [plot for section in board.sections for plot in section.plots]


def to_html(board: SectionedBoard, svgs: Mapping[str, bytes]) -> str:
    """The page: self-contained, loads nothing from anywhere.

    Args:
        board: The board.
        svgs: The figures' SVG by the name of the plot.
    """
    colors = {name: mark.color for name, mark in board.look.items()}
    content: dict[str, Any] = {
        "title": board.title,
        "description": board.description(),
        "sections": board.sections,
        "provenance": _provenance(board),
        "incidents": board.incidents(),
        "commands": (render.REBUILD, render.CHECK),
    }
    if board.results.trials:
        data = explorer.of_sections(board)
        content |= {"explorer": explorer.to_json(data), "cards": cards.of_results(board.results, data)}
    return render.page("sections.html.j2", content, svgs, colors)


def to_markdown(board: SectionedBoard) -> str:
    """The board as Markdown, with the figures as files beside it."""
    commands = (render.REBUILD, render.CHECK)
    return markdown_page(
        board.title, board.description(), _provenance(board), board.sections, board.incidents(), commands
    )


def markdown_page(
    title: str,
    description: str,
    provenance: Mapping[str, str],
    sections: Iterable[Section],
    incidents: Iterable[Table],
    commands: Iterable[str],
) -> str:
    """What the template ``sections.html.j2`` shows, as Markdown, with the figures as files beside it."""
    parts = [f"# {title}", description]
    parts += [render.bullets(f"{key}: {value}" for key, value in provenance.items())]
    for section in sections:
        parts += render.markdown_section(section)
    parts += ["## Failures and files that do not count"]
    parts += [f"{table.caption}\n\n{render.markdown_table(table)}" for table in incidents] or ["None."]
    parts += ["## Rebuild", "\n".join(["```", *commands, "```"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_csv(board: SectionedBoard) -> str:
    """One row for each setting, function or task, and optimizer, all digits."""
    text: str = board.values.to_csv(index=False, lineterminator="\n")
    return text


def _provenance(board: SectionedBoard) -> dict[str, str]:
    return {key: render.values_text(values) for key, values in board.provenance().items() if values}
