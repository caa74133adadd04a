"""The Learned Genetic Algorithm in NumPy after section 4 and appendix A of lange2023lga: explicit queries and keys.

Higher is better. Operators are anything with the paper's factor matrices as attributes; a row is an individual. Random
numbers come from outside: ``picks`` are places among the parents, ``normals`` N(0, 1) numbers and ``gumbels`` Gumbel
deviates with a row a choice.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.stats import rankdata

from tests.reference.genetic import count_of


def redrawn(parameters: Any, seed: int, scale: float) -> Any:
    """The same operators with N(0, scale^2) parameters."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jax.numpy.asarray(generator.normal(0, scale, leaf.shape), leaf.dtype), parameters)


def z_scores(values: np.ndarray) -> np.ndarray:
    if values.max() == values.min():
        return np.zeros(len(values))
    return (values - values.mean()) / values.std()


def centred_ranks(values: np.ndarray) -> np.ndarray:
    """From -1/2 for the worst to 1/2 for the best."""
    return (rankdata(values) - 1) / (len(values) - 1) - 0.5 if len(values) > 1 else np.zeros(1)


def fitness(objective: Any, best: float) -> np.ndarray:
    """What is no finite number counts as the worst of the finite ones, and without any is no better than the best."""
    values = np.array(objective, float)
    finite = np.isfinite(values)
    values[~finite] = values[finite].min() if finite.any() else 0
    better = (values > best) & finite.any()
    return np.stack([z_scores(values), centred_ranks(values), better], axis=1)


def rate(sigmas: Any) -> np.ndarray:
    values = np.array(sigmas, float)
    low, high = values.min(), values.max()
    normalised = 2 * (values - low) / (high - low) - 1 if high > low else np.zeros(len(values))
    return np.stack([z_scores(values), normalised], axis=1)


def diversity(column: np.ndarray, best: float) -> np.ndarray:
    span = column.max() - column.min()
    return np.stack([z_scores(column), (column - best) / span if span > 0 else np.zeros(len(column))], axis=1)


