"""The tasks on models that come with qdbench: values, gradients and settings."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import qdbench
from qdbench.protocols import precision_of
from tests.reference import tasks as references

DIMS = {"LSI-Digits-v0": 128, "LSI-Digits-CLIP-v0": 128, "LSI-Fashion-v0": 256}
IDS = list(DIMS)


def points(dim: int) -> np.ndarray:
    """Zero, points of the prior's scale, and one far outside of it."""
    rng = np.random.default_rng(0)
    return np.concatenate([np.zeros((1, dim)), rng.normal(size=(6, dim)), 3 * rng.normal(size=(1, dim))])


@pytest.mark.parametrize("id", IDS)
def test_float64_equals_numpy_and_slopes_are_those_of_differences(id: str) -> None:
    task = qdbench.make(id, precision="float64")
    theta = points(DIMS[id])
    with precision_of(task.spec):
        evaluate = jax.jit(lambda x: task.evaluate(None, x, gradients=True))
        result = evaluate(theta)
        expected = references.evaluate(id, theta, **task.spec.arguments)
        np.testing.assert_allclose(result.objective, expected.objective, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(result.measures, expected.measures, rtol=1e-6, atol=1e-6)
        direction = np.random.default_rng(1).normal(size=theta.shape)
        up, down = evaluate(theta + 1e-6 * direction), evaluate(theta - 1e-6 * direction)
    slope = (np.asarray(up.objective) - np.asarray(down.objective)) / 2e-6
    np.testing.assert_allclose(
        (np.asarray(result.objective_gradient) * direction).sum(axis=1), slope, rtol=1e-4, atol=1e-5
    )
    slopes = (np.asarray(up.measures) - np.asarray(down.measures)) / 2e-6
    found = (np.asarray(result.measures_jacobian) * direction[:, None]).sum(axis=2)
    np.testing.assert_allclose(found, slopes, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("id", IDS)
def test_standard_settings(id: str) -> None:
    spec = qdbench.make(id).spec
    assert (spec.dim, spec.archive_shape, spec.budget, spec.objective_range) == (
        DIMS[id],
        (100, 100),
        360_100,
        (0, 100),
    )
    assert (spec.precision, spec.differentiable, spec.deterministic) == ("float32", True, True)
    assert (spec.start.kind, spec.start.mean, spec.start.scale) == ("normal", 0, 1)


@pytest.mark.parametrize("id", IDS)
def test_objectives_stay_in_their_range_and_fall_far_from_the_prior(id: str) -> None:
    task = qdbench.make(id)
    theta = np.random.default_rng(0).normal(size=(64, DIMS[id]))
    near, far = (np.asarray(task.evaluate(None, scale * theta).objective) for scale in (0.9, 4.0))
    assert near.min() >= 0
    assert near.max() <= 100
    assert far.max() < 1e-4
