"""Everything that the pages of a board of tuned optimizers show."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from qdbench.harness.tune import RULE
from qdbench.leaderboard.bbob import precision_figures
from qdbench.leaderboard.bbob.cells import by_function, mean_cell, score_cell
from qdbench.leaderboard.bbob.functions import members_of, shown_splits, split_of, title
from qdbench.leaderboard.plot import Plot
from qdbench.leaderboard.provenance import distinct
from qdbench.leaderboard.sectioned import style
from qdbench.leaderboard.sectioned.cells import best_cell, place_text, rank_cell
from qdbench.leaderboard.sectioned.content import Section
from qdbench.leaderboard.sectioned.style import Mark
from qdbench.leaderboard.tables import Cell, Column, Table, scientific
from qdbench.leaderboard.tuned import data, figures, protocols
from qdbench.leaderboard.tuned.data import Tuning
from qdbench.leaderboard.tuned.protocols import Choice, Protocol
from qdbench.spec import JsonScalar
from qdbench.wording import count, span

TITLE = "BBOB: one setting for all functions, and tuned for each function"
ONE, EACH = "One setting for all functions", "Tuned for each function"
_SLUGS = {ONE: "one-setting", EACH: "each-function"}

PROTOCOLS_NOTE = (
    f"{ONE}: the one cell of an optimizer's grid that is best on the paper's ten training functions, applied to all "
    f"functions; the hold-out functions had no part in the choice. {EACH}: the best cell for every function, as Lange "
    "et al. (2023) tune. The reference is tuned in the same way in each."
)
RULE_NOTE = f"The rule of qdbench tune: {RULE}."
BIAS_NOTE = (
    "Cells are chosen and judged by the same trials, which flatters what is tuned for each function, the more so the "
    "more cells a grid has; the intervals do not show that."
)
SCORE_NOTE = (
    "The ratio of an optimizer on a function is its mean best-so-far precision f − f_opt at the end of the budget "
    "divided by that of {reference} in the same protocol: below 1 is better. Means below 1e-8 count as 1e-8. Ratios "
    "are combined by their geometric mean, in which each counts as 0.01 at least and 100 at most; the intervals are "
    "approximate 95 % intervals of the ratio of two means. The mean rank is the mean over functions of the rank by "
    "mean precision: 1 is best, and equal means share the mean of their ranks."
)


@dataclasses.dataclass(frozen=True)
class TunedBoard:
    """The contents of a board of tuned optimizers.

    Attributes:
        title: The heading.
        tunings: What was read, by the optimizer's id.
        reference: The optimizer whose precision is 1.
        sections: What the pages show.
        brief: The ranking for a terminal.
        values: What the CSV holds: one row for each protocol, function and optimizer.
        look: The mark of each optimizer.
    """

    title: str
    tunings: tuple[Tuning, ...]
    reference: str
    sections: tuple[Section, ...]
    brief: Table
    values: pd.DataFrame
    look: dict[str, Mark]

    def description(self) -> str:
        """What was run, in one sentence."""
        first, tasks = self.tunings[0], self.tunings[0].tasks.values()
        dims = sorted(
            {str(task.arguments["dim"]) for task in tasks if "dim" in task.arguments}, key=lambda dim: (len(dim), dim)
        )
        place = f" in dimension {', '.join(dims)}" if dims else ""
        return (
            f"{count(len(self.tunings), 'optimizer')} on {count(len(tasks), 'function')} of the suite "
            f"{first.suite}{place}, {span(len(tuning.cells) for tuning in self.tunings)} settings of each, "
            f"{first.repetitions:,} trials of {span(task.budget for task in tasks)} evaluations in every cell."
        )

    @property
    def commands(self) -> tuple[str, str]:
        """What makes the board again, and what checks it."""
        command = f"qdbench leaderboard tuned TUNED --out BOARD --reference {self.reference}"
        return command, f"{command} --check"

    def incidents(self) -> list[Table]:
        """None: a tuning counts as a whole or not at all."""
        return []

    def provenance(self) -> dict[str, list[str]]:
        """The distinct values of each key of the provenance, but for the times of recording, which all differ."""
        return distinct(tuning.provenance for tuning in self.tunings)


def assemble(paths: Sequence[Path], reference: str) -> TunedBoard:
    """Reads the files and works out everything that the pages show.

    Args:
        paths: Several ``tune.json``.
        reference: One of their optimizers.

    Raises:
        ValueError: If a file cannot be read, they do not compare, or the reference is not among them.
    """
    tunings = data.read_all(paths)
    names = [tuning.optimizer for tuning in tunings]
    if reference not in names:
        raise ValueError(f"the reference {reference!r} is not among the tuned optimizers: {', '.join(names)}")
    chosen: dict[str, dict[str, Choice]] = {
        ONE: {tuning.optimizer: protocols.one_setting(tuning) for tuning in tunings},
        EACH: {tuning.optimizer: protocols.per_function(tuning) for tuning in tunings},
    }
    judged = {name: protocols.judge(tunings, choices, reference) for name, choices in chosen.items()}
    look = style.marks(names)
    splits = shown_splits(set(tunings[0].tasks))
    overview = _overview_table(judged, splits)
    sections = [
        Section(
            "Both protocols", (PROTOCOLS_NOTE, RULE_NOTE, BIAS_NOTE), (overview, _tried_table(tunings, judged[ONE]))
        )
    ]
    sections += [_protocol_section(name, tunings, protocol, reference, look) for name, protocol in judged.items()]
    sections.append(_robustness_section(tunings, judged[ONE], reference))
    brief = overview.part([0, 1, 1 + len(splits)])
    values = _values(tunings, judged)
    return TunedBoard(TITLE, tuple(tunings), reference, tuple(sections), brief, values, look)


def setting_text(cell: dict[str, JsonScalar]) -> str:
    """Hyperparameters on one line."""
    return ", ".join(f"{name}={figures.value_text(value)}" for name, value in cell.items())


def _overview_table(judged: dict[str, Protocol], splits: Sequence[str]) -> Table:
    columns = [Column("Optimizer", numeric=False)]
    columns += [Column(split, f"{name}: geometric mean ratio") for name in judged for split in splits]
    overall = {name: protocol.overall.set_index("optimizer") for name, protocol in judged.items()}
    rows = []
    for optimizer in judged[ONE].order():
        cells = [best_cell(table[split][optimizer], table[split]) for table in overall.values() for split in splits]
        rows.append((Cell(optimizer, mark="optimizer"), *cells))
    return Table("Both protocols side by side", tuple(columns), tuple(rows))


def _tried_table(tunings: Sequence[Tuning], protocol: Protocol) -> Table:
    columns = (
        Column("Optimizer", numeric=False),
        Column(ONE, numeric=False),
        Column("score"),
        Column("cells"),
        Column("not tuned", numeric=False),
        Column("tried", numeric=False),
    )
    by_name = {tuning.optimizer: tuning for tuning in tunings}
    rows = []
    for name in protocol.order():
        tuning, score = by_name[name], protocols.training_score(by_name[name])
        tried = (f"{key} {', '.join(map(figures.value_text, values))}" for key, values in tuning.grid.items())
        chosen = tuning.cells[next(iter(protocol.choices[name].values()))]
        rows.append(
            (
                Cell(name, mark="optimizer"),
                Cell(setting_text(chosen)),
                Cell(scientific(score), score),
                Cell(str(len(tuning.cells)), len(tuning.cells)),
                Cell(setting_text(tuning.fixed)),
                Cell("; ".join(tried)),
            )
        )
    caption = "The one setting chosen from each grid; its score is the ratio to the best cell of each training function"
    return Table(caption, columns, tuple(rows))


def _protocol_section(
    name: str, tunings: Sequence[Tuning], protocol: Protocol, reference: str, look: dict[str, Mark]
) -> Section:
    order = protocol.order()
    ratios = by_function(f"{name}: ratio to {reference} on each function", protocol.functions, order, score_cell)
    caption = f"{name}: mean best-so-far precision ± its standard error"
    folded = [by_function(caption, protocol.functions, order, mean_cell)]
    if name == EACH:
        folded.append(_settings_table(tunings, protocol))
    return Section(
        name,
        (SCORE_NOTE.format(reference=reference),),
        (_ranking_table(name, protocol, reference), ratios),
        _score_plots(name, protocol, reference, look),
        tuple(folded),
    )


def _ranking_table(name: str, protocol: Protocol, reference: str) -> Table:
    overall = protocol.overall
    splits = shown_splits(set(protocol.functions["function"]))
    sizes = {split: len(members_of(split, set(protocol.functions["function"]))) for split in splits}
    columns = [Column("Optimizer", numeric=False), Column("Place")]
    columns += [Column(split, "Geometric mean ratio") for split in splits]
    columns += [Column(split, "Mean rank") for split in splits]
    columns += [Column(f"{split}, of {sizes[split]}", f"Better than {reference}") for split in splits]
    rows = []
    for row in overall.to_dict("records"):
        cells = [Cell(row["optimizer"], mark="optimizer"), Cell(place_text(row["place"]), row["place"])]
        cells += [best_cell(row[split], overall[split]) for split in splits]
        cells += [rank_cell(row[f"rank_{split}"], overall[f"rank_{split}"]) for split in splits]
        cells += [Cell(str(row[f"better_{split}"]), row[f"better_{split}"]) for split in splits]
        rows.append(tuple(cells))
    return Table(f"{name}: ranking", tuple(columns), tuple(rows))


def _score_plots(name: str, protocol: Protocol, reference: str, look: dict[str, Mark]) -> tuple[Plot, ...]:
    others = [optimizer for optimizer in protocol.order() if optimizer != reference]
    if not others:
        return ()
    means = (f"{row['optimizer']} {scientific(row['all'])}" for row in protocol.overall.to_dict("records"))
    figure = precision_figures.scores_figure(protocol.functions, others, look, reference)
    caption = (
        f"{name}: mean best-so-far precision divided by that of {reference}, with its approximate 95 % interval: the "
        "paper's training functions and the hold-out functions. Below 1e-3 and above 1e3 they are drawn at the edge."
    )
    alternative = f"{name}: ratio of each optimizer on each function. Geometric means: {', '.join(means)}"
    return (Plot(f"scores-{_SLUGS[name]}", figure, alternative, caption),)


def _settings_table(tunings: Sequence[Tuning], protocol: Protocol) -> Table:
    by_name = {tuning.optimizer: tuning for tuning in tunings}
    order = protocol.order()
    columns = [Column("Function", numeric=False), Column("Split", numeric=False)]
    columns += [Column(", ".join(by_name[name].grid), name, numeric=False) for name in order]
    rows = []
    for function in tunings[0].tasks:
        texts = (by_name[name].cells[protocol.choices[name][function]].values() for name in order)
        cells = [Cell(", ".join(map(figures.value_text, values))) for values in texts]
        rows.append((Cell(title(function), function), Cell(split_of(function)), *cells))
    return Table(f"{EACH}: the settings that were chosen", tuple(columns), tuple(rows))


def _robustness_section(tunings: Sequence[Tuning], protocol: Protocol, reference: str) -> Section:
    beside = protocol.functions.set_index(["optimizer", "function"])["mean"][reference]
    by_name = {tuning.optimizer: tuning for tuning in tunings}
    maps = []
    for name in protocol.order():
        chosen = next(iter(protocol.choices[name].values()))
        maps.append(figures.map_of(by_name[name], protocols.cell_scores(by_name[name], beside), chosen))
    best = (f"{panel.optimizer} {scientific(float(panel.scores.min()))}" for panel in maps)
    words = (
        f"Every cell of each grid beside the one setting of {reference}: the geometric mean over all functions of the "
        "ratio of mean precisions, each counting as 0.01 at least and 100 at most. A map of one colour is an optimizer "
        "that needs no tuning.",
    )
    least = any(len(tuning.grid) > 2 for tuning in tunings)
    caption = (
        f"Geometric mean ratio over the grid: violet is better than the one setting of {reference}, orange is worse. "
        "Colours span 0.1 to 10, alike in all maps. A frame is around the setting that was chosen on the training "
        f"functions.{' Shown is the least over hyperparameters that are on no axis.' if least else ''}"
    )
    alternative = f"Heat maps of the geometric mean ratio over each grid. Least of each: {', '.join(best)}"
    plot = Plot("robustness", figures.robustness_figure(maps), alternative, caption)
    return Section("Robustness to the setting", words, (), (plot,))


def _values(tunings: Sequence[Tuning], judged: dict[str, Protocol]) -> pd.DataFrame:
    cells = {tuning.optimizer: [setting_text(cell) for cell in tuning.cells] for tuning in tunings}
    parts = []
    for name, protocol in judged.items():
        part = protocol.functions.copy()
        places = zip(part["optimizer"], part["function"], strict=True)
        part.insert(0, "protocol", _SLUGS[name])
        part.insert(2, "split", part["function"].map(split_of))
        settings = [cells[optimizer][protocol.choices[optimizer][function]] for optimizer, function in places]
        part.insert(4, "setting", settings)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
