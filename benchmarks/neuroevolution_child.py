"""Times generations of policies in a child process: qdbench's tasks of control, or evosax's problem classes."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import qdbench
from benchmarks import stopwatch

_TURNS = 3


def time_ours(task: str, arguments: dict[str, Any], population: int, seconds: float) -> dict[str, Any]:
    """A generation is one compiled call of ``evaluate`` with a key of its own."""
    made: Any = qdbench.make(task, **arguments)
    weights = _weights(made, population)

    def generation(key: Any, solutions: Any) -> Any:
        found = made.evaluate(key, solutions)
        return found.objective, found.measures

    return {"version": qdbench.__version__, **_timed(generation, weights, seconds)}


def time_evosax(task: str, arguments: dict[str, Any], population: int, seconds: float) -> dict[str, Any]:
    """A generation is one compiled call of a problem's ``eval``, whose state has the statistics of observations.

    The same weights in the same architecture, as many episodes and steps; observations are scaled as evosax does by
    default, but for MinAtar's, which are zeros and ones.
    """
    made: Any = qdbench.make(task, **arguments)
    environment = made.environment.name
    problem = _problem(environment, made.rollouts, made.steps)
    parameters = jax.vmap(lambda row: _flax(made.unflatten(row)))(_weights(made, population))
    state = problem.init(jax.random.key(0))

    def generation(key: Any, solutions: Any) -> Any:
        fitness, after, metrics = problem.eval(key, solutions, state)
        return fitness, after, metrics

    return {"version": version("evosax"), **_timed(generation, parameters, seconds)}


def _weights(task: Any, population: int) -> jax.Array:
    weights = np.random.default_rng(1).normal(size=(population, task.spec.dim)) * task.spec.start.scale
    return jnp.asarray(weights, jnp.float32)


def _timed(generation: Callable[[Any, Any], Any], solutions: Any, seconds: float) -> dict[str, Any]:
    """CPU seconds of a generation, the fastest of some repetitions, compilation and memory apart."""
    keys = jax.random.split(jax.random.key(1), 64)
    compile_seconds, program = stopwatch.compiled(generation, keys[0], solutions)
    jax.block_until_ready(program(keys[0], solutions))
    analysis = program.memory_analysis()
    times, used = [], 0
    for _ in range(_TURNS):
        began, count = time.process_time(), 0
        while (taken := time.process_time() - began) < seconds or not count:
            jax.block_until_ready(program(keys[used % len(keys)], solutions))
            count, used = count + 1, used + 1
        times.append(taken / count)
    return {
        "run_seconds": min(times),
        "compile_seconds": compile_seconds,
        "bytes": analysis.temp_size_in_bytes + analysis.output_size_in_bytes,
        "process_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def _problem(environment: str, rollouts: int, steps: int) -> Any:
    """Evosax's problem with our architecture, written for flax."""
    from evosax.problems import BraxProblem, GymnaxProblem
    from flax import linen as nn

    class Linear(nn.Module):
        outputs: int
        scale: float = 1.0

        @nn.compact
        def __call__(self, observation: Any, key: Any) -> Any:
            del key
            return self.scale * jnp.tanh(nn.Dense(self.outputs)(observation))

    class Player(nn.Module):
        outputs: int

        @nn.compact
        def __call__(self, observation: Any, key: Any) -> Any:
            del key
            features = nn.relu(nn.Conv(16, (3, 3))(observation)).reshape(-1)
            # A line for each layer: flax numbers them as they are made.
            hidden = nn.relu(nn.Dense(32)(features))
            return nn.Dense(self.outputs)(hidden).argmax()

    made: Any = qdbench.make(f"Neuro-{environment}-v0")
    outputs = made.environment.num_actions
    if environment == "Pendulum":
        return GymnaxProblem("Pendulum-v1", Linear(outputs, 2.0), steps, rollouts)
    if made.environment.is_discrete:
        name = f"{environment}-MinAtar"
        return GymnaxProblem(name, Player(outputs), steps, rollouts, use_normalize_obs=False)
    # The dictionary of arguments is evosax's default, shared by all of its problems.
    return BraxProblem(made.environment.brax_name, Linear(outputs), steps, rollouts)


def _flax(network: Any) -> Any:
    """A network's weights as flax names them."""
    if hasattr(network, "convolution"):
        parts = {"Conv_0": network.convolution, "Dense_0": network.dense, "Dense_1": network.readout}
    else:
        (layer,) = network.layers
        parts = {"Dense_0": layer}
    return {"params": {name: {"kernel": part.kernel, "bias": part.bias} for name, part in parts.items()}}
