"""OG-MAP-Elites: MAP-Elites whose offspring also climb the objective's gradient (Fontaine & Nikolaidis 2021)."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from baselines.random_search import sample_start
from baselines.variation import Gaussian, IsoLine, Variation
from qdbench.archive import Archive, empty, insert
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.spec import TaskSpec


class State(eqx.Module):
    """The archive, and the solutions of the gradient step that come next."""

    archive: Archive
    climbed: Float[Array, "batch dim"]


class ObjectiveGradientMapElites(Optimizer):
    r"""Half of every iteration varies elites, the other half takes a gradient step from each of the offspring.

    With theta' a variation (Gaussian or line) of a random elite, :math:`\theta'' = \theta' + \eta \nabla f(\theta')`;
    theta' and theta'' are both evaluated and inserted. The gradient is not normalised. Source: fontaine2021dqd.

    Differences to the paper's text: eta multiplies the gradient of the objective f as the task defines it; the
    authors' code uses the gradient of -F or -Var, so their eta = 0.5 or 100 appears here multiplied by the factor
    between the two (see ``baselines.published``). The archive starts with 100 samples.

    Hyperparameters: ``sigma`` 0.5 (or ``iso_sigma`` 0.5 and ``line_sigma`` 0.2), ``learning_rate`` 1, ``batch_size``
    18 (evaluated twice an iteration), ``initial_size`` 100.
    """

    variation: Variation
    learning_rate: Float[Array, ""]
    id: str = eqx.field(static=True)
    spec: TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Key[Array, ""]) -> State:
        """An empty archive."""
        size = self.iteration[0].size
        return State(empty(self.spec), jnp.zeros((size, self.spec.dim), self.spec.precision))

    def ask(self, key: Key[Array, ""], state: State, batch: Batch) -> tuple[Array, State]:
        """The initial population, offspring, or offspring after their gradient step."""
        if batch in self.initial:
            return sample_start(key, self.spec, batch.size), state
        if batch.gradients:
            return self.variation(key, state.archive, batch.size), state
        return state.climbed, state

    def tell(self, key: Key[Array, ""], state: State, batch: Batch, solutions: Array, evaluation: Evaluation) -> State:
        """Inserts the batch and prepares the gradient step."""
        archive, _ = insert(state.archive, solutions, evaluation.objective, evaluation.measures)
        climbed = state.climbed
        if batch.gradients:
            climbed = solutions + self.learning_rate * evaluation.objective_gradient
        return State(archive, climbed)


def _make(
    id: str, spec: TaskSpec, variation: Variation, learning_rate: float, batch_size: int, initial_size: int
) -> ObjectiveGradientMapElites:
    return ObjectiveGradientMapElites(
        variation=variation,
        learning_rate=jnp.asarray(learning_rate, spec.precision),
        id=id,
        spec=spec.structure(),
        initial=(Batch("initial", initial_size),),
        iteration=(Batch("offspring", batch_size, gradients=True), Batch("climbed", batch_size)),
    )


def make(
    spec: TaskSpec, sigma: float = 0.5, learning_rate: float = 1.0, batch_size: int = 18, initial_size: int = 100
) -> ObjectiveGradientMapElites:
    """Makes OG-MAP-Elites; see :class:`ObjectiveGradientMapElites`."""
    variation = Gaussian(jnp.asarray(sigma, spec.precision))
    return _make("og-map-elites", spec, variation, learning_rate, batch_size, initial_size)


def make_line(
    spec: TaskSpec,
    iso_sigma: float = 0.5,
    line_sigma: float = 0.2,
    learning_rate: float = 1.0,
    batch_size: int = 18,
    initial_size: int = 100,
) -> ObjectiveGradientMapElites:
    """Makes OG-MAP-Elites (line); see :class:`ObjectiveGradientMapElites`."""
    variation = IsoLine(jnp.asarray(iso_sigma, spec.precision), jnp.asarray(line_sigma, spec.precision))
    return _make("og-map-elites-line", spec, variation, learning_rate, batch_size, initial_size)
