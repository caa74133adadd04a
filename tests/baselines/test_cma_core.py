"""The CMA-ES core against a few lines of NumPy, and as an optimizer against pycma."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from baselines.evolution import cma_core, lazy_covariance
from qdbench.random import normal
from tests.reference.cma import Cma

DIM = 10
POPULATION = 4 + math.floor(3 * math.log(DIM))
TARGET = 1e-9
CONDITIONS = 10.0 ** (6 * np.arange(DIM) / (DIM - 1))


def sphere(x: jax.Array) -> jax.Array:
    return (x**2).sum(-1)


def ellipsoid(x: jax.Array) -> jax.Array:
    return (jnp.asarray(CONDITIONS) * x**2).sum(-1)


def rosenbrock(x: jax.Array) -> jax.Array:
    return (100 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1 - x[..., :-1]) ** 2).sum(-1)


FUNCTIONS: dict[str, tuple[Callable[[jax.Array], jax.Array], float]] = {
    "sphere": (sphere, 1.0),
    "ellipsoid": (ellipsoid, 1.0),
    "rosenbrock": (rosenbrock, 0.0),
}
SIGMA = 0.5

Distribution = tuple[cma_core.Paths, jax.Array, cma_core.Factors]


def start(mean: np.ndarray, sigma: float) -> Distribution:
    covariance = jnp.eye(len(mean))
    paths = cma_core.start_paths(jnp.asarray(mean, float), jnp.asarray(sigma, float))
    return paths, covariance, cma_core.decompose(covariance)


def sample(distribution: Distribution, normals: jax.Array) -> jax.Array:
    paths, _, factors = distribution
    return paths.mean + paths.sigma * cma_core.transform(factors, normals)


def update(
    distribution: Distribution, solutions: jax.Array, objective: jax.Array, active: bool = False
) -> Distribution:
    """One generation with the best half as parents; the objective is minimized."""
    paths, covariance, factors = distribution
    rank = jnp.argsort(jnp.argsort(objective))
    weights = cma_core.weights_by_rank(rank, len(solutions) // 2, "float64")
    rate = cma_core.rates(weights, solutions.shape[1])
    steps = (solutions - paths.mean) / paths.sigma
    mean_step = weights @ steps
    paths, h_sigma = cma_core.update_paths(paths, rate, mean_step, cma_core.whiten(factors, mean_step))
    updated = cma_core.update_covariance(covariance, rate, h_sigma, paths.p_c, weights, steps)
    if active:
        updated = active_update(updated, covariance, factors, rate, rank, steps)
    return paths, updated, cma_core.decompose(updated)


def active_update(
    updated: jax.Array,
    previous: jax.Array,
    factors: cma_core.Factors,
    rate: cma_core.Rates,
    rank: jax.Array,
    steps: jax.Array,
) -> jax.Array:
    """The covariance with what the worse half says, without the log that CMA-ES keeps of it."""
    dim = steps.shape[1]
    weights, bound = cma_core.negative_weights(rate, rank, dim, str(steps.dtype))
    coordinates = jnp.matmul(steps, factors.axes.T, precision=lax.Precision.HIGHEST) / factors.scales
    scaled = weights * dim / jnp.sum(coordinates * coordinates, axis=1)
    rank_mu = jnp.matmul((scaled[:, None] * steps).T, steps, precision=lax.Precision.HIGHEST)
    return updated + rate.c_mu * (rank_mu + bound * previous)


@pytest.mark.parametrize(("dim", "population", "sigma"), [(2, 6, 0.1), (3, 35, 10.0), (10, 10, 1.0), (10, 2, 1.0)])
def test_update_against_numpy(dim: int, population: int, sigma: float) -> None:
    rng = np.random.default_rng(1)
    mean = rng.normal(size=dim)
    oracle = Cma(mean, sigma)
    h_sigma_was_false = False
    with jax.enable_x64(True):
        ours = start(mean, sigma)
        step = jax.jit(update)
        for generation in range(50):
            solutions = np.asarray(sample(ours, jnp.asarray(rng.normal(size=(population, dim)))))
            # A narrowing valley, from another place after a while so that the paths grow long.
            centre = 0 if generation < 25 else 1000 * sigma
            objective = ((solutions - centre) ** 2 * (1 + np.arange(dim)) ** 2).sum(axis=1)
            ours = step(ours, jnp.asarray(solutions), jnp.asarray(objective))
            oracle.tell(solutions[np.argsort(objective)[: population // 2]])
            h_sigma_was_false |= not oracle.hsig
            paths, covariance, factors = ours
            for actual, expected in (
                (paths.mean, oracle.mean),
                (paths.sigma, oracle.sigma),
                (paths.p_sigma, oracle.p_sigma),
                (paths.p_c, oracle.p_c),
                (covariance, oracle.C),
                ((factors.axes.T * factors.scales**2) @ factors.axes, oracle.C),
                (factors.axes @ factors.axes.T, np.eye(dim)),
            ):
                np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())
    assert int(paths.generation) == oracle.generation == 50
    assert h_sigma_was_false or population == 2, "the settings do not reach h_sigma = 0"


@pytest.mark.parametrize("restart_at", [None, 2, 6])
def test_lazy_covariance_equals_the_plain_one(restart_at: int | None) -> None:
    """The logged updates, applied at once when a decomposition is due, are the same updates one after another."""
    dim, batch, gap = 5, 6, 4
    rng = np.random.default_rng(3)
    update_lazy, decompose_if_due = jax.jit(lazy_covariance.update), jax.jit(lazy_covariance.decompose_if_due)
    use = jax.jit(lambda c, y: (lazy_covariance.sample(c, jnp.eye(dim)), lazy_covariance.whitened(c, y)))
    with jax.enable_x64(True):
        lazy = lazy_covariance.identity(dim, batch, gap, "float64")
        plain, used, since = np.eye(dim), np.eye(dim), 0
        for number in range(13):
            weights = cma_core.weights_by_rank(
                jnp.asarray(rng.permutation(batch)), int(rng.integers(1, batch + 1)), "float64"
            )
            rate = cma_core.rates(weights, dim)
            h_sigma, p_c, steps = bool(rng.integers(2)), rng.normal(size=dim), rng.normal(size=(batch, dim))
            c_1, c_mu, c_c = float(rate.c_1), float(rate.c_mu), float(rate.c_c)
            lost = 0 if h_sigma else c_1 * c_c * (2 - c_c)
            plain = (1 - c_1 - c_mu + lost) * plain + c_1 * np.outer(p_c, p_c)
            plain += c_mu * sum(w * np.outer(y, y) for w, y in zip(np.asarray(weights), steps, strict=True))
            arrays = jnp.asarray(h_sigma), jnp.asarray(p_c), weights, jnp.asarray(steps)
            lazy = update_lazy(lazy, rate, *arrays)
            lazy = decompose_if_due(lazy_covariance.reset(lazy, jnp.asarray(number == restart_at)))
            since += 1
            if number == restart_at:
                plain, used, since = np.eye(dim), np.eye(dim), 0
            if since == gap:
                used, since = plain, 0
            # The matrix in use, seen through everything that uses it.
            sampled, white = map(np.asarray, use(lazy, jnp.asarray(p_c)))
            np.testing.assert_allclose(sampled.T @ sampled, used, rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(white @ white, p_c @ np.linalg.solve(used, p_c), rtol=1e-10)
            expected = np.sort(np.linalg.eigvalsh(used)) ** 0.5
            np.testing.assert_allclose(np.sort(lazy_covariance.scales(lazy)), expected, rtol=1e-10)


def test_transform_and_whiten() -> None:
    rng = np.random.default_rng(2)
    root = rng.normal(size=(4, 4))
    covariance = root @ root.T
    with jax.enable_x64(True):
        factors = cma_core.decompose(jnp.asarray(covariance))
        normals = jnp.asarray(rng.normal(size=(100_000, 4)))
        samples = np.asarray(cma_core.transform(factors, normals))
        step = rng.normal(size=4)
        white = np.asarray(cma_core.whiten(factors, jnp.asarray(step)))
    np.testing.assert_allclose(np.cov(samples.T), covariance, atol=0.02 * np.abs(covariance).max())
    # |C^(-1/2) y|^2 = y C^-1 y, and the symmetric root applied twice is the inverse.
    np.testing.assert_allclose(white @ white, step @ np.linalg.solve(covariance, step), rtol=1e-9)
    with jax.enable_x64(True):
        twice = cma_core.whiten(factors, jnp.asarray(white))
    np.testing.assert_allclose(twice, np.linalg.solve(covariance, step), rtol=1e-9, atol=1e-9)


def test_rates_known_values() -> None:
    """The values of pyribs and dqd for n = 3, mu = 17 and n = 1000, mu = 18 (computed from their code)."""
    with jax.enable_x64(True):
        small = cma_core.rates(cma_core.weights_by_rank(jnp.arange(35), 17, "float64"), 3)
        large = cma_core.rates(cma_core.weights_by_rank(jnp.arange(36), 18, "float64"), 1000)
    expected = {"mu_eff": 9.713, "c_c": 0.537, "c_sigma": 0.661, "c_1": 0.0709, "c_mu": 0.450, "d_sigma": 2.613}
    for name, value in expected.items():
        assert float(getattr(small, name)) == pytest.approx(value, rel=2e-3), name
    for name, value in {"mu_eff": 10.25, "c_c": 0.0040, "c_sigma": 0.0121, "c_1": 2.0e-6, "c_mu": 1.66e-5}.items():
        assert float(getattr(large, name)) == pytest.approx(value, rel=1e-2), name


@pytest.mark.parametrize("parents", [1, 3, 8])
def test_weights_follow_the_rank(parents: int) -> None:
    rank = np.random.default_rng(0).permutation(8)
    weights = np.asarray(cma_core.weights_by_rank(jnp.asarray(rank), parents, "float32"))
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert ((weights > 0) == (rank < parents)).all()
    in_order = weights[np.argsort(rank)][:parents]
    expected = math.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
    np.testing.assert_allclose(in_order, expected / expected.sum(), rtol=1e-5)


def test_no_parents_is_no_step_and_finite() -> None:
    weights = cma_core.weights_by_rank(jnp.arange(4), 0, "float32")
    assert weights.tolist() == [0, 0, 0, 0]


def stop(sigma: float = 1.0, scales: tuple[float, ...] = (1, 1), status: tuple[int, ...] = (2, 1, 0), value=(3, 2, 1)):
    rank = jnp.argsort(jnp.argsort(-jnp.asarray(value, jnp.float32)))
    arrays = jnp.asarray(sigma, jnp.float32), jnp.asarray(scales, jnp.float32), jnp.asarray(status)
    return bool(cma_core.should_stop(*arrays, jnp.asarray(value, jnp.float32), rank))


def test_stop_criteria() -> None:
    assert not stop()
    assert not stop(scales=(1, 0.9e7))
    assert stop(scales=(1, 1.1e7))  # condition over 1e14
    assert not stop(sigma=1.1e-11)
    assert stop(sigma=0.9e-11)
    assert not stop(sigma=0.9e-11, scales=(1, 2))
    assert stop(status=(1, 1, 1), value=(2, 2, 2))
    assert not stop(status=(2, 1, 1), value=(2, 1, 1))
    # The best and the worst differ by status though their values are the same.
    assert not stop(status=(2, 2, 1), value=(2, 2, 2))


def evaluations_to_target(name: str, seeds: int, active: bool, budget: int = 20_000) -> list[float]:
    """Evaluations until f < 1e-9 for each seed, infinite where the budget does not suffice."""
    function, mean = FUNCTIONS[name]

    @jax.jit
    def run(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        def proceed(carry: tuple[Distribution, jax.Array, jax.Array]) -> jax.Array:
            (paths, _, _), best, _ = carry
            return (best >= TARGET) & (paths.generation * POPULATION < budget)

        def generation(carry: tuple[Distribution, jax.Array, jax.Array]) -> tuple[Distribution, jax.Array, jax.Array]:
            distribution, best, key = carry
            key, sample_key = jax.random.split(key)
            solutions = sample(distribution, normal(sample_key, (POPULATION, DIM), "float64"))
            objective = function(solutions)
            return update(distribution, solutions, objective, active), jnp.minimum(best, objective.min()), key

        (paths, _, _), best, _ = lax.while_loop(proceed, generation, (start(np.full(DIM, mean), SIGMA), jnp.inf, key))
        return paths.generation, best

    result = []
    with jax.enable_x64(True):
        for seed in range(seeds):
            generations, best = run(jax.random.key(seed))
            result.append(float(generations) * POPULATION if best < TARGET else math.inf)
    return result


def pycma_evaluations_to_target(name: str, seeds: int, active: bool) -> list[float]:
    """The same of pycma, with its default options but for the target, the seed and silence."""
    cma = pytest.importorskip("cma", reason="pycma is in the extras `test` and `cma`")
    _, mean = FUNCTIONS[name]
    plain = {
        "sphere": lambda x: float((x**2).sum()),
        "ellipsoid": lambda x: float((CONDITIONS * x**2).sum()),
        "rosenbrock": lambda x: float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()),
    }[name]
    result = []
    for seed in range(1, seeds + 1):
        options = {"ftarget": TARGET, "seed": seed, "verbose": -9, "CMA_active": active}
        strategy = cma.CMAEvolutionStrategy(np.full(DIM, mean), SIGMA, options)
        assert strategy.popsize == POPULATION
        while not strategy.stop():
            solutions = strategy.ask()
            strategy.tell(solutions, [plain(x) for x in solutions])
        result.append(strategy.countevals if strategy.best.f < TARGET else math.inf)
    return result


@pytest.mark.parametrize("active", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_solves_in_the_evaluations_of_pycma(name: str, active: bool) -> None:
    """Within 20 % in the median of 20 seeds, with active weights (pycma's default) and without, from the same start."""
    ours = evaluations_to_target(name, 20, active)
    theirs = pycma_evaluations_to_target(name, 20, active)
    # Rosenbrock's function has a local minimum in dimension 10 that one start in ten or so falls into.
    assert sum(map(math.isinf, ours)) <= (3 if name == "rosenbrock" else 0)
    assert statistics.median(ours) <= 1.2 * statistics.median(theirs)


def test_rates_of_a_network_s_weights() -> None:
    """The square of the dimension is more than an int32 holds."""
    dim, mu_eff = 60_000, 4.0
    rate = cma_core.rates(jnp.full(4, 0.25, jnp.float32), dim)
    assert float(rate.c_mu) == pytest.approx(2 * (mu_eff - 2 + 1 / mu_eff) / ((dim + 2) ** 2 + mu_eff), rel=1e-6)
    assert float(rate.c_1) == pytest.approx(2 / ((dim + 1.3) ** 2 + mu_eff), rel=1e-6)
