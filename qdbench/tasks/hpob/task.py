"""HPO-B (Pineda Arango et al. 2021): hyperparameters of classifiers, judged by surrogates of real runs."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from qdbench.arguments import check_precision
from qdbench.data_catalogue import HPOB_DESIGNS, HPOB_PACK
from qdbench.datasets import DataError, locate
from qdbench.protocols import Evaluation, Task, precision_of
from qdbench.spec import JsonScalar, Measure, Start, TaskSpec
from qdbench.tasks.hpob.designs import SEEDS, Design, no_design, read_design
from qdbench.tasks.hpob.ensemble import TreeEnsemble, from_pack, predict
from qdbench.tasks.hpob.pack import Pack, Surrogate, cached_pack

BUDGET = 105
STARTS = ("centre", "uniform", *SEEDS)
_CELLS = 20
_CENTRE = 0.5


class HpoTask(Task):
    """Hyperparameters in [0, 1]^D with normalised accuracies; subclasses say how accurate a configuration is.

    At the configurations of its initial design, if it has one, a task says what the real runs said.
    """

    low: eqx.AbstractVar[Float[Array, ""]]
    span: eqx.AbstractVar[Float[Array, ""]]
    design: eqx.AbstractVar[Float[Array, "points n"]]
    design_accuracy: eqx.AbstractVar[Float[Array, " points"]]

    @abc.abstractmethod
    def accuracy(self, inside: Float[Array, "batch n"]) -> Float[Array, " batch"]:
        """The accuracies of configurations in [0, 1]^D."""

    def _evaluate(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"], gradients: bool) -> Evaluation:
        del key, gradients
        inside = jnp.clip(solutions, 0, 1)
        accuracy = self.accuracy(inside)
        for point, known in zip(self.design, self.design_accuracy, strict=True):
            accuracy = jnp.where((inside == point).all(axis=1), known, accuracy)
        objective = jnp.clip((accuracy - self.low) / self.span, 0, 1)
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

    The start is the centre of the space, uniform, or one of the initial designs ``test0`` to ``test4``: five
    configurations that are evaluated first (:mod:`qdbench.harness.design`), for which f is made of the accuracies of
    real runs, as HPO-B's handler does. The measures, for QD optimizers, are the first two hyperparameters on
    :math:`[0, 1]^2`, with 20 x 20 cells (``measures=False``: none).

    Shapes: solutions ``(batch, D)``, objective ``(batch,)``, measures ``(batch, 2)``.

    Source: pineda2021hpob; the start and the clipping lange2023lga, section 6.3.

    Version history: v0 of HPOB, the surrogates of HPO-B v3 (``saved-surrogates.zip``, sha256 bda3a71e...); v0 of
    HPO-Mini, surrogates of our own (:mod:`qdbench.tasks.hpob.mini`); v0 of HPO-Own, those that a user names.
    """

    spec: TaskSpec = eqx.field(static=True)
    ensemble: TreeEnsemble
    low: Float[Array, ""]
    span: Float[Array, ""]
    design: Float[Array, "points n"]
    design_accuracy: Float[Array, " points"]

    def accuracy(self, inside: Float[Array, "batch n"]) -> Float[Array, " batch"]:
        """What the surrogate predicts."""
        return predict(self.ensemble, inside).astype(inside.dtype)


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a task is called and how it is used, whatever its surrogate.

    Attributes:
        id: The registered id.
        family: The spec's.
        title: What the benchmark is called, for the summary.
        named: Arguments that name the surrogate; ``space`` and ``dataset`` are among them.
        start: One of :data:`STARTS`.
        precision: ``"float32"`` or ``"float64"``.
        measures: Whether the task has measures.
        citations: BibTeX keys.
    """

    id: str
    family: str
    title: str
    named: Mapping[str, JsonScalar]
    start: str
    precision: str
    measures: bool
    citations: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            wanted = ", ".join(map(repr, STARTS))
            raise ValueError(f"{self.id}: start must be one of {wanted}, but it is {self.start!r}")

    @property
    def has_design(self) -> bool:
        """Whether the search begins with an initial design."""
        return self.start in SEEDS


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
        start: ``"centre"`` (all solutions at 0.5), ``"uniform"``, or an initial design, ``"test0"`` to ``"test4"``.
        precision: ``"float32"`` or ``"float64"``.
        measures: Whether the task has measures.

    Raises:
        DataError: If HPO-B's surrogates are not there (``qdbench data fetch hpob``), or have no such task, or if its
            initial designs are asked for and not there (``qdbench data fetch hpob-designs``).
        ValueError: If an argument has another value.
    """
    path = locate(HPOB_PACK)
    pack = cached_pack(path)
    if not pack.official:
        raise DataError(
            f"{path} was not made of HPO-B's official file: use HPO-Own-v0 with pack=... for others, "
            "or get the official one with `qdbench data fetch hpob`"
        )
    named = {"space": str(space), "dataset": str(dataset)}
    setting = Setting(id, "hpob", "HPO-B", named, start, precision, measures, ("pineda2021hpob",))
    surrogate = pack.surrogate(named["space"], named["dataset"])
    design = None
    if setting.has_design:
        dim = surrogate.trees.num_feature
        design = read_design(locate(HPOB_DESIGNS), surrogate.space, surrogate.dataset, start, dim)
    return assemble(setting, pack, surrogate, design)


