"""How good the mean of a meta-evolution is on tasks that it was, and was not, evolved on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Float

from qdbench.leaderboard.bbob.data import FLOOR
from qdbench.leaderboard.bbob.normalised import within_limits
from qdbench.metabbo import config, distribution
from qdbench.metabbo.loops import Loops, Rows
from qdbench.metabbo.noise import NONE


class Evaluator:
    """Compares an optimizer with given arrays with the reference optimizer, on fixed tasks with fixed keys.

    Args:
        optimizer: An id, or ``module:factory``.
        settings: The tasks and the reference.
        hyperparameters: The optimizer's, where the settings do not change them.

    Attributes:
        tasks: One row a task: ``split`` ("seen", "unseen") and ``task``.
    """

    def __init__(self, optimizer: str, settings: config.Evaluation, hyperparameters: Mapping[str, Any]) -> None:
        families = (*settings.seen, *settings.unseen)
        flat = [family.model_copy(update={"grid": family.grid | family.pool, "pool": {}}) for family in families]
        self._distribution = distribution.build(flat)
        self._settings = settings
        self._loops = Loops(
            self._distribution, optimizer, {**hyperparameters, **settings.hyperparameters}, settings.generations
        )
        self._rows, order = _rows(self._distribution, settings.repetitions)
        splits = ["seen"] * len(settings.seen) + ["unseen"] * len(settings.unseen)
        self.tasks = pd.DataFrame(
            [(splits[family], _label(self._distribution, place)) for family, place in order], columns=["split", "task"]
        )

    def mean_best(self, arrays: Mapping[str, Array]) -> Float[np.ndarray, " tasks"]:
        """The mean over repetitions of the best objective, for each task."""
        return self._measure(self._loops, {name: array[None] for name, array in arrays.items()})

    def reference(self) -> Float[np.ndarray, " tasks"]:
        """The same of the reference optimizer."""
        settings = self._settings
        loops = Loops(self._distribution, settings.reference, settings.reference_hyperparameters, settings.generations)
        # A meta-population of one with nothing to evolve: it has a leading axis and a name that no optimizer has.
        return self._measure(loops, {"": jnp.zeros(1)})

    def _measure(self, loops: Loops, evolved: dict[str, Array]) -> Float[np.ndarray, " tasks"]:
        best = np.asarray(loops.run(evolved, self._rows).best[0], np.float64)
        return best.reshape(-1, self._settings.repetitions).mean(axis=1)


def ratios(
    mean_best: Float[np.ndarray, "*times tasks"], reference: Float[np.ndarray, " tasks"]
) -> Float[np.ndarray, "*times tasks"]:
    """The precision (minus the objective) divided by the reference's, both at least 1e-8, within [0.01, 100]."""
    ratio = np.maximum(-mean_best, FLOOR) / np.maximum(-reference, FLOOR)
    return within_limits(ratio)


def geometric_mean(ratios: Float[np.ndarray, "*times tasks"]) -> Float[np.ndarray, "*times"]:
    """Over the tasks."""
    return np.asarray(np.exp(np.log(ratios).mean(axis=-1)))


def _rows(built: distribution.Distribution, repetitions: int) -> tuple[Rows, list[tuple[int, tuple[int, int]]]]:
    """The draws of each group, repetitions of a task side by side, and the order of the tasks over all groups."""
    order = [(family, place) for family, places in enumerate(built.families) for place in places]
    order.sort(key=lambda entry: entry[1])
    rows: list[list[tuple[int, int, int, np.ndarray, dict[str, float]]]] = [[] for _ in built.groups]
    for _, (group, place) in order:
        for repetition in range(repetitions):
            key = np.random.default_rng([2**32, group, place, repetition]).integers(2**32, size=2, dtype=np.uint32)
            rows[group].append((place, 0, NONE, key, {}))
    return [(distribution.draws(some, len(some)), len(some)) for some in rows], order


def _label(built: distribution.Distribution, place: tuple[int, int]) -> str:
    variant = built.groups[place[0]].variants[place[1]]
    hidden = ("precision", "measures")
    arguments = ", ".join(f"{name}={value}" for name, value in variant.arguments.items() if name not in hidden)
    return f"{variant.id} ({arguments})" if arguments else variant.id
