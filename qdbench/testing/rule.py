"""What a rule of the contract is: a number, a function, and an error that says what was found and what is wanted."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from typing import Any

PAGE = "docs/rules.md"


class Violation(Exception):  # noqa: N818  (it becomes a ContractError, which has the rule's name)
    """What a rule's function raises: what was found, and what is wanted."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found, wanted)
        self.found = found
        self.wanted = wanted


class ContractError(AssertionError):
    """A task or an optimizer breaks rules; the message has a line for each with what was found and what is wanted."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        code: ``QDB`` and three digits: 1xx for tasks, 2xx for optimizers.
        function: Takes a subject and raises :class:`Violation`, or anything else, if the subject breaks the rule. Its
            docstring is the rule's text.
        runs: Whether it runs the subject more than a few times, or compiles it: seconds where others take moments.
    """

    code: str
    function: Callable[[Any], None]
    runs: bool = False

    def __str__(self) -> str:
        return self.code

    @property
    def title(self) -> str:
        """The rule in one line."""
        return self.text.partition("\n")[0].rstrip(".")

    @property
    def text(self) -> str:
        """The whole rule."""
        return inspect.getdoc(self.function) or ""

    def violation(self, subject: Any) -> str | None:
        """Whether a subject breaks the rule: the message, or None."""
        try:
            self.function(subject)
        except Violation as broken:
            found, wanted = broken.found, broken.wanted
        except Exception as error:
            found, wanted = f"{type(error).__name__}: {error}", "no error"
        else:
            return None
        return f"{self.code} {subject.name}: {self.title}\n  found:  {found}\n  wanted: {wanted}\n  see:    {self.link}"

    @property
    def link(self) -> str:
        """Where the rule is explained."""
        return f"{PAGE}#{self.code.lower()}"

    def check(self, subject: Any) -> None:
        """Raises ContractError if a subject breaks the rule."""
        raise_if_any([self.violation(subject)])


def raise_if_any(violations: Iterable[str | None]) -> None:
    """Raises ContractError with all messages, if there are any."""
    messages = [message for message in violations if message is not None]
    if messages:
        raise ContractError("\n".join(messages))


def rules_in(namespace: dict[str, Any]) -> tuple[Rule, ...]:
    """The rules of a module, by number: its functions that :func:`rule` has marked."""
    found = (value.__dict__.get("_rule") for value in namespace.values() if inspect.isfunction(value))
    return tuple(sorted((rule for rule in found if rule is not None), key=lambda rule: rule.code))


def rule(code: str, runs: bool = False) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Marks a function as a rule; see :class:`Rule`."""

    def mark(function: Callable[[Any], None]) -> Callable[[Any], None]:
        function.__dict__["_rule"] = Rule(code, function, runs)
        return function

    return mark


def document(title: str, introduction: str, groups: Iterable[tuple[str, Iterable[Rule]]]) -> str:
    """The page that explains all rules, in Markdown."""
    parts = [f"# {title}", introduction]
    for name, rules in groups:
        parts.append(f"## {name}")
        for one in rules:
            _, _, rest = one.text.partition("\n")
            parts.append(f'### <a id="{one.code.lower()}"></a>{one.code}: {one.title}')
            if rest.strip():
                parts.append(inspect.cleandoc(rest.strip()))
    return "\n\n".join(parts) + "\n"
