"""The search spaces of HPO-Mini: scikit-learn's models, their hyperparameters, and the data sets they are run on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

Values = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A hyperparameter, and how [0, 1] is mapped to its range.

    Attributes:
        name: In the table.
        low: At 0.
        high: At 1.
        log: Whether equal steps are equal factors.
        integer: Whether it is rounded.
    """

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False

    def value(self, unit: float) -> float | int:
        """The hyperparameter at a number in [0, 1]."""
        span = self.high - self.low
        value = self.low * (self.high / self.low) ** unit if self.log else self.low + span * unit
        return round(value) if self.integer else float(value)


@dataclasses.dataclass(frozen=True)
class Space:
    """A model with its hyperparameters.

    Attributes:
        name: Short, for ids.
        summary: For people.
        parameters: One a coordinate of [0, 1]^D.
        build: Makes the model of the hyperparameters and a seed.
        datasets: On which it is run.
    """

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    build: Callable[[Values, int], Any]
    datasets: tuple[str, ...]

    def values(self, unit: np.ndarray) -> dict[str, Any]:
        """The hyperparameters of a point of [0, 1]^D."""
        return {
            parameter.name: parameter.value(float(number))
            for parameter, number in zip(self.parameters, unit, strict=True)
        }


def _svm(values: Values, seed: int) -> Any:
    return SVC(C=values["C"], gamma=values["gamma"], kernel="rbf", random_state=seed)


def _knn(values: Values, seed: int) -> Any:
    del seed
    exponent = values["distance_exponent"]

    def weights(distances: np.ndarray) -> np.ndarray:
        # Equal points have the distance 0, which no power below 0 takes.
        return np.asarray(np.maximum(distances, 1e-12) ** -exponent)

    return KNeighborsClassifier(n_neighbors=values["n_neighbors"], p=values["p"], weights=weights)


def _logistic(values: Values, seed: int) -> Any:
    return LogisticRegression(
        C=values["C"], l1_ratio=values["l1_ratio"], max_iter=values["max_iter"], solver="saga", random_state=seed
    )


def _forest(values: Values, seed: int) -> Any:
    return RandomForestClassifier(**values, random_state=seed)


def _boosting(values: Values, seed: int) -> Any:
    return HistGradientBoostingClassifier(**values, early_stopping=False, random_state=seed)


def _mlp(values: Values, seed: int) -> Any:
    return MLPClassifier(
        hidden_layer_sizes=(values["hidden_units"],) * values["hidden_layers"],
        learning_rate_init=values["learning_rate"],
        alpha=values["alpha"],
        batch_size=values["batch_size"],
        beta_1=values["beta_1"],
        max_iter=values["epochs"],
        n_iter_no_change=values["epochs"],
        random_state=seed,
    )


_SMALL = ("breast_cancer", "iris", "wine")

SPACES: Mapping[str, Space] = MappingProxyType(
    {
        space.name: space
        for space in (
            Space(
                "svm",
                "support vector machine, radial basis functions",
                (Parameter("C", 2**-5, 2**15, log=True), Parameter("gamma", 2**-15, 2**3, log=True)),
                _svm,
                ("digits", *_SMALL),
            ),
            Space(
                "knn",
                "k nearest neighbours, weighted by a power of the Minkowski distance",
                (
                    Parameter("n_neighbors", 1, 64, log=True, integer=True),
                    Parameter("p", 1, 4),
                    Parameter("distance_exponent", 0, 4),
                ),
                _knn,
                _SMALL,
            ),
            Space(
                "logistic",
                "logistic regression, elastic net, stochastic average gradients",
                (
                    Parameter("C", 1e-4, 1e4, log=True),
                    Parameter("l1_ratio", 0, 1),
                    Parameter("max_iter", 4, 256, log=True, integer=True),
                ),
                _logistic,
                _SMALL,
            ),
            Space(
                "forest",
                "random forest",
                (
                    Parameter("n_estimators", 4, 64, log=True, integer=True),
                    Parameter("max_depth", 1, 16, log=True, integer=True),
                    Parameter("max_features", 0.05, 1),
                    Parameter("max_samples", 0.05, 1),
                    Parameter("min_samples_leaf", 1, 32, log=True, integer=True),
                    Parameter("min_samples_split", 2, 64, log=True, integer=True),
                ),
                _forest,
                ("digits", *_SMALL),
            ),
            Space(
                "mlp",
                "multilayer perceptron, Adam",
                (
                    Parameter("hidden_units", 4, 64, log=True, integer=True),
                    Parameter("hidden_layers", 1, 3, integer=True),
                    Parameter("learning_rate", 1e-4, 1e-1, log=True),
                    Parameter("alpha", 1e-7, 10, log=True),
                    Parameter("batch_size", 16, 256, log=True, integer=True),
                    Parameter("beta_1", 0.5, 0.99),
                    Parameter("epochs", 4, 32, log=True, integer=True),
                ),
                _mlp,
                ("digits", *_SMALL),
            ),
            Space(
                "boosting",
                "histogram gradient boosting",
                (
                    Parameter("learning_rate", 0.005, 1, log=True),
                    Parameter("max_iter", 4, 128, log=True, integer=True),
                    Parameter("max_leaf_nodes", 2, 64, log=True, integer=True),
                    Parameter("max_depth", 1, 12, log=True, integer=True),
                    Parameter("min_samples_leaf", 1, 64, log=True, integer=True),
                    Parameter("l2_regularization", 1e-6, 1e2, log=True),
                    Parameter("max_features", 0.1, 1),
                    Parameter("max_bins", 4, 255, log=True, integer=True),
                ),
                _boosting,
                _SMALL,
            ),
        )
    }
)
"""The spaces by name, in the order of their dimension."""
