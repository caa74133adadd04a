"""The grid archive against a dictionary in NumPy and against pyribs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdbench.archive import (
    IMPROVED,
    NEW,
    NOT_ADDED,
    Archive,
    Insertion,
    cell_index,
    coverage,
    empty,
    improvement_rank,
    insert,
    qd_score,
    sample_cells,
    sample_solutions,
)
from qdbench.protocols import precision_of
from qdbench.spec import Measure, TaskSpec
from tests.reference.archive import Grid, improvement_order

BATCH, DIM = 12, 2


def make_spec(shape: tuple[int, ...] = (4, 3), offset: float = 0.0, precision: str = "float32") -> TaskSpec:
    # Intervals whose cells have widths that floating point represents: every boundary is exact.
    intervals = [(-1.0, 1.0), (0.0, 3.0), (-8.0, 8.0)][: len(shape)]
    return TaskSpec(
        id="Grid-v0",
        family="grid",
        dim=DIM,
        measures=tuple(Measure(name=f"m{i}", low=low, high=high) for i, (low, high) in enumerate(intervals)),
        archive_shape=shape,
        objective_range=(0.0, 1.0),
        qd_score_offset=offset,
        budget=100,
        precision=precision,
    )


def make_grid(spec: TaskSpec) -> Grid:
    return Grid([m.low for m in spec.measures], [m.high for m in spec.measures], spec.archive_shape)


def occupied_cells(archive: Archive) -> list[int]:
    return np.asarray(archive.occupied)[: int(archive.size)].tolist()


def assert_same(archive: Archive, grid: Grid) -> None:
    """The same elites in the same cells, filled in the same order, and nothing elsewhere."""
    assert occupied_cells(archive) == list(grid.elites)
    objective = np.asarray(archive.objective)
    assert set(np.flatnonzero(objective > -np.inf)) == set(grid.elites)
    for cell, elite in grid.elites.items():
        assert objective[cell] == np.float32(elite.objective)
        np.testing.assert_array_equal(archive.measures[cell], elite.measures.astype(np.float32))
        np.testing.assert_array_equal(archive.solutions[cell], elite.solution.astype(np.float32))


# Few distinct values, so that ties, shared cells, cell boundaries and the range's ends are common.
OBJECTIVES = st.sampled_from([-3.0, -1.0, 0.0, 0.5, 0.5, 1.0, 2.0, 2.0, 1e30, -1e30, np.nan, np.inf, -np.inf])
FIRST = st.sampled_from(
    [-1.0, -0.75, -0.5, 0.0, 0.25, 0.5, 0.99, 1.0, -7.0, 40.0, 1e20, -1e20, np.nan, np.inf, -np.inf]
)
SECOND = st.sampled_from([0.0, 0.1, 1.0, 1.5, 2.0, 2.9, 3.0, -1e-3, 3.1, -1e20, 1e20, np.nan, -np.inf])


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    result = []
    for number in range(draw(st.integers(1, 4))):
        rows = draw(st.lists(st.tuples(OBJECTIVES, FIRST, SECOND), min_size=BATCH, max_size=BATCH))
        values = np.array(rows, np.float32)
        solutions = np.stack([np.full(BATCH, number), np.arange(BATCH)], axis=1).astype(np.float32)
        result.append((solutions, values[:, 0], values[:, 1:]))
    return result


INSERT = jax.jit(insert)


@given(batches())
def test_insert_against_numpy(history: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    spec = make_spec()
    archive, grid = empty(spec), make_grid(spec)
    for solutions, objective, measures in history:
        archive, (status, value) = INSERT(archive, solutions, objective, measures)
        expected_status, expected_value = grid.add(solutions, objective.astype(np.float64), measures)
        np.testing.assert_array_equal(status, expected_status)
        np.testing.assert_array_equal(value, expected_value.astype(np.float32))
        assert_same(archive, grid)
    elites = [elite.objective for elite in grid.elites.values()]
    assert float(coverage(archive)) == pytest.approx(100 * len(elites) / 12)
    np.testing.assert_allclose(qd_score(archive), sum(elites) / 12, rtol=1e-6, atol=1e24 if elites else 0)


@given(batches())
def test_an_archive_that_only_scores_agrees(history: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    full, score = empty(make_spec()), empty(make_spec(), keep_solutions=False)
    assert score.solutions.shape == (0, DIM)
    for batch in history:
        (full, one), (score, other) = INSERT(full, *batch), INSERT(score, *batch)
        np.testing.assert_array_equal(one.status, other.status)
        np.testing.assert_array_equal(full.objective, score.objective)
        np.testing.assert_array_equal(full.measures, score.measures)
        assert occupied_cells(full) == occupied_cells(score)


def test_insert_batch_rule_in_words() -> None:
    spec = make_spec((1, 1))
    one = np.zeros((1, 2), np.float32)
    archive, insertion = INSERT(empty(spec), one, np.float32([5.0]), np.zeros((1, 2), np.float32))
    assert insertion.status.tolist() == [NEW]
    # All four are compared with 5, also the second and third, though one of them replaces it: the first of the best.
    solutions = np.arange(8, dtype=np.float32).reshape(4, 2)
    archive, insertion = INSERT(archive, solutions, np.float32([6, 8, 8, 5]), np.zeros((4, 2), np.float32))
    assert insertion.status.tolist() == [IMPROVED, IMPROVED, IMPROVED, NOT_ADDED]
    assert insertion.value.tolist() == [1, 3, 3, 0]
    np.testing.assert_array_equal(archive.solutions[0], solutions[1])
    assert int(archive.size) == 1


def test_two_solutions_in_one_new_cell_are_both_new() -> None:
    archive, insertion = INSERT(
        empty(make_spec((2, 2))), np.ones((2, 2), np.float32), np.float32([-2, -1]), np.ones((2, 2), np.float32)
    )
    assert insertion.status.tolist() == [NEW, NEW]
    assert insertion.value.tolist() == [-2, -1]
    assert int(archive.size) == 1


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_cell_index_edges(precision: str) -> None:
    spec = make_spec((4, 3), precision=precision)
    kind = np.dtype(precision).type
    rows = [
        ((-1.0, 0.0), 0),  # the lower bounds
        ((1.0, 3.0), 11),  # the upper bounds belong to the last cells
        ((0.0, 0.0), 6),  # a boundary belongs to the cell above
        ((-1e30, 1e30), 2),  # far outside: the nearest edge cells
        ((1e30, -1e30), 9),
        ((np.inf, -np.inf), 9),
        ((-0.5, 1.0), 4),
        ((np.nextafter(kind(-0.5), kind(-9)), np.nextafter(kind(1), kind(0))), 0),  # just below two boundaries
    ]
    with precision_of(spec):
        index = cell_index(spec, jnp.array([row for row, _ in rows], precision))
    assert index.dtype == jnp.int32
    assert index.tolist() == [cell for _, cell in rows]


def test_cell_index_is_row_major() -> None:
    spec = make_spec((4, 3, 2))
    centres = np.stack(
        np.meshgrid([-0.75, -0.25, 0.25, 0.75], [0.5, 1.5, 2.5], [-4, 4], indexing="ij"), axis=-1
    ).reshape(-1, 3)
    assert cell_index(spec, jnp.asarray(centres, jnp.float32)).tolist() == list(range(24))


def test_no_measures_is_an_archive_of_one() -> None:
    spec = make_spec(())
    archive = empty(spec)
    assert spec.cells == 1
    for objective, best in (([1.0, 3.0, 2.0], 3.0), ([0.0, np.nan, 2.0], 3.0), ([4.0, 4.0, 5.0], 5.0)):
        archive, _ = INSERT(
            archive,
            np.float32(objective)[:, None] * np.ones(2, np.float32),
            np.float32(objective),
            np.zeros((3, 0), np.float32),
        )
        assert float(archive.objective[0]) == best
        np.testing.assert_array_equal(archive.solutions[0], [best, best])
        assert float(qd_score(archive)) == best
        assert float(coverage(archive)) == 100


def test_nothing_finite_leaves_the_archive_empty() -> None:
    spec = make_spec()
    bad = np.float32([np.nan, np.inf, -np.inf, 1.0])
    measures = np.zeros((4, 2), np.float32)
    measures[3, 1] = np.nan
    archive, (status, value) = INSERT(empty(spec), np.zeros((4, 2), np.float32), bad, measures)
    assert status.tolist() == [NOT_ADDED] * 4
    assert not np.isnan(value).any()
    assert int(archive.size) == 0
    assert float(qd_score(archive)) == 0
    assert float(coverage(archive)) == 0


def test_qd_score_subtracts_the_offset_of_every_elite() -> None:
    measures = np.float32([[-0.9, 0.1], [0.9, 2.9], [0.9, 2.9]])
    for offset in (0.0, -10.0):
        archive, _ = INSERT(
            empty(make_spec(offset=offset)), np.zeros((3, 2), np.float32), np.float32([1, -4, 2]), measures
        )
        assert float(qd_score(archive)) == pytest.approx((3 - 2 * offset) / 12)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([-np.inf, -1.5, -1.0, 0.0, 0.0, 2.0])), min_size=8, max_size=8
    )
)
def test_improvement_rank_against_sorting(rows: list[tuple[int, float]]) -> None:
    status, value = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], np.float32)
    rank = np.asarray(improvement_rank(Insertion(jnp.asarray(status), jnp.asarray(value))))
    assert np.argsort(rank).tolist() == improvement_order(status, value)


def test_samples_are_uniform_over_occupied_cells_only() -> None:
    spec = make_spec()
    cells = [7, 2, 9, 4, 11]
    centres = np.array([[-0.75 + 0.5 * (cell // 3), 0.5 + cell % 3] for cell in cells], np.float32)
    solutions = np.array([[cell, -cell] for cell in cells], np.float32)
    archive, _ = INSERT(empty(spec), solutions, np.ones(5, np.float32), centres)
    assert occupied_cells(archive) == cells
    key, count = jax.random.key(3), 20_000
    counts = np.bincount(jax.jit(sample_cells, static_argnums=2)(key, archive, count), minlength=12)
    assert set(np.flatnonzero(counts)) == set(cells)
    # A chi-squared value of 18.5 with 4 degrees of freedom has a probability of 0.1 %.
    assert ((counts[cells] - count / 5) ** 2 / (count / 5)).sum() < 18.5
    np.testing.assert_array_equal(
        sample_solutions(key, archive, 50)[:, 0], np.asarray(sample_cells(key, archive, 50), np.float32)
    )


@pytest.mark.parametrize("shape", [(10, 10), (7,), (3, 4, 5)])
def test_insert_against_pyribs(shape: tuple[int, ...]) -> None:
    ribs = pytest.importorskip("ribs.archives", reason="pyribs is an optional peer: pip install qdbench[ribs]")
    spec = make_spec(shape, precision="float64")
    ranges = [(measure.low, measure.high) for measure in spec.measures]
    theirs = ribs.GridArchive(solution_dim=DIM, dims=shape, ranges=ranges, epsilon=0, dtype=np.float64)
    rng = np.random.default_rng(5)
    with precision_of(spec):
        archive = empty(spec)
        for _ in range(30):
            solutions = rng.normal(size=(36, DIM))
            objective = rng.normal(size=36).round(1)  # with ties
            measures = np.stack([rng.uniform(low - 0.3, high + 0.3, 36) for low, high in ranges], axis=1)
            info = theirs.add(solutions, objective, measures)
            archive, insertion = INSERT(archive, solutions, objective, measures)
            np.testing.assert_array_equal(insertion.status, info["status"])
            np.testing.assert_allclose(insertion.value, info["value"], rtol=1e-14, atol=1e-14)
        data = theirs.data(["index", "objective", "measures", "solution"])
        expected = np.full(spec.cells, -np.inf)
        expected[data["index"]] = data["objective"]
        np.testing.assert_array_equal(archive.objective, expected)
        np.testing.assert_array_equal(np.asarray(archive.measures)[data["index"]], data["measures"])
        np.testing.assert_array_equal(np.asarray(archive.solutions)[data["index"]], data["solution"])
        assert int(archive.size) == theirs.stats.num_elites
        assert float(coverage(archive)) == pytest.approx(100 * theirs.stats.coverage)
        assert float(qd_score(archive)) == pytest.approx(theirs.stats.norm_qd_score)


def test_shapes_and_dtypes_stay_under_jit() -> None:
    for precision in ("float32", "float64"):
        spec = make_spec(precision=precision)
        with precision_of(spec):
            before = empty(spec)
            after, _ = INSERT(before, np.ones((3, 2), precision), np.ones(3, precision), np.ones((3, 2), precision))
        assert jax.tree.structure(before) == jax.tree.structure(after)
        for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
