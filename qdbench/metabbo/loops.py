"""Inner loops of a whole distribution: optimizers, programs and pools, on the devices there are."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

import baselines
from qdbench.harness.plugins import load_optimizer
from qdbench.metabbo import inner
from qdbench.metabbo.distribution import Distribution
from qdbench.protocols import Optimizer
from qdbench.registry import OPTIMIZERS
from qdbench.spec import TaskSpec

_CPU_BLOCK = 128

Rows = Sequence[tuple[inner.Draw, int]]
"""Stacked draws of each group, and how many there are."""


def make_optimizer(name: str, spec: TaskSpec, hyperparameters: dict[str, Any]) -> Optimizer:
    """The optimizer of an id, or of ``module:factory``.

    Raises:
        TypeError: If it is not one that can be compiled.
    """
    if name in OPTIMIZERS:
        return baselines.make(name, spec, **hyperparameters)
    made = load_optimizer(name)(spec, **hyperparameters)
    if not isinstance(made, Optimizer):
        raise TypeError(f"{name} must make a qdbench.protocols.Optimizer, whose arrays can be evolved, not {made!r}")
    return made


def devices_mesh(members: int) -> Mesh | None:
    """The local devices among which the members are divided; None if there is one, or they cannot be divided."""
    devices = jax.local_devices()
    while members % len(devices):
        devices = devices[:-1]
    return Mesh(np.array(devices), (inner.AXIS,)) if len(devices) > 1 else None


class Loops:
    """Compiled inner loops of an optimizer on a distribution of tasks.

    Attributes:
        optimizers: One a group, as its factory makes it.
    """

    def __init__(
        self,
        distribution: Distribution,
        optimizer: str,
        hyperparameters: dict[str, Any],
        generations: int,
        mesh: Mesh | None = None,
        noisy: bool = False,
    ) -> None:
        self.optimizers = [make_optimizer(optimizer, group.spec, hyperparameters) for group in distribution.groups]
        self._mesh, self._noisy = mesh, noisy
        self._generations = generations
        everywhere = NamedSharding(mesh, PartitionSpec()) if mesh else None
        self._pools = [jax.device_put(group.pools, everywhere) for group in distribution.groups]
        self._programs: list[Any] = []

    def run(self, evolved: dict[str, Array], rows: Rows) -> inner.Result:
        """The results of all members on all tasks, ``(members, tasks)``, by group and then as drawn."""
        if self._mesh is not None:
            evolved = jax.device_put(evolved, NamedSharding(self._mesh, PartitionSpec(inner.AXIS)))
        if not self._programs:
            self._programs = self._compile(evolved, rows)
        results = [
            program(evolved, pools, draws, np.int32(count))
            for program, pools, (draws, count) in zip(self._programs, self._pools, rows, strict=True)
        ]
        final, best = (_join(parts, rows) for parts in zip(*results, strict=True))
        return inner.Result(final, best)

    def _compile(self, evolved: dict[str, Array], rows: Rows) -> list[Any]:
        lowered = []
        for optimizer, pools, (draws, count) in zip(self.optimizers, self._pools, rows, strict=True):
            room = len(draws.family)
            program = inner.program(optimizer, self._generations, room, self._mesh, _block(), self._noisy)
            lowered.append(program.lower(evolved, pools, draws, np.int32(count)))
        # XLA compiles one program on one core.
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda program: program.compile(), lowered))


def _block() -> int | None:
    """How many members run side by side: on a CPU as many as the cache of a core has room for."""
    return _CPU_BLOCK if jax.default_backend() == "cpu" else None


def _join(parts: Sequence[Array], rows: Rows) -> Float[np.ndarray, "members tasks"]:
    return np.concatenate([np.asarray(part)[:, :count] for part, (_, count) in zip(parts, rows, strict=True)], axis=1)
