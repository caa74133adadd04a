"""evosax's learned GA behind the protocol is evosax's learned GA."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdbench.protocols import precision_of
from qdbench.random import derive
from tests.baselines.driving import drive, function_task, make, sphere

pytest.importorskip("evosax")


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_solutions_are_evosaxs(precision: str) -> None:
    from evosax.algorithms import LearnedGA

    dim, size, sigma = 4, 8, 0.3
    task = function_task(sphere, dim, precision)
    theirs = LearnedGA(population_size=size, solution=jnp.zeros(dim))
    with precision_of(task.spec):
        theirs.lga_params = jax.tree.map(lambda leaf: jnp.asarray(leaf, precision), theirs.lga_params)
        params = theirs.default_params.replace(std_init=jnp.asarray(sigma, precision))
        state = None
        for step in drive(task, make("evosax-lga", task, batch_size=size, sigma=sigma), 5):
            fitness = -jnp.asarray(step.objective)
            if state is None:
                state = theirs.init(derive(step.tell_key, 1), jnp.asarray(step.solutions), fitness, params)
                continue
            solutions, state = theirs.ask(derive(step.ask_key, 0), state, params)
            np.testing.assert_allclose(step.solutions, solutions, rtol=1e-5, atol=1e-6)
            state, _ = theirs.tell(derive(step.tell_key, 0), jnp.asarray(step.solutions), fitness, state, params)


def test_what_is_not_finite_does_not_spread() -> None:
    task = function_task(lambda x: jnp.where(x[..., 0] > 0, jnp.nan, sphere(x)), 3, "float32")
    with precision_of(task.spec):
        for step in drive(task, make("evosax-lga", task, batch_size=8), 10):
            assert np.isfinite(step.solutions).all()
