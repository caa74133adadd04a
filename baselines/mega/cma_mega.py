"""CMA-MEGA, with plain gradient ascent or Adam (Fontaine & Nikolaidis 2021, Algorithm 1)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from baselines.evolution import cma_core
from baselines.evolution.ascent import Adam, Ascent, Plain
from baselines.mega.gradients import branch, normalized_gradients
from qdbench.archive import Archive, empty, improvement_rank, insert, sample_solutions
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The archive, the search position with its gradients, and the distribution of the gradient coefficients."""

    archive: Archive
    position: Float[Array, " dim"]
    gradients: Float[Array, "rows dim"]
    coefficients: Float[Array, "batch rows"]
    paths: cma_core.Paths
    covariance: Float[Array, "rows rows"]
    factors: cma_core.Factors
    ascent: Any
    restarts: Array


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

    @property
    def rows(self) -> int:
        """Number of gradients, k + 1."""
        return 1 + self.spec.num_measures

    def _fresh(self) -> tuple[cma_core.Paths, Array, cma_core.Factors]:
        """The coefficient distribution at a start: N(0, sigma_g^2 I)."""
        identity = jnp.eye(self.rows, dtype=self.spec.precision)
        paths = cma_core.start_paths(jnp.zeros(self.rows, self.spec.precision), self.sigma_g)
        return paths, identity, cma_core.Factors(identity, jnp.ones(self.rows, self.spec.precision))

    def init(self, key: Key[Array, ""]) -> State:
        """An empty archive and the search position at the start distribution's mean."""
        precision = self.spec.precision
        position = jnp.full(self.spec.dim, self.spec.start.mean, precision)
        paths, covariance, factors = self._fresh()
        return State(
            archive=empty(self.spec),
            position=position,
            gradients=jnp.zeros((self.rows, self.spec.dim), precision),
            coefficients=jnp.zeros((self.iteration[1].size, self.rows), precision),
            paths=paths,
            covariance=covariance,
            factors=factors,
            ascent=self.ascent.init(position),
            restarts=jnp.zeros((), jnp.int32),
        )

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """The search position, or its branches."""
        if batch.gradients:
            return state.position[None], state
        normals = normal(key, (batch.size, self.rows), self.spec.precision)
        coefficients = state.paths.mean + state.paths.sigma * cma_core.transform(state.factors, normals)
        branches = branch(state.position[None], state.gradients[None], coefficients)
        return branches, eqx.tree_at(lambda s: s.coefficients, state, coefficients)

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Inserts the batch; after the branches, adapts the distribution and moves or restarts."""
        archive, insertion = insert(state.archive, solutions, evaluation.objective, evaluation.measures)
        if batch.gradients:
            gradients = normalized_gradients(evaluation)[0]
            return eqx.tree_at(lambda s: (s.archive, s.gradients), state, (archive, gradients))

        rank = improvement_rank(insertion)
        weights = cma_core.weights_by_rank(rank, batch.size // 2, self.spec.precision)
        rate = cma_core.rates(weights, self.rows)
        steps = (state.coefficients - state.paths.mean) / state.paths.sigma
        mean_step = weights @ steps
        whitened = cma_core.whiten(state.factors, mean_step)
        paths, h_sigma = cma_core.update_paths(state.paths, rate, mean_step, whitened)
        covariance = cma_core.update_covariance(state.covariance, rate, h_sigma, paths.p_c, weights, steps)
        factors = cma_core.decompose(covariance)
        # The weights sum to 1, so the weighted branches less theta are the mean coefficients times the gradients.
        step = branch(jnp.zeros((1, self.spec.dim), self.spec.precision), state.gradients[None], paths.mean[None])[0]
        position, ascent = self.ascent.move(state.ascent, state.position, step)

        collapsed = cma_core.should_stop(paths.sigma, factors.scales, *insertion, rank)
        restart = (insertion.status == 0).all() | collapsed
        position = lax.cond(restart, lambda: sample_solutions(key, archive, 1)[0], lambda: position)
        adapted = (paths, covariance, factors, ascent)
        fresh = (*self._fresh(), self.ascent.init(position))
        paths, covariance, factors, ascent = jax.tree.map(lambda a, b: jnp.where(restart, a, b), fresh, adapted)
        return State(
            archive=archive,
            position=position,
            gradients=state.gradients,
            coefficients=state.coefficients,
            paths=paths,
            covariance=covariance,
            factors=factors,
            ascent=ascent,
            restarts=state.restarts + restart,
        )


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
