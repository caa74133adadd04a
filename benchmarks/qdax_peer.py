"""QDax's side: MAP-Elites (line) and CMA-MEGA in one compiled ``lax.scan``, the fastest way that QDax offers."""

from __future__ import annotations

import functools
import time
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from qdax.core.containers.mapelites_repertoire import compute_euclidean_centroids
from qdax.core.emitters.cma_mega_emitter import CMAMEGAEmitter
from qdax.core.emitters.mutation_operators import isoline_variation
from qdax.core.emitters.standard_emitters import MixingEmitter
from qdax.core.map_elites import MAPElites

from baselines.mega.gradients import normalized_gradients
from benchmarks.measurement import Setting, Timing
from benchmarks.ours import make_task

ALGORITHMS = ("cma-mega", "map-elites-line")


def time_search(**setting: Any) -> Timing:
    """Times a search; the evaluation is qdbench's, so only the algorithm's side differs."""
    chosen = Setting(**setting)
    search, initial = _search(chosen), _initial(chosen)
    began = time.perf_counter()
    program = jax.jit(search).lower(initial, jax.random.key(1)).compile()
    compiled = time.perf_counter()
    repertoire = jax.block_until_ready(program(initial, jax.random.key(1)))
    ended = time.perf_counter()
    filled = repertoire.fitnesses > -jnp.inf
    return Timing(
        implementation="QDax",
        version=version("qdax"),
        compile_seconds=compiled - began,
        run_seconds=ended - compiled,
        iterations=chosen.iterations,
        evaluations=initial.shape[0] + chosen.iterations * chosen.batch,
        qd_score=float(jnp.where(filled, repertoire.fitnesses, 0).sum() / filled.size),
        coverage=float(100 * filled.mean()),
    )


def _no_metrics(repertoire: Any) -> dict[str, Any]:
    del repertoire
    return {}


def _initial(setting: Setting) -> jax.Array:
    if setting.algorithm == "cma-mega":
        return jnp.zeros((1, setting.dim))
    return jax.random.normal(jax.random.key(0), (100, setting.dim))


def _search(setting: Setting) -> Any:
    """The whole search as a function of the initial population and a key."""
    task = make_task(setting)
    low, high = task.spec.measures[0].low, task.spec.measures[0].high
    centroids = compute_euclidean_centroids((setting.side, setting.side), minval=low, maxval=high)

    def score(genotypes: jax.Array, key: Any) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
        del key
        evaluation = task.evaluate(None, genotypes, gradients=True)
        # What is not used, such as the gradients of a batch of branches, the compiler drops.
        gradients = jnp.swapaxes(normalized_gradients(evaluation), 1, 2)
        return evaluation.objective, evaluation.measures, {"normalized_grads": gradients}

    emitter: Any
    if setting.algorithm == "cma-mega":
        emitter = CMAMEGAEmitter(
            score, batch_size=setting.batch - 1, learning_rate=1.0, num_descriptors=2, centroids=centroids, sigma_g=10.0
        )
    else:
        variation = functools.partial(isoline_variation, iso_sigma=0.5, line_sigma=0.2)
        emitter = MixingEmitter(None, variation, variation_percentage=1.0, batch_size=setting.batch)
    algorithm = MAPElites(score, emitter, metrics_function=_no_metrics)

    def search(initial: jax.Array, key: Any) -> Any:
        repertoire, state, _ = algorithm.init(initial, centroids, key)
        carry, _ = lax.scan(algorithm.scan_update, (repertoire, state, key), length=setting.iterations)
        return carry[0]

    return search
