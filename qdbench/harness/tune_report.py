"""What is written about a tuning: JSON, a table of all trials, Markdown and a heat map."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from qdbench.harness import store
from qdbench.harness.provenance import provenance
from qdbench.harness.tune import FILE, Tuned, to_json
from qdbench.wording import count


def write(tuned: Tuned, suite: str, out: Path) -> list[Path]:
    """Writes ``tune.json``, ``trials.csv``, ``tune.md`` and ``tune.png``.

    Raises:
        StoreError: If a file cannot be written.
    """
    files = {
        FILE: to_json(tuned, suite, provenance("as the tasks", "batched")).encode(),
        "trials.csv": tuned.table.to_csv(index=False).encode(),
        "tune.md": markdown(tuned, suite).encode(),
        "tune.png": heat_map(tuned),
    }
    return store.write_files(out, files)


def summary(tuned: Tuned) -> Table:
    """The best cells for the terminal."""
    scores = tuned.scores().sort_values(kind="stable")
    table = Table(*tuned.names, "score", title=f"{tuned.optimizer}: {_meaning(tuned)}, 1 is best")
    for place, (index, score) in enumerate(scores.head(10).items()):
        style = "bold green" if place == 0 else None
        table.add_row(*(_text(value) for value in tuned.cell(int(index)).values()), f"{score:.3f}", style=style)
    return table


def markdown(tuned: Tuned, suite: str) -> str:
    """The choices and the scores as Markdown."""
    scores, per_task, means = tuned.scores(), tuned.best_per_task(), tuned.means()
    chosen = ", ".join(f"{name} {_text(value)}" for name, value in tuned.best().items())
    trials, tasks = count(len(tuned.table), "trial"), count(len(tuned.tasks), "task")
    lines = [
        f"# {tuned.optimizer}, tuned on {suite}",
        "",
        f"{trials} on {tasks}. Rule: {tuned.rule}.",
        "",
        f"Global choice: **{chosen}**, score {scores.min():.3f}.",
        "",
        _row([*tuned.names, "score"]),
        _row(["---"] * (len(tuned.names) + 1)),
        *(_row([*map(_text, tuned.cell(index).values()), f"{score:.3f}"]) for index, score in enumerate(scores)),
        "",
        _row(["task", *tuned.names, f"mean {tuned.metric}", "with the global choice"]),
        _row(["---"] * (len(tuned.names) + 3)),
    ]
    everywhere = int(scores.idxmin())
    for task, cell in per_task.items():
        best = means[task].min() if tuned.lower_is_better else means[task].max()
        numbers = f"{best:.3g}", f"{means[task][everywhere]:.3g}"
        lines.append(_row([task, *map(_text, cell.values()), *numbers]))
    return "\n".join(lines) + "\n"


def heat_map(tuned: Tuned) -> bytes:
    """The scores over the last two hyperparameters, the best over the others, as PNG."""
    shape = tuple(len(values) for values in tuned.grid.values())
    scores = tuned.scores().to_numpy().reshape(shape)
    scores = np.log10(scores) if tuned.lower_is_better else scores
    scores = scores.min(axis=tuple(range(len(shape) - 2))) if len(shape) > 2 else scores
    names = tuned.names[-2:]
    figure = Figure(figsize=(1.6 + 0.9 * scores.shape[-1], 1.8 + 0.55 * (len(scores) if scores.ndim > 1 else 1)))
    axes = figure.subplots()
    picture = axes.imshow(np.atleast_2d(scores), cmap="viridis_r", aspect="auto", origin="lower")
    axes.set_xticks(range(scores.shape[-1]), [_text(value) for value in tuned.grid[names[-1]]])
    axes.set_xlabel(names[-1])
    if len(names) == 2:
        axes.set_yticks(range(len(scores)), [_text(value) for value in tuned.grid[names[0]]])
        axes.set_ylabel(names[0])
    else:
        axes.set_yticks([])
    axes.set_title(tuned.optimizer)
    figure.colorbar(picture, label=f"{'log10 ' if tuned.lower_is_better else ''}{_meaning(tuned)}")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def _meaning(tuned: Tuned) -> str:
    return "ratio to the best cell of each task" if tuned.lower_is_better else "mean rank over tasks"


def _row(columns: list[str]) -> str:
    return f"| {' | '.join(columns)} |"


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
