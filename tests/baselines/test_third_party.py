"""Other libraries' optimizers behind the protocol: they keep its rules, and are what the libraries run themselves."""

from __future__ import annotations

import functools
import gc
import importlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ks_2samp

import baselines
import qdbench
from baselines.genetic.population import Population
from qdbench.harness import compiled
from qdbench.protocols import Evaluation
from qdbench.random import derive, integers
from qdbench.registry import OPTIMIZERS
from qdbench.testing import OPTIMIZER_RULES, Rule, optimizer_subject
from qdbench.testing.optimizer_rules import OptimizerSubject
from tests.baselines.driving import drive
from tests.reference.cma import standard_update

# evosax uses what optax has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:optax.global_norm is deprecated:DeprecationWarning")

ENTRIES = [entry for entry in OPTIMIZERS if entry.requires and entry.id != "evosax-lga"]
PEERS = [entry.id for entry in ENTRIES if entry.is_available]
EVOSAX = [id for id in PEERS if id.startswith("evosax-")]
HOSTS = [id for id in PEERS if id not in EVOSAX]
# One of the populations and one of the distributions stand for the others where programs are compiled.
COMPILED = ("evosax-simplega", "evosax-snes")
TRACED = [rule for rule in OPTIMIZER_RULES if not rule.runs]
RUN = [rule for rule in OPTIMIZER_RULES if rule.runs]


@functools.cache
def subject(id: str, precision: str = "float32") -> OptimizerSubject:
    return optimizer_subject(id, qdbench.make("LP-Sphere-v0", dim=6, precision=precision))


def test_all_of_evosax_is_registered() -> None:
    algorithms = pytest.importorskip("evosax.algorithms").algorithms
    registered = {f"evosax-{name.lower().replace('_', '-')}" for name in algorithms}
    assert registered == {entry.id for entry in OPTIMIZERS if entry.requires == "evosax"}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("id", EVOSAX)
def test_rules_of_evosaxs_that_are_seen_by_tracing(id: str, precision: str) -> None:
    for rule in TRACED:
        rule.check(subject(id, precision))


@pytest.mark.parametrize("rule", RUN, ids=str)
@pytest.mark.parametrize("id", [pytest.param(id, marks=() if id in COMPILED else pytest.mark.slow) for id in EVOSAX])
def test_rules_of_evosaxs_that_run(id: str, rule: Rule) -> None:
    rule.check(subject(id))


@pytest.mark.parametrize("rule", OPTIMIZER_RULES, ids=str)
@pytest.mark.parametrize("id", HOSTS)
def test_rules_of_others(id: str, rule: Rule) -> None:
    rule.check(subject(id))


@pytest.mark.parametrize("name", ["SimpleGA", "Sep_CMA_ES"])
def test_solutions_are_evosaxs(name: str) -> None:
    algorithms = pytest.importorskip("evosax.algorithms").algorithms
    optax = pytest.importorskip("optax")
    task = qdbench.make("BBOB-F08-v0", dim=4, precision="float32")
    settings = {"std_schedule": optax.constant_schedule(0.5)} if name == "SimpleGA" else {}
    theirs = algorithms[name](population_size=8, solution=jnp.zeros(4), **settings)
    params = theirs.default_params
    params = params.replace(std_init=0.5) if name != "SimpleGA" else params
    optimizer = baselines.make(f"evosax-{name.lower().replace('_', '-')}", task.spec, sigma=0.5, batch_size=8)
    state = None
    for step in drive(task, optimizer, 4):
        fitness = -jnp.asarray(step.objective)
        if step.batch in optimizer.initial:
            state = theirs.init(derive(step.tell_key, 1), jnp.asarray(step.solutions), fitness, params)
            continue
        state = step.before if state is None else state
        solutions, state = theirs.ask(derive(step.ask_key, 0), state, params)
        np.testing.assert_allclose(step.solutions, solutions, rtol=1e-4, atol=1e-5)
        state, _ = theirs.tell(derive(step.tell_key, 0), jnp.asarray(step.solutions), fitness, state, params)


def test_a_batch_that_an_algorithm_of_evosaxs_cannot_have_is_named() -> None:
    pytest.importorskip("evosax")
    with pytest.raises(ValueError, match="LM_MA_ES needs a batch_size of at most 6 for 3 parameters, but it is 7"):
        baselines.make("evosax-lm-ma-es", spec_of(), batch_size=7)
    assert baselines.make("evosax-lm-ma-es", spec_of()).iteration[0].size == 6
    with pytest.raises(ValueError, match="SV_CMA_ES has 4 populations: batch_size 30 is no multiple of that"):
        baselines.make("evosax-sv-cma-es", spec_of(), batch_size=30)


