"""Fixed scaling of observations: constants of the tasks, so that an objective depends on nothing but its solution.

A network sees ``clip((observation - mean) / scale, -10, 10)``. Means and standard deviations (of at least 0.01) were
measured once by ``python -m scripts.measure_observations`` and are part of the tasks' version. Statistics that are
updated during a search, as in the paper's code, would make the objective of a solution depend on those before it.
MinAtar's observations are zeros and ones and stay as they are.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

CLIP = 10.0
SMALLEST_SCALE = 0.01
FILE = "observations.json"


def normalise(environment: str, observation: Float[Array, ...]) -> Float[Array, ...]:
    """The observation of an environment as its networks see it."""
    constants = _constants().get(environment)
    if constants is None:
        return observation
    mean, scale = constants
    return jnp.clip((observation - mean) / scale, -CLIP, CLIP)


@cache
def _constants() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    text = resources.files("qdbench.tasks.neuroevolution").joinpath(FILE).read_text()
    return {
        name: (np.asarray(entry["mean"], np.float32), np.asarray(entry["scale"], np.float32))
        for name, entry in json.loads(text).items()
    }
