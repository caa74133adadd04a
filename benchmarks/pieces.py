"""Times the pieces of an iteration in isolation, in one pinned process.

Every piece is the body of a compiled loop. Its turns cannot be hoisted, merged or dropped, because each turn's input
depends on what the turn before returned, and results are written to the loop's carry, that is, to memory.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from baselines.evolution import cma_core, lazy_covariance
from baselines.evolution.emitter import decomposition_gap
from baselines.mega.gradients import branch, normalized_gradients
from benchmarks.measurement import PEER_ALGORITHMS, Setting
from benchmarks.ours import cost_of_iteration, make_task
from qdbench.archive import Archive, Insertion, empty, improvement_rank, insert, sample_solutions
from qdbench.harness import scoring
from qdbench.numerics import weighted_sum
from qdbench.protocols import Evaluation
from qdbench.random import derive, normal

_SETTING = Setting("cma-mega")
_BATCH, _DIM = _SETTING.batch, _SETTING.dim
_TASK = make_task(_SETTING)
_SPEC = _TASK.spec
# Measures are drawn beforehand for so many turns: rows that the last turn used would be in the cache.
_TABLE = 1024
_TINY = 1e-12
_WITH_PASS = ("16 steps", "rank", "eigh")


class Piece(NamedTuple):
    """A piece: its name, what a turn does with the carry, and the first carry."""

    name: str
    turn: Callable[[Any, Any], Any]
    start: Any


def measure_all(rounds: int, seconds: float) -> dict[str, Any]:
    """Microseconds of every piece (the fastest of the rounds) and of whole iterations."""
    pieces = {piece.name: time_piece(piece, rounds, seconds) for piece in (*_machine(), *_pieces())}
    for name in _WITH_PASS:
        pieces[name] = max(pieces[name] - pieces["pass"], 0)
    iterations = {}
    for algorithm in PEER_ALGORITHMS:
        setting = dataclasses.asdict(Setting(algorithm))
        iterations[algorithm] = cost_of_iteration(setting, rounds, 10 * seconds, 10_000)["low"]
    return {"pieces": pieces, "iterations": iterations}


def measure_machine(seconds: float) -> dict[str, float]:
    """Operations and bytes a microsecond: multiply-adds of a product of matrices, and a pass over a batch in cache."""
    times = {piece.name: time_piece(piece, 3, seconds) for piece in _machine()}
    return {"operations": 384**3 / times["matrix product"], "bytes": 2 * 4 * _BATCH * _DIM / times["pass"]}


def time_piece(piece: Piece, rounds: int, seconds: float) -> float:
    """Microseconds a turn: the fastest of several compiled loops."""

    def loop(turns: Any, carry: Any) -> Any:
        return lax.fori_loop(0, turns, piece.turn, carry)

    # The number of turns is an argument, so that the compiler cannot unroll the loop.
    carry = jax.tree.map(jnp.array, piece.start)
    program = jax.jit(loop, donate_argnums=1).lower(np.int32(0), carry).compile()

    def run(turns: int) -> float:
        nonlocal carry
        began = time.perf_counter()
        carry = jax.block_until_ready(program(np.int32(turns), carry))
        return time.perf_counter() - began

    run(1)
    turns = 10
    while (taken := run(turns)) < seconds / 4:
        turns *= 4
    turns = max(1, round(turns * seconds / taken))
    return 1e6 * min(run(turns) for _ in range(rounds)) / turns


def _machine() -> Iterator[Piece]:
    """What the floors are made of."""
    batch = normal(jax.random.key(0), (_BATCH, _DIM))
    square = jnp.ones((384, 384)) / 384
    yield Piece("pass", lambda _, x: x * 0.999 + 1, batch)
    yield Piece("memory pass", lambda _, x: x * 0.999 + 1, jnp.ones((_SPEC.cells, _DIM)))
    yield Piece("16 steps", _sixteen_steps, (jnp.ones(64), batch))
    yield Piece("matrix product", lambda _, x: jnp.matmul(x, square, precision=lax.Precision.HIGHEST), square)
    yield Piece("bit operations", _bit_operations, jnp.arange(1, _BATCH * _DIM + 1, dtype=jnp.uint32))


def _sixteen_steps(_: Any, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Eight times a sum and a loop that needs it: 16 kernels that the compiler cannot fuse into fewer."""
    x, batch = carry
    for _step in range(8):
        x = 0.5 * x + _TINY * x.sum()
    return x, _pass(batch, x[0])


