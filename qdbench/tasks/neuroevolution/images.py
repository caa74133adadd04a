"""Image classification by neuroevolution: MNIST, Fashion-MNIST, K-MNIST, and digits that need no download."""

from __future__ import annotations

import math
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from qdbench import datasets
from qdbench.arguments import check_integer
from qdbench.protocols import Evaluation, Task
from qdbench.random import key_from_names, uniform
from qdbench.spec import Measure, Start, TaskSpec
from qdbench.tasks.neuroevolution import image_data, image_network
from qdbench.tasks.neuroevolution.budgets import IMAGE_BUDGETS, budget_of
from qdbench.tasks.neuroevolution.image_network import ImageNetwork

UNIFORM_GUESS = -math.log(image_network.CLASSES)
"""The objective of a network to which all classes are equally probable, which all weights 0 make it."""

_CELLS = 32
# The largest initial step size of the paper's grid.
_SCALE = 0.05
_SOURCES = {
    "mnist": ("MNIST", "lecun1998gradient"),
    "fashion_mnist": ("Fashion-MNIST", "xiao2017fashion"),
    "kmnist": ("K-MNIST", "clanuwat2018deep"),
    "digits": ("scikit-learn's digits, enlarged", "alpaydin1998digits"),
}


class ImageClassification(Task):
    r"""The weights of a small convolutional network that classifies images of 28 x 28 pixels.

    The network has 11,274 weights (:class:`~qdbench.tasks.neuroevolution.image_network.ImageNetwork` has the layers
    and the order of the flat solution). The objective is the mean logarithm of the probability that it gives the right
    class, minus the cross-entropy, over a minibatch B of b training images:

    .. math:: f(\theta) = \frac{1}{b} \sum_{i \in B} \log \mathrm{softmax}(y_\theta(x_i))_{c_i}

    With all weights 0 it is -log 10, the reference of the objective range and the QD-score's offset; the best is 0.
    The minibatch, drawn without replacement, is the same for all solutions of one evaluation (common random numbers).
    With ``noise="resampled"``, as in the paper, every evaluation draws its own; with ``noise="fixed"`` there is one
    for good, and the objective is a deterministic function.

    The measures, for QD optimizers, are of the predictions on the same minibatch: the mean entropy of the distribution
    over classes, in units of log 10, and the standard deviation over classes of the share of the class that is
    classified rightly (0: the network is equally good at all). ``measures=False`` leaves them out.

    The test score of a solution is its accuracy on the full test set, which the objective never sees.

    The start is N(0, 0.05^2 I) around the paper's, which is 0 (``start="zero"``).

    Shapes: solutions ``(batch, 11274)``, objective ``(batch,)``, measures ``(batch, 2)``. Pixels are normalised by
    ``(x / 255 - 0.1307) / 0.3081`` for all data sets. There are no gradients to give.

    Source: lange2023lga, appendix, Table 4 (network, minibatch, population and generations); the data sets
    lecun1998gradient, xiao2017fashion, clanuwat2018deep and alpaydin1998digits.

    Version history: v0, with order 0 of the weights.
    """

    spec: TaskSpec = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    data: image_data.ImageData
    fixed: Int[Array, " images"] | None

    def unflatten(self, solution: Any) -> ImageNetwork:
        """The network of a solution ``(11274,)``: a function of normalised images ``(images, 28, 28)`` to logits."""
        return image_network.unflatten(jnp.asarray(solution, jnp.float32))

    def _evaluate(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"], gradients: bool) -> Evaluation:
        del gradients
        chosen = self._minibatch(key)
        images = image_network.normalise(self.data.images[chosen])
        labels = self.data.labels[chosen].astype(jnp.int32)
        objective, *measures = image_network.scores(solutions.astype(jnp.float32), images, labels)
        return Evaluation(objective, jnp.stack(measures, axis=1)[:, : self.spec.num_measures])

    def _test(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"]) -> Float[Array, " batch"]:
        del key
        images = image_network.normalise(self.data.test_images)
        return image_network.accuracies(solutions.astype(jnp.float32), images, self.data.test_labels.astype(jnp.int32))

    def _minibatch(self, key: Key[Array, ""] | None) -> Int[Array, " images"]:
        if self.fixed is not None:
            return self.fixed
        if key is None:
            raise ValueError(
                f"{self.spec.id or 'the task'} draws a minibatch: evaluate needs a key, such as jax.random.key(0), "
                "or make the task with noise='fixed'"
            )
        return draw(key, self.data.labels.shape[0], self.batch_size)


def draw(key: Key[Array, ""], count: int, size: int) -> Int[Array, " size"]:
    """``size`` different numbers from 0 to ``count - 1``, in random order."""
    # Those with the largest random numbers; a permutation takes forty times as long.
    _, chosen = lax.top_k(uniform(key, (count,)), size)
    return chosen


def make(
    id: str,
    source: Literal["mnist", "fashion_mnist", "kmnist", "digits"],
    budget: str = "paper",
    batch_size: int | None = None,
    noise: str = "resampled",
    start: str = "normal",
    measures: bool = True,
) -> ImageClassification:
    """Makes a task.

    Args:
        id: The registered id.
        source: The data set.
        budget: ``"paper"``, ``"small"`` or ``"smoke"``: the standard budget, and the default of the next.
        batch_size: Images of a minibatch, at most as many as there are for training.
        noise: ``"resampled"`` (a minibatch for each evaluation) or ``"fixed"`` (one for good).
        start: ``"normal"`` (N(0, 0.05^2 I)) or ``"zero"`` (all solutions at 0).
        measures: Whether the task has measures.

    Raises:
        DataError: If the data set is not there or damaged (``qdbench data fetch``).
        ValueError: If an argument has another value.
    """
    if noise not in ("resampled", "fixed"):
        raise ValueError(f"{id}: noise must be 'resampled' or 'fixed', but it is {noise!r}")
    if start not in ("normal", "zero"):
        raise ValueError(f"{id}: start must be 'normal' or 'zero', but it is {start!r}")
    data = image_data.digits() if source == "digits" else image_data.from_folder(datasets.dataset(source))
    train, test = data.labels.shape[0], data.test_labels.shape[0]
    standard = budget_of(id, IMAGE_BUDGETS, budget)
    batch_size = check_integer(id, "batch_size", standard.batch_size if batch_size is None else batch_size, 1, train)
    name, citation = _SOURCES[source]
    spec = TaskSpec(
        id=id,
        arguments={
            "budget": budget,
            "batch_size": batch_size,
            "noise": noise,
            "start": start,
            "measures": measures,
        },
        family="neuroevolution-images",
        summary=f"{name}: 11,274 weights of a convolutional network, {noise} minibatches of {batch_size}",
        dim=image_network.NUM_WEIGHTS,
        measures=(
            Measure(name="entropy of predictions", low=0.0, high=1.0, unit="log 10"),
            Measure(name="deviation of class accuracies", low=0.0, high=0.5),
        )
        if measures
        else (),
        archive_shape=(_CELLS, _CELLS) if measures else (),
        objective_range=(UNIFORM_GUESS, 0.0),
        qd_score_offset=UNIFORM_GUESS,
        budget=standard.evaluations,
        metric="test_score",
        test_episodes=test,
        deterministic=noise == "fixed",
        start=Start(kind="normal", mean=0.0, scale=_SCALE if start == "normal" else 0.0),
        citations=("lange2023lga", citation),
    )
    fixed = draw(key_from_names("minibatch", source, batch_size), train, batch_size) if noise == "fixed" else None
    return ImageClassification(spec=spec, batch_size=batch_size, data=data, fixed=fixed)
