"""HPO-Mini: an HPO benchmark that comes with qdbench, made of real runs of scikit-learn's models."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from qdbench.protocols import precision_of
from qdbench.spec import TaskSpec
from qdbench.tasks.hpob.designs import POINTS, Design
from qdbench.tasks.hpob.pack import Pack, cached_pack
from qdbench.tasks.hpob.task import HpoTask, Setting, SurrogateTask, assemble, describe, fields

SCORE, DATASET = "accuracy", "dataset"
_TITLE, _FAMILY = "HPO-Mini", "hpo-mini"


class TableTask(HpoTask):
    r"""A classifier's hyperparameters, judged by the real run of the nearest configuration in a table.

    With the configurations :math:`c_i \in [0, 1]^D` and their accuracies :math:`a_i`,

    .. math:: f(x) = \frac{a_j - y_{min}}{y_{max} - y_{min}}, \qquad j = \arg\min_i \|\mathrm{clip}(x, 0, 1) - c_i\|,

    the first of those that are equally near. :math:`y_{min}` and :math:`y_{max}` are the table's worst and best, so
    the best configuration has 1. All else is as in :class:`~qdbench.tasks.hpob.task.SurrogateTask`.

    Shapes: solutions ``(batch, D)``, objective ``(batch,)``, measures ``(batch, 2)``.

    Source: pineda2021hpob, whose discrete benchmark looks accuracies up, too; there, optimizers choose from the table.

    Version history: v0, 1,000 configurations a task.
    """

    spec: TaskSpec = eqx.field(static=True)
    configurations: Float[Array, "rows dim"]
    accuracies: Float[Array, " rows"]
    low: Float[Array, ""]
    span: Float[Array, ""]
    design: Float[Array, "points dim"]
    design_accuracy: Float[Array, " points"]

    def accuracy(self, inside: Float[Array, "batch n"]) -> Float[Array, " batch"]:
        """That of the nearest configuration."""
        difference = inside[:, None, :] - self.configurations
        return self.accuracies[(difference * difference).sum(axis=-1).argmin(axis=-1)]


def make(
    id: str,
    space: str = "svm",
    dataset: str = "digits",
    mode: str = "surrogate",
    start: str = "centre",
    precision: str = "float64",
    measures: bool = True,
) -> SurrogateTask | TableTask:
    """Makes a task of HPO-Mini.

    Args:
        id: The registered id.
        space: ``"svm"``, ``"knn"``, ``"logistic"``, ``"forest"``, ``"mlp"`` or ``"boosting"``.
        dataset: ``"breast_cancer"``, ``"iris"`` or ``"wine"``; of ``svm``, ``forest`` and ``mlp`` also ``"digits"``.
        mode: ``"surrogate"``, or ``"table"`` for the run of the nearest configuration.
        start: ``"centre"`` (all solutions at 0.5), ``"uniform"``, or an initial design, ``"test0"`` to ``"test4"``.
        precision: ``"float32"`` or ``"float64"``.
        measures: Whether the task has measures.

    Raises:
        DataError: If there is no such space, or no such data set in it.
        ValueError: If an argument has another value.
    """
    if mode not in ("surrogate", "table"):
        raise ValueError(f"{id}: mode must be 'surrogate' or 'table', but it is {mode!r}")
    named = {"space": space, "dataset": dataset, "mode": mode}
    title = _TITLE if mode == "surrogate" else f"{_TITLE}, looked up in the table"
    setting = Setting(id, _FAMILY, title, named, start, precision, measures, ("pineda2021hpob",))
    pack = shipped()
    surrogate = pack.surrogate(space, dataset)
    design = initial_design(space, dataset, start) if setting.has_design else None
    if mode == "surrogate":
        return assemble(setting, pack, surrogate, design)
    spec, rows = describe(setting, surrogate), table(space, dataset)
    with precision_of(spec):
        return TableTask(
            spec=spec,
            configurations=jnp.asarray(_configurations(rows), spec.precision),
            accuracies=jnp.asarray(rows[SCORE].to_numpy(), spec.precision),
            **fields(surrogate, spec, design),
        )


def initial_design(space: str, dataset: str, seed: str) -> Design:
    """Five runs of the table, drawn without replacement; as HPO-B's designs, each task's and seed's are its own.

    The generator is NumPy's PCG64, seeded with the first eight bytes of the SHA-256 of ``space/dataset/seed``.
    """
    rows = table(space, dataset)
    digest = hashlib.sha256(f"{space}/{dataset}/{seed}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    chosen = rows.iloc[generator.choice(len(rows), POINTS, replace=False)]
    return Design(_configurations(chosen), chosen[SCORE].to_numpy(np.float64))


def _configurations(rows: pd.DataFrame) -> np.ndarray:
    return rows.drop(columns=SCORE).to_numpy(np.float64)


def shipped() -> Pack:
    """The surrogates that come with qdbench."""
    with resources.as_file(_folder()) as folder:
        return cached_pack(Path(folder) / "surrogates.npz")


def table(space: str, dataset: str) -> pd.DataFrame:
    """The runs of a task: the coordinates in [0, 1], a column each, and the accuracy."""
    rows = _tables(space)
    return rows[rows[DATASET] == dataset].drop(columns=DATASET).reset_index(drop=True)


@functools.cache
def _tables(space: str) -> pd.DataFrame:
    with resources.as_file(_folder()) as folder:
        return pd.read_parquet(Path(folder) / f"{space}.parquet")


def _folder() -> resources.abc.Traversable:
    return resources.files("qdbench.tasks.hpob") / "mini_data"
