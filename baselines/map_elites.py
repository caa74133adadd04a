"""MAP-Elites with Gaussian or Iso+LineDD variation (Mouret & Clune 2015; Vassiliades & Mouret 2018).

Also with the cells of a centroidal Voronoi tessellation (Vassiliades et al. 2018).
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Key

from baselines import voronoi
from baselines.random_search import sample_start
from baselines.variation import Gaussian, IsoLine, Variation
from qdbench.archive import Archive, Grid, Partition, empty, insert
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.spec import TaskSpec


class MapElites(Optimizer):
    """Every iteration varies uniformly random elites and inserts the offspring in the archive.

    The archive starts with 100 samples of the task's start distribution. Source: mouret2015mapelites; population, batch
    size and sigmas: fontaine2021dqd.

    CVT-MAP-Elites has Voronoi cells instead of the task's grid, by default as many as the grid;
    see :mod:`baselines.voronoi`. It is scored as all optimizers are, in the grid.

    Hyperparameters: ``sigma`` 0.5 (or ``iso_sigma`` 0.5 and ``line_sigma`` 0.2 for the line operator), ``batch_size``
    36, ``initial_size`` 100. CVT-MAP-Elites: also ``cells`` (those of the grid), and ``samples`` 100,000 and
    ``cells_seed`` 0 of the tessellation.
    """

    variation: Variation
    partition: Partition
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> Archive:
        """An empty archive."""
        return empty(self.spec, partition=self.partition)

    def ask(self, key: Key[Array, ""], state: Archive, batch: Batch) -> tuple[Array, Archive]:
        """The initial population, or offspring."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size, self.variation.spread), state
        return self.variation(key, state, batch.size), state

    def tell(
        self, key: Key[Array, ""], state: Archive, batch: Batch, solutions: Array, evaluation: Evaluation
    ) -> Archive:
        """Inserts the batch."""
        archive, _ = insert(state, solutions, evaluation.objective, evaluation.measures, self.partition)
        return archive


def _make(
    id: str, spec: TaskSpec, variation: Variation, partition: Partition, batch_size: int, initial_size: int
) -> MapElites:
    return MapElites(
        variation=variation,
        partition=partition,
        id=id,
        spec=spec.structure(),
        initial=(Batch("initial", initial_size),),
        iteration=(Batch("offspring", batch_size),),
    )


def make(spec: TaskSpec, sigma: float = 0.5, batch_size: int = 36, initial_size: int = 100) -> MapElites:
    """Makes MAP-Elites with Gaussian variation; see :class:`MapElites`."""
    return _make("map-elites", spec, _gaussian(spec, sigma), Grid(), batch_size, initial_size)


def make_line(
    spec: TaskSpec, iso_sigma: float = 0.5, line_sigma: float = 0.2, batch_size: int = 36, initial_size: int = 100
) -> MapElites:
    """Makes MAP-Elites with the line operator (vassiliades2018iso); see :class:`MapElites`."""
    return _make("map-elites-line", spec, _iso_line(spec, iso_sigma, line_sigma), Grid(), batch_size, initial_size)


def make_cvt(
    spec: TaskSpec,
    sigma: float = 0.5,
    batch_size: int = 36,
    initial_size: int = 100,
    cells: int | None = None,
    samples: int = voronoi.SAMPLES,
    cells_seed: int = 0,
) -> MapElites:
    """Makes CVT-MAP-Elites (vassiliades2018cvt) with Gaussian variation; see :class:`MapElites`.

    Raises:
        ValueError: If a size of the tessellation is not possible.
    """
    partition = voronoi.make("cvt-map-elites", spec, cells, samples, cells_seed)
    return _make("cvt-map-elites", spec, _gaussian(spec, sigma), partition, batch_size, initial_size)


def make_cvt_line(
    spec: TaskSpec,
    iso_sigma: float = 0.5,
    line_sigma: float = 0.2,
    batch_size: int = 36,
    initial_size: int = 100,
    cells: int | None = None,
    samples: int = voronoi.SAMPLES,
    cells_seed: int = 0,
) -> MapElites:
    """Makes CVT-MAP-Elites (vassiliades2018cvt) with the line operator (vassiliades2018iso); see :class:`MapElites`.

    Raises:
        ValueError: If a size of the tessellation is not possible.
    """
    id = "cvt-map-elites-line"
    partition = voronoi.make(id, spec, cells, samples, cells_seed)
    return _make(id, spec, _iso_line(spec, iso_sigma, line_sigma), partition, batch_size, initial_size)


def _gaussian(spec: TaskSpec, sigma: float) -> Gaussian:
    return Gaussian(jnp.asarray(sigma, spec.precision))


def _iso_line(spec: TaskSpec, iso_sigma: float, line_sigma: float) -> IsoLine:
    return IsoLine(jnp.asarray(iso_sigma, spec.precision), jnp.asarray(line_sigma, spec.precision))
