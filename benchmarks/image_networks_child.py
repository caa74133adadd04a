"""Times generations of image networks in a child process: qdbench's task, or evosax's problem on the same images."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import qdbench
from qdbench.tasks.neuroevolution import image_network

_REPETITIONS = 5
_SCALE = 0.05


def time_qdbench(task_id: str, population: int, batch_size: int) -> dict[str, Any]:
    """A generation of the task, whose images are arguments of the program."""
    task = qdbench.make(task_id, batch_size=batch_size)
    arguments = task, jax.random.key(0), jnp.asarray(_solutions(population))
    lowered = jax.jit(lambda task, key, rows: task.evaluate(key, rows)).lower(*arguments)
    return _timed(lowered, arguments, lambda evaluation: evaluation.objective)


def time_evosax(task_id: str, population: int, batch_size: int) -> dict[str, Any]:
    """A generation of ``TorchVisionProblem``, with its own evaluation, and images that torch did not load."""
    from evosax.problems.vision.torchvision import TorchVisionProblem
    from flax import linen as nn

    data: Any = qdbench.make(task_id, batch_size=batch_size)
    data = data.data

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array, key: jax.Array) -> jax.Array:
            del key
            for channels in (8, 16):
                x = nn.max_pool(nn.relu(nn.Conv(channels, (5, 5))(x)), (2, 2), (2, 2))  # type: ignore[no-untyped-call]
            return nn.Dense(10)(x.reshape(x.shape[0], -1))

    class Problem(TorchVisionProblem):  # type: ignore[misc]
        def get_mnist(self) -> Any:
            train = image_network.normalise(data.images)[..., None], data.labels.astype(jnp.int32)
            test = image_network.normalise(data.test_images)[..., None], data.test_labels.astype(jnp.int32)
            return None, None, [train], [test]

    problem = Problem("MNIST", Network(), batch_size)
    networks = jax.vmap(image_network.unflatten)(jnp.asarray(_solutions(population)))
    layers = {"Conv_0": "1", "Conv_1": "2", "Dense_0": "3"}
    solutions = {
        "params": {
            layer: {"kernel": getattr(networks, f"kernel_{number}"), "bias": getattr(networks, f"bias_{number}")}
            for layer, number in layers.items()
        }
    }
    key = jax.random.key(0)
    state = problem.init(key)
    lowered = type(problem).eval.lower(problem, key, solutions, state)
    return _timed(lowered, (key, solutions, state), lambda result: -result[0])


def _solutions(population: int) -> np.ndarray:
    shape = population, image_network.NUM_WEIGHTS
    return (_SCALE * np.random.default_rng(1).standard_normal(shape)).astype(np.float32)


def _timed(lowered: Any, arguments: tuple[Any, ...], objective: Callable[[Any], Any]) -> dict[str, Any]:
    """Compiles a program and runs it several times; seconds are the processor's."""
    began = time.process_time()
    program = lowered.compile()
    compile_seconds = time.process_time() - began
    taken = []
    for _ in range(_REPETITIONS):
        began = time.process_time()
        result = jax.block_until_ready(program(*arguments))
        taken.append(time.process_time() - began)
    return {
        "cpu_seconds": min(taken),
        "compile_seconds": compile_seconds,
        "temporary_bytes": program.memory_analysis().temp_size_in_bytes,
        "mean_objective": float(np.mean(np.asarray(objective(result)))),
    }
