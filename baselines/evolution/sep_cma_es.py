"""Separable CMA-ES (Ros & Hansen 2008)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Key

from baselines import ranking
from baselines.evolution import cma_core
from baselines.random_search import sample_start
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.random import normal
from qdbench.spec import TaskSpec

_VARIANCE_LIMITS = (1e-30, 1e30)


class State(eqx.Module):
    """The search distribution, its variances less sigma^2, and the last batch's steps ``(x - mean) / sigma``."""

    paths: cma_core.Paths
    variances: Float[Array, " dim"]
    steps: Float[Array, "batch dim"]


class SepCmaEs(Optimizer):
    r"""CMA-ES whose covariance is a diagonal matrix, learnt faster.

    The rule is that of :mod:`baselines.evolution.cma_core` with the tutorial's step size and C = diag(d), so that an
    iteration is linear in n,

    .. math::
        d \leftarrow (1 - c_1 (1 - (1 - h_\sigma) c_c (2 - c_c)) - c_\mu) d + c_1 p_c^2 + c_\mu \sum_i w_i y_i^2,

    where squares are element by element and the fewer numbers to learn allow for larger learning rates:
    :math:`c_1 = \min(1, s c_1^{full})` and :math:`c_\mu = \min(1 - c_1, s c_\mu^{full})` with :math:`s = (n + 2) / 3`.
    The start is a sample of the task's start distribution, with d = 1.

    Source: ros2008sepcma; constants: hansen2016tutorial. Differences: ros2008sepcma multiply the learning rate of
    their time, which c_1 and c_mu have replaced since. evosax 0.3.2's Sep_CMA_ES leaves s out (``speedup`` 1 does,
    too, and then the two are the same to statistics) and adds 1e-8 to d in every iteration. Step size and variances
    stay within limits that keep them finite.

    Hyperparameters: ``sigma`` 0.5, ``batch_size`` 4 + floor(3 ln n), ``speedup`` (s) (n + 2) / 3.
    """

    sigma: Float[Array, ""]
    speedup: Float[Array, ""]
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """N(x, sigma^2 I) with x from the task's start distribution."""
        mean = sample_start(key, self.spec, 1)[0]
        steps = jnp.zeros((self.iteration[0].size, self.spec.dim), self.spec.precision)
        return State(cma_core.start_paths(mean, self.sigma), jnp.ones_like(mean), steps)

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """Samples the search distribution."""
        steps = jnp.sqrt(state.variances) * normal(key, (batch.size, self.spec.dim), self.spec.precision)
        solutions = state.paths.mean + state.paths.sigma * steps
        return solutions, State(state.paths, state.variances, steps)

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Adapts the distribution."""
        dim = self.spec.dim
        table = cma_core.weights_by_rank(jnp.arange(batch.size), batch.size // 2, self.spec.precision)
        weights = table[ranking.rank(evaluation.objective)]
        rate = cma_core.rates(table, dim)
        c_1 = jnp.minimum(1, self.speedup * rate.c_1)
        rate = rate._replace(c_1=c_1, c_mu=jnp.minimum(1 - c_1, self.speedup * rate.c_mu))

        # One product for the mean of the steps and that of their squares.
        both = jnp.concatenate([state.steps, state.steps * state.steps], axis=1)
        means = jnp.matmul(jnp.stack([weights, weights]), both, precision=lax.Precision.HIGHEST)[0]
        mean_step, rank_mu = means[:dim], means[dim:]
        paths, h_sigma = cma_core.update_paths(
            state.paths, rate, mean_step, mean_step / jnp.sqrt(state.variances), squared=False
        )
        variances = (
            cma_core.decay(rate, h_sigma) * state.variances + rate.c_1 * paths.p_c * paths.p_c + rate.c_mu * rank_mu
        )
        limits = np.asarray(_VARIANCE_LIMITS, self.spec.precision)
        return State(cma_core.limit_sigma(paths), jnp.clip(variances, *limits), state.steps)

    def collapsed(self, state: State) -> Bool[Array, ""]:
        """Whether a run is at its end: see :func:`baselines.evolution.cma_core.is_degenerate`."""
        return cma_core.is_degenerate(state.paths.sigma, jnp.sqrt(state.variances))


def make(spec: TaskSpec, sigma: float = 0.5, batch_size: int | None = None, speedup: float | None = None) -> SepCmaEs:
    """Makes the optimizer; see :class:`SepCmaEs`."""
    size = cma_core.checked_batch_size("sep-cma-es", spec.dim, batch_size)
    return SepCmaEs(
        sigma=jnp.asarray(sigma, spec.precision),
        speedup=jnp.asarray((spec.dim + 2) / 3 if speedup is None else speedup, spec.precision),
        id="sep-cma-es",
        spec=spec.structure(),
        initial=(),
        iteration=(Batch("samples", size),),
    )
