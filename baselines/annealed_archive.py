r"""The annealed archive of CMA-MAE: a cell accepts what is above its threshold, which follows what it accepts.

Every cell e has a threshold :math:`t_e` beside its elite; it starts at a minimum. A solution of objective f that falls
into the cell is accepted if :math:`f > t_e`, replaces the elite even if that is better, and raises the threshold by the
archive's learning rate alpha:

.. math:: t_e \leftarrow (1 - \alpha) t_e + \alpha f.

Its improvement value is :math:`f - t_e`. With alpha = 1 the threshold is the elite's objective, as in MAP-Elites; with
alpha = 0 thresholds stay and values rank as objectives do. A batch is compared with the thresholds before it, and of
what a cell accepts the best becomes the elite (the first among equals). Of k accepted solutions with mean objective f,
the threshold becomes

.. math:: t_e \leftarrow (1 - \alpha)^k t_e + (1 - (1 - \alpha)^k) \bar f.

Source: fontaine2023cmamae; the batch rule is pyribs', after the paper's appendix, and equals the rule above for k = 1.
The authors' experiments insert one solution after another, and their code accepts a solution also if its cell is empty
or its elite worse, whatever the threshold; the paper's algorithm and pyribs do not.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from qdbench import archive as elitist
from qdbench.archive import Archive, Insertion
from qdbench.spec import TaskSpec


class AnnealedArchive(eqx.Module):
    """The last accepted solutions, and the threshold of each cell.

    Attributes:
        elites: What each cell holds: the best of the last batch of which it accepted something.
        threshold: ``(cells,)``.
    """

    elites: Archive
    threshold: Float[Array, " cells"]


def least_threshold(spec: TaskSpec, threshold_min: float | None) -> Float[Array, ""]:
    """The given minimum of the thresholds, or the lower end of the task's objective range."""
    return jnp.asarray(spec.objective_range[0] if threshold_min is None else threshold_min, spec.precision)


def empty(spec: TaskSpec, threshold_min: Float[Array, ""]) -> AnnealedArchive:
    """An archive without solutions, all of whose thresholds are the minimum."""
    return AnnealedArchive(elitist.empty(spec), jnp.full(spec.cells, threshold_min, spec.precision))


def insert(
    archive: AnnealedArchive,
    learning_rate: Float[Array, ""],
    solutions: Float[Array, "batch dim"],
    objective: Float[Array, " batch"],
    measures: Float[Array, "batch k"],
) -> tuple[AnnealedArchive, Insertion]:
    """Inserts a batch; the insertion's value is the difference to the threshold, also in a new cell.

    Solutions whose objective or measures are not finite are not added.
    """
    cells, objective = elitist.locate(archive.elites.spec, objective, measures)
    threshold = archive.threshold[cells]
    accepted = objective > threshold
    elites, status = elitist.place(archive.elites, cells, accepted, solutions, objective, measures)
    raised = _raise(threshold, learning_rate, cells, accepted, objective)
    # One index beyond the archive drops a row; accepted solutions of one cell have one new threshold.
    target = jnp.where(accepted, cells, archive.threshold.shape[0])
    thresholds = archive.threshold.at[target].set(raised, mode="drop")
    return AnnealedArchive(elites, thresholds), Insertion(status, objective - threshold)


def random_elite(key: Key[Array, ""], archive: AnnealedArchive) -> Float[Array, " dim"]:
    """A uniformly random elite, or the mean of the task's start distribution while there is none."""
    elite = elitist.sample_solutions(key, archive.elites, 1)[0]
    return jnp.where(archive.elites.size > 0, elite, archive.elites.spec.start.mean)


def _raise(
    threshold: Float[Array, " batch"],
    learning_rate: Float[Array, ""],
    cells: Int[Array, " batch"],
    accepted: Bool[Array, " batch"],
    objective: Float[Array, " batch"],
) -> Float[Array, " batch"]:
    """The new threshold of the cell of each accepted solution."""
    together = (cells[None, :] == cells[:, None]) & accepted[None, :]
    count = jnp.maximum(together.sum(axis=1), 1).astype(threshold.dtype)
    mean = jnp.where(together, objective[None, :], 0).sum(axis=1) / count
    keep = (1 - learning_rate) ** count
    return keep * threshold + (1 - keep) * mean
