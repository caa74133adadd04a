"""Checks of arguments, with errors that name the thing, the value found and the values wanted."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal


def check_names(
    thing: str, factory: Callable[..., Any], arguments: Mapping[str, Any], hidden: Collection[str] = ()
) -> None:
    """Raises TypeError if the factory does not take one of the arguments, or needs one that is not there.

    Args:
        thing: What is being made, for the message.
        factory: The callable that will receive the arguments.
        arguments: What the caller gave.
        hidden: Parameters of the factory that are not the caller's to give.
    """
    known = {name: given for name, given in inspect.signature(factory).parameters.items() if name not in hidden}
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise TypeError(f"{thing} has no argument {', '.join(unknown)}; it has {', '.join(known) or 'none'}")
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    needed = [name for name, given in known.items() if given.kind in named and given.default is given.empty]
    if missing := [name for name in needed if name not in arguments]:
        raise TypeError(f"{thing} needs the argument {', '.join(missing)}; it has {', '.join(known)}")


def takes_seed(factory: Callable[..., Any]) -> bool:
    """Whether a factory of optimizers is called with the task's spec and a seed, not with the spec alone.

    It is if its second parameter is called ``seed``, or has no default: what runs in Python needs a seed, and a pure
    optimizer, which gets keys, has nothing but hyperparameters after the spec.
    """
    parameters = list(inspect.signature(factory).parameters.values())
    if any(parameter.name == "seed" for parameter in parameters):
        return True
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    second = parameters[1] if len(parameters) > 1 else None
    return second is not None and second.kind in positional and second.default is inspect.Parameter.empty


def check_integer(id: str, name: str, value: Any, low: int, high: int | None = None) -> int:
    """Returns an integer of at least ``low`` and at most ``high``, or raises ValueError."""
    wanted = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        raise ValueError(f"{id}: {name} must be {wanted}, but it is {value!r}")
    return number


def check_dim(id: str, dim: Any, low: int = 1) -> int:
    """Returns a dimension, an integer of at least ``low``, or raises ValueError."""
    return check_integer(id, "dim", dim, low)


def check_precision(id: str, precision: Any) -> Literal["float32", "float64"]:
    """Returns a precision's name, or raises ValueError."""
    if precision == "float32":
        return "float32"
    if precision == "float64":
        return "float64"
    raise ValueError(f"{id}: precision must be 'float32' or 'float64', but it is {precision!r}")
