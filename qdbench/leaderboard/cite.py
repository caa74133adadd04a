"""What to cite for exactly what was used: a sentence, and BibTeX for the tasks, the optimizers and their data."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import baselines  # noqa: F401  (registers the ids)
import qdbench
import qdbench.tasks
from qdbench.citations import BIBLIOGRAPHY, bibtex
from qdbench.data_catalogue import DATASETS
from qdbench.documentation import citations_of
from qdbench.registry import OPTIMIZERS
from qdbench.spec import TaskSpec
from qdbench.wording import count

_ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303", "v": "\u030c", "c": "\u0327"}
_MOST_AUTHORS = 2
_TITLE = (
    "qdbench: standard tasks, reference optimizers and leaderboards for quality diversity and evolutionary computation"
)


@dataclasses.dataclass(frozen=True)
class Use:
    """What was used.

    Attributes:
        tasks: The spec and the fingerprint of every task.
        optimizers: Ids, or names of optimizers of one's own.
        versions: Versions of qdbench, each with its commit where that is known.
    """

    tasks: tuple[tuple[TaskSpec, str], ...] = ()
    optimizers: tuple[str, ...] = ()
    versions: tuple[str, ...] = (qdbench.__version__,)


@dataclasses.dataclass(frozen=True)
class Citation:
    """A sentence for a paper, and the entries that it refers to."""

    sentence: str
    bibtex: str


def of_results(directory: Path) -> Use:
    """What the results in a folder used, as their records have it.

    Raises:
        ValueError: If there are none.
    """
    from qdbench.leaderboard.aggregate import read_results

    records = [record for _, record in sorted(read_results(directory).records().items())]
    if not records:
        raise ValueError(f"no results in {directory}: name a folder that `qdbench run` or a board wrote")
    tasks = {(record.config.task.model_dump_json(), record.config.fingerprint): record.config for record in records}
    versions = {_version(record.provenance) for record in records}
    return Use(
        tuple((config.task, config.fingerprint) for _, config in sorted(tasks.items())),
        tuple(sorted({record.config.optimizer for record in records})),
        tuple(sorted(version for version in versions if version)),
    )


def of_choices(tasks: Iterable[tuple[str, Mapping[str, Any]]], optimizers: Iterable[str]) -> Use:
    """What tasks with arguments and optimizers are; makes each task for its fingerprint.

    Raises:
        UnknownNameError: If there is no such task or optimizer.
    """
    from qdbench.api import make
    from qdbench.harness.fingerprint import fingerprint

    made = [make(id, **arguments) for id, arguments in tasks]
    names = [OPTIMIZERS.entry(name).id if ":" not in name else name for name in optimizers]
    return Use(tuple((task.spec, fingerprint(task)) for task in made), tuple(sorted(set(names))))


def cite(use: Use) -> Citation:
    """The sentence and the entries, each once, for what was used; qdbench itself comes first."""
    tasks: dict[str, list[tuple[TaskSpec, str]]] = {}
    for spec, golden in use.tasks:
        tasks.setdefault(spec.id, []).append((spec, golden))
    keys = {id: tuple(dict.fromkeys(key for spec, _ in found for key in spec.citations)) for id, found in tasks.items()}
    sources = {name: citations_of(OPTIMIZERS.entry(name)) for name in use.optimizers if name in OPTIMIZERS}
    parts = []
    if tasks:
        shown = [_task_text(id, found, keys[id]) for id, found in sorted(tasks.items())]
        parts.append(f"the {'task' if len(shown) == 1 else 'tasks'} {_join(shown)}")
    if use.optimizers:
        shown = [f"{name} ({_references(sources[name])})" if sources.get(name) else name for name in use.optimizers]
        parts.append(f"the {'optimizer' if len(shown) == 1 else 'optimizers'} {_join(shown)}")
    data = _data(spec for spec, _ in use.tasks)
    sentence = f"We used qdbench {_join(use.versions or ('of unknown version',))} with {' and '.join(parts)}."
    if data:
        sentence += f" The data: {'; '.join(data)}."
    every = dict.fromkeys(key for group in (*keys.values(), *sources.values()) for key in group)
    note = "; ".join(
        f"{id}, fingerprint {_combined(golden for _, golden in found)}" for id, found in sorted(tasks.items())
    )
    return Citation(sentence, "\n\n".join(part for part in (_own(use.versions, note), bibtex(every)) if part))


def reference(key: str) -> str:
    """An entry as text: ``Fontaine & Nikolaidis 2021``.

    Raises:
        KeyError: If there is no such entry.
    """
    entry = BIBLIOGRAPHY[key]
    authors = [_surname(name) for name in re.split(r"\s+and\s+", _field(entry, "author"))]
    shown = " & ".join(authors) if len(authors) <= _MOST_AUTHORS else f"{authors[0]} et al."
    return f"{shown} {_field(entry, 'year')}"


def _task_text(id: str, found: Sequence[tuple[TaskSpec, str]], keys: Sequence[str]) -> str:
    golden = f"fingerprint {_combined(golden for _, golden in found)}"
    if len(found) == 1:
        arguments = ", ".join(f"{name}={value}" for name, value in sorted(found[0][0].arguments.items()))
    else:
        arguments = count(len(found), "variant")
    return f"{id} ({'; '.join(part for part in (arguments, golden, _references(keys)) if part)})"


def _combined(fingerprints: Iterable[str]) -> str:
    """One fingerprint as it is; several as the first 16 digits of the SHA-256 of them, sorted, each on a line."""
    found = sorted(set(fingerprints))
    return found[0] if len(found) == 1 else hashlib.sha256("".join(f"{f}\n" for f in found).encode()).hexdigest()[:16]


def _references(keys: Sequence[str]) -> str:
    return ", ".join(reference(key) for key in keys)


def _data(specs: Iterable[TaskSpec]) -> list[str]:
    """The data sets that tasks are named after, in their family or an argument, with the hashes of their files."""
    names = {str(name) for spec in specs for name in (spec.family, *spec.arguments.values())}
    return [
        f"{entry.id} ({', '.join(dict.fromkeys(file.licence for file in entry.files))}; "
        + ", ".join(f"{Path(file.name).name} sha256 {file.sha256[:16]}" for file in entry.files if file.sha256)
        + ")"
        for entry in DATASETS
        if entry.id in names
    ]


def _version(provenance: Mapping[str, str]) -> str:
    commit = provenance.get("commit")
    return provenance.get("qdbench", "") + (f" (commit {commit})" if commit else "")


def _own(versions: Sequence[str], note: str) -> str:
    fields = {
        "title": _TITLE,
        "author": "{The qdbench authors}",
        "version": "; ".join(versions),
        "note": note,
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    return f"@software{{qdbench,\n{lines}\n}}"


def _field(entry: str, name: str) -> str:
    found = re.search(rf"^  {name} = \{{(.*?)\}},?$", entry, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _surname(name: str) -> str:
    family = name.partition(",")[0] if "," in name else name.split()[-1]
    accented = re.sub(r"\{?\\(['`\"^~vc])\{?(\w)\}?\}?", lambda found: found[2] + _ACCENTS[found[1]], family)
    return unicodedata.normalize("NFC", re.sub(r"[{}\\]", "", accented))


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
