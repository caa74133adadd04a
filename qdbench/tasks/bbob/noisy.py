"""Noisy BBOB: ten settings of the functions, each with Gaussian, uniform and Cauchy noise (Hansen et al. 2009)."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, Key

from qdbench.arguments import check_integer
from qdbench.protocols import Evaluation, Task
from qdbench.spec import JsonScalar, TaskSpec
from qdbench.tasks.bbob import ill_conditioned, multimodal, noise
from qdbench.tasks.bbob.definition import Arrays, Function
from qdbench.tasks.bbob.functions import FUNCTIONS
from qdbench.tasks.bbob.names import NAMES
from qdbench.tasks.bbob.task import assemble, finite
from qdbench.tasks.bbob.transforms import penalty

_FIRST, _LAST = 101, 130
_MODELS: tuple[noise.Model, ...] = ("gaussian", "uniform", "cauchy")
_PENALTY = 100.0


@dataclasses.dataclass(frozen=True)
class _Base:
    """A function without noise, and how strong its noise is."""

    function: Function
    severe: bool


def _changed(number: int, regret: Any) -> Function:
    return dataclasses.replace(FUNCTIONS[number], regret=regret)


_BASES = (
    _Base(FUNCTIONS[1], severe=False),
    _Base(FUNCTIONS[8], severe=False),
    _Base(FUNCTIONS[1], severe=True),
    _Base(FUNCTIONS[8], severe=True),
    _Base(FUNCTIONS[7], severe=True),
    _Base(_changed(10, functools.partial(ill_conditioned.ellipsoid, condition=1e4)), severe=True),
    _Base(FUNCTIONS[14], severe=True),
    _Base(FUNCTIONS[17], severe=True),
    _Base(_changed(19, functools.partial(multimodal.griewank_rosenbrock, factor=1.0)), severe=True),
    _Base(FUNCTIONS[21], severe=True),
)


class NoisyBbob(Task):
    r"""A noisy function of COCO's suite bbob-noisy; the objective is minus the noisy f - f_opt.

    With v = f - f_opt of the function without noise and its own penalty, the objective is
    :math:`-(noise(v) + 1.01 \cdot 10^{-8} + 100 f_{pen}(x))`; see :mod:`qdbench.tasks.bbob.noise`. Given COCO's own
    random numbers the values are COCO's to a relative difference of 1e-9; here the noise comes from the evaluation key
    (COCO's comes from two counters, so that a value depends on how many were asked for before).

    f101 to f103 are the sphere, f104 to f106 Rosenbrock with moderate noise; severe noise have the sphere (107 to 109),
    Rosenbrock (110), the step ellipsoid (113), the ellipsoid with condition 1e4 (116), different powers (119),
    Schaffer's F7 (122), Griewank-Rosenbrock (125) and Gallagher's 101 peaks (128), each with Gaussian, uniform and
    Cauchy noise in this order.

    Domain, measures and precision are those of :class:`qdbench.tasks.bbob.task.Bbob`. There are no gradients. What
    ranks is the best noisy value, and as no value is below 1.01e-8, a trial never ends before its budget.

    Source: hansen2009noisy; hansen2021coco.

    Version history: v0, COCO's instances (bbob-noisy, coco-experiment 2.8.2) with noise from keys.
    """

    spec: TaskSpec = eqx.field(static=True)
    function: int = eqx.field(static=True)
    f_opt: Float[Array, ""]
    arrays: Arrays

    def _evaluate(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"], gradients: bool) -> Evaluation:
        del gradients
        if key is None:
            raise ValueError(f"{self.spec.id or 'the task'} is noisy: evaluate needs a key, such as jax.random.key(0)")
        numbers = noise.draw(key, self.model, solutions.shape[0], self.spec.precision)
        return Evaluation(-self.noisy_regret(solutions, numbers), solutions[:, : self.spec.num_measures])

    @property
    def model(self) -> noise.Model:
        """The kind of noise."""
        return _MODELS[(self.function - _FIRST) % 3]

    def noisy_regret(
        self, solutions: Float[Array, "batch n"], numbers: tuple[noise.Values, ...]
    ) -> Float[Array, " batch"]:
        """The noisy ``f - f_opt`` for given random numbers (see :func:`qdbench.tasks.bbob.noise.draw`)."""
        base = _BASES[(self.function - _FIRST) // 3]
        value = finite(base.function.regret(self.arrays, solutions))
        noisy = noise.apply(self.model, value, numbers, base.severe, self.spec.dim)
        return finite(noisy + _PENALTY * penalty(solutions))


def make(
    id: str, function: int = 101, dim: int = 20, instance: int = 1, precision: str = "float64", measures: bool = True
) -> NoisyBbob:
    """Makes the task.

    Args:
        id: The registered id.
        function: 101 to 130.
        dim: Number of parameters, at least 2.
        instance: COCO's number of the instance, at least 1.
        precision: ``"float32"`` or ``"float64"``.
        measures: Whether the task has measures.

    Raises:
        ValueError: If an argument has another value.
    """
    function = check_integer(id, "function", function, _FIRST, _LAST)
    base = _BASES[(function - _FIRST) // 3]
    model = _MODELS[(function - _FIRST) % 3]
    name = f"{NAMES[base.function.number - 1]} with {'severe' if base.severe else 'moderate'} {model} noise"
    changes = {
        "family": "bbob-noisy",
        "target": None,
        "differentiable": False,
        "deterministic": False,
        "citations": ("hansen2009noisy", "hansen2021coco"),
    }
    named: dict[str, JsonScalar] = {"function": function}
    fields = assemble(id, base.function, name, dim, instance, precision, measures, named, **changes)
    return NoisyBbob(function=function, **fields)