def _pass(batch: jax.Array, value: jax.Array) -> jax.Array:
    """A bare pass, for pieces that handle a few numbers; its time is subtracted.

    XLA compiles a loop that touches next to nothing into one function, other than the harness's loop, where every
    kernel is called by the runtime.
    """
    return batch * 0.999 + value


def _bit_operations(_: Any, x: jax.Array) -> jax.Array:
    """20 rounds of Marsaglia's xorshift, 6 operations each."""
    for _round in range(20):
        x = x ^ (x << jnp.uint32(13))
        x = x ^ (x >> jnp.uint32(17))
        x = x ^ (x << jnp.uint32(5))
    return x


def _pieces() -> Iterator[Piece]:
    key = jax.random.key(0)
    batch, zero = normal(key, (_BATCH, _DIM)), jnp.zeros(())
    yield Piece("normal", _normals, (batch, zero))
    yield Piece("evaluate", _evaluate, (batch, zero))
    yield Piece("differentiate", _differentiate, (batch[:1], jnp.zeros((3, _DIM)), zero))
    yield Piece("branch", _Branch(key), (batch, zero))
    yield Piece("rank", _rank, (batch, jnp.arange(_BATCH), jax.random.normal(key, (_BATCH,))))
    yield Piece("eigh", _eigh, (batch, batch[:3, :8] @ batch[:3, :8].T))
    yield Piece("gather", _gather, (_full_archive(), jnp.zeros((2 * _BATCH, _DIM)), zero))
    yield Piece("insert none", _Insert(_BATCH, improves=False), _insertion_start(_BATCH))
    yield Piece("insert all", _Insert(_BATCH, improves=True), _insertion_start(_BATCH))
    yield Piece("insert one", _Insert(1, improves=False), _insertion_start(1))
    yield Piece("score", _score, (_full_score(), batch, zero))
    yield Piece("log", _log, (_covariance(), batch, zero))


def _poke(batch: jax.Array, value: jax.Array) -> jax.Array:
    """Writes one number in place, after which nothing computed from the batch is known to be the same."""
    return lax.dynamic_update_slice(batch, value.reshape(1, 1), (0, 0))


def _dependent_key(turn: Any, last: jax.Array) -> Any:
    return jax.random.wrap_key_data(jnp.stack([turn.astype(jnp.uint32), lax.bitcast_convert_type(last, jnp.uint32)]))


