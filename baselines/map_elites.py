"""MAP-Elites with Gaussian or Iso+LineDD variation (Mouret & Clune 2015; Vassiliades & Mouret 2018)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Key

from baselines.random_search import sample_start
from baselines.variation import Gaussian, IsoLine, Variation
from qdbench.archive import Archive, empty, insert
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.spec import TaskSpec


class MapElites(Optimizer):
    """Every iteration varies uniformly random elites and inserts the offspring in the archive.

    The archive starts with 100 samples of the task's start distribution. Source: mouret2015mapelites; the line
    operator: vassiliades2018iso; population, batch size and sigmas: fontaine2021dqd.

    Hyperparameters: ``sigma`` 0.5 (or ``iso_sigma`` 0.5 and ``line_sigma`` 0.2 for the line operator), ``batch_size``
    36, ``initial_size`` 100.
    """

    variation: Variation
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> Archive:
        """An empty archive."""
        return empty(self.spec)

    def ask(self, key: Key[Array, ""], state: Archive, batch: Batch) -> tuple[Array, Archive]:
        """The initial population, or offspring."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size, self.variation.spread), state
        return self.variation(key, state, batch.size), state

    def tell(
        self, key: Key[Array, ""], state: Archive, batch: Batch, solutions: Array, evaluation: Evaluation
    ) -> Archive:
        """Inserts the batch."""
        archive, _ = insert(state, solutions, evaluation.objective, evaluation.measures)
        return archive


def _make(id: str, spec: TaskSpec, variation: Variation, batch_size: int, initial_size: int) -> MapElites:
    return MapElites(
        variation=variation,
        id=id,
        spec=spec.structure(),
        initial=(Batch("initial", initial_size),),
        iteration=(Batch("offspring", batch_size),),
    )


def make(spec: TaskSpec, sigma: float = 0.5, batch_size: int = 36, initial_size: int = 100) -> MapElites:
    """Makes MAP-Elites with Gaussian variation; see :class:`MapElites`."""
    return _make("map-elites", spec, Gaussian(jnp.asarray(sigma, spec.precision)), batch_size, initial_size)


def make_line(
    spec: TaskSpec, iso_sigma: float = 0.5, line_sigma: float = 0.2, batch_size: int = 36, initial_size: int = 100
) -> MapElites:
    """Makes MAP-Elites with the line operator; see :class:`MapElites`."""
    variation = IsoLine(jnp.asarray(iso_sigma, spec.precision), jnp.asarray(line_sigma, spec.precision))
    return _make("map-elites-line", spec, variation, batch_size, initial_size)
