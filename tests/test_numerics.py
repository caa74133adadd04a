"""The numerical pieces against NumPy in float64, with the error bounds that their docstrings state."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdbench.numerics import log, materialize, row_cumsum, row_sum, sincos, sincos_turns, weighted_sum

EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}
PRECISIONS = ["float32", "float64"]


def on_device(values: np.ndarray, precision: str) -> jax.Array:
    return jnp.asarray(values.astype(precision))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 31), (2, 32), (2, 40), (3, 41), (5, 1000), (7,), (2, 3, 5)])
def test_row_sum(shape: tuple[int, ...], precision: str) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(precision)
    with jax.enable_x64(precision == "float64"):
        result = row_sum(on_device(values, precision))
    assert (result.dtype, result.shape) == (precision, shape[:-1])
    exact = values.astype(np.longdouble)
    bound = EPSILON[precision] * shape[-1] * np.abs(exact).sum(axis=-1)
    assert (np.abs(np.asarray(result) - exact.sum(axis=-1)) <= bound).all()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 39, 40, 41, 80, 1000])
def test_row_cumsum(n: int, precision: str) -> None:
    values = np.random.default_rng(0).normal(size=(3, n)).astype(precision)
    with jax.enable_x64(precision == "float64"):
        result = row_cumsum(on_device(values, precision))
    assert (result.dtype, result.shape) == (precision, (3, n))
    exact = values.astype(np.longdouble)
    bound = EPSILON[precision] * np.arange(1, n + 1) * np.abs(exact).cumsum(axis=1)
    assert (np.abs(np.asarray(result) - exact.cumsum(axis=1)) <= bound).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_sincos_turns_error_bounds(precision: str) -> None:
    """In units of the last place of 1: sines within 3; cosines within 6 (float32) and 10 (float64)."""
    rng = np.random.default_rng(1)
    grid = np.arange(-4, 4, 1 / 64)
    turns = np.concatenate([grid, rng.uniform(-1, 1, 20_000), rng.uniform(-1000, 1000, 20_000)]).astype(precision)
    with jax.enable_x64(precision == "float64"):
        sine, cosine = jax.jit(sincos_turns)(on_device(turns, precision))
    # Reduced exactly before the multiplication with 2 pi, so that the reference has no error of its own.
    pi = np.longdouble("3.14159265358979323846264338327950288")
    reduced = 2 * pi * (turns.astype(np.longdouble) - np.round(turns.astype(np.longdouble)))
    cosine_bound = {"float32": 6, "float64": 10}[precision]
    for result, expected, bound in ((sine, np.sin(reduced), 3), (cosine, np.cos(reduced), cosine_bound)):
        assert result.dtype == precision
        assert np.abs(np.asarray(result) - expected).max() <= bound * EPSILON[precision]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_sincos_of_radians(precision: str) -> None:
    radians = np.concatenate([np.random.default_rng(2).normal(0, 30, 20_000), [0, np.pi, -np.pi]]).astype(precision)
    with jax.enable_x64(precision == "float64"):
        sine, cosine = sincos(on_device(radians, precision))
    exact = radians.astype(np.longdouble)
    # The conversion to turns rounds twice (the factor and the product), which moves the angle by its own epsilon.
    bound = EPSILON[precision] * (10 + 1.5 * np.abs(exact))
    assert (np.abs(np.asarray(sine) - np.sin(exact)) <= bound).all()
    assert (np.abs(np.asarray(cosine) - np.cos(exact)) <= bound).all()


def test_sincos_has_the_right_derivative() -> None:
    with jax.enable_x64(True):
        angles = jnp.linspace(-9.0, 9.0, 101)
        slopes = jax.vmap(jax.jacfwd(sincos))(angles)
    np.testing.assert_allclose(slopes[0], np.cos(angles), atol=1e-13)
    np.testing.assert_allclose(slopes[1], -np.sin(angles), atol=1e-13)


def test_log_absolute_error() -> None:
    rng = np.random.default_rng(3)
    grid = (np.arange(1, 2**23 + 1, 101) / 2**23).astype(np.float32)
    tiny = 2.0 ** rng.uniform(-126, 0, 20_000)
    values = np.concatenate([grid, tiny, [1, 2.0**-23, 2.0**-126, 0.5, 0.5**0.5]]).astype(np.float32)
    result = np.asarray(jax.jit(log)(jnp.asarray(values)))
    error = np.abs(result - np.log(values.astype(np.float64)))
    assert error[values >= 2.0**-23].max() < 1e-6
    # Further down the result itself is up to 87, and half a unit in its last place is 4e-6.
    assert (error <= 1e-6 + 2.0**-23 * np.abs(result)).all()
    assert result[-5] == 0
    assert (result <= 0).all()


def test_log_in_float64() -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.random(100_000), 2.0 ** rng.uniform(-52, 0, 20_000), [1, 2.0**-52, 0.5, 0.5**0.5]])
    with jax.enable_x64(True):
        result = np.asarray(jax.jit(log)(jnp.asarray(values)))
    assert np.abs(result - np.log(values)).max() < 1e-14
    assert result[-4] == 0


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", [(1, 3), (36, 1000), (36, 1)])
def test_weighted_sum(shape: tuple[int, int], precision: str) -> None:
    rng = np.random.default_rng(5)
    weights, rows = rng.random(shape[0]), rng.normal(size=shape)
    with jax.enable_x64(precision == "float64"):
        result = np.asarray(jax.jit(weighted_sum)(on_device(weights, precision), on_device(rows, precision)))
    np.testing.assert_allclose(result, weights @ rows, atol=100 * EPSILON[precision])


def test_materialize_changes_nothing() -> None:
    first = jnp.asarray(np.random.default_rng(4).normal(size=(5, 7)), jnp.float32)
    second = jnp.arange(35, dtype=jnp.uint32).reshape(5, 7) * jnp.uint32(0x9E3779B9)
    special = jnp.full((5, 7), jnp.inf).at[0, 0].set(jnp.nan)
    for function in (materialize, jax.jit(materialize)):
        for result, expected in zip(function(first, second, special), (first, second, special), strict=True):
            assert result.dtype == expected.dtype
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("batch", [512, 4096])
def test_fused_reductions_at_large_batches(batch: int) -> None:
    """jaxlib 0.10.2 returned wrong values for sums fused with what they sum, from batch 512 on (jax-ml/jax#39103)."""
    values = np.random.default_rng(5).normal(size=(batch, 50)).astype(np.float32)

    def function(x: jax.Array) -> tuple[jax.Array, ...]:
        centred = x - x.mean(axis=1, keepdims=True)
        return (centred**2).sum(axis=1), jnp.cos(x).sum(axis=1), row_sum(x * x), row_cumsum(jnp.sin(x))[:, -1]

    exact = values.astype(np.float64)
    expected = (
        ((exact - exact.mean(axis=1, keepdims=True)) ** 2).sum(axis=1),
        np.cos(exact).sum(axis=1),
        (exact**2).sum(axis=1),
        np.sin(exact).sum(axis=1),
    )
    for mode in (function, jax.jit(function)):
        for result, wanted in zip(mode(jnp.asarray(values)), expected, strict=True):
            np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-4)
