"""Reference optimizers, one algorithm a file. ``baselines.make("cma-mega", task.spec)`` makes one.

Importing this package registers the ids and imports none of the algorithms.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

from baselines import third_party
from baselines.published import published_hyperparameters
from baselines.tuned import tuned_hyperparameters
from qdbench.arguments import check_names, takes_seed
from qdbench.registry import OPTIMIZERS

if TYPE_CHECKING:
    from qdbench.protocols import Optimizer
    from qdbench.spec import TaskSpec

__all__ = ["make"]

for _id, _entry_point, _summary in (
    ("random-search", "baselines.random_search:make", "samples of the task's start distribution: the floor"),
    ("map-elites", "baselines.map_elites:make", "MAP-Elites with Gaussian mutation"),
    ("map-elites-line", "baselines.map_elites:make_line", "MAP-Elites with the Iso+LineDD operator"),
    ("cvt-map-elites", "baselines.map_elites:make_cvt", "MAP-Elites with the cells of a Voronoi tessellation"),
    ("cvt-map-elites-line", "baselines.map_elites:make_cvt_line", "the same with the Iso+LineDD operator"),
    ("cma-me", "baselines.cma_me:make", "CMA-ME with an improvement emitter"),
    ("og-map-elites", "baselines.objective_gradient:make", "MAP-Elites with objective gradient steps"),
    ("og-map-elites-line", "baselines.objective_gradient:make_line", "the same with the Iso+LineDD operator"),
    ("omg-mega", "baselines.mega.omg_mega:make", "OMG-MEGA: elites branched along random gradient combinations"),
    ("cma-mega", "baselines.mega.cma_mega:make", "CMA-MEGA: gradient coefficients adapted by CMA-ES"),
    ("cma-mega-adam", "baselines.mega.cma_mega:make_adam", "CMA-MEGA with Adam for the search position"),
    ("cma-mae", "baselines.cma_mae:make", "CMA-MAE: CMA-ES on the improvement over an annealed archive"),
    ("cma-maega", "baselines.mega.cma_maega:make", "CMA-MAEGA: CMA-MEGA with an annealed archive"),
    ("cma-maega-adam", "baselines.mega.cma_maega:make_adam", "CMA-MAEGA with Adam for the search position"),
):
    OPTIMIZERS.register(_id, _entry_point, summary=_summary)

# Each of these also with restarts, under its id and "-restarts".
for _id, _entry_point, _summary in (
    ("gaussian-ga", "baselines.genetic.gaussian_ga:make", "truncation selection, Gaussian mutation, a fixed step size"),
    ("mr15-ga", "baselines.genetic.mr15_ga:make", "the Gaussian GA with the 1/5 success rule"),
    ("samr-ga", "baselines.genetic.samr_ga:make", "the Gaussian GA with step sizes that are inherited and mutated"),
    ("gesmr-ga", "baselines.genetic.gesmr_ga:make", "a GA whose step sizes are selected by the best child of a group"),
    ("sep-cma-es", "baselines.evolution.sep_cma_es:make", "CMA-ES with a diagonal covariance"),
    ("cma-es", "baselines.evolution.cma_es:make", "CMA-ES with active weights"),
    ("openai-es", "baselines.evolution.openai_es:make", "antithetic samples, centred ranks and Adam"),
):
    OPTIMIZERS.register(_id, _entry_point, summary=_summary)
    _made_by = f"baselines.restarts:make_{_id.replace('-', '_')}"
    OPTIMIZERS.register(f"{_id}-restarts", _made_by, summary=f"{_id} with independent restarts when it is stuck")

for _id, _made_by, _summary in (
    ("lga", "make", "the learned GA: selection and mutation rates by attention, meta-evolved on BBOB"),
    ("gaussian-ga-learned-selection", "make_with_selection", "the Gaussian GA with the learned GA's selection"),
    ("gaussian-ga-learned-mutation", "make_with_mutation", "the Gaussian GA with the learned GA's mutation rates"),
):
    OPTIMIZERS.register(_id, f"baselines.learned_ga.shipped:{_made_by}", summary=_summary)

third_party.register()


def make(id: str, spec: TaskSpec, **hyperparameters: Any) -> Optimizer:
    """Makes a reference optimizer for a task.

    Hyperparameters that are not given take the values that the algorithm's authors published or that we tuned for the
    task's family, where there are some, and the algorithm's general defaults otherwise.

    Args:
        id: A registered optimizer id; ``qdbench list optimizers`` shows them.
        spec: The task's spec.
        hyperparameters: The algorithm's own, by name.

    Raises:
        UnknownNameError: If there is no such id (with the nearest ones).
        TypeError: If a hyperparameter does not exist (with those that do), or the optimizer is not pure.
        ValueError: If a hyperparameter is not a finite number or a size not a positive integer, or if the optimizer
            needs gradients and the task has none.
    """
    factory, bound = OPTIMIZERS.resolve(id)
    if takes_seed(factory):
        raise TypeError(
            f"optimizer {id!r} is not pure: qdbench.run(task, {id!r}) makes one for each trial, with its seed"
        )
    check_names(f"optimizer {id!r}", factory, hyperparameters, hidden={"spec", *bound})
    settings = {**bound, **published_hyperparameters(id, spec), **tuned_hyperparameters(id, spec), **hyperparameters}
    for name, value in settings.items():
        wants_text = inspect.signature(factory).parameters[name].annotation in (str, "str")
        if wants_text and not isinstance(value, str):
            raise ValueError(f"optimizer {id!r}: {name} must be a text, but it is {value!r}")
        if not wants_text and (not isinstance(value, int | float) or not math.isfinite(value)):
            raise ValueError(f"optimizer {id!r}: {name} must be a finite number, but it is {value!r}")
    from qdbench.protocols import Optimizer, precision_of

    with precision_of(spec):
        optimizer = factory(spec, **settings)
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"optimizer {id!r}: its factory takes no seed, so it should make a pure Optimizer, but it made a "
            f"{type(optimizer).__name__}; what has ask() and tell() is made with (spec, seed)"
        )
    if optimizer.id != id:
        raise ValueError(f"optimizer {id!r}: its factory made one with the id {optimizer.id!r}")
    if not spec.differentiable and any(batch.gradients for batch in optimizer.iteration):
        raise ValueError(f"optimizer {id!r} needs gradients, but task {spec.id} is not differentiable")
    return optimizer
