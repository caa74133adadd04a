"""A board as one HTML page, as Markdown, as CSV and as a table in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, Protocol, runtime_checkable

import jinja2
import rich.table
import rich.text

from qdbench.leaderboard import figures, published, tables
from qdbench.leaderboard.board import COMMANDS, Board
from qdbench.leaderboard.sectioned.content import Section
from qdbench.leaderboard.site import cards, explorer
from qdbench.leaderboard.tables import Cell, Column, Table

RANKING_NOTE = (
    "The mean rank is the mean over the tasks of the rank by the mean of the task's ranking metric: 1 is best, and "
    "equal means share the mean of their ranks. Only optimizers with a result on every task take a place."
)
_SHOWN_VALUES = 6


def to_html(board: Board, svgs: Mapping[str, bytes]) -> str:
    """The page: self-contained, loads nothing from anywhere.

    Args:
        board: The board.
        svgs: The figures' SVG by the name of the plot.
    """
    data = explorer.of_board(board)
    content = _content(board) | {"explorer": explorer.to_json(data), "cards": cards.of_results(board.results, data)}
    return page("template.html.j2", content, svgs, {name: style.color for name, style in board.look.items()})


def page(template: str, content: Mapping[str, Any], svgs: Mapping[str, bytes], colors: Mapping[str, str]) -> str:
    """Fills a template of this package; the figures go into the page itself.

    Args:
        template: The name of the template.
        content: What it shows.
        svgs: The figures' SVG by the name of the plot.
        colors: The colour of each optimizer's dot.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (resources.files(__package__) / name).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    images = {name: figures.data_uri(svg) for name, svg in svgs.items()}
    dots = {name: "var(--ink)" if color == figures.INK else color for name, color in colors.items()}
    shown = {"explorer": "", "cards": {}, **content, "images": images, "colors": dots}
    shown |= {"style": _asset("site.css"), "script": _asset("site.js")}
    return environment.get_template(template).render(shown) + "\n"


def _asset(name: str) -> str:
    return (resources.files(__package__) / "site" / name).read_text("utf-8")


def to_markdown(board: Board) -> str:
    """The board as Markdown, with the figures as files beside it."""
    content = _content(board)
    parts = [f"# {board.title}", board.description(), bullets(f"{k}: {v}" for k, v in content["provenance"].items())]
    parts += ["## Overall ranking", markdown_table(content["overall"]), RANKING_NOTE]
    if content["published"]:
        parts += ["## Table 1, reproduced", content["published_note"]]
        parts += [f"{table.caption}\n\n{markdown_table(table)}" for table in content["published"]]
    for task in content["tasks"]:
        parts += [f"## {task['name']}", escaped(task["description"]), markdown_table(task["table"])]
        parts += [
            f"![{escaped(plot.alternative)}](figures/{plot.name}.svg)\n\n{plot.caption}" for plot in task["plots"]
        ]
        parts += [task["note"]]
    parts += markdown_section(board.suite) if board.suite else []
    parts += ["## Do the optimizers differ?", bullets(board.analysis.words)]
    parts += [f"{table.caption}\n\n{markdown_table(table)}" for table in content["tests"] if table.rows]
    parts += incident_lines(content["incidents"])
    parts += rebuild_lines(COMMANDS)
    return "\n\n".join(part for part in parts if part) + "\n"


def incident_lines(incidents: Iterable[Table]) -> list[str]:
    """The failures in Markdown."""
    shown = [f"{table.caption}\n\n{markdown_table(table)}" for table in incidents]
    return ["## Failures and files that do not count", *(shown or ["None."])]


def rebuild_lines(commands: Iterable[str]) -> list[str]:
    """How to make the board again, in Markdown."""
    return ["## Rebuild", "\n".join(["```", *commands, "```"])]


def markdown_section(section: Section) -> list[str]:
    """The parts of a section in Markdown."""
    parts = [f"## {escaped(section.title)}", *(escaped(words) for words in section.words)]
    tables = [f"{escaped(table.caption)}\n\n{markdown_table(table)}" for table in section.tables]
    figures = [
        f"![{escaped(plot.alternative)}](figures/{plot.name}.svg)\n\n{escaped(plot.caption)}" for plot in section.plots
    ]
    folded = [f"{escaped(table.caption)}\n\n{markdown_table(table)}" for table in section.folded]
    return [*parts, *tables, *figures, *folded]


@runtime_checkable
class Ranking(Protocol):
    """What a terminal shows of a board of any kind."""

    @property
    def title(self) -> str:
        """The heading."""

    @property
    def brief(self) -> Table:
        """The ranking."""

    def description(self) -> str:
        """What was run."""


