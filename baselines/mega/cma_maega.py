"""CMA-MAEGA, with plain gradient ascent or Adam (Fontaine & Nikolaidis 2023)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines import annealed_archive
from baselines.annealed_archive import AnnealedArchive
from baselines.emitters import check_sizes, copies, each, shares, together
from baselines.evolution.ascent import Adam, Ascent, Plain
from baselines.mega import emitter
from baselines.mega.gradients import normalized_gradients
from qdbench.archive import Insertion
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import derive, normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The annealed archive, and the search positions with the distributions of their branches, stacked."""

    archive: AnnealedArchive
    emitters: emitter.Emitter


class CmaMaega(Optimizer):
    r"""Covariance Matrix Adaptation MAP-Annealing via a Gradient Arborescence.

    CMA-MEGA (see :class:`baselines.mega.cma_mega.CmaMega`) with the annealed archive of CMA-MAE (see
    :mod:`baselines.annealed_archive`): branches are ranked by their objective less the threshold of their cell, whether
    the cell is new or not, and theta starts again from a random elite only if CMA-ES has collapsed.

    Source: fontaine2023cmamae; settings: the authors' code (restart rule "basic"). Differences to it: the positions of
    all emitters are one batch of the archive and their branches are another, as in pyribs; one emitter, not 15, is the
    default, so that an iteration has the evaluations of the other algorithms (``emitters=15`` is the paper's setting);
    and those of CMA-MEGA. The Adam form on linear projection and the arm is not in the paper; its settings here are
    those of CMA-MEGA (Adam). While the archive is empty, a restart is from the start mean.

    Hyperparameters: ``sigma_g`` 10, ``learning_rate`` 1 (Adam: 0.002), ``archive_learning_rate`` 0.01,
    ``threshold_min`` (the lower end of the task's objective range), ``batch_size`` 36 of each emitter with theta,
    ``emitters`` 1.
    """

    sigma_g: Float[Array, ""]
    ascent: Ascent
    archive_learning_rate: Float[Array, ""]
    threshold_min: Float[Array, ""]
    emitters: int = eqx.field(static=True)
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """An empty archive and all search positions at the start distribution's mean."""
        started = emitter.start(self.spec, self.sigma_g, self.ascent, self.iteration[1].size // self.emitters)
        return State(annealed_archive.empty(self.spec, self.threshold_min), copies(started, self.emitters))

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """The search positions, or their branches."""
        if batch.gradients:
            return state.emitters.position, state
        normals = normal(key, (batch.size, 1 + self.spec.num_measures), self.spec.precision)
        branches, branched = each(emitter.branches, state.emitters, shares(normals, self.emitters))
        return together(branches), State(state.archive, branched)

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Inserts the batch; after the branches, adapts each distribution and moves or restarts it."""
        archive, insertion = annealed_archive.insert(
            state.archive, self.archive_learning_rate, solutions, evaluation.objective, evaluation.measures
        )
        if batch.gradients:
            gradients = normalized_gradients(evaluation)
            return State(archive, eqx.tree_at(lambda e: e.gradients, state.emitters, gradients))

        def adapt(number: Array, branched: emitter.Emitter, inserted: Insertion) -> emitter.Emitter:
            return emitter.adapt(
                branched,
                self.sigma_g,
                self.ascent,
                inserted,
                elite=lambda: annealed_archive.random_elite(derive(key, number), archive),
            )

        inserted = shares(insertion.by_value(), self.emitters)
        return State(archive, each(adapt, jnp.arange(self.emitters), state.emitters, inserted))


def _make(
    id: str,
    spec: TaskSpec,
    sigma_g: float,
    ascent: Ascent,
    archive_learning_rate: float,
    threshold_min: float | None,
    batch_size: int,
    emitters: int,
) -> CmaMaega:
    check_sizes(id, emitters, batch_size, least=3)
    return CmaMaega(
        sigma_g=jnp.asarray(sigma_g, spec.precision),
        ascent=ascent,
        archive_learning_rate=jnp.asarray(archive_learning_rate, spec.precision),
        threshold_min=annealed_archive.least_threshold(spec, threshold_min),
        emitters=emitters,
        id=id,
        spec=spec.structure(),
        initial=(),
        iteration=(
            Batch("positions", emitters, gradients=True),
            Batch("branches", emitters * (batch_size - 1)),
        ),
    )


def make(
    spec: TaskSpec,
    sigma_g: float = 10.0,
    learning_rate: float = 1.0,
    archive_learning_rate: float = 0.01,
    threshold_min: float | None = None,
    batch_size: int = 36,
    emitters: int = 1,
) -> CmaMaega:
    """Makes CMA-MAEGA; see :class:`CmaMaega`.

    Raises:
        ValueError: If there is no emitter, or a batch has fewer than 3 solutions.
    """
    ascent = Plain(jnp.asarray(learning_rate, spec.precision))
    return _make("cma-maega", spec, sigma_g, ascent, archive_learning_rate, threshold_min, batch_size, emitters)


def make_adam(
    spec: TaskSpec,
    sigma_g: float = 10.0,
    learning_rate: float = 0.002,
    archive_learning_rate: float = 0.01,
    threshold_min: float | None = None,
    batch_size: int = 36,
    emitters: int = 1,
) -> CmaMaega:
    """Makes CMA-MAEGA (Adam); see :class:`CmaMaega`.

    Raises:
        ValueError: If there is no emitter, or a batch has fewer than 3 solutions.
    """
    ascent = Adam(jnp.asarray(learning_rate, spec.precision))
    return _make("cma-maega-adam", spec, sigma_g, ascent, archive_learning_rate, threshold_min, batch_size, emitters)
