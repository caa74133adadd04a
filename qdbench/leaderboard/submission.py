"""Submissions: the one folder that a pull request adds to a leaderboard's results."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from qdbench.harness import store
from qdbench.harness.result import canonical
from qdbench.leaderboard.aggregate import Results
from qdbench.leaderboard.audit import MANIFEST, audit, manifest
from qdbench.leaderboard.build import compact
from qdbench.leaderboard.cite import cite, of_results
from qdbench.leaderboard.provenance import distinct

CARD, BIBLIOGRAPHY, README, RESULTS = "submission.json", "citation.bib", "README.md", "results"
PACKED_FROM = 200
"""From so many trials on, results are packed."""

_NAME = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
Text = Annotated[str, Field(max_length=2000)]


class SubmissionError(ValueError):
    """A run that cannot be submitted as it is; the message says what to do."""


class Card(BaseModel):
    """What a submission says about itself, as ``submission.json`` holds it.

    Attributes:
        format: 1.
        name: The folder's name: small letters, digits, hyphens.
        suite: The suite that was run.
        summary: What is submitted, in a sentence.
        partial: Why not all tasks and repetitions of the suite are there; empty if they are.
        optimizers: The ids and names of the optimizers.
        tasks: The fingerprints of every task id.
        trials: Finished trials.
        failures: Failed trials.
        run_seconds: The wall time of all trials together, compilation apart.
        provenance: The distinct values of every key of the records' provenance, but for the times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    name: str
    suite: str
    summary: Text = ""
    partial: Text = ""
    optimizers: tuple[str, ...] = Field(min_length=1)
    tasks: dict[str, tuple[str, ...]] = Field(min_length=1)
    trials: int = Field(ge=0)
    failures: int = Field(ge=0)
    run_seconds: float = Field(ge=0)
    provenance: dict[str, tuple[str, ...]]

    @field_validator("name")
    @classmethod
    def _is_a_folder(cls, name: str) -> str:
        if not _NAME.fullmatch(name) or len(name) > 60:
            raise ValueError(f"{name!r} is no name for a folder: small letters, digits and hyphens, such as my-search")
        return name


def load_card(folder: Path) -> Card:
    """The card of a submission.

    Raises:
        SubmissionError: If it is missing or malformed.
    """
    try:
        return Card.model_validate_json((folder / CARD).read_bytes())
    except OSError as error:
        raise SubmissionError(f"{folder} is no submission: it has no {CARD}; `qdbench submit` makes one") from error
    except ValidationError as error:
        raise SubmissionError(f"{folder / CARD} is malformed: {error}") from error


def describe(results: Results, name: str, suite: str, summary: str = "", partial: str = "") -> Card:
    """The card of what was read.

    Raises:
        ValueError: If the name is no name for a folder, or there are no results.
    """
    records = results.records().values()
    tasks = defaultdict(set)
    for record in records:
        tasks[record.config.task.id].add(record.config.fingerprint)
    return Card(
        name=name,
        suite=suite,
        summary=summary,
        partial=partial,
        optimizers=tuple(sorted({record.config.optimizer for record in records})),
        tasks={id: tuple(sorted(found)) for id, found in sorted(tasks.items())},
        trials=len(results.trials),
        failures=len(results.failures),
        run_seconds=round(sum(trial.record.metrics.get("run_seconds", 0) for trial in results.trials.values()), 1),
        provenance={key: tuple(values) for key, values in distinct(record.provenance for record in records).items()},
    )


def submit(results: Path, out: Path, suite: str, name: str, summary: str = "", partial: str = "") -> Card:
    """Writes a submission: results without solutions, the card, citations, a page about it and the manifest.

    Args:
        results: The folder of a run.
        out: The folder of the submission; it must not exist, or be empty.
        suite: The suite that was run.
        name: Of the submission.
        summary: What it is, in a sentence.
        partial: Why it is not whole, if it is not.

    Raises:
        SubmissionError: If the results do not fit together, or the folder has something in it.
        StoreError: If something cannot be written.
    """
    if out.exists() and any(out.iterdir()):
        raise SubmissionError(f"{out} is not empty: name a new folder, so that nothing of another run is submitted")
    read, findings = audit(results)
    wrong = [finding for finding in findings if finding.kind not in ("missing", "superseded")]
    if wrong or not read.records():
        listed = "".join(f"\n  {finding.kind}: {finding.place}: {finding.reason}" for finding in wrong)
        raise SubmissionError(f"{results} cannot be submitted{listed or ': there are no results in it'}")
    card = describe(read, name, suite, summary, partial)
    compact(results, out / RESULTS, packed=len(read.trials) >= PACKED_FROM)
    citation = cite(of_results(results))
    text = json.dumps(json.loads(canonical(card)), indent=2, sort_keys=True) + "\n"
    store.write_files(
        out,
        {
            CARD: text.encode(),
            BIBLIOGRAPHY: f"{citation.sentence}\n\n{citation.bibtex}\n".encode(),
            README: _page(card, citation.sentence).encode(),
        },
    )
    store.write_files(out, {MANIFEST: manifest(out).encode()})
    return card


def _page(card: Card, sentence: str) -> str:
    part = f", in part: {card.partial}" if card.partial else ""
    lines = [f"# {card.name}", card.summary, f"Suite: {card.suite}{part}"]
    lines += [f"{card.trials:,} finished trials, {card.failures:,} failed, {card.run_seconds:,.0f} s of running time."]
    lines += ["\n".join(f"- {key}: {'; '.join(values)}" for key, values in card.provenance.items()), sentence]
    lines += [f"```\nqdbench leaderboard lint .\nqdbench verify {RESULTS}\nsha256sum --check {MANIFEST}\n```"]
    return "\n\n".join(line for line in lines if line) + "\n"
