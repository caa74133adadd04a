import re
import subprocess
import sys
from pathlib import Path

import pytest

import baselines
import qdbench
from qdbench.citations import BIBLIOGRAPHY, bibtex
from qdbench.registry import UnknownNameError
from tests import registered

KEY = re.compile(r"\b[a-z]+(?:19|20)\d\d[a-z]+\b")


@pytest.mark.parametrize("id", registered.AVAILABLE)
def test_every_task_cites_sources_that_resolve(id):
    citations = registered.make(id).spec.citations
    assert citations
    assert bibtex(citations).count("@") == len(citations)


def test_every_key_in_the_source_resolves():
    package_folders = [Path(package.__file__).parent for package in (qdbench, baselines)]
    sources = [path for folder in package_folders for path in folder.rglob("*.py")]
    used = {key for path in sources for key in KEY.findall(path.read_text())}
    assert "fontaine2021dqd" in used
    assert used <= set(BIBLIOGRAPHY)


@pytest.mark.parametrize("key", BIBLIOGRAPHY)
def test_an_entry_is_well_formed(key):
    entry = BIBLIOGRAPHY[key]
    assert re.match(rf"@(article|book|incollection|inproceedings|techreport)\{{{key},\n", entry)
    assert entry.endswith("\n}")
    depth = 0
    for index, character in enumerate(entry):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth > 0 or index < entry.index("{") or index == len(entry) - 1
    assert depth == 0
    fields = dict(re.findall(r"^  (\w+) = \{(.*?)\},?$", entry, re.MULTILINE | re.DOTALL))
    assert {"title", "author", "year"} <= set(fields)
    assert {"doi", "eprint", "isbn", "url"} & set(fields)
    assert fields["year"] in key


def test_entries_keep_the_order_and_come_once():
    text = bibtex(["kingma2015adam", "cully2015animals", "kingma2015adam"])
    assert re.findall(r"@\w+\{(\w+),", text) == ["kingma2015adam", "cully2015animals"]
    assert bibtex([]) == ""


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(UnknownNameError, match="no citation 'fontaine2021dq'; did you mean fontaine2021dqd"):
        bibtex(["cully2015animals", "fontaine2021dq"])


def test_an_unknown_key_without_a_neighbour_lists_all():
    with pytest.raises(UnknownNameError, match=r"the keys are .*clune2008natural, "):
        bibtex(["!"])


def test_one_string_is_not_several_keys():
    with pytest.raises(TypeError, match="one string"):
        bibtex("cully2015animals")


def test_the_module_does_not_import_jax():
    code = "import sys, qdbench.citations; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