def _normals(turn: Any, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    numbers = normal(_dependent_key(turn, carry[1]), (_BATCH, _DIM))
    return numbers, numbers[0, 0]


def _evaluate(_: Any, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    batch = _poke(*carry)
    evaluation = _TASK.evaluate(None, batch)
    return batch, _TINY * (evaluation.objective.sum() + evaluation.measures.sum())


def _differentiate(_: Any, carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
    position = _poke(carry[0], carry[2])
    evaluation = _TASK.evaluate(None, position, gradients=True)
    gradients = normalized_gradients(evaluation)[0]
    return position, gradients, _TINY * (evaluation.objective[0] + evaluation.measures.sum() + gradients[0, 0])


class _Branch:
    """Branches a position along three gradients."""

    def __init__(self, key: Any) -> None:
        self._gradients = jax.random.normal(derive(key, 1), (1, 3, _DIM))
        self._coefficients = jax.random.normal(derive(key, 2), (_BATCH, 3))
        self._position = jax.random.normal(derive(key, 3), (1, _DIM))

    def __call__(self, _: Any, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """One turn; the coefficients depend on the last batch."""
        branches = branch(self._position, self._gradients, self._coefficients + carry[1])
        return branches, _TINY * branches[0, 0]


def _rank(_: Any, carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
    batch, last, value = carry
    rank = improvement_rank(Insertion(last % 3, value))
    value = value + _TINY * rank
    return _pass(batch, value[0]), rank, value


def _eigh(_: Any, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    batch, covariance = carry
    factors = cma_core.decompose(covariance)
    # Neither diagonal, which would be decomposed already, nor the same again.
    covariance = covariance * (1 + _TINY * factors.scales.sum()) + _TINY * factors.axes
    return _pass(batch, covariance[0, 0]), covariance


def _gather(turn: Any, carry: tuple[Archive, jax.Array, jax.Array]) -> tuple[Archive, jax.Array, jax.Array]:
    """Two uniformly random elites for each of a batch."""
    archive, _, last = carry
    rows = sample_solutions(_dependent_key(turn, last), archive, 2 * _BATCH)
    return archive, rows, rows[0, 0]


class _Insert:
    """Inserts solutions at random cells of a full archive; either none or all of them improve their cells."""

    def __init__(self, size: int, improves: bool) -> None:
        self._rise = 1 if improves else 0
        self._measures = _random_measures(size)
        self._objective = jnp.linspace(-0.5, -0.1, size)

    def __call__(
        self, turn: Any, carry: tuple[Archive, jax.Array, jax.Array, jax.Array]
    ) -> tuple[Archive, jax.Array, jax.Array, jax.Array]:
        """One turn; solutions, objectives and measures depend on the last insertion."""
        archive, batch, last, level = carry
        batch, level = _poke(batch, last), level + self._rise
        measures = lax.dynamic_index_in_dim(self._measures, turn % _TABLE, keepdims=False) + last
        archive, insertion = insert(archive, batch, self._objective + level + last, measures)
        return archive, batch, _TINY * (insertion.value.sum() + insertion.status.sum()), level


def _insertion_start(size: int) -> tuple[Archive, jax.Array, jax.Array, jax.Array]:
    return _full_archive(), normal(jax.random.key(1), (size, _DIM)), jnp.zeros(()), jnp.zeros(())


def _score(turn: Any, carry: tuple[scoring.Score, jax.Array, jax.Array]) -> Any:
    score, batch, last = carry
    batch = _poke(batch, last)
    measures = lax.dynamic_index_in_dim(_MEASURES, turn % _TABLE, keepdims=False) + last
    score = scoring.record(score, [(batch, Evaluation(jnp.linspace(-1, -0.5, _BATCH) + last, measures))])
    return score, batch, _TINY * (score.best_objective + score.invalid)


def _log(_: Any, carry: tuple[lazy_covariance.LazyCovariance, jax.Array, jax.Array]) -> Any:
    covariance, batch, last = carry
    batch = _poke(batch, last)
    rates = cma_core.rates(_WEIGHTS, _DIM)
    covariance = dataclasses.replace(covariance, count=covariance.count % covariance.vectors.shape[0])
    step = weighted_sum(_WEIGHTS, batch)
    covariance = lazy_covariance.update(covariance, rates, step[0] > 0, step, _WEIGHTS, batch)
    return covariance, batch, _TINY * step.sum()


def _random_measures(size: int) -> jax.Array:
    low, high = _SPEC.measures[0].low, _SPEC.measures[0].high
    return jax.random.uniform(jax.random.key(size), (_TABLE, size, 2), minval=low, maxval=high)


def _full_archive(keep_solutions: bool = True) -> Archive:
    archive = empty(_SPEC, keep_solutions)
    cells = _SPEC.cells
    return dataclasses.replace(
        archive,
        objective=jnp.zeros(cells),
        # Not one constant, which the compiler could use instead of reading.
        solutions=jnp.arange(archive.solutions.size, dtype=jnp.float32).reshape(archive.solutions.shape),
        occupied=jnp.arange(cells, dtype=jnp.int32),
        size=jnp.full((), cells, jnp.int32),
    )


def _full_score() -> scoring.Score:
    score = scoring.start(_SPEC, keep_solutions=False)
    return dataclasses.replace(score, archive=_full_archive(keep_solutions=False), best_objective=jnp.zeros(()))


def _covariance() -> lazy_covariance.LazyCovariance:
    return lazy_covariance.identity(_DIM, _BATCH, decomposition_gap(_DIM, _BATCH), "float32")


_MEASURES = _random_measures(_BATCH)
_WEIGHTS = cma_core.weights_by_rank(jnp.arange(_BATCH), _BATCH // 2, "float32")
