"""The trees of several models in one table, so that one program evaluates all models, each on its own solutions.

A stack of :class:`~qdbench.tasks.hpob.ensemble.TreeEnsemble` is as large as its largest model times their number. Here
trees of one leaf, which are common where a model was boosted for longer than it learned, are only numbers, nothing is
padded but the order of the sum, and the values are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Float32, Int, Int32

from qdbench.tasks.hpob.ensemble import UNROLL, doubled, in_chunks, ordered_on_host, rows_of, tree_values
from qdbench.tasks.hpob.trees import Trees

# The trees' values of so many solutions a model, for some 15,000 trees, take 15 MB.
_CHUNK = 256


class Forest(eqx.Module):
    """Several models; a pytree whose leaves are arrays.

    Attributes:
        row: The row that a node compares, of the doubled solutions of all models, ``(trees, 2^depth - 1)``.
        threshold: The threshold as an ordered integer, ``(trees, 2^depth - 1)``.
        leaf: The values, ``(trees, 2^depth)``.
        term: What the sum of each model adds in each turn, ``(turns, models)``: a tree, or -1 for a constant.
        constant: The constants, ``(turns, models)``; -0.0, which changes no sum, where a model has fewer trees.
        base_score: What each model starts from, ``(models,)``.
        num_feature: Number of features of a solution, that of the model with most; a model ignores those it lacks.
    """

    row: Int32[Array, "trees splits"]
    threshold: Int32[Array, "trees splits"]
    leaf: Float32[Array, "trees leaves"]
    term: Int32[Array, "turns models"]
    constant: Float32[Array, "turns models"]
    base_score: Float32[Array, " models"]
    num_feature: int = eqx.field(static=True)

    @classmethod
    def from_models(cls, models: Sequence[Trees]) -> Forest:
        """The forest of models of any sizes.

        Args:
            models: At least one model.

        Raises:
            ValueError: If there is none.
        """
        if not models:
            raise ValueError("a forest needs at least one model, but models is empty")
        depth = max(trees.depth for trees in models)
        num_feature = max(trees.num_feature for trees in models)
        turns = max(len(trees.leaf) for trees in models)
        term = np.full((turns, len(models)), -1, np.int32)
        constant = np.full((turns, len(models)), -0.0, np.float32)
        parts = []
        planted = 0
        for index, trees in enumerate(models):
            bits = trees.leaf.view(np.int32)
            grows = (bits != bits[:, :1]).any(axis=1)
            # One constant tree stands in where a model has no other, so that no array is empty.
            chosen = np.flatnonzero(grows) if grows.any() else np.array([0])
            constant[: len(grows), index] = trees.leaf[:, 0]
            term[chosen, index] = planted + np.arange(len(chosen))
            planted += len(chosen)
            deep = trees.deepened(depth)
            rows = rows_of(deep, num_feature)[chosen].astype(np.int32) + 2 * num_feature * index
            parts.append((rows, ordered_on_host(deep.threshold[chosen]), deep.leaf[chosen]))
        row, threshold, leaf = (jnp.asarray(np.concatenate(arrays)) for arrays in zip(*parts, strict=True))
        return cls(
            row=row,
            threshold=threshold,
            leaf=leaf,
            term=jnp.asarray(term),
            constant=jnp.asarray(constant),
            base_score=jnp.asarray([trees.base_score for trees in models], jnp.float32),
            num_feature=num_feature,
        )


def predict_each(forest: Forest, solutions: Float[Array, "models batch dim"]) -> Float32[Array, "models batch"]:
    """What each model predicts for its own solutions; bit for bit as :func:`~qdbench.tasks.hpob.ensemble.predict`.

    Args:
        forest: The models.
        solutions: ``(models, batch, num_feature)``; rounded to float32.

    Returns:
        ``(models, batch)``.

    Raises:
        ValueError: If there are other numbers of models or features.
    """
    wanted = (len(forest.base_score), forest.num_feature)
    if (solutions.shape[0], solutions.shape[2]) != wanted:
        raise ValueError(
            f"solutions have the shape {solutions.shape}; the forest wants ({wanted[0]}, batch, {wanted[1]})"
        )
    together = jnp.swapaxes(solutions.astype(jnp.float32), 0, 1)
    return in_chunks(lambda chunk: _predict_chunk(forest, chunk), together, _CHUNK).T


def _predict_chunk(forest: Forest, solutions: Float32[Array, "batch models dim"]) -> Float32[Array, "batch models"]:
    batch = len(solutions)
    rows = doubled(jnp.swapaxes(solutions, 0, 1)).reshape(-1, batch)
    values = tree_values(forest.row, forest.threshold, forest.leaf, rows)

    def add(turn: Int[Array, ""], totals: Float32[Array, "models batch"]) -> Float32[Array, "models batch"]:
        term = forest.term[turn][:, None]
        tree = values.at[jnp.maximum(term[:, 0], 0)].get(mode="promise_in_bounds")
        return totals + jnp.where(term >= 0, tree, forest.constant[turn][:, None])

    start = jnp.broadcast_to(forest.base_score[:, None], (len(forest.base_score), batch))
    return lax.fori_loop(0, len(forest.term), add, start, unroll=UNROLL).T
