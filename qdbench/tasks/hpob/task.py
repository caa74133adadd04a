"""HPO-B (Pineda Arango et al. 2021): hyperparameters of classifiers, judged by surrogates of real runs."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from qdbench.arguments import check_precision
from qdbench.datasets import HPOB_PACK, DataError, locate
from qdbench.protocols import Evaluation, Task, precision_of
from qdbench.spec import JsonScalar, Measure, Start, TaskSpec
from qdbench.tasks.hpob.ensemble import TreeEnsemble, from_pack, predict
from qdbench.tasks.hpob.pack import Pack, Surrogate, cached_pack

BUDGET = 105
_CELLS = 20
_CENTRE = 0.5


class HpoTask(Task):
    """Hyperparameters in [0, 1]^D with normalised accuracies; subclasses say how accurate a configuration is."""

    low: eqx.AbstractVar[Float[Array, ""]]
    span: eqx.AbstractVar[Float[Array, ""]]

    @abc.abstractmethod
    def accuracy(self, inside: Float[Array, "batch n"]) -> Float[Array, " batch"]:
        """The accuracies of configurations in [0, 1]^D."""

    def _evaluate(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"], gradients: bool) -> Evaluation:
        del key, gradients
        inside = jnp.clip(solutions, 0, 1)
        objective = jnp.clip((self.accuracy(inside) - self.low) / self.span, 0, 1)
        return Evaluation(objective, inside[:, : self.spec.num_measures])


class SurrogateTask(HpoTask):
    r"""A classifier's hyperparameters in :math:`[0, 1]^D`; the objective is the normalised accuracy, higher is better.

    A surrogate g, an ensemble of regression trees, predicts the accuracy of a configuration:

    .. math:: f(x) = \mathrm{clip}\left(\frac{g(\mathrm{clip}(x, 0, 1)) - y_{min}}{y_{max} - y_{min}}, 0, 1\right).

    :math:`y_{min}` and :math:`y_{max}` are the worst and best accuracies of the real runs that it was fitted to; it may
    exceed them, hence the clipping, which HPO-B's handler does, too. The field's metric is the regret 1 - f. Solutions
    outside are clipped to [0, 1] (Lange et al. 2023; HPO-B's handler expects them inside).

    g is evaluated in float32, bit for bit as xgboost does (:mod:`qdbench.tasks.hpob.ensemble`); the normalisation is
    rounded in the task's precision. It is piecewise constant, so there are no gradients to give.

    The start is the centre of the space, or uniform; the measures, for QD optimizers, are the first two hyperparameters
    on :math:`[0, 1]^2`, with 20 x 20 cells (``measures=False``: none).

    Shapes: solutions ``(batch, D)``, objective ``(batch,)``, measures ``(batch, 2)``.

    Source: pineda2021hpob; the start and the clipping lange2023lga, section 6.3.

    Version history: HPOB-v0, the surrogates of HPO-B v3 (``saved-surrogates.zip``, sha256 bda3a71e...). HPO-Mini-v0,
    surrogates of our own (:mod:`qdbench.tasks.hpob.mini`).
    """

    spec: TaskSpec = eqx.field(static=True)
    ensemble: TreeEnsemble
    low: Float[Array, ""]
    span: Float[Array, ""]

    def accuracy(self, inside: Float[Array, "batch n"]) -> Float[Array, " batch"]:
        """What the surrogate predicts."""
        return predict(self.ensemble, inside).astype(inside.dtype)


def make(
    id: str,
    space: str | int = "5971",
    dataset: str | int = "10093",
    start: str = "centre",
    precision: str = "float64",
    measures: bool = True,
) -> SurrogateTask:
    """Makes a task of HPO-B.

    Args:
        id: The registered id.
        space: The number of the search space, such as ``"5971"`` (xgboost, 16 hyperparameters).
        dataset: The number of the data set.
        start: ``"centre"`` (all solutions at 0.5) or ``"uniform"``.
        precision: ``"float32"`` or ``"float64"``.
        measures: Whether the task has measures.

    Raises:
        DataError: If HPO-B's surrogates are not there (``qdbench data fetch hpob``), or have no such task.
        ValueError: If an argument has another value.
    """
    path = locate(HPOB_PACK)
    pack = cached_pack(path)
    if not pack.official:
        raise DataError(
            f"{path} was not made of HPO-B's official file: use HPO-Own-v0 with pack=... for others, "
            "or get the official one with `qdbench data fetch hpob`"
        )
    named = {"space": _name(id, "space", space), "dataset": _name(id, "dataset", dataset)}
    return assemble(id, "hpob", "HPO-B", pack, named, start, precision, measures, ("pineda2021hpob",))


def make_own(
    id: str,
    pack: str = "",
    space: str | int = "own",
    dataset: str | int = "",
    start: str = "centre",
    precision: str = "float64",
    measures: bool = True,
) -> SurrogateTask:
    """Makes a task of surrogates that are not HPO-B's own, such as a user's; see :func:`make`.

    Args:
        id: The registered id.
        pack: The file that ``qdbench data import`` wrote.
        space: The search space, as the pack names it.
        dataset: The data set, as the pack names it.
        start: ``"centre"`` or ``"uniform"``.
        precision: ``"float32"`` or ``"float64"``.
        measures: Whether the task has measures.

    Raises:
        DataError: If the pack cannot be read or has no such surrogate.
        ValueError: If an argument has another value.
    """
    if not pack:
        raise ValueError(f"{id}: pack must be the path of a file that `qdbench data import` wrote")
    found = cached_pack(Path(pack))
    named = {"pack": pack, "space": _name(id, "space", space), "dataset": _name(id, "dataset", dataset)}
    return assemble(id, "hpo-own", Path(pack).stem, found, named, start, precision, measures, ())


def assemble(
    id: str,
    family: str,
    title: str,
    pack: Pack,
    named: Mapping[str, JsonScalar],
    start: str,
    precision: str,
    measures: bool,
    citations: tuple[str, ...],
) -> SurrogateTask:
    """The task of a pack's surrogate.

    Args:
        id: The registered id.
        family: The spec's.
        title: What the pack is called, for the summary.
        pack: Where the surrogate is.
        named: Arguments that name the task; ``space`` and ``dataset`` are among them.
        start: ``"centre"`` or ``"uniform"``.
        precision: ``"float32"`` or ``"float64"``.
        measures: Whether the task has measures.
        citations: BibTeX keys.

    Raises:
        DataError: If the pack has no such surrogate.
        ValueError: If an argument has another value.
    """
    surrogate = pack.surrogate(str(named["space"]), str(named["dataset"]))
    spec = describe(id, family, title, surrogate, named, start, precision, measures, citations)
    with precision_of(spec):
        return SurrogateTask(
            spec=spec,
            ensemble=from_pack(pack, surrogate.space, surrogate.dataset),
            **scale(surrogate, spec),
        )


def describe(
    id: str,
    family: str,
    title: str,
    surrogate: Surrogate,
    named: Mapping[str, JsonScalar],
    start: str,
    precision: str,
    measures: bool,
    citations: tuple[str, ...],
) -> TaskSpec:
    """The spec of a surrogate's task; see :func:`assemble`."""
    if start not in ("centre", "uniform"):
        raise ValueError(f"{id}: start must be 'centre' or 'uniform', but it is {start!r}")
    dim = surrogate.trees.num_feature
    count = min(dim, 2) if measures else 0
    return TaskSpec(
        id=id,
        arguments={**named, "start": start, "precision": precision, "measures": measures},
        family=family,
        summary=f"{title}: space {surrogate.space} on data set {surrogate.dataset}, {dim} hyperparameters",
        dim=dim,
        measures=tuple(Measure(name=f"hyperparameter {i}", low=0.0, high=1.0) for i in range(1, count + 1)),
        archive_shape=(_CELLS,) * count,
        objective_range=(0.0, 1.0),
        budget=BUDGET,
        metric="regret",
        precision=check_precision(id, precision),
        solution_bounds=(0.0, 1.0),
        outside="clipped",
        start=Start(kind="uniform") if start == "uniform" else Start(kind="normal", mean=_CENTRE, scale=0.0),
        citations=(*citations, "lange2023lga"),
    )


def scale(surrogate: Surrogate, spec: TaskSpec) -> dict[str, Array]:
    """The fields of a task that normalise accuracies."""
    low, high = surrogate.y_min, surrogate.y_max
    return {"low": jnp.asarray(low, spec.precision), "span": jnp.asarray(high - low, spec.precision)}


def _name(id: str, name: str, value: str | int) -> str:
    # Most names are numbers, and a command line makes integers of those.
    text = str(value)
    if not text:
        raise ValueError(f"{id}: {name} must be given, such as {name}=5971")
    return text
