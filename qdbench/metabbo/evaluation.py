"""How good the mean of a meta-evolution is on tasks that it was, and was not, evolved on."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
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
        tasks: One row a task: ``split`` (one of :data:`qdbench.metabbo.compare.SPLITS`) and ``task``.

    Raises:
        ValueError: If the best objective that a task can have is not 0.
    """

    def __init__(self, optimizer: str, settings: config.Evaluation, hyperparameters: Mapping[str, Any]) -> None:
        splits = [("seen", family) for family in settings.seen] + [("unseen", family) for family in settings.unseen]
        parts = [_Part(splits, settings, settings.reference, optimizer, hyperparameters)] if splits else []
        for own in settings.networks:
            families = [("networks", family) for family in own.tasks]
            parts.append(_Part(families, own, settings.reference, optimizer, hyperparameters))
        self._parts = parts
        self.tasks = pd.DataFrame([row for part in parts for row in part.tasks], columns=["split", "task"])

    def mean_best(self, arrays: Mapping[str, Array]) -> Float[np.ndarray, " tasks"]:
        """The mean over repetitions of the best objective, for each task."""
        return np.concatenate([part.mean_best(arrays) for part in self._parts])

    def reference(self) -> Float[np.ndarray, " tasks"]:
        """The same of the reference optimizer."""
        return np.concatenate([part.reference() for part in self._parts])


class _Part:
    """Tasks that share settings.

    Attributes:
        tasks: The split and the label of each.
    """

    def __init__(
        self,
        families: Sequence[tuple[str, config.TaskFamily]],
        settings: config.Evaluation | config.Networks,
        reference: str,
        optimizer: str,
        hyperparameters: Mapping[str, Any],
    ) -> None:
        flat = [family.model_copy(update={"grid": family.grid | family.pool, "pool": {}}) for _, family in families]
        self._distribution = distribution.build(flat)
        for group in self._distribution.groups:
            if group.spec.objective_range[1] != 0:
                raise ValueError(
                    f"evaluation: {group.variants[0].id} cannot be compared by what is missing to 0, because its best "
                    f"objective is {group.spec.objective_range[1]:g}"
                )
        self._settings, self._reference = settings, reference
        self._loops = Loops(
            self._distribution, optimizer, {**hyperparameters, **settings.hyperparameters}, settings.generations
        )
        self._rows, order = _rows(self._distribution, settings.repetitions)
        self.tasks = [(families[family][0], _label(self._distribution, place)) for family, place in order]

    def mean_best(self, arrays: Mapping[str, Array]) -> Float[np.ndarray, " tasks"]:
        return self._measure(self._loops, {name: array[None] for name, array in arrays.items()})

    def reference(self) -> Float[np.ndarray, " tasks"]:
        settings = self._settings
        loops = Loops(self._distribution, self._reference, settings.reference_hyperparameters, settings.generations)
        # A meta-population of one with nothing to evolve: it has a leading axis and a name that no optimizer has.
        return self._measure(loops, {"": jnp.zeros(1)})

    def _measure(self, loops: Loops, evolved: dict[str, Array]) -> Float[np.ndarray, " tasks"]:
        best = np.asarray(loops.run(evolved, self._rows).best[0], np.float64)
        return best.reshape(-1, self._settings.repetitions).mean(axis=1)


def ratios(
    mean_best: Float[np.ndarray, "*times tasks"], reference: Float[np.ndarray, " tasks"]
) -> Float[np.ndarray, "*times tasks"]:
    """Minus the objective (on BBOB the precision) divided by the reference's, both at least 1e-8, in [0.01, 100]."""
    ratio = np.maximum(-mean_best, FLOOR) / np.maximum(-reference, FLOOR)
    return within_limits(ratio)


def geometric_mean(ratios: Float[np.ndarray, "*times tasks"]) -> Float[np.ndarray, "*times"]:
    """Over the tasks."""
    return np.apply_along_axis(statistics.geometric_mean, -1, ratios)


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
