"""The learned GA of evosax, with the parameters that evosax ships."""

from __future__ import annotations

import importlib.metadata

import jax.numpy as jnp

from baselines.third_party.evosax_algorithms import Adapter
from baselines.third_party.evosax_library import kind_of
from qdbench.protocols import Batch
from qdbench.spec import TaskSpec


class EvosaxLga(Adapter):
    """``evosax.algorithms.LearnedGA`` as it is; see lange2022evosax.

    It minimizes, so it is told minus the objective, within [-1e10, 1e10], as one value that is not finite makes its
    whole archive NaN. The initial population is evaluated first, as evosax asks for.

    Hyperparameters: ``sigma`` (evosax's std_init) 0.25, ``batch_size`` 32. There are as many parents as
    children, which is evosax's own default.
    """

    def name(self) -> str:
        """What evosax calls the algorithm."""
        return "LGA"


def make(spec: TaskSpec, sigma: float = 0.25, batch_size: int = 32) -> EvosaxLga:
    """Makes the optimizer; see :class:`EvosaxLga`.

    Raises:
        ImportError: If evosax is not installed.
    """
    kind_of("LGA")
    return EvosaxLga(
        sigma=jnp.asarray(sigma, spec.precision),
        evosax=importlib.metadata.version("evosax"),
        id="evosax-lga",
        spec=spec.structure(),
        initial=(Batch("initial", batch_size),),
        iteration=(Batch("children", batch_size),),
    )
