"""The state of a meta-evolution on the disk: written whole or not at all, and refused where it does not belong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save

from baselines.evolution.openai_es import State
from qdbench.harness import tensors
from qdbench.harness.store import StoreError, write_atomically
from qdbench.metabbo.config import MetaConfig

NAME = "checkpoint.safetensors"
_KEY = "qdbench-meta-evolution"


class Progress(NamedTuple):
    """Where a meta-evolution is.

    Attributes:
        generation: Meta-generations that are done.
        state: Of the outer loop.
        seconds: Of each meta-generation, ``(generation,)``.
        evaluated: After how many meta-generations the mean was evaluated, ``(evaluations,)``.
        mean_best: What that gave, ``(evaluations, tasks)``.
    """

    generation: int
    state: State
    seconds: np.ndarray
    evaluated: np.ndarray
    mean_best: np.ndarray


def write(folder: Path, progress: Progress, config: MetaConfig) -> None:
    """Writes the checkpoint of a folder.

    Raises:
        StoreError: If it cannot be written.
    """
    first, second, count = progress.state.ascent
    arrays = {
        "mean": progress.state.mean,
        "first": first,
        "second": second,
        "count": count,
        "seconds": progress.seconds,
        "evaluated": progress.evaluated,
        "mean_best": progress.mean_best,
    }
    metadata = {_KEY: json.dumps({"generation": progress.generation, "config": config.search()}, sort_keys=True)}
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_atomically(folder / NAME, save(plain, metadata=metadata))


def read(folder: Path, config: MetaConfig, size: int) -> Progress | None:
    """The checkpoint of a folder; None if there is none.

    Args:
        folder: Where it was written.
        config: The configuration that goes on.
        size: The number of evolved parameters.

    Raises:
        StoreError: If it is broken, or of another configuration.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        metadata, arrays = tensors.read(path)
        header = json.loads(metadata[_KEY])
        generation, settings = int(header["generation"]), header["config"]
        mean, *ascent = (jnp.asarray(arrays[name]) for name in ("mean", "first", "second", "count"))
        history = arrays["seconds"], arrays["evaluated"], arrays["mean_best"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path} is no whole checkpoint ({error}): remove it to start again") from error
    _check_same(path, settings, config.search())
    state = State(mean, tuple(ascent))
    if state.mean.shape != (size,):
        raise StoreError(f"{path} has {state.mean.size} parameters, and the optimizer {size}: remove it to start again")
    return Progress(generation, state, *history)


def _check_same(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name in wanted:
        if found.get(name) != wanted[name]:
            raise StoreError(
                f"{path} is of another configuration: its {name} is {found.get(name)!r}, not {wanted[name]!r}; give "
                "another folder, or remove the checkpoint to start again"
            )
