"""The front door: make a task, register one, list them. None of it imports JAX before a task is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qdbench.tasks  # noqa: F401  (registers the standard tasks)
from qdbench.arguments import check_names
from qdbench.interop.gymnasium_ids import offer
from qdbench.registry import TASKS

if TYPE_CHECKING:
    from qdbench.protocols import Task


def make(id: str, **arguments: Any) -> Task:
    """Makes a task.

    Args:
        id: A registered id with its version, such as ``"LP-Sphere-v0"``.
        arguments: The task's own arguments, such as ``dim=100``.

    Raises:
        UnknownNameError: If there is no such task (with the nearest ids, or the versions that exist).
        TypeError: If the task has no such argument.
        ValueError: If an argument's value is not possible.
    """
    factory, bound = TASKS.resolve(id)
    check_names(f"task {id!r}", factory, arguments, hidden={"id", *bound})
    task: Task = factory(id=id, **bound, **arguments)
    return task


def register(
    id: str, entry_point: str, *, summary: str = "", superseded_by: str | None = None, **arguments: Any
) -> None:
    """Registers a task under a versioned id.

    Args:
        id: ``Name-vN``.
        entry_point: ``"module:attribute"`` of a callable that takes ``id`` and the arguments and returns the task.
        summary: One line for listings.
        superseded_by: The id of the version that new work should use; :func:`make` of this one then warns.
        arguments: Bound to every call of the entry point.

    Raises:
        ValueError: If the id is malformed or taken.
    """
    TASKS.register(id, entry_point, summary=summary, superseded_by=superseded_by, **arguments)
    offer()


def list_tasks(available: bool = False) -> list[str]:
    """The ids of all registered tasks.

    Args:
        available: Only those that can be made here: their package is installed and their data is in the data folder.
    """
    return [entry.id for entry in TASKS if entry.is_available or not available]
