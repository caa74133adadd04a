"""CMA-MEGA, with plain gradient ascent or Adam (Fontaine & Nikolaidis 2021, Algorithm 1)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines.evolution.ascent import Adam, Ascent, Plain
from baselines.mega import emitter
from baselines.mega.gradients import normalized_gradients
from qdbench.archive import Archive, empty, insert, sample_solutions
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The archive, and the search position with the distribution of its branches."""

    archive: Archive
    emitter: emitter.Emitter


class CmaMega(Optimizer):
    r"""Covariance Matrix Adaptation MAP-Elites via a Gradient Arborescence.

    Every iteration

    1. evaluates the search position theta with gradients, inserts it, and normalises the k + 1 gradients;
    2. samples coefficients c_i from N(m, sigma^2 C) in R^(k + 1) and evaluates and inserts the branches
       :math:`\theta + c_{i,0} \nabla f + \sum_j c_{i,j} \nabla m_j`;
    3. ranks them by improvement (new cells first) and updates m, sigma and C by CMA-ES with the best half;
    4. moves theta by :math:`\eta (\sum_i w_i \theta'_i - \theta)`, or by Adam along that step;
    5. if no branch entered the archive or CMA-ES has collapsed, starts again from a random elite.

    Source: fontaine2021dqd, Algorithm 1. Differences to the paper's text, after the authors' code: sigma_g is a
    standard deviation; the batch has 35 branches beside theta, so an iteration costs 36 evaluations; the parents are
    the best 17 of the 35; the restart test looks at the branches only, follows the step of theta, and includes the
    stop criteria of CMA-ES. Differences to the authors' code: a batch is inserted as a whole (see
    :mod:`qdbench.archive`), the elite at a restart is a copy, Adam's step counter starts again at a restart, and the
    rank-one update is the textbook's (see :mod:`baselines.evolution.cma_core`). None of them changes Table 1 beyond
    the spread of repetitions.

    Hyperparameters: ``sigma_g`` 10, ``learning_rate`` 1 (Adam: 0.002), ``batch_size`` 36 with theta.
    """

    sigma_g: Float[Array, ""]
    ascent: Ascent
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """An empty archive and the search position at the start distribution's mean."""
        started = emitter.start(self.spec, self.sigma_g, self.ascent, self.iteration[1].size)
        return State(empty(self.spec), started)

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """The search position, or its branches."""
        if batch.gradients:
            return state.emitter.position[None], state
        normals = normal(key, (batch.size, 1 + self.spec.num_measures), self.spec.precision)
        branches, branched = emitter.branches(state.emitter, normals)
        return branches, State(state.archive, branched)

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Inserts the batch; after the branches, adapts the distribution and moves or restarts."""
        archive, insertion = insert(state.archive, solutions, evaluation.objective, evaluation.measures)
        if batch.gradients:
            gradients = normalized_gradients(evaluation)[0]
            return State(archive, eqx.tree_at(lambda e: e.gradients, state.emitter, gradients))
        adapted = emitter.adapt(
            state.emitter,
            self.sigma_g,
            self.ascent,
            insertion,
            elite=lambda: sample_solutions(key, archive, 1)[0],
            stuck=(insertion.status == 0).all(),
        )
        return State(archive, adapted)


def _make(id: str, spec: TaskSpec, sigma_g: float, ascent: Ascent, batch_size: int) -> CmaMega:
    return CmaMega(
        sigma_g=jnp.asarray(sigma_g, spec.precision),
        ascent=ascent,
        id=id,
        spec=spec.structure(),
        initial=(),
        iteration=(Batch("position", 1, gradients=True), Batch("branches", batch_size - 1)),
    )


def make(spec: TaskSpec, sigma_g: float = 10.0, learning_rate: float = 1.0, batch_size: int = 36) -> CmaMega:
    """Makes CMA-MEGA; see :class:`CmaMega`."""
    return _make("cma-mega", spec, sigma_g, Plain(jnp.asarray(learning_rate, spec.precision)), batch_size)


def make_adam(spec: TaskSpec, sigma_g: float = 10.0, learning_rate: float = 0.002, batch_size: int = 36) -> CmaMega:
    """Makes CMA-MEGA (Adam); see :class:`CmaMega`."""
    return _make("cma-mega-adam", spec, sigma_g, Adam(jnp.asarray(learning_rate, spec.precision)), batch_size)
