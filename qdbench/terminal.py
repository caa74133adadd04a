"""What all commands share in a terminal. It imports nothing heavy, so that ``qdbench --help`` does not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

console = Console()
errors = Console(stderr=True)

_MISTAKES = (KeyError, ValueError, TypeError, ImportError, FileNotFoundError, RuntimeError)


@contextlib.contextmanager
def friendly_errors(*more: type[Exception]) -> Iterator[None]:
    """Prints errors that say what to do, without a traceback, and exits with 2.

    Args:
        more: Kinds of errors that are a user's mistakes in this command, beside those that are in all.
    """
    kinds: tuple[type[Exception], ...] = (*_MISTAKES, *more)
    try:
        yield
    except kinds as error:
        if isinstance(error, typer.Exit | typer.Abort):
            raise
        errors.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None


def exit_from_check(differing: Sequence[Path], source: str) -> NoReturn:
    """Names the files that a rebuild would change; exits with 1 if there are any, else with 0.

    Args:
        differing: The files.
        source: What they are built from.
    """
    for path in differing:
        errors.print(f"[red]{escape(str(path))} is not what the {source} give[/red]", soft_wrap=True, highlight=False)
    raise typer.Exit(1 if differing else 0)


def named_values(entries: Sequence[str]) -> dict[str, Any]:
    """Reads what ``--set`` is given, NAME=VALUE with a value in TOML.

    Raises:
        ValueError: If an entry has another form.
    """
    import tomllib

    values: dict[str, Any] = {}
    for entry in entries:
        name, separator, value = entry.partition("=")
        try:
            if not separator:
                raise ValueError("there is no =")
            values[name.strip()] = tomllib.loads(f"value = {value}")["value"]
        except ValueError as error:
            raise ValueError(
                f"--set takes NAME=VALUE, such as members=64 or fitness='\"best\"', not {entry!r}: {error}"
            ) from None
    return values
