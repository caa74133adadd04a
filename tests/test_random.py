"""Random numbers against JAX's generator and against the distributions that they should have."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qdbench.random import add_normal, derive, gumbel, integers, key_from_names, normal, threefry2x32, uniform

COUNT = 1_000_000


def words(key: jax.Array) -> tuple[int, int]:
    first, second = np.asarray(jax.random.key_data(key)).tolist()
    return first, second


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    return np.asarray(normal(jax.random.key(7), (COUNT,))).astype(np.float64)


@pytest.mark.parametrize("seed", [0, 1, 2**31 + 5])
@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_the_cipher_is_that_of_jax(seed: int, count: int) -> None:
    key = jax.random.key(seed)
    first, second = threefry2x32(jax.random.key_data(key), count)
    assert first.dtype == second.dtype == jnp.uint32
    np.testing.assert_array_equal(first ^ second, jax.random.bits(key, (count,)))


def test_the_cipher_known_answer() -> None:
    """The test vector of Random123 (Salmon et al. 2011) for an all-zero key and counter."""
    first, second = threefry2x32(jnp.zeros(2, jnp.uint32), 1)
    assert (int(first[0]), int(second[0])) == (0x6B200159, 0x99BA4EFE)


def test_normal_moments(numbers: np.ndarray) -> None:
    """Four standard errors: a right generator fails one of these with a probability of 0.03 %."""
    assert numbers.shape == (COUNT,)
    centred = numbers - numbers.mean()
    deviation = numbers.std()
    assert abs(numbers.mean()) < 4 / math.sqrt(COUNT)
    assert abs(numbers.var() - 1) < 4 * math.sqrt(2 / COUNT)
    assert abs((centred**3).mean() / deviation**3) < 4 * math.sqrt(6 / COUNT)
    assert abs((centred**4).mean() / deviation**4 - 3) < 4 * math.sqrt(24 / COUNT)


def test_normal_distribution(numbers: np.ndarray) -> None:
    assert stats.kstest(numbers, stats.norm.cdf).pvalue > 1e-3
    # The tails, where a coarse radius would show: counts beyond 3 and 4 standard deviations.
    for limit in (3, 4):
        expected = 2 * stats.norm.sf(limit) * COUNT
        assert abs((np.abs(numbers) > limit).sum() - expected) < 4 * math.sqrt(expected)
    assert np.abs(numbers).max() < 5.65


def test_normal_numbers_are_independent(numbers: np.ndarray) -> None:
    """The two halves are cosine and sine of the same angles with the same radius; neighbours share nothing."""
    first, second = numbers[: COUNT // 2], numbers[COUNT // 2 :]
    bound = 4 / math.sqrt(COUNT // 2)
    assert abs(np.corrcoef(first, second)[0, 1]) < bound
    assert abs(np.corrcoef(first**2, second**2)[0, 1]) < bound
    assert abs(np.corrcoef(np.abs(first), second)[0, 1]) < bound
    for lag in (1, 2, 1000):
        assert abs(np.corrcoef(numbers[:-lag], numbers[lag:])[0, 1]) < 4 / math.sqrt(COUNT)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 7)])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_normal_shapes(shape: tuple[int, ...], precision: str) -> None:
    with jax.enable_x64(precision == "float64"):
        result = jax.jit(normal, static_argnums=(1, 2))(jax.random.key(0), shape, precision)
    assert (result.shape, result.dtype) == (shape, precision)
    assert np.isfinite(np.asarray(result)).all()
    assert len(np.unique(result)) == math.prod(shape)


def test_float64_normal_is_normal_and_fine_grained() -> None:
    with jax.enable_x64(True):
        numbers = np.asarray(normal(jax.random.key(3), (COUNT,), "float64"))
    assert stats.kstest(numbers, "norm").pvalue > 1e-3
    assert len(np.unique(numbers)) == COUNT
    # float32 has 2^23 radii; more than that many different angles and radii need more bits than float32 has.
    assert len(np.unique(numbers.astype(np.float32))) < COUNT
    assert abs(numbers.mean()) < 4 / math.sqrt(COUNT)
    assert abs(numbers.var() - 1) < 4 * math.sqrt(2 / COUNT)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 7), (5, 7), (1, 3), (36, 1000)])
def test_add_normal_is_adding_normal(shape: tuple[int, int], precision: str) -> None:
    key = jax.random.key(11)
    with jax.enable_x64(precision == "float64"):
        rows = jnp.arange(float(np.prod(shape)), dtype=precision).reshape(shape)
        scale = jnp.asarray(0.3, precision)
        expected = rows + scale * normal(key, shape, precision)
        np.testing.assert_allclose(add_normal(key, rows, scale), expected, rtol=1e-6)


def test_same_key_same_numbers_and_different_keys_different_numbers() -> None:
    one, same, other = (np.asarray(normal(jax.random.key(seed), (1001,))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.isin(one, other).all()
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / math.sqrt(1001)


@pytest.mark.parametrize("bound", [1, 2, 7, 10_000])
def test_integers_are_uniform(bound: int) -> None:
    drawn = np.asarray(integers(jax.random.key(5), 100_000, jnp.int32(bound)))
    assert drawn.dtype == np.int32
    assert drawn.min() >= 0
    assert drawn.max() < bound
    counts = np.bincount(drawn, minlength=bound)
    assert stats.chisquare(counts).pvalue > 1e-4 if bound > 1 else counts.tolist() == [100_000]


def test_integers_are_the_words_of_the_cipher() -> None:
    key = jax.random.key(11)
    expected = np.asarray(jax.random.bits(key, (50,))).astype(np.int64) % 1000
    np.testing.assert_array_equal(integers(key, 50, jnp.int32(1000)), expected)


def test_derived_keys_are_distinct_and_reproducible() -> None:
    key = jax.random.key(0)
    derived = [words(derive(key, i)) for i in range(100)]
    derived += [words(derive(key, i, j)) for i in range(5) for j in range(5)]
    derived += [words(derive(jax.random.key(1), i)) for i in range(5)]
    derived += [words(key), words(jax.random.key(1))]
    assert len(set(derived)) == len(derived)
    # Counters beside those that numbers are made from: no derived key is a block of the key's own stream.
    first, second = threefry2x32(jax.random.key_data(key), 1000)
    assert not set(derived) & set(zip(first.tolist(), second.tolist(), strict=True))
    assert words(derive(key, 3, 4)) == words(derive(derive(key, 3), 4))
    assert words(derive(key, jnp.int32(3))) == words(derive(key, 3)) == words(jax.jit(derive)(key, 3))
    assert words(derive(key)) == words(key)


def test_streams_of_derived_keys_do_not_correlate() -> None:
    stream = jax.jit(lambda i: normal(derive(jax.random.key(0), i), (10_000,)))
    streams = np.stack([stream(i) for i in range(6)])
    off_diagonal = np.corrcoef(streams)[~np.eye(6, dtype=bool)]
    assert np.abs(off_diagonal).max() < 4.5 / math.sqrt(10_000)


def test_key_from_names_golden() -> None:
    """Part of every published result: this value must never change. By hand: sha256(b"a\\x1fb\\x1f3")[:8]."""
    import hashlib

    assert words(key_from_names("LP-Sphere-v0", "cma-mega", 0)) == (0xE706F9AB, 0xF230C9F3)
    digest = hashlib.sha256(b"a\x1fb\x1f3").digest()
    assert words(key_from_names("a", "b", 3)) == (
        int.from_bytes(digest[:4], "big"),
        int.from_bytes(digest[4:8], "big"),
    )


@given(
    st.lists(st.one_of(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), max_size=5), st.integers(0, 99)))
)
def test_key_from_names_depends_on_every_name(names: list[str | int]) -> None:
    key = words(key_from_names(*names))
    assert key == words(key_from_names(*names))
    assert key != words(key_from_names(*names, "x"))
    assert key != words(key_from_names("x", *names))
    if names and names != names[::-1]:
        assert key != words(key_from_names(*names[::-1])) or [*map(str, names)] == [*map(str, names[::-1])]
    if len(names) > 1:
        joined = "".join(str(name) for name in names[:2])
        assert key != words(key_from_names(joined, *names[2:]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers_are_uniform_and_below_one(dtype: str) -> None:
    with jax.enable_x64(dtype == "float64"):
        drawn = np.asarray(jax.jit(lambda key: uniform(key, (101, 999), dtype))(key_from_names("uniform")))
    assert drawn.shape == (101, 999)
    assert drawn.dtype == dtype
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert len(np.unique(drawn)) > 0.99 * drawn.size
    assert stats.kstest(drawn.ravel().astype(float), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gumbel_numbers_are_gumbel(dtype: str) -> None:
    key = key_from_names("gumbel")
    with jax.enable_x64(dtype == "float64"):
        drawn = np.asarray(jax.jit(gumbel, static_argnums=(1, 2))(key, (101, 999), dtype)).astype(float)
        middles = np.asarray(uniform(key, (101, 999), dtype), float) + (2.0**-24 if dtype == "float32" else 2.0**-53)
    np.testing.assert_allclose(drawn, -np.log(-np.log(middles)), rtol=1e-5, atol=1e-6)
    assert stats.kstest(drawn.ravel(), "gumbel_r").pvalue > 1e-3


@pytest.mark.parametrize(
    ("dtype", "bits", "extremes"), [("float32", 23, (-2.812, 16.636)), ("float64", 52, (-3.604, 36.737))]
)
def test_extreme_gumbel_numbers(
    dtype: str, bits: int, extremes: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At both ends of the grid of uniform numbers."""
    ends = np.array([0, 1 - 2.0**-bits])
    monkeypatch.setattr("qdbench.random.uniform", lambda key, shape, dtype: jnp.asarray(ends, dtype))
    with jax.enable_x64(dtype == "float64"):
        np.testing.assert_allclose(gumbel(jax.random.key(0), (2,), dtype), extremes, atol=1e-3)
