"""Names to things: ids with versions, resolved when asked for, with errors that suggest what was meant."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

_TASK_ID = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*-v(?:0|[1-9][0-9]*)")
_OPTIMIZER_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_VERSION = re.compile(r"-v[0-9]+$")


class UnknownNameError(KeyError):
    """A name that nothing is registered under."""

    def __str__(self) -> str:
        return str(self.args[0])


class PluginWarning(UserWarning):
    """A plug-in that is left out; the message names it, its package and the reason."""


class PluginError(ImportError):
    """A plug-in that cannot be imported; the message names it, its package and the reason."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One registered thing: where its factory is, the arguments bound to it, a line about it, and what it needs.

    ``superseded_by`` is the id that new work should use in its place; what is superseded stays, number for number.
    ``package`` is the name and version of the installed package that declares it, None for what comes with qdbench.
    """

    id: str
    entry_point: str
    arguments: Mapping[str, Any]
    summary: str
    requires: str | None = None
    data: str | None = None
    superseded_by: str | None = None
    package: str | None = None

    @property
    def origin(self) -> str:
        """Whose code it is: ``qdbench``, or the name and version of a package, or the package that is missing."""
        if self.package is not None or self.requires is None:
            return self.package or "qdbench"
        if not self.is_available:
            return f"needs {self.requires}"
        from importlib.metadata import version

        return f"{self.requires} {version(self.requires)}"

    @property
    def is_available(self) -> bool:
        """Whether the package that it needs beyond qdbench's own dependencies is installed, and its data is there."""
        if self.requires is not None and importlib.util.find_spec(self.requires) is None:
            return False
        if self.data is None:
            return True
        from qdbench.datasets import is_present

        return is_present(self.data)


class Registry:
    """A table of ``"module:attribute"`` strings; nothing is imported before it is resolved.

    What installed packages declare in the entry point group ``qdbench.tasks`` or ``qdbench.optimizers`` is in it too:
    their metadata is read when the table is first listed, or asked for an id that is not qdbench's own.
    """

    def __init__(self, kind: str, pattern: re.Pattern[str], example: str) -> None:
        self.kind = kind
        self._pattern = pattern
        self._example = example
        self._entries: dict[str, Entry] = {}
        self._plugins: dict[str, Entry] | None = None

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
        self._check(id, entry_point, self._entries)
        if superseded_by is not None:
            self._check_form(superseded_by)
        if id == superseded_by:
            raise ValueError(f"{self.kind} {id!r} cannot be superseded by itself")
        self._entries[id] = Entry(id, entry_point, dict(arguments), summary, requires, data, superseded_by)

    def _check_form(self, id: str) -> None:
        if not self._pattern.fullmatch(id):
            raise ValueError(f"{self.kind} id {id!r} is malformed: it should look like {self._example!r}")

    def _check(self, id: str, entry_point: str, taken: Mapping[str, Entry]) -> None:
        self._check_form(id)
        if id in taken:
            raise ValueError(f"{self.kind} id {id!r} is registered already, for {taken[id].entry_point!r}")
        if entry_point.count(":") != 1 or not all(entry_point.split(":")):
            raise ValueError(f"{self.kind} {id!r}: the entry point {entry_point!r} should be 'module:attribute'")

    def __contains__(self, id: str) -> bool:
        return id in self._entries or id in self._all()

    def __iter__(self) -> Iterator[Entry]:
        entries = self._all()
        return iter(entries[id] for id in sorted(entries))

    def entry(self, id: str) -> Entry:
        """The entry of an id.

        Raises:
            UnknownNameError: With the nearest ids, or the versions that exist.
        """
        if id in self:
            return self._entries.get(id) or self._all()[id]
        raise UnknownNameError(self._unknown(id))

    def resolve(self, id: str) -> tuple[Any, dict[str, Any]]:
        """Imports the factory of an id; returns it with the arguments bound at registration.

        Warns (DeprecationWarning, at the caller of the function that asks) if the id is superseded.

        Raises:
            UnknownNameError: If there is no such id.
            PluginError: If another package declares it and cannot be imported.
        """
        entry = self.entry(id)
        if entry.superseded_by is not None:
            warnings.warn(
                f"{self.kind} {id!r} is superseded by {entry.superseded_by!r}: it stays as it is, so that what was "
                "done with it can be repeated, but new work should use the new one",
                DeprecationWarning,
                stacklevel=3,
            )
        try:
            return load(entry.entry_point), dict(entry.arguments)
        except Exception as error:
            if entry.package is None:
                raise
            raise PluginError(
                f"{self.kind} {id!r} of {entry.package} cannot be loaded from {entry.entry_point!r}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _all(self) -> dict[str, Entry]:
        """The ids of installed packages and qdbench's own, which go first."""
        if self._plugins is None:
            self._plugins = self._find_plugins()
        return self._plugins | self._entries

    def _find_plugins(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for distribution, point in _declared(f"qdbench.{self.kind}s"):
            package = f"{distribution.name} {distribution.version}"
            try:
                self._check(point.name, point.value, self._entries | found)
            except ValueError as error:
                warnings.warn(f"a plug-in of {package} is left out: {error}", PluginWarning, stacklevel=2)
                continue
            summary = distribution.metadata["Summary"] or ""
            found[point.name] = Entry(point.name, point.value, {}, summary, package=package)
        return found

    def _unknown(self, id: str) -> str:
        listing = f"`qdbench list {self.kind}s` shows all"
        name = _VERSION.sub("", id)
        versions = sorted(other for other in self._all() if _VERSION.search(other) and _VERSION.sub("", other) == name)
        if versions:
            return f"no {self.kind} {id!r}; the versions of {name!r} are {', '.join(versions)} ({listing})"
        folded = {other.lower(): other for other in self._all()}
        close = difflib.get_close_matches(id.lower(), folded, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(folded[match] for match in close)}?" if close else ""
        return f"no {self.kind} {id!r}{hint} ({listing})"


def _declared(group: str) -> list[tuple[Distribution, EntryPoint]]:
    """The entry points of a group with the installed packages that declare them, by package and name."""
    from importlib.metadata import distributions

    found: dict[str, tuple[Distribution, list[EntryPoint]]] = {}
    for distribution in distributions():
        # The text first: to parse what all packages declare would take longer than the rest of a listing.
        if group not in (distribution.read_text("entry_points.txt") or "") or distribution.name in found:
            continue
        try:
            points = [point for point in distribution.entry_points if point.group == group]
        except (ValueError, TypeError) as error:
            warnings.warn(f"the entry points of {distribution.name} are malformed: {error}", PluginWarning, 2)
            continue
        found[distribution.name] = distribution, sorted(points, key=lambda point: point.name)
    return [(distribution, point) for _, (distribution, points) in sorted(found.items()) for point in points]


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
