"""Ensembles of regression trees that JAX evaluates, bit for bit as xgboost does.

A solution goes left at a node if and only if ``x < threshold`` in float32, a NaN to the side that the node names, and
the values of the leaves are added in float32, tree after tree, to the base score.

How it is computed. A branch to one of two children, a value at a time, is slow on a processor that compares 8 or 16
numbers at once, and so is fetching ``x`` and a threshold from where the last branch led to. So nobody descends:
every node of a perfect tree compares a whole row of solutions, and from the leaves to the root each node keeps one of
the two values below it. That is 2^depth - 1 comparisons and selections a tree and solution in place of ``depth`` steps,
but all of them on contiguous rows of the transposed solutions, in one kernel, nothing of which is written but the
trees' values. ``python -m benchmarks surrogates`` compares it with xgboost and with its floor. A sum in another order
would be no faster, so there is none.

Two details make it exact:

- XLA flushes subnormal numbers to zero on the CPU, before it compares, too. So the comparison is one of integers that
  are ordered as the float32 numbers are, -0.0 and 0.0 being the same.
- NaN becomes the largest integer, which goes right at every node, in one copy of the solutions, and the smallest one,
  which goes left, in another; a node looks at the copy that it wants.

Only a running sum below 2^-102 could differ from xgboost's, by leaves that are subnormal themselves.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Float32, Int, Int16, Int32

from qdbench.numerics import materialize
from qdbench.tasks.hpob.pack import Pack
from qdbench.tasks.hpob.trees import Trees

_SMALLEST, _LARGEST = np.int32(-(2**31)), np.int32(2**31 - 1)
# Rows of this many solutions keep what a tree reads in the core's cache, and bound the memory of the trees' values.
_CHUNK = 1024
# Additions a turn of the loop over trees; a turn has a cost of its own, which small batches feel.
UNROLL = 20


class TreeEnsemble(eqx.Module):
    """The trees of a model; a pytree whose leaves are arrays, so that models of one shape can be stacked and mapped.

    Attributes:
        row: The row of the doubled solutions that a node compares, ``(trees, 2^depth - 1)``: the feature, plus
            ``num_feature`` where NaN goes left.
        threshold: The threshold as an ordered integer, ``(trees, 2^depth - 1)``; see :func:`ordered`.
        leaf: The values, ``(trees, 2^depth)``. Trees that only pad have the value -0.0, which changes no sum.
        base_score: What the values are added to.
        num_feature: Number of features of a solution.
    """

    row: Int16[Array, "*models trees splits"]
    threshold: Int32[Array, "*models trees splits"]
    leaf: Float32[Array, "*models trees leaves"]
    base_score: Float32[Array, "*models"]
    num_feature: int = eqx.field(static=True)

    @classmethod
    def from_trees(
        cls,
        trees: Trees,
        num_trees: int | None = None,
        depth: int | None = None,
        num_feature: int | None = None,
    ) -> TreeEnsemble:
        """The ensemble of a model, padded to a shape that others share.

        Args:
            trees: The model.
            num_trees: Number of trees, with those that pad. Default: the model's.
            depth: Depth of the perfect trees. Default: the model's.
            num_feature: Number of features of a solution; those beyond the model's make no difference. Default: the
                model's.

        Raises:
            ValueError: If one of them is less than the model's.
        """
        found = (len(trees.leaf), trees.depth, trees.num_feature)
        given = (num_trees, depth, num_feature)
        wanted = tuple(own if size is None else size for own, size in zip(found, given, strict=True))
        if any(size < own for own, size in zip(found, wanted, strict=True)):
            raise ValueError(
                f"num_trees, depth and num_feature are {wanted}; the model has {found}, and none may be less"
            )
        deep = trees.deepened(wanted[1])
        rows = ((0, wanted[0] - found[0]), (0, 0))
        return cls(
            row=jnp.asarray(np.pad(rows_of(deep, wanted[2]), rows)),
            threshold=jnp.asarray(np.pad(ordered_on_host(deep.threshold), rows)),
            leaf=jnp.asarray(np.pad(deep.leaf, rows, constant_values=-0.0)),
            base_score=jnp.asarray(deep.base_score),
            num_feature=wanted[2],
        )


def predict(ensemble: TreeEnsemble, solutions: Float[Array, "batch dim"]) -> Float32[Array, " batch"]:
    """What xgboost predicts, bit for bit; also for NaN, infinities and features that equal a threshold.

    Args:
        ensemble: One model.
        solutions: ``(batch, num_feature)``; rounded to float32.

    Returns:
        ``(batch,)``: the base score plus the values of the trees, added in their order.

    Raises:
        ValueError: If the solutions have another number of features.
    """
    if solutions.shape[1] != ensemble.num_feature:
        raise ValueError(
            f"solutions have the shape {solutions.shape}; the ensemble wants (batch, {ensemble.num_feature})"
        )
    return in_chunks(lambda rows: _predict_chunk(ensemble, rows), solutions.astype(jnp.float32), _CHUNK)


def from_pack(pack: Pack, space: str, dataset: str) -> TreeEnsemble:
    """A surrogate, padded to the shape that all have, so that one program evaluates those with as many features.

    Raises:
        DataError: If there is no such surrogate.
    """
    trees = pack.surrogate(space, dataset).trees
    models = [other.trees for other in pack.surrogates.values()]
    num_trees, depth = max(len(other.leaf) for other in models), max(other.depth for other in models)
    return TreeEnsemble.from_trees(trees, num_trees, depth)


def ordered(values: Float32[Array, "*shape"]) -> Int32[Array, "*shape"]:
    """Integers that are ordered as float32 numbers are: -0.0 equals 0.0, and subnormal numbers differ from zero."""
    bits = lax.bitcast_convert_type(values, jnp.int32)
    return jnp.where(bits < 0, _SMALLEST - bits, bits)


def ordered_on_host(values: np.ndarray) -> np.ndarray:
    """As :func:`ordered`, in NumPy."""
    bits = values.view(np.int32)
    return np.where(bits < 0, _SMALLEST - bits, bits)


def rows_of(trees: Trees, num_feature: int) -> np.ndarray:
    """The row of the doubled solutions that each node compares, int16; see :func:`doubled`."""
    return (trees.feature + num_feature * trees.default_left).astype(np.int16)


def in_chunks(
    evaluate: Callable[[Float32[Array, "chunk ..."]], Float32[Array, "chunk ..."]],
    solutions: Float32[Array, "batch ..."],
    size: int,
) -> Float32[Array, "batch ..."]:
    """Evaluates a batch, if it is larger than ``size`` then in chunks of that size, one after another."""
    batch = len(solutions)
    if batch <= size:
        return evaluate(solutions)
    chunks = -(-batch // size)
    padded = jnp.pad(solutions, ((0, chunks * size - batch), *((0, 0),) * (solutions.ndim - 1)))
    values = lax.map(evaluate, padded.reshape(chunks, size, *solutions.shape[1:]))
    return values.reshape(-1, *values.shape[2:])[:batch]


def _predict_chunk(ensemble: TreeEnsemble, solutions: Float32[Array, "batch dim"]) -> Float32[Array, " batch"]:
    # Behind a barrier the columns of the nodes are no invariants of a loop around this: XLA would carry all of them
    # through it, which takes three times as long to compile.
    arguments = ensemble.row, ensemble.threshold, ensemble.leaf, doubled(solutions)
    values = tree_values(*lax.optimization_barrier(arguments))

    def add(tree: Int[Array, ""], total: Float32[Array, " batch"]) -> Float32[Array, " batch"]:
        return total + lax.dynamic_index_in_dim(values, tree, keepdims=False)

    start = jnp.full(len(solutions), ensemble.base_score)
    return lax.fori_loop(0, len(values), add, start, unroll=UNROLL)


def doubled(solutions: Float32[Array, "*models batch dim"]) -> Int32[Array, "*models rows batch"]:
    """The features as rows of ordered integers, twice: NaN goes right in the first copy, left in the second."""
    keys, missing = ordered(solutions), jnp.isnan(solutions)
    both = jnp.concatenate([jnp.where(missing, _LARGEST, keys), jnp.where(missing, _SMALLEST, keys)], axis=-1)
    # A transposition alone is a change of strides to XLA, and the rows would not be contiguous.
    return materialize(jnp.swapaxes(both, -1, -2))[0]


def tree_values(
    row: Int[Array, "trees splits"],
    threshold: Int32[Array, "trees splits"],
    leaf: Float32[Array, "trees leaves"],
    rows: Int32[Array, "rows batch"],
) -> Float32[Array, "trees batch"]:
    """The value of each tree for each solution."""
    trees, splits = row.shape
    shape = (trees, rows.shape[1])

    def value_at(node: int) -> Float32[Array, "trees batch"]:
        if node >= splits:
            return jnp.broadcast_to(leaf[:, node - splits, None], shape)
        compared = rows.at[row[:, node].astype(jnp.int32)].get(mode="promise_in_bounds")
        goes_left = compared < threshold[:, node, None]
        return lax.select(goes_left, value_at(2 * node + 1), value_at(2 * node + 2))

    return value_at(0)