def terminal_table(board: Ranking) -> rich.table.Table:
    """The overall ranking for a terminal."""
    return rich_table(board.brief, board.title, board.description())


def rich_table(table: Table, title: str, caption: str) -> rich.table.Table:
    """A table for a terminal."""
    shown = rich.table.Table(title=title, caption=caption)
    for column in table.columns:
        shown.add_column(
            rich.text.Text(column.full_title), justify="right" if column.numeric else "left", no_wrap=not column.numeric
        )
    for row in table.rows:
        shown.add_row(*(rich.text.Text(cell.text, style="bold" if cell.mark == "best" else "") for cell in row))
    return shown


def _content(board: Board) -> dict[str, Any]:
    compared = list(dict.fromkeys(board.comparison["task"])) if len(board.comparison) else []
    unreproduced = published.UNREPRODUCED if compared else {}
    within = int(board.comparison["agrees"].sum()) if compared else 0
    return {
        "title": board.title,
        "description": board.description(),
        "provenance": {key: values_text(values) for key, values in board.provenance().items() if values},
        "overall": tables.overall_table(board.overall, board.summary),
        "ranking_note": RANKING_NOTE,
        "published": [
            *(tables.published_table(task, board.comparison) for task in compared),
            *map(tables.unreproduced_table, unreproduced),
        ],
        "published_note": (
            f"{within} of {len(board.comparison)} published means are reproduced within the tolerance. The paper's "
            f"numbers are means over 20 trials, given without intervals: {published.CITATION}."
        ),
        "tasks": [_task_content(board, task) for task in board.specs],
        "suite": board.suite,
        "words": board.analysis.words,
        "tests": [tables.anova_table(board.analysis), tables.effects_table(board.analysis)],
        "pairs": [tables.pairs_table(task, board.analysis) for task in sorted(set(board.analysis.pairs["task"]))],
        "incidents": _incidents(board),
        "commands": COMMANDS,
    }


def _task_content(board: Board, task: str) -> dict[str, Any]:
    spec = board.specs[task]
    group = board.summary[board.summary["task"] == task].iloc[0]
    plots = board.plots[task]
    heatmaps = any(plot.name.endswith("-archives") for plot in plots)
    note = "" if heatmaps else _no_heatmaps(spec.num_measures)
    cells = " × ".join(str(size) for size in spec.archive_shape) or "1"
    facts = [spec.summary, group["arguments"], f"{cells} cells", f"budget {group['budget']:,} evaluations"]
    facts += [f"fingerprint {group['fingerprint']}", f"cite {', '.join(spec.citations)}" if spec.citations else ""]
    return {
        "name": task,
        "description": " · ".join(fact for fact in facts if fact),
        "table": tables.task_table(task, board.summary),
        "plots": plots,
        "note": note,
    }


def _no_heatmaps(measures: int) -> str:
    if measures in (1, 2):
        return "There are no archive heatmaps: the results hold no archives for this task."
    return f"There are no archive heatmaps: the task has {measures} measures, and only 1 or 2 can be drawn."


def _incidents(board: Board) -> list[Table]:
    failed = board.trials[board.trials["status"] == "failed"]
    columns = ["task", "optimizer", "repetition", "error"]
    found = []
    if len(failed):
        titles = ("Task", "Optimizer", "Repetition", "Error")
        found.append(tables.records_table("Failed trials", titles, failed[columns].to_dict("records")))
    return found + tables.problems_tables(board.results.problems)


def values_text(values: Sequence[str]) -> str:
    """The first few values, and how many more there are."""
    more = len(values) - _SHOWN_VALUES
    return "; ".join(values[:_SHOWN_VALUES]) + (f" and {more} more" if more > 0 else "")


def markdown_table(table: Table) -> str:
    """A table in Markdown."""
    head = "| " + " | ".join(escaped(column.full_title) for column in table.columns) + " |"
    rule = "|" + "|".join("---:" if column.numeric else ":---" for column in table.columns) + "|"
    rows = [
        "| " + " | ".join(_markdown_cell(cell, table.columns[i]) for i, cell in enumerate(row)) + " |"
        for row in table.rows
    ]
    return "\n".join([head, rule, *rows])


def _markdown_cell(cell: Cell, column: Column) -> str:
    text = escaped(cell.text)
    return f"**{text}**" if cell.mark in ("best", "no") and column.numeric else text


def escaped(text: str) -> str:
    """Text on one line without a meaning in Markdown."""
    flat = " ".join(text.split())
    for character in "\\|[]<>*_`":
        flat = flat.replace(character, "\\" + character)
    return flat


def bullets(lines: Iterable[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {escaped(line)}" for line in lines)
