"""A task's fingerprint: a hash over what it says about eight fixed solutions."""

from __future__ import annotations

import dataclasses
import hashlib

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from qdbench.protocols import Evaluation, HostTask, Task, check_solutions, precision_of
from qdbench.random import key_from_names
from qdbench.spec import TaskSpec

_SOLUTIONS = 8
_DIGITS = 3


def fingerprint(task: Task | HostTask) -> str:
    """16 hexadecimal digits: SHA-256 over the spec's structure and golden evaluations rounded to 3 digits.

    The solutions are samples of the task's region (:attr:`qdbench.spec.TaskSpec.region`) from NumPy's PCG64 with seed
    0, so they do not depend on JAX; the rounding is coarse enough for devices to agree.
    """
    spec = task.spec
    evaluation = _evaluate(task)
    digest = hashlib.sha256(spec.structure().model_dump_json().encode())
    for part in (evaluation.objective, evaluation.measures):
        for value in np.asarray(part, np.float64).ravel():
            digest.update(f"{value:.{_DIGITS - 1}e};".encode())
    return digest.hexdigest()[:16]


def _evaluate(task: Task | HostTask) -> Evaluation:
    key, solutions = key_from_names("fingerprint"), golden_solutions(task.spec)
    if not isinstance(task, Task):
        return task.evaluate(key, solutions)
    # One program for all instances of a structure; the names, which differ, are not part of it.
    task = task.for_fingerprint()
    task = dataclasses.replace(task, spec=task.spec.structure())
    if task.is_compiled:
        return task.evaluate(key, solutions)
    with precision_of(task.spec):
        return _program(task, key, check_solutions(task.spec, solutions))


@jax.jit
def _program(task: Task, key: Key[Array, ""], solutions: Float[Array, "batch dim"]) -> Evaluation:
    return task.evaluate(key, solutions)


def golden_solutions(spec: TaskSpec) -> np.ndarray:
    """The fixed solutions, ``(8, dim)``."""
    generator = np.random.default_rng(0)
    region = spec.region
    if region.kind == "uniform":
        return generator.uniform(region.low, region.high, (_SOLUTIONS, spec.dim))
    return region.mean + region.scale * generator.standard_normal((_SOLUTIONS, spec.dim))
