"""Names to things: ids with versions, resolved when asked for, with errors that suggest what was meant."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

_TASK_ID = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*-v(?:0|[1-9][0-9]*)")
_OPTIMIZER_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_VERSION = re.compile(r"-v[0-9]+$")


class UnknownNameError(KeyError):
    """A name that nothing is registered under."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclasses.dataclass(frozen=True)
class Entry:
    """One registered thing: where its factory is, the arguments bound to it, a line about it, and what it needs.

    ``superseded_by`` is the id that new work should use in its place; what is superseded stays, number for number.
    """

    id: str
    entry_point: str
    arguments: Mapping[str, Any]
    summary: str
    requires: str | None = None
    data: str | None = None
    superseded_by: str | None = None

    @property
    def is_available(self) -> bool:
        """Whether the package that it needs beyond qdbench's own dependencies is installed, and its data is there."""
        if self.requires is not None and importlib.util.find_spec(self.requires) is None:
            return False
        if self.data is None:
            return True
        from qdbench.datasets import is_there

        return is_there(self.data)


class Registry:
    """A table of ``"module:attribute"`` strings; nothing is imported before it is resolved."""

    def __init__(self, kind: str, pattern: re.Pattern[str], example: str) -> None:
        self.kind = kind
        self._pattern = pattern
        self._example = example
        self._entries: dict[str, Entry] = {}

    def register(
        self,
        id: str,
        entry_point: str,
        *,
        summary: str = "",
        requires: str | None = None,
        data: str | None = None,
        superseded_by: str | None = None,
        **arguments: Any,
    ) -> None:
        """Adds an entry.

        Args:
            id: What it is asked for by.
            entry_point: ``"module:attribute"`` of its factory.
            summary: One line.
            requires: A package that has to be installed for it.
            data: A data set that it reads; see :mod:`qdbench.datasets`.
            superseded_by: The id that new work should use in its place; making this one then warns.
            arguments: Bound to the factory.

        Raises:
            ValueError: If an id is malformed, taken or its own successor, or the entry point is not
                ``"module:attribute"``.
        """
        for name in (id, superseded_by or id):
            if not self._pattern.fullmatch(name):
                raise ValueError(f"{self.kind} id {name!r} is malformed: it should look like {self._example!r}")
        if id == superseded_by:
            raise ValueError(f"{self.kind} {id!r} cannot be superseded by itself")
        if id in self._entries:
            raise ValueError(f"{self.kind} id {id!r} is registered already, for {self._entries[id].entry_point!r}")
        if entry_point.count(":") != 1 or not all(entry_point.split(":")):
            raise ValueError(f"{self.kind} {id!r}: the entry point {entry_point!r} should be 'module:attribute'")
        self._entries[id] = Entry(id, entry_point, dict(arguments), summary, requires, data, superseded_by)

    def __contains__(self, id: str) -> bool:
        return id in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries[id] for id in sorted(self._entries))

    def entry(self, id: str) -> Entry:
        """The entry of an id.

        Raises:
            UnknownNameError: With the nearest ids, or the versions that exist.
        """
        if id in self._entries:
            return self._entries[id]
        raise UnknownNameError(self._unknown(id))

    def resolve(self, id: str) -> tuple[Any, dict[str, Any]]:
        """Imports the factory of an id; returns it with the arguments bound at registration.

        Warns (DeprecationWarning, at the caller of the function that asks) if the id is superseded.
        """
        entry = self.entry(id)
        if entry.superseded_by is not None:
            warnings.warn(
                f"{self.kind} {id!r} is superseded by {entry.superseded_by!r}: it stays as it is, so that what was "
                "done with it can be repeated, but new work should use the new one",
                DeprecationWarning,
                stacklevel=3,
            )
        return load(entry.entry_point), dict(entry.arguments)

    def _unknown(self, id: str) -> str:
        listing = f"`qdbench list {self.kind}s` shows all"
        name = _VERSION.sub("", id)
        versions = sorted(
            other for other in self._entries if _VERSION.search(other) and _VERSION.sub("", other) == name
        )
        if versions:
            return f"no {self.kind} {id!r}; the versions of {name!r} are {', '.join(versions)} ({listing})"
        folded = {other.lower(): other for other in self._entries}
        close = difflib.get_close_matches(id.lower(), folded, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(folded[match] for match in close)}?" if close else ""
        return f"no {self.kind} {id!r}{hint} ({listing})"


def load(entry_point: str) -> Any:
    """Imports ``"module:attribute"``.

    Raises:
        ValueError: If the string has another form.
        ImportError: If the module or the attribute does not exist.
    """
    module_name, separator, attribute = entry_point.partition(":")
    if not separator or not module_name or not attribute:
        raise ValueError(f"{entry_point!r} should be 'module:attribute', such as 'my_package.search:MyOptimizer'")
    module = importlib.import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise ImportError(f"module {module_name!r} has no attribute {attribute!r}") from None


TASKS = Registry("task", _TASK_ID, "LP-Sphere-v0")
OPTIMIZERS = Registry("optimizer", _OPTIMIZER_ID, "cma-mega")
