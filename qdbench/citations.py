"""The sources of tasks and optimizers as BibTeX entries, by the keys that specs and docstrings use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from qdbench.registry import UnknownNameError

_FILE = Path(__file__).with_suffix(".bib")


def _entries(text: str) -> dict[str, str]:
    """The entries of a BibTeX file, which has a blank line between two, by their keys."""
    return {entry[entry.index("{") + 1 : entry.index(",")]: entry for entry in text.strip().split("\n\n")}


BIBLIOGRAPHY: Mapping[str, str] = MappingProxyType(_entries(_FILE.read_text(encoding="utf-8")))
"""Every BibTeX entry by its key."""


def bibtex(keys: Iterable[str]) -> str:
    """Returns the entries of some keys, in their order and each once, separated by blank lines.

    Args:
        keys: BibTeX keys, such as ``task.spec.citations``.

    Raises:
        UnknownNameError: If there is no entry of a key (with the nearest keys).
        TypeError: If ``keys`` is one string rather than several.
    """
    if isinstance(keys, str):
        raise TypeError(f"keys should be several BibTeX keys, such as [{keys!r}], but it is one string, {keys!r}")
    return "\n\n".join(_entry(key) for key in dict.fromkeys(keys))


def _entry(key: str) -> str:
    if key in BIBLIOGRAPHY:
        return BIBLIOGRAPHY[key]
    close = difflib.get_close_matches(key, BIBLIOGRAPHY, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"the keys are {', '.join(BIBLIOGRAPHY)}"
    raise UnknownNameError(f"no citation {key!r}; {hint}")
