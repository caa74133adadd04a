"""The learned GA's operators from files of evolved parameters, those that come with the package or others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from baselines.learned_ga.attention import HEADS, WIDTH
from baselines.learned_ga.lga import Operators, zero_operators
from qdbench.leaves import named_leaves
from qdbench.metabbo.parameters import ParameterError, load

FACTORY = "baselines.learned_ga.lga:make_zero"
_PREFIX = "operators."


def shipped(name: str) -> Path:
    """The file of parameters that come with the package."""
    return Path(__file__).parent / "trained" / f"{name}.safetensors"


def load_operators(path: Path) -> Operators:
    """The operators of a file.

    Raises:
        ParameterError: If there is no such file, it is truncated or changed, or holds something else.
    """
    evolved = load(path)
    if evolved.optimizer != FACTORY:
        raise ParameterError(f"{path} holds arrays of {evolved.optimizer!r}, not of {FACTORY!r}")
    settings: dict[str, Any] = {
        "operators": "selection mutation",
        "width": WIDTH,
        "heads": HEADS,
        "bias": True,
    } | evolved.hyperparameters
    names, width, heads, bias = (settings[name] for name in ("operators", "width", "heads", "bias"))
    types = [(names, str), (width, int), (heads, int), (bias, bool)]
    if not all(type(value) is wanted for value, wanted in types) or not 0 < width <= 1024:
        raise ParameterError(f"{path}: operators, width, heads and bias are {names!r}, {width!r}, {heads!r}, {bias!r}")
    try:
        template = zero_operators(names.split(), width, heads, bias)
    except ValueError as error:
        raise ParameterError(f"{path}: there are no such operators: {error}") from error
    expected = named_leaves(template)
    found = {name.removeprefix(_PREFIX): array for name, array in evolved.arrays.items()}
    if expected.keys() != found.keys():
        raise ParameterError(f"{path}: header and arrays disagree about {min(expected.keys() ^ found.keys())!r}")
    for name, array in found.items():
        if array.shape != expected[name].shape:
            raise ParameterError(f"{path}: {name} must have shape {expected[name].shape}, but it has {array.shape}")
    return jax.tree.unflatten(jax.tree.structure(template), [found[name] for name in expected])
