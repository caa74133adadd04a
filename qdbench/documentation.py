"""What the docstrings of registered tasks and optimizers say, read from their source without importing JAX."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib.util
import inspect
import re
from pathlib import Path

from qdbench.registry import Entry

_KEY = re.compile(r"\b[a-z]+(?:19|20)[0-9]{2}[a-z]+\b")
_ROLE = re.compile(r":[a-z]+:`~?([^`]*)`")
_RESTARTS = "-restarts"


@dataclasses.dataclass(frozen=True)
class Documentation:
    """What the source of a registered thing says.

    Attributes:
        text: The docstring of its class, or of its factory where no class is named.
        citations: The BibTeX keys in the docstrings of class, factory and, where those have none, module.
    """

    text: str
    citations: tuple[str, ...]

    @property
    def paragraphs(self) -> list[str]:
        """The text in paragraphs, without the markup of roles."""
        return [_ROLE.sub(r"\1", part).strip() for part in self.text.split("\n\n") if part.strip()]

    def part(self, title: str) -> str:
        """The paragraph that begins with a title such as ``Version history``; empty if there is none."""
        found = (part for part in self.paragraphs if part.lower().startswith(f"{title.lower()}:"))
        return " ".join(next(found, "").partition(":")[2].split())


@functools.cache
def documentation(entry_point: str) -> Documentation:
    """The documentation of a factory ``"module:attribute"`` and of the class that its return annotation names.

    Args:
        entry_point: As it is registered. A factory without annotation has its module's documentation.

    Raises:
        ImportError: If the module does not exist.
    """
    name, _, attribute = entry_point.partition(":")
    module = _module(name)
    factory = _definition(module, attribute)
    made = getattr(factory, "returns", None)
    if isinstance(made, ast.BinOp):
        # Of a union, the first.
        made = made.left
    owner = _class(name, made.id) if isinstance(made, ast.Name) else None
    if factory is None:
        owner = next((node for node in module.body if isinstance(node, ast.ClassDef) and _is_public(node)), None)
    texts = [_docstring(node) for node in (owner, factory) if node is not None]
    keys = _keys(texts) or _keys([ast.get_docstring(module) or ""])
    return Documentation(next((text for text in texts if text), ast.get_docstring(module) or ""), keys)


def citations_of(entry: Entry) -> tuple[str, ...]:
    """The BibTeX keys of an optimizer; one with restarts has those of what it restarts, too."""
    from qdbench.registry import OPTIMIZERS

    own = documentation(entry.entry_point).citations
    inner = entry.id.removesuffix(_RESTARTS)
    if inner != entry.id and inner in OPTIMIZERS:
        own = (*documentation(OPTIMIZERS.entry(inner).entry_point).citations, *own)
    return tuple(dict.fromkeys(own))


def _keys(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for text in texts for key in _KEY.findall(text)))


@functools.cache
def _module(name: str) -> ast.Module:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ImportError(f"there is no module {name!r} whose documentation could be read")
    return ast.parse(Path(found.origin).read_text("utf-8"))


def _definition(module: ast.Module, name: str) -> ast.FunctionDef | ast.ClassDef | None:
    kinds = ast.FunctionDef, ast.ClassDef
    return next((node for node in module.body if isinstance(node, kinds) and node.name == name), None)


def _class(module_name: str, name: str) -> ast.ClassDef | None:
    """A class by its name in a module, defined there or imported."""
    module = _module(module_name)
    found = _definition(module, name)
    if isinstance(found, ast.ClassDef):
        return found
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            return _class(node.module, name)
    return None


def _is_public(node: ast.ClassDef) -> bool:
    return not node.name.startswith("_") and node.name != "State"


def _docstring(node: ast.FunctionDef | ast.ClassDef) -> str:
    return inspect.cleandoc(ast.get_docstring(node) or "")
