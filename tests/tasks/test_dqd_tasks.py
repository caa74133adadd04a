"""LP-Sphere, LP-Rastrigin and Arm against NumPy, closed forms, finite differences and autodiff."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import qdbench
from qdbench.protocols import precision_of
from qdbench.tasks.linear_projection import worst
from tests.reference import tasks as reference

IDS = ("LP-Sphere-v0", "LP-Rastrigin-v0", "Arm-v0")
DIMS = (2, 3, 10, 1000)
# Float32 tolerances relative to the scale of each quantity: rounding of n terms, and for the arm the angle's own
# rounding (an absolute angle of up to 100 radians has a unit in the last place of 8e-6).
TOLERANCE = {"float32": 3e-5, "float64": 1e-11}


def points(dim: int, seed: int = 0) -> np.ndarray:
    """Rows inside, outside, on both sides of and exactly on the clip boundary +-5.12, and special ones."""
    rng = np.random.default_rng(seed)
    inside = rng.uniform(-5.1, 5.1, (3, dim))
    outside = rng.uniform(5.2, 9, (2, dim)) * rng.choice([-1, 1], (2, dim))
    mixed = rng.normal(0, 5, (3, dim))
    boundary = rng.choice([-5.12, 5.12], (2, dim))
    special = np.array([np.zeros(dim), np.full(dim, 2.048), np.full(dim, -5.12), np.full(dim, 5.12)])
    return np.concatenate([inside, outside, mixed, boundary, special])


def close(actual: object, expected: np.ndarray, precision: str, scale: float) -> None:
    np.testing.assert_allclose(
        np.asarray(actual), expected, rtol=TOLERANCE[precision], atol=TOLERANCE[precision] * scale
    )


def float32_safe(dim: int, precision: str) -> np.ndarray:
    """Points that float32 represents without crossing the boundary: there the rounded value itself is the input."""
    theta = points(dim)
    return theta if precision == "float64" else theta.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("id", IDS)
def test_against_numpy(id: str, dim: int, precision: str) -> None:
    task = qdbench.make(id, dim=dim, precision=precision)
    theta = float32_safe(dim, precision)
    if precision == "float32" and id != "Arm-v0":
        # float32(5.12) is greater than 5.12 but equal to the bound in float32: it counts as on the boundary, inside.
        theta = np.where(np.abs(np.abs(theta) - 5.12) < 1e-6, np.sign(theta) * 5.12, theta)
    expected = reference.evaluate(id, theta)
    result = task.evaluate(None, theta, gradients=True)
    assert result.objective.dtype == result.measures.dtype == precision
    assert result.objective_gradient.dtype == result.measures_jacobian.dtype == precision
    # The arm's float32 angles are sums of up to 1000 numbers, whose rounding moves every sine and cosine.
    angle = 1 + np.abs(np.cumsum(theta, axis=1)).max() if id == "Arm-v0" else 1
    close(result.objective, expected.objective, precision, 100)
    close(result.measures, expected.measures, precision, dim * angle)
    close(result.objective_gradient, expected.objective_gradient, precision, np.abs(expected.objective_gradient).max())
    close(result.measures_jacobian, expected.measures_jacobian, precision, dim * angle if id == "Arm-v0" else 1)


@pytest.mark.parametrize("id", ["LP-Sphere-v0", "LP-Rastrigin-v0"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_clip_boundary_is_strict(id: str, precision: str) -> None:
    task = qdbench.make(id, dim=2, precision=precision)
    kind = np.dtype(precision).type
    bound = kind(5.12)
    above = np.nextafter(bound, kind(9))
    theta = np.array([[bound, -bound], [above, -above]], precision)
    result = task.evaluate(None, theta, gradients=True)
    # On the boundary the value itself counts; one unit beyond, its reciprocal: 5.12 / 5.12 = 1.
    np.testing.assert_array_equal(np.asarray(result.measures[0]), theta[0])
    np.testing.assert_allclose(np.asarray(result.measures[1]), [1, -1], rtol=1e-6)
    np.testing.assert_allclose(np.diagonal(np.asarray(result.measures_jacobian[0])), [1, 1])
    np.testing.assert_allclose(np.diagonal(np.asarray(result.measures_jacobian[1])), [-1 / 5.12] * 2, rtol=1e-6)


@pytest.mark.parametrize("dim", [2, 3, 1000])
@pytest.mark.parametrize("id", ["LP-Sphere-v0", "LP-Rastrigin-v0"])
def test_linear_projection_closed_forms(id: str, dim: int) -> None:
    task = qdbench.make(id, dim=dim, precision="float64")
    theta = np.stack([np.full(dim, 2.048), np.full(dim, -5.12), np.zeros(dim), np.full(dim, 5.12), np.full(dim, -9.0)])
    result = task.evaluate(None, theta, gradients=True)
    objective, measures = np.asarray(result.objective), np.asarray(result.measures)
    assert objective[0] == pytest.approx(100, abs=1e-10)
    assert objective[1] == pytest.approx(0, abs=1e-10)
    at_zero = {"LP-Sphere-v0": 91.837, "LP-Rastrigin-v0": 91.771}[id]
    assert objective[2] == pytest.approx(at_zero, abs=5e-4)
    assert objective[4] < 0  # not clipped
    np.testing.assert_allclose(np.asarray(result.objective_gradient[0]), 0, atol=1e-10)
    # The corners of the box reach the corners of the measure space, and the bounds are those of the spec.
    low = [measure.low for measure in task.spec.measures]
    high = [measure.high for measure in task.spec.measures]
    np.testing.assert_allclose(measures[1], low, rtol=1e-12)
    np.testing.assert_allclose(measures[3], high, rtol=1e-12)
    np.testing.assert_allclose(high, [5.12 * (dim // 2), 5.12 * (dim - dim // 2)], rtol=1e-15)
    assert (measures >= np.array(low) - 1e-9).all()
    assert (measures <= np.array(high) + 1e-9).all()


def test_linear_projection_worst_values() -> None:
    assert worst("sphere", 1000) == pytest.approx(51380.224, rel=1e-12)
    assert worst("rastrigin", 1000) == pytest.approx(56452.951, abs=5e-4)


@pytest.mark.parametrize("dim", [1, 3, 1000])
def test_arm_closed_forms(dim: int) -> None:
    task = qdbench.make("Arm-v0", dim=dim, precision="float64")
    quarter = np.zeros(dim)
    quarter[0] = np.pi / 2
    polygon = np.full(dim, 2 * np.pi / max(dim, 2))  # a closed regular polygon ends where it began
    result = task.evaluate(None, np.stack([np.zeros(dim), quarter, polygon]), gradients=True)
    objective, measures = np.asarray(result.objective), np.asarray(result.measures)
    assert objective[0] == 100
    np.testing.assert_allclose(measures[0], [dim, 0], atol=1e-9)
    np.testing.assert_allclose(measures[1], [0, dim], atol=1e-9 * dim)
    if dim > 1:
        assert objective[2] == pytest.approx(100, abs=1e-9)
        np.testing.assert_allclose(measures[2], 0, atol=1e-9 * dim)
    np.testing.assert_allclose(np.asarray(result.objective_gradient[0]), 0, atol=1e-12)
    np.testing.assert_allclose(np.asarray(result.measures_jacobian[0, 0]), 0, atol=1e-12)
    np.testing.assert_allclose(np.asarray(result.measures_jacobian[0, 1]), dim - np.arange(dim), rtol=1e-12)
    assert [(m.low, m.high) for m in task.spec.measures] == [(-dim, dim)] * 2


def test_arm_measures_stay_on_the_disc() -> None:
    theta = np.random.default_rng(1).normal(0, 1, (200, 20))
    measures = np.asarray(qdbench.make("Arm-v0", dim=20).evaluate(None, theta).measures)
    assert (np.hypot(*measures.T) <= 20 * (1 + 1e-5)).all()
    assert np.hypot(*measures.T).max() > 5


def _ceilings() -> tuple[float, int]:
    """LP-Sphere's best QD-score with constant halves, and the number of cells that the arm's disc meets."""
    edges = np.linspace(-5.12, 5.12, 101)
    nearest = np.clip(2.048, edges[:-1], edges[1:])
    loss = (nearest - 2.048) ** 2
    cells = 100 * (1 - (loss[:, None] + loss[None, :]) / (2 * 7.168**2))
    sides = np.linspace(-1, 1, 101)
    closest = np.clip(0, sides[:-1], sides[1:])
    return float(cells.mean()), int((np.hypot(closest[:, None], closest[None, :]) < 1).sum())


def test_ceilings_are_attained_by_the_tasks() -> None:
    ceiling, disc = _ceilings()
    assert ceiling == pytest.approx(75.418, abs=5e-4)
    assert disc == 8024
    # The task gives the ceiling's solutions the ceiling's values: every cell's best point, evaluated.
    edges = np.linspace(-5.12, 5.12, 101)
    nearest = np.clip(2.048, edges[:-1], edges[1:])
    first, second = np.meshgrid(nearest, nearest, indexing="ij")
    theta = np.concatenate([np.repeat(part.reshape(-1, 1), 5, axis=1) for part in (first, second)], axis=1)
    result = qdbench.make("LP-Sphere-v0", dim=10, precision="float64").evaluate(None, theta)
    assert np.asarray(result.objective).mean() == pytest.approx(ceiling, abs=1e-9)


@pytest.mark.parametrize("dim", [3, 10])
@pytest.mark.parametrize("id", IDS)
def test_gradients_against_finite_differences(id: str, dim: int) -> None:
    task = qdbench.make(id, dim=dim, precision="float64")
    theta = points(dim)[:8]  # away from the boundary, where there is no derivative
    theta = theta[(np.abs(np.abs(theta) - 5.12) > 1e-3).all(axis=1)]
    result = task.evaluate(None, theta, gradients=True)
    step = 1e-5
    for column in range(dim):
        shift = np.zeros(dim)
        shift[column] = step
        up, down = task.evaluate(None, theta + shift), task.evaluate(None, theta - shift)
        slope = (np.asarray(up.objective) - np.asarray(down.objective)) / (2 * step)
        np.testing.assert_allclose(np.asarray(result.objective_gradient)[:, column], slope, rtol=1e-6, atol=1e-6)
        slopes = (np.asarray(up.measures) - np.asarray(down.measures)) / (2 * step)
        np.testing.assert_allclose(np.asarray(result.measures_jacobian)[:, :, column], slopes, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dim", [3, 10])
@pytest.mark.parametrize("id", IDS)
def test_gradients_against_autodiff_through_jit(id: str, dim: int) -> None:
    task = qdbench.make(id, dim=dim, precision="float64")
    theta = points(dim)[:8]
    with precision_of(task.spec):

        def one(solution: jax.Array) -> tuple[jax.Array, jax.Array]:
            result = task.evaluate(None, solution[None])
            return result.objective[0], result.measures[0]

        gradient, jacobian = jax.jit(jax.vmap(jax.jacrev(one)))(theta)
        result = jax.jit(lambda x: task.evaluate(None, x, gradients=True))(theta)
    np.testing.assert_allclose(result.objective_gradient, gradient, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(result.measures_jacobian, jacobian, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("id", ["LP-Sphere-v0", "Arm-v0"])
def test_autodiff_is_finite_at_zero(id: str) -> None:
    """5.12 / x has no value at 0; a derivative through the branch that is not taken must not be NaN."""
    task = qdbench.make(id, dim=4)
    gradient = jax.jit(jax.jacrev(lambda x: task.evaluate(None, x).measures))(np.zeros((1, 4), np.float32))
    assert np.isfinite(np.asarray(gradient)).all()


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("dim", [0, -1, True])  # other types: test_registry, where no type check comes first
def test_impossible_dim(id: str, dim: object) -> None:
    with pytest.raises(ValueError, match=r"dim must be an integer of at least"):
        qdbench.make(id, dim=dim)


@pytest.mark.parametrize("id", ["LP-Sphere-v0", "LP-Rastrigin-v0"])
def test_linear_projection_needs_two_parameters(id: str) -> None:
    with pytest.raises(ValueError, match=rf"{id}: dim must be an integer of at least 2, but it is 1"):
        qdbench.make(id, dim=1)


@pytest.mark.parametrize("id", IDS)
def test_standard_settings(id: str) -> None:
    spec = qdbench.make(id).spec
    assert (spec.dim, spec.archive_shape, spec.budget) == (1000, (100, 100), 360_100)
    assert (spec.precision, spec.differentiable, spec.deterministic) == ("float32", True, True)
    assert (spec.start.kind, spec.start.mean, spec.start.scale) == ("normal", 0, 1)
    assert spec.objective_range == (0, 100)
    assert "fontaine2021dqd" in spec.citations
    bound = {"Arm-v0": 1000}.get(id, 2560)
    assert [(measure.low, measure.high) for measure in spec.measures] == [(-bound, bound)] * 2