def make_own(
    id: str,
    pack: str,
    space: str | int,
    dataset: str | int,
    start: str = "centre",
    precision: str = "float64",
    measures: bool = True,
) -> SurrogateTask:
    """Makes a task of surrogates that are not HPO-B's own, such as a user's; see :func:`make`.

    Args:
        id: The registered id.
        pack: The file that ``qdbench data import`` wrote.
        space: The search space, as the pack names it (``"own"`` for a single model).
        dataset: The data set, as the pack names it (the file's name for a single model).
        start: ``"centre"`` or ``"uniform"``.
        precision: ``"float32"`` or ``"float64"``.
        measures: Whether the task has measures.

    Raises:
        DataError: If the pack cannot be read or has no such surrogate.
        ValueError: If an argument has another value.
    """
    named = {"pack": str(pack), "space": str(space), "dataset": str(dataset)}
    setting = Setting(id, "hpo-own", Path(pack).stem, named, start, precision, measures, ())
    if setting.has_design:
        raise ValueError(f"{id}: start must be 'centre' or 'uniform', because a pack has no initial designs")
    found = cached_pack(Path(pack))
    return assemble(setting, found, found.surrogate(named["space"], named["dataset"]))


def assemble(setting: Setting, pack: Pack, surrogate: Surrogate, design: Design | None = None) -> SurrogateTask:
    """The task of a pack's surrogate."""
    spec = describe(setting, surrogate)
    with precision_of(spec):
        ensemble = from_pack(pack, surrogate.space, surrogate.dataset)
        return SurrogateTask(spec=spec, ensemble=ensemble, **fields(surrogate, spec, design))


def describe(setting: Setting, surrogate: Surrogate) -> TaskSpec:
    """The spec of a surrogate's task."""
    dim = surrogate.trees.num_feature
    count = min(dim, 2) if setting.measures else 0
    kept: dict[str, JsonScalar] = {"start": setting.start, "precision": setting.precision, "measures": setting.measures}
    centre = Start(kind="design" if setting.has_design else "normal", mean=_CENTRE, scale=0.0)
    return TaskSpec(
        id=setting.id,
        arguments={**setting.named, **kept},
        family=setting.family,
        summary=f"{setting.title}: space {surrogate.space} on data set {surrogate.dataset}, {dim} hyperparameters",
        dim=dim,
        measures=tuple(Measure(name=f"hyperparameter {i}", low=0.0, high=1.0) for i in range(1, count + 1)),
        archive_shape=(_CELLS,) * count,
        objective_range=(0.0, 1.0),
        budget=BUDGET,
        metric="regret",
        precision=check_precision(setting.id, setting.precision),
        solution_bounds=(0.0, 1.0),
        outside="clipped",
        start=Start(kind="uniform") if setting.start == "uniform" else centre,
        citations=(*setting.citations, "lange2023lga"),
    )


def fields(surrogate: Surrogate, spec: TaskSpec, design: Design | None) -> dict[str, Array]:
    """The fields of any task that judges hyperparameters: what normalises accuracies, and the initial design."""
    low, high = surrogate.y_min, surrogate.y_max
    solutions, accuracy = design or no_design(spec.dim)
    values = {"low": low, "span": high - low, "design": solutions, "design_accuracy": accuracy}
    return {name: jnp.asarray(value, spec.precision) for name, value in values.items()}
