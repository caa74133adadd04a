"""Citations: exactly what was used, in BibTeX that an independent parser reads."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import bibtexparser
import pytest
from typer.testing import CliRunner

import qdbench
from qdbench.citations import BIBLIOGRAPHY, bibtex
from qdbench.cli import app
from qdbench.documentation import citations_of, documentation
from qdbench.harness.fingerprint import fingerprint
from qdbench.harness.suite import load_suite
from qdbench.leaderboard import cite
from qdbench.registry import OPTIMIZERS, TASKS
from tests.leaderboard.synthetic import make_config, make_spec, save, save_failed
from tests.registered import AVAILABLE, make

ROOT = Path(__file__).parents[2]


def parsed(text: str) -> dict[str, dict[str, str]]:
    library = bibtexparser.parse_string(text)
    assert not library.failed_blocks
    return {entry.key: {field.key: field.value for field in entry.fields} for entry in library.entries}


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["cite", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_entry_is_read_by_another_parser() -> None:
    found = parsed(bibtex(BIBLIOGRAPHY))
    assert list(found) == list(BIBLIOGRAPHY)
    assert all({"title", "author", "year"} <= set(fields) for fields in found.values())


@pytest.mark.parametrize("id", [entry.id for entry in OPTIMIZERS])
def test_every_optimizer_has_parseable_entries(id: str) -> None:
    keys = citations_of(OPTIMIZERS.entry(id))
    assert keys
    assert list(parsed(bibtex(keys))) == list(keys)


@pytest.mark.parametrize("id", AVAILABLE)
def test_every_task_has_parseable_entries_documentation_and_a_version_history(id: str) -> None:
    keys = make(id).spec.citations
    assert list(parsed(bibtex(keys))) == list(keys)
    described = documentation(TASKS.entry(id).entry_point)
    assert described.part("Version history").startswith("v")
    assert set(described.citations) <= set(BIBLIOGRAPHY)


def test_documentation_is_that_of_the_imported_class_and_needs_no_jax() -> None:
    import inspect

    from qdbench.tasks.arm import Arm

    assert documentation("qdbench.tasks.arm:make").text == inspect.cleandoc(Arm.__doc__ or "")
    code = (
        "import sys, baselines; from qdbench.registry import OPTIMIZERS;"
        "from qdbench.documentation import citations_of; [citations_of(entry) for entry in OPTIMIZERS];"
        "assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_restarts_cite_what_they_restart() -> None:
    assert citations_of(OPTIMIZERS.entry("sep-cma-es-restarts")) == (
        "ros2008sepcma",
        "hansen2016tutorial",
        "hansen2009benchmarking",
    )


def test_a_run_cites_exactly_what_it_used(tmp_path: Path) -> None:
    spec = make_spec(citations=("fontaine2021dqd", "fontaine2020cmame"))
    save(tmp_path, make_config(spec, "map-elites"), 1.0)
    save_failed(tmp_path, make_config(spec, "my_search:MySearch"))
    citation = cite.cite(cite.of_results(tmp_path))
    keys = ["qdbench", "fontaine2021dqd", "fontaine2020cmame", "mouret2015mapelites"]
    assert list(parsed(citation.bibtex)) == keys
    assert citation.sentence == (
        "We used qdbench 0.1.0 with the task LP-Sphere-v0 (dim=1000; fingerprint ffffffffffffffff; "
        "Fontaine & Nikolaidis 2021, Fontaine et al. 2020) and the optimizers map-elites (Mouret & Clune 2015, "
        "Fontaine & Nikolaidis 2021) and my_search:MySearch."
    )
    assert parsed(citation.bibtex)["qdbench"]["note"] == "LP-Sphere-v0, fingerprint ffffffffffffffff"


def test_several_variants_have_one_combined_fingerprint(tmp_path: Path) -> None:
    for golden in ("b" * 16, "a" * 16):
        save(tmp_path, make_config(fingerprint=golden), 1.0)
    combined = hashlib.sha256(f"{'a' * 16}\n{'b' * 16}\n".encode()).hexdigest()[:16]
    assert f"LP-Sphere-v0 (2 variants; fingerprint {combined};" in cite.cite(cite.of_results(tmp_path)).sentence


def test_a_task_and_a_suite() -> None:
    task = call("--task", "Arm-v0", "--optimizer", "cma-es")
    assert f"fingerprint {fingerprint(qdbench.make('Arm-v0'))}" in task
    assert set(parsed(task)) == {"qdbench", "fontaine2021dqd", "cully2015animals", "hansen2016tutorial"}
    suite = call("--suite", "dqd")
    assert all(id in suite.partition("\n")[0] for id, _ in load_suite("dqd").all_optimizers())
    assert {"qdbench", "fontaine2020cmame", "mouret2015mapelites"} <= set(parsed(suite))


def test_results_need_no_jax() -> None:
    code = (
        "import sys, pathlib; from qdbench.leaderboard import cite;"
        "cite.cite(cite.of_results(pathlib.Path('leaderboards/dqd'))); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a folder of results, or --suite"),
        (("x", "--suite", "dqd"), "name a folder of results, or --suite"),
        (("no-such-folder",), "no results in no-such-folder"),
        (("--task", "Arm-v7"), "the versions of 'Arm' are Arm-v0"),
        (("--optimizer", "cma-meag"), "did you mean cma-mega"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["cite", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert message in result.output


def test_names_with_accents() -> None:
    assert cite.reference("demsar2006statistical") == "Demšar 2006"
    assert cite.reference("clune2008natural") == "Clune et al. 2008"
