"""Episodes in lanes are the episodes that run side by side."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qdbench
from qdbench.tasks.neuroevolution.lanes import run_in_lanes
from qdbench.tasks.neuroevolution.rollout import run_episodes

ROWS, ROLLOUTS = 7, 3


@pytest.fixture(scope="module")
def episodes() -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Networks that lose Asterix sooner or later, in episodes with chance in them."""
    task: Any = qdbench.make("Neuro-Asterix-v0", budget="smoke")
    solutions = np.random.default_rng(0).normal(size=(ROWS, task.spec.dim)).astype(np.float32) * 0.1
    keys = jax.random.split(jax.random.key(1), (ROWS, ROLLOUTS))
    what = (task.environment, task.architecture, task.measure_set, jnp.asarray(solutions))
    how = {"keys": keys, "numbers": jnp.zeros((ROWS, ROLLOUTS), jnp.int32), "steps": jnp.int32(150)}
    return what, how


@pytest.mark.parametrize(("lanes", "valid"), [(1, ROWS), (4, ROWS), (5, 3), (ROWS * ROLLOUTS, ROWS)])
def test_they_are_those_side_by_side(episodes: Any, lanes: int, valid: int) -> None:
    what, how = episodes
    expected = run_episodes(*what, **how)
    found = run_in_lanes(*what, **how, valid=jnp.int32(valid), count=lanes)
    lengths = np.asarray(expected.length)
    assert len(np.unique(lengths)) > 5
    assert lengths.max() <= 150
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours[:valid], theirs[:valid], rtol=1e-6)
    # Nothing was run of the others.
    assert not np.asarray(found.length[valid:]).any()


def test_steps_end_an_episode(episodes: Any) -> None:
    what, how = episodes
    found = run_in_lanes(*what, **{**how, "steps": jnp.int32(4)}, valid=jnp.int32(ROWS), count=4)
    assert (np.asarray(found.length) == 4).all()
