"""The spaces and data sets of HPO-B's continuous benchmark, and how their files are called; apart, without NumPy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

SUMMARY = "summary-stats.json"
_MODEL = re.compile(r"surrogate-([A-Za-z0-9_.]+)-([A-Za-z0-9_.]+)\.json")

META_TEST: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "4796": ("3549", "3918", "9903", "23"),
        "5527": ("146064", "146065", "9914", "145804", "31", "10101"),
        "5636": ("146064", "145804", "9914", "146065", "10101", "31"),
        "5859": ("9983", "31", "37", "3902", "9977", "125923"),
        "5860": ("14965", "9976", "3493"),
        "5889": ("9971", "3918"),
        "5891": ("9889", "3899", "6566", "9980", "3891", "3492"),
        "5906": ("9971", "3918"),
        "5965": ("145836", "9914", "3903", "10101", "9889", "49", "9946"),
        "5970": ("37", "3492", "9952", "49", "34536", "14951"),
        "5971": ("10093", "3954", "43", "34536", "9970", "6566"),
        "6766": ("3903", "146064", "145953", "145804", "31", "10101"),
        "6767": ("146065", "145804", "146064", "9914", "9967", "31"),
        "6794": ("145804", "3", "146065", "10101", "9914", "31"),
        "7607": ("14965", "145976", "3896", "3913", "3903", "9946", "9967"),
        "7609": ("145854", "3903", "9967", "145853", "34537", "125923", "145878"),
    }
)
"""The 86 tasks of the meta-test split of HPO-B v3: the data sets of each of the 16 spaces, in its task list's order."""


def key_of(space: str, dataset: str) -> str:
    """The key of a task in HPO-B's ``summary-stats.json``, and its file's name without ``.json``."""
    return f"surrogate-{space}-{dataset}"


def task_of(file_name: str) -> tuple[str, str] | None:
    """The space and data set of ``surrogate-<space>-<dataset>.json``; None for any other name."""
    match = _MODEL.fullmatch(file_name)
    return (match[1], match[2]) if match else None


def in_meta_test(space: str, dataset: str) -> bool:
    """Whether a task is one of the 86."""
    return dataset in META_TEST.get(space, ())


def is_degenerate(space: str, dataset: str) -> bool:
    """Whether the range of accuracies by which HPO-B normalises a task is far too narrow.

    So it is in the whole of space 6766 and on data set 3891 of space 5891, where most initial designs
    have a regret of 0.
    """
    return space == "6766" or (space, dataset) == ("5891", "3891")
