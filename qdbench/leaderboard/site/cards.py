"""Cards: what a task or an optimizer is, from its spec, its docstring and its place on the board."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import baselines  # noqa: F401  (registers the ids)
import qdbench.tasks  # noqa: F401
from qdbench.citations import BIBLIOGRAPHY, bibtex
from qdbench.documentation import citations_of, documentation
from qdbench.harness.result import TrialConfig
from qdbench.leaderboard.aggregate import Results
from qdbench.leaderboard.cite import reference
from qdbench.registry import OPTIMIZERS, TASKS, Entry

LICENCE = "MIT (qdbench)"
_SHOWN = 4
_SYMBOLS = {
    "alpha": "α", "beta": "β", "cos": "cos", "dots": "…", "eta": "η", "ge": "≥", "in": "∈", "lambda": "λ", "le": "≤",
    "log": "log", "max": "max", "mu": "μ", "nabla": "∇", "partial": "∂", "phi": "φ", "qquad": "  ", "quad": "  ",
    "sigma": "σ", "sin": "sin", "sqrt": "√", "sum": "Σ", "theta": "θ", "times": "×", "tau": "τ", "prod": "Π", "pi": "π",
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_DROPPED = ("version history", "source", "hyperparameters")


@dataclasses.dataclass(frozen=True)
class Card:
    """A card: its heading, its id within the page, paragraphs, facts by their names, and BibTeX."""

    title: str
    anchor: str
    paragraphs: tuple[str, ...]
    facts: dict[str, str]
    bibtex: str


def task_cards(configs: Iterable[TrialConfig]) -> list[Card]:
    """One card for each task id."""
    by_id: dict[str, list[TrialConfig]] = defaultdict(list)
    for config in configs:
        by_id[config.task.id].append(config)
    return [_task_card(id, found) for id, found in sorted(by_id.items())]


def optimizer_cards(configs: Iterable[TrialConfig], data: Mapping[str, Any], labels: Mapping[str, str]) -> list[Card]:
    """One card for each optimizer of the board.

    Args:
        configs: Of all trials.
        data: From :mod:`qdbench.leaderboard.site.explorer`.
        labels: The optimizer's label of each configuration, by its digest.
    """
    by_label: dict[str, list[TrialConfig]] = defaultdict(list)
    for config in configs:
        by_label[labels[config.digest()]].append(config)
    return [_optimizer_card(label, found, data) for label, found in sorted(by_label.items())]


def of_results(results: Results, data: Mapping[str, Any]) -> dict[str, list[Card]]:
    """All cards of a page by the heading that they stand under.

    Args:
        results: At least one trial.
        data: From :mod:`qdbench.leaderboard.site.explorer`.
    """
    configs = {digest: record.config for digest, record in results.records().items()}
    labels = {digest: label for digest, (_, label) in results.labels.items()}
    shown = {optimizer["name"] for optimizer in data["optimizers"]}
    known = [config for digest, config in configs.items() if labels[digest] in shown]
    return {"tasks": task_cards(configs.values()), "optimizers": optimizer_cards(known, data, labels)}


def anchor_of(kind: str, name: str) -> str:
    """The id of a card within a page."""
    return f"{kind}-" + "".join(character if character.isalnum() else "-" for character in name.lower())


def _task_card(id: str, configs: Sequence[TrialConfig]) -> Card:
    entry = TASKS.entry(id) if id in TASKS else None
    spec = configs[0].task
    specs = {config.task for config in configs}
    facts = {
        "variants": str(len(specs)) if len(specs) > 1 else "",
        "parameters": _values(str(spec.dim) for spec in specs),
        "measures": "; ".join(
            f"{m.name} in [{m.low:g}, {m.high:g}]{f' {m.unit}' if m.unit else ''}" for m in spec.measures
        )
        if len({spec.measures for spec in specs}) == 1
        else f"{spec.num_measures}, with ranges that differ between variants",
        "cells": " × ".join(map(str, spec.archive_shape)),
        "objective": _values(f"{low:g} to {high:g}" for low, high in (spec.objective_range for spec in specs)),
        "ranked by": spec.metric,
        "budget": _values(f"{config.budget:,} evaluations" for config in configs),
        "precision": spec.precision,
        "gradients": "yes" if spec.differentiable else "no",
        "noise": "" if spec.deterministic else "the evaluation is noisy",
        "fingerprint": _values(config.fingerprint for config in configs),
        "version history": _documented(entry, "Version history"),
        "superseded by": entry.superseded_by or "" if entry else "",
        "licence": LICENCE,
        "sources": _references(spec.citations),
    }
    return _card(id, "task", spec.summary, entry, facts, spec.citations)


def _optimizer_card(label: str, configs: Sequence[TrialConfig], data: Mapping[str, Any]) -> Card:
    id = configs[0].optimizer
    entry = OPTIMIZERS.entry(id) if id in OPTIMIZERS else None
    keys = citations_of(entry) if entry else ()
    settings: dict[str, set[str]] = defaultdict(set)
    for config in configs:
        for name, value in config.hyperparameters.items():
            settings[name].add(str(value))
    facts = {
        "id": id,
        "hyperparameters": ", ".join(f"{name} = {_values(found)}" for name, found in sorted(settings.items())),
        **_standing(label, data),
        "sources": _references(keys),
    }
    return _card(label, "optimizer", entry.summary if entry else "An optimizer of one's own.", entry, facts, keys)


def _standing(label: str, data: Mapping[str, Any]) -> dict[str, str]:
    """Where an optimizer is strong and weak: the tasks with its best and its worst ranks."""
    place = [optimizer["name"] for optimizer in data["optimizers"]].index(label)
    ranks = sorted((float(row[2]), data["tasks"][row[0]]["name"]) for row in data["rows"] if row[1] == place and row[2])
    if not ranks:
        return {}
    mean = sum(rank for rank, _ in ranks) / len(ranks)

    def listed(rank: float) -> str:
        names = [name for other, name in ranks if other == rank]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"rank {rank:g} on {'; '.join(names[:_SHOWN])}{more}"

    standing = {"mean rank": f"{mean:.2f} over {len(ranks)} tasks", "strongest": listed(ranks[0][0])}
    return standing | ({"weakest": listed(ranks[-1][0])} if ranks[-1][0] > ranks[0][0] else {})


def _card(
    title: str, kind: str, summary: str, entry: Entry | None, facts: Mapping[str, str], keys: Sequence[str]
) -> Card:
    paragraphs = documentation(entry.entry_point).paragraphs if entry else []
    kept = [_plain(part) for part in paragraphs if part.partition(":")[0].lower() not in _DROPPED]
    known = [key for key in keys if key in BIBLIOGRAPHY]
    shown = {name: value for name, value in facts.items() if value}
    return Card(title, anchor_of(kind, title), (summary, *kept), shown, bibtex(known))


def _plain(text: str) -> str:
    """Formulas in LaTeX with signs for the names of signs; the rest of the markup stays, as it reads well enough."""
    signs = _COMMAND.sub(lambda found: _SYMBOLS.get(found[1], found[1]), text)
    return signs.replace("``", "").replace("\\,", " ").replace("\\ ", " ").replace(".. math:: ", "")


def _documented(entry: Entry | None, part: str) -> str:
    return documentation(entry.entry_point).part(part) if entry else ""


def _references(keys: Iterable[str]) -> str:
    return "; ".join(reference(key) if key in BIBLIOGRAPHY else key for key in keys)


def _values(values: Iterable[str]) -> str:
    distinct = sorted(set(values), key=lambda text: (len(text), text))
    more = f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else ""
    return ", ".join(distinct[:_SHOWN]) + more
