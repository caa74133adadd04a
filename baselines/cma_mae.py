"""CMA-MAE (Fontaine & Nikolaidis 2023)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines import annealed_archive
from baselines.annealed_archive import AnnealedArchive
from baselines.emitters import check_sizes, copies, each, shares, together
from baselines.evolution import emitter
from qdbench.archive import Insertion
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import derive, normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The annealed archive and the search distributions, stacked."""

    archive: AnnealedArchive
    emitters: emitter.Emitter


class CmaMae(Optimizer):
    r"""Covariance Matrix Adaptation MAP-Annealing: CMA-ES on the improvement over thresholds that rise slowly.

    Every iteration samples solutions from :math:`N(m, \sigma^2 C)`, inserts them in an annealed archive (see
    :mod:`baselines.annealed_archive`), ranks them by their objective less the threshold of their cell, whether the cell
    is new or not, and updates m, sigma and C by CMA-ES with the best half. If CMA-ES has collapsed, it starts again
    from a random elite with the initial sigma and C = I. The archive learning rate leads from CMA-ES on the objective
    (0) to a search for improvement as in CMA-ME (1).

    Source: fontaine2023cmamae; settings: the authors' code (restart rule "basic", the best half as parents), with two
    differences: the samples of all emitters are one batch of the archive, as in pyribs, and one emitter, not 15, is the
    default, so that an iteration has the evaluations of the other algorithms; ``emitters=15`` is the paper's setting.
    CMA-ES is that of :class:`baselines.cma_me.CmaMe`. While the archive is empty, a restart is from the start mean.

    The harness's own archive, which is elitist, makes the score; so do the authors' results come from a second,
    elitist archive.

    Hyperparameters: ``sigma`` 0.5, ``archive_learning_rate`` 0.01, ``threshold_min`` (the lower end of the task's
    objective range), ``batch_size`` 36 of each emitter, ``emitters`` 1.
    """

    sigma: Float[Array, ""]
    archive_learning_rate: Float[Array, ""]
    threshold_min: Float[Array, ""]
    emitters: int = eqx.field(static=True)
    gap: int = eqx.field(static=True, metadata={"derived": True})
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """An empty archive and all distributions at the task's start mean."""
        mean = jnp.full(self.spec.dim, self.spec.start.mean, self.spec.precision)
        started = emitter.start(mean, self.sigma, self.iteration[0].size // self.emitters, self.gap)
        return State(annealed_archive.empty(self.spec, self.threshold_min), copies(started, self.emitters))

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """Samples the search distributions."""
        normals = normal(key, (batch.size, self.spec.dim), self.spec.precision)
        return together(each(emitter.sample, state.emitters, shares(normals, self.emitters))), state

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Inserts the batch, then adapts each distribution or starts it again."""
        archive, insertion = annealed_archive.insert(
            state.archive, self.archive_learning_rate, solutions, evaluation.objective, evaluation.measures
        )

        def adapt(number: Array, sampled: emitter.Emitter, rows: Array, inserted: Insertion) -> emitter.Emitter:
            return emitter.adapt(
                sampled,
                self.sigma,
                rows,
                inserted,
                num_parents=rows.shape[0] // 2,
                elite=lambda: annealed_archive.random_elite(derive(key, number), archive),
            )

        samples = shares((solutions, insertion.by_value()), self.emitters)
        return State(archive, each(adapt, jnp.arange(self.emitters), state.emitters, *samples))


def make(
    spec: TaskSpec,
    sigma: float = 0.5,
    archive_learning_rate: float = 0.01,
    threshold_min: float | None = None,
    batch_size: int = 36,
    emitters: int = 1,
) -> CmaMae:
    """Makes CMA-MAE; see :class:`CmaMae`.

    Raises:
        ValueError: If there is no emitter, or a batch has fewer than 2 solutions.
    """
    check_sizes("cma-mae", emitters, batch_size, least=2)
    return CmaMae(
        sigma=jnp.asarray(sigma, spec.precision),
        archive_learning_rate=jnp.asarray(archive_learning_rate, spec.precision),
        threshold_min=annealed_archive.least_threshold(spec, threshold_min),
        emitters=emitters,
        gap=emitter.decomposition_gap(spec.dim, batch_size),
        id="cma-mae",
        spec=spec.structure(),
        initial=(),
        iteration=(Batch("samples", emitters * batch_size),),
    )