def affine(rows: np.ndarray, linear: Any) -> np.ndarray:
    # Sums in the same order for every row, where BLAS may round equal rows differently: z-scores of mutation rates
    # that differ by rounding alone would be large.
    product = np.einsum("if,fk->ik", rows, np.array(linear.weight, float), optimize=False)
    return product if linear.bias is None else product + np.array(linear.bias, float)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Of every row."""
    weights = np.array([[math.exp(score - row.max()) for score in row] for row in scores])
    return np.array([row / math.fsum(row) for row in weights])


def attend(attention: Any, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Multi-head attention: of head h the columns from h w / H to (h + 1) w / H."""
    q, k, v = affine(queries, attention.query), affine(keys, attention.key), affine(keys, attention.value)
    heads = attention.heads
    outputs = []
    for h in range(heads):
        q_h, k_h, v_h = (m[:, h * m.shape[1] // heads : (h + 1) * m.shape[1] // heads] for m in (q, k, v))
        scores = np.array([[(one * two).sum() for two in k_h] for one in q_h]) / math.sqrt(q_h.shape[1])
        outputs.append(np.array([(row[:, None] * v_h).sum(axis=0) for row in softmax(scores)]))
    joined = np.concatenate(outputs, axis=1)
    return joined if attention.mix is None else affine(joined, attention.mix)


def selection_logits(operator: Any, children: np.ndarray, parents: np.ndarray) -> np.ndarray:
    attended = attend(operator.attention, parents, children)
    queries, keys = affine(attended, operator.query), affine(children, operator.key)
    scores = np.einsum("id,jd->ij", queries, keys) / math.sqrt(keys.shape[1])
    return np.concatenate([scores, np.ones((len(parents), 1))], axis=1)


def selection_matrix(operator: Any, children: np.ndarray, parents: np.ndarray) -> np.ndarray:
    return softmax(selection_logits(operator, children, parents))


def factors(operator: Any, features: np.ndarray) -> np.ndarray:
    exponents = affine(attend(operator.attention, features, features), operator.output)[:, 0]
    return np.array([math.exp(0.5 * exponent) for exponent in exponents])


def sampling_logits(operator: Any, features: np.ndarray) -> np.ndarray:
    """The heads, which have one value each, are added."""
    return attend(operator.attention, features, features).sum(axis=1)


def sampling_probabilities(operator: Any, features: np.ndarray) -> np.ndarray:
    return softmax(sampling_logits(operator, features)[None])[0]


def crossed(operator: Any, fitness_features: np.ndarray, solutions: np.ndarray, best: int) -> np.ndarray:
    """The parents after cross-over."""
    result = solutions.copy()
    for d in range(solutions.shape[1]):
        inputs = np.concatenate([fitness_features, diversity(solutions[:, d], solutions[best, d])], axis=1)
        result[:, d] += affine(attend(operator.attention, inputs, inputs), operator.output)[:, 0]
    return result


class Individual(NamedTuple):
    objective: float
    solution: np.ndarray
    sigma: float
    age: int = 0


class LearnedGa:
    """The loop; an operator that is None is the Gaussian GA's."""

    def __init__(self, operators: Any, sigma: float, elite_ratio: float, size: int) -> None:
        self.operators, self.sigma, self.elites = operators, sigma, count_of(elite_ratio, size)
        self.before = -math.inf
        self.parents: list[Individual] = []

    def start(self, solutions: np.ndarray, objective: np.ndarray) -> None:
        self.parents = self.truncated([Individual(f, x, self.sigma) for f, x in zip(objective, solutions, strict=True)])

    def ask(self, picks: np.ndarray, gumbels: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """``picks`` are for uniform sampling, ``gumbels`` for the learned one."""
        operators = self.operators
        if operators.sampling is not None:
            ages = np.tanh([parent.age for parent in self.parents])[:, None]
            inputs = np.concatenate([fitness(self._objective(self.parents), self.before), ages], axis=1)
            logits = sampling_logits(operators.sampling, inputs)
            picks = (logits[:, None] + gumbels[: self.elites]).argmax(axis=0)
        sampled = [self.parents[pick] for pick in picks]
        seen = fitness(self._objective(sampled), self.before)
        solutions, sigmas = np.array([p.solution for p in sampled]), np.array([p.sigma for p in sampled])
        if operators.crossover is not None:
            best = int(np.argmax(self._objective(sampled)))
            solutions = crossed(operators.crossover, seen, solutions, best)
        if operators.mutation is not None:
            inputs = np.concatenate([seen, rate(sigmas)], axis=1)
            sigmas = np.clip(sigmas * factors(operators.mutation, inputs), 1e-20, 1e6)
        self.children, self.sigmas = solutions + sigmas[:, None] * normals, sigmas
        return self.children

    def tell(self, objective: np.ndarray, gumbels: np.ndarray) -> None:
        children = [Individual(*row) for row in zip(objective, self.children, self.sigmas, strict=True)]
        parents = [parent._replace(age=parent.age + 1) for parent in self.parents]
        self.before = self._objective(self.parents).max()
        if self.operators.selection is None:
            self.parents = self.truncated(parents + children)
        else:
            joint = fitness(self._objective(children + parents), self.before)
            logits = selection_logits(self.operators.selection, joint[: len(children)], joint[len(children) :])
            noisy = logits + gumbels[:, : self.elites].T
            noisy[:, :-1][:, ~np.isfinite(objective)] = -math.inf
            self.parents = [[*children, parent][row.argmax()] for parent, row in zip(parents, noisy, strict=True)]

    def truncated(self, individuals: list[Individual]) -> list[Individual]:
        """The best E, earlier ones first among equals."""
        order = np.argsort(-self._objective(individuals), kind="stable")
        return [individuals[i] for i in order[: self.elites]]

    @staticmethod
    def _objective(individuals: list[Individual]) -> np.ndarray:
        values = np.array([individual.objective for individual in individuals], float)
        return np.where(np.isfinite(values), values, -math.inf)
