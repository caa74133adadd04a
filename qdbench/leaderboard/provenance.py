"""What trials ran on and with, over many of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

_LEFT_OUT = ("recorded",)


def distinct(records: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    """The distinct values of each key, both sorted, but for the times of recording, which all differ.

    Args:
        records: The provenance of each trial.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for key, value in record.items():
            found[key].add(value)
    return {key: sorted(values) for key, values in sorted(found.items()) if key not in _LEFT_OUT}
