"""Measures the scaling of observations that the tasks of control have as constants, and writes it into the package.

Run it with ``python -m scripts.measure_observations``; a change of the file is a new version of the tasks. Of each
environment, 256 episodes of at most 500 steps are run with random actions: each component is a random walk with
reflections, so that robots move as far as without a plan they can. Mean and standard deviation are over all steps
before an episode's end.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from qdbench.random import derive, key_from_names, uniform
from qdbench.tasks.neuroevolution import observations
from qdbench.tasks.neuroevolution.brax import ENVIRONMENTS
from qdbench.tasks.neuroevolution.environment import Environment
from qdbench.tasks.neuroevolution.pendulum import Pendulum

_EPISODES, _STEPS, _STEP_SIZE, _DIGITS = 256, 500, 0.5, 4


def measure(environment: Environment) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every component of the observation."""
    keys = jax.vmap(functools.partial(derive, key_from_names("observations", environment.name)))(jnp.arange(_EPISODES))
    observed, counted = jax.device_get(jax.jit(jax.vmap(functools.partial(_episode, environment)))(keys))
    counted = counted & np.isfinite(observed).all(axis=-1)
    rows = observed[counted].astype(np.float64)
    return rows.mean(axis=0), rows.std(axis=0)


def _episode(environment: Environment, key: Any) -> tuple[Any, Any]:
    state = environment.reset(derive(key, 0), jnp.int32(0))

    def body(carry: tuple[Any, Any, Any], number: Any) -> tuple[tuple[Any, Any, Any], tuple[Any, Any]]:
        state, walk, alive = carry
        walk = walk + _STEP_SIZE * (2 * uniform(derive(key, 1, number), walk.shape) - 1)
        walk = jnp.where(jnp.abs(walk) > 1, 2 * jnp.sign(walk) - walk, walk)
        record = environment.observe(state), alive
        after = environment.step(state, walk, jnp.zeros(0))
        return (after.state, walk, alive & ~after.terminated), record

    start = state, jnp.zeros(environment.num_actions), jnp.ones((), bool)
    _, records = lax.scan(body, start, jnp.arange(_STEPS))
    return records


def main() -> None:
    """Measures all and writes the file."""
    table = {}
    for environment in (Pendulum(), *(make() for make in ENVIRONMENTS.values())):
        mean, deviation = measure(environment)
        scale = np.maximum(deviation, observations.SMALLEST_SCALE)
        table[environment.name] = {"mean": _rounded(mean), "scale": _rounded(scale)}
    path = Path(observations.__file__).with_name(observations.FILE)
    path.write_text(json.dumps(table, indent=1) + "\n")


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]


if __name__ == "__main__":
    main()