class Bowl:
    """The negative sphere in NumPy, driven as the harness drives."""

    def __init__(self) -> None:
        self.asked: list[np.ndarray] = []

    def __call__(self, solutions: Any) -> np.ndarray:
        self.asked.append(np.array(solutions))
        return (np.asarray(solutions) ** 2).sum(axis=-1)

    def drive(self, optimizer: Any, rounds: int) -> np.ndarray:
        for _ in range(rounds):
            solutions = optimizer.ask()
            optimizer.tell(solutions, Evaluation(-self(solutions), np.zeros((len(solutions), 0))))
        return np.concatenate(self.asked)


def spec_of(**arguments: Any) -> Any:
    return qdbench.make("BBOB-F01-v0", measures=False, **{"dim": 3, **arguments}).spec


def test_scipys_search_is_scipys() -> None:
    from scipy.optimize import differential_evolution

    from baselines.third_party.scipy_de import ScipyDe
    from baselines.third_party.starts import sample

    ours = Bowl().drive(ScipyDe(spec_of(), 3, batch_size=8), 6)
    generator, theirs = np.random.default_rng(3), Bowl()
    start = sample(generator, spec_of(), 8)
    differential_evolution(
        lambda columns: theirs(columns.T), [(-5, 5)] * 3, init=start, rng=generator, vectorized=True,
        updating="deferred", polish=False, maxiter=5, tol=-1,
    )  # fmt: skip
    np.testing.assert_allclose(ours, np.concatenate(theirs.asked), rtol=1e-12)


def test_scipys_thread_ends_with_its_trial() -> None:
    from baselines.third_party.scipy_de import ScipyDe

    before = set(threading.enumerate())
    optimizer = ScipyDe(spec_of(), 0)
    Bowl().drive(optimizer, 2)
    (thread,) = set(threading.enumerate()) - before
    del optimizer
    gc.collect()
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_pycmas_search_is_pycmas_and_starts_anew_when_it_stops() -> None:
    cma = pytest.importorskip("cma")
    from baselines.third_party.pycma_es import PycmaEs
    from baselines.third_party.starts import sample

    ours = Bowl().drive(PycmaEs(spec_of(), 5, sigma=0.5), 10)
    generator, theirs = np.random.default_rng(5), Bowl()
    options = {"verbose": -9, "seed": np.nan, "randn": lambda *shape: generator.standard_normal(shape)}
    strategy = cma.CMAEvolutionStrategy(sample(generator, spec_of(), 1)[0], 0.5, options)
    for _ in range(10):
        solutions = strategy.ask()
        strategy.tell(solutions, theirs(solutions).tolist())
    np.testing.assert_allclose(ours, np.concatenate(theirs.asked), rtol=1e-12)
    # After it has converged it is far from the optimum again.
    distances = np.linalg.norm(Bowl().drive(PycmaEs(spec_of(), 5, sigma=0.5), 400), axis=1)
    first = int(np.argmax(distances < 1e-4))
    assert 0 < first < len(distances)
    assert distances[first:].max() > 1


@pytest.mark.parametrize(
    ("id", "emitter", "options"),
    [
        ("pyribs-cma-me", "EvolutionStrategyEmitter", {"sigma0": 0.5, "ranker": "2imp"}),
        ("pyribs-cma-mae", "EvolutionStrategyEmitter", {
            "sigma0": 0.5, "ranker": "imp", "selection_rule": "mu", "restart_rule": "basic",
        }),
    ],
)  # fmt: skip
def test_pyribs_searches_are_pyribs(id: str, emitter: str, options: dict[str, Any]) -> None:
    emitters = pytest.importorskip("ribs.emitters")
    from ribs.archives import GridArchive
    from ribs.schedulers import Scheduler

    from qdbench.harness.plugins import load_optimizer

    task = qdbench.make("LP-Sphere-v0", dim=6)
    annealed = {"learning_rate": 0.01, "threshold_min": 0.0} if id.endswith("mae") else {}
    archive = GridArchive(
        solution_dim=6, dims=(100, 100), ranges=[(m.low, m.high) for m in task.spec.measures], seed=7, **annealed
    )
    theirs = Scheduler(archive, [getattr(emitters, emitter)(archive, x0=np.zeros(6), batch_size=12, seed=7, **options)])
    ours = load_optimizer(id)(task.spec, 7, batch_size=12)
    for _ in range(5):
        solutions = ours.ask()
        np.testing.assert_array_equal(solutions, theirs.ask())
        evaluation = task.evaluate(None, solutions)
        ours.tell(solutions, evaluation)
        theirs.tell(np.asarray(evaluation.objective, float), np.asarray(evaluation.measures, float))


@pytest.mark.parametrize("id", ["pyribs-cma-mae", "pyribs-cma-mega"])
def test_pyribs_searches_have_as_many_emitters_as_one_likes(id: str) -> None:
    pytest.importorskip("ribs")
    task = qdbench.make("LP-Sphere-v0", dim=6)
    result = qdbench.run(task, id, budget=3 * 24, hyperparameters={"emitters": 3, "batch_size": 12})
    assert result.metrics["evaluations"] == 3 * 24
    assert result.metrics["gradient_evaluations"] == (6 if id.endswith("mega") else 0)
    solutions = result.archive.solutions
    assert len(np.unique(solutions, axis=0)) == len(solutions)


def test_the_example_of_the_docs_brings_a_scheduler_of_pyribs() -> None:
    pytest.importorskip("ribs")
    task = qdbench.make("LP-Sphere-v0", dim=6)
    example = str(Path(__file__).parents[2] / "docs" / "examples" / "ribs_search.py")
    result = qdbench.run(task, f"{example}:make", budget=3600)
    assert result.metrics["evaluations"] == 3600
    assert result.metrics["qd_score"] > qdbench.run(task, "random-search", budget=3600).metrics["qd_score"]


def test_what_a_task_does_not_have_is_named() -> None:
    pytest.importorskip("ribs")
    with pytest.raises(ValueError, match="pyribs' searches need measures, but BBOB-F01-v0 has none"):
        qdbench.run(qdbench.make("BBOB-F01-v0", dim=3, measures=False), "pyribs-cma-me", budget=72)
    with pytest.raises(ValueError, match="needs gradients, but BBOB-Noisy-v0 is not differentiable"):
        qdbench.run(qdbench.make("BBOB-Noisy-v0", dim=3), "pyribs-cma-mega", budget=72)


def scores(task: Any, id: str, budget: int, seeds: int, metric: str, **settings: Any) -> np.ndarray:
    results = (qdbench.run(task, id, seed, budget, hyperparameters=settings) for seed in range(seeds))
    return np.array([result.metrics[metric] for result in results])


@pytest.mark.slow
def test_pyribs_cma_mega_with_the_standard_update_and_ours_agree_on_lp_sphere(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("ribs.emitters.opt._cma_es")
    monkeypatch.setattr(module.CMAEvolutionStrategy, "_calc_cov_update", staticmethod(standard_update))
    task = qdbench.make("LP-Sphere-v0", dim=100)
    ours, theirs = (scores(task, id, 36_000, 8, "qd_score") for id in ("cma-mega", "pyribs-cma-mega"))
    spread = np.hypot(ours.std(ddof=1), theirs.std(ddof=1))
    assert abs(ours.mean() - theirs.mean()) < spread, (ours.mean(), theirs.mean(), spread)


def children_alone(population: Population, objective: Any) -> Any:
    """Which of population and children make the next population in evosax."""
    return len(objective) + jnp.argsort(-objective)


def parents_with_the_best(key: Any, count: int, limit: Any) -> Any:
    """Which members of a population, the best first, have children in evosax's SAMR-GA."""
    return integers(key, count, limit).at[0].set(0)


# What evosax does otherwise; in its MR15-GA every member has one child.
RULES: dict[str, dict[str, Any]] = {
    "gaussian-ga": {"survivors": children_alone},
    "mr15-ga": {},
    "samr-ga": {"survivors": children_alone, "integers": parents_with_the_best},
}


@pytest.fixture
def fresh_programs() -> Iterator[None]:
    """Nothing that was traced before a rule changes serves after it, nor the other way round."""
    forget_programs()
    yield
    forget_programs()


def forget_programs() -> None:
    compiled._compile.cache_clear()
    jax.clear_caches()


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_programs")
@pytest.mark.parametrize("function", [1, 8, 15])
@pytest.mark.parametrize(
    ("ours", "theirs", "elite_ratio"),
    [("gaussian-ga", "evosax-simplega", 0.5), ("mr15-ga", "evosax-mr15-ga", 1.0), ("samr-ga", "evosax-samr-ga", 0.5)],
)
def test_our_genetic_algorithms_with_evosaxs_rules_agree_with_evosaxs_on_bbob(
    ours: str, theirs: str, elite_ratio: float, function: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("evosax")
    module = importlib.import_module(f"baselines.genetic.{ours.replace('-', '_')}")
    for name, rule in RULES[ours].items():
        monkeypatch.setattr(module, name, rule)
    task = qdbench.make("BBOB-v0", function=function, dim=5, precision="float32")
    settings = {"sigma": 0.5, "batch_size": 32}
    one = scores(task, ours, 1600, 20, "precision", **settings, elite_ratio=elite_ratio)
    two = scores(task, theirs, 1600, 20, "precision", **settings)
    assert ks_2samp(one, two).pvalue > 1e-3, (np.median(one), np.median(two))
