"""Packs: nothing is lost that a board needs, and nothing that is read can harm."""

from __future__ import annotations

import dataclasses
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import qdbench
from qdbench.harness import pack, store
from qdbench.harness.result import TrialRecord, TrialResult
from qdbench.leaderboard import aggregate
from qdbench.leaderboard.build import compact
from tests.harness import quadratic

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture(scope="module")
def results() -> list[TrialResult]:
    precise = [qdbench.run(quadratic.make(dim=3), name, 0, 400) for name in ("shrinking", "random-search")]
    plain = [qdbench.run(qdbench.make("LP-Sphere-v0", dim=10), "random-search", i, 300) for i in (1, 0)]
    return precise + plain


def same(left: TrialResult | aggregate.StoredTrial, right: TrialResult) -> None:
    assert left.record == right.record
    assert left.trace.equals(right.trace)
    assert (left.trace.dtypes == right.trace.dtypes).all()
    assert (left.targets is None) == (right.targets is None)
    if right.targets is not None:
        assert left.targets.equals(right.targets)


def test_round_trip(tmp_path: Path, results: list[TrialResult]) -> None:
    paths = pack.save(tmp_path, results)
    assert sorted(str(path.relative_to(tmp_path)) for path in paths) == [
        "LP-Sphere-v0/random-search.parquet",
        "Quadratic-v0/random-search.parquet",
        "Quadratic-v0/shrinking.parquet",
    ]
    loaded = {item.record.config.digest(): item for path in pack.pack_paths(tmp_path) for item in pack.load(path)}
    assert len(loaded) == 4
    for result in results:
        same(loaded[result.record.config.digest()], result)
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in pack.save(tmp_path, results[::-1])[::-1]] != []
    assert [path.read_bytes() for path in paths] == first


def test_boards_read_packs_beside_files(tmp_path: Path, results: list[TrialResult]) -> None:
    for result in results:
        store.save_result(tmp_path / "files", result)
    record = TrialRecord(config=results[0].record.config.model_copy(update={"repetition": 7}), status="failed")
    store.save_failure(tmp_path / "files", record)
    assert compact(tmp_path / "files", tmp_path / "packs", packed=True) == ()
    assert not list(store.result_paths(tmp_path / "packs"))
    found = aggregate.read_results(tmp_path / "packs")
    assert found.problems == ()
    assert list(found.failures.values()) == [record]
    assert len(found.trials) == 4
    for result in results:
        stored = found.trials[result.record.config.digest()]
        same(stored, result)
        assert stored.archive() is None
    (tmp_path / "packs" / "Quadratic-v0" / "broken.parquet").write_bytes(b"PAR1")
    store.save_result(tmp_path / "packs", results[0])
    kinds = {problem.kind for problem in aggregate.read_results(tmp_path / "packs").problems}
    assert kinds == {"unreadable", "duplicate"}


@pytest.mark.parametrize("keep", [0, 4, 100, 1000, -1, -10])
def test_a_truncated_pack_is_refused(tmp_path: Path, results: list[TrialResult], keep: int) -> None:
    (path,) = pack.save(tmp_path, results[:1])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(store.StoreError, match="cannot be read as a pack"):
        pack.load(path)


def test_changed_bytes_are_refused_or_harmless(tmp_path: Path, results: list[TrialResult]) -> None:
    (path,) = pack.save(tmp_path, results[:1])
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for place in generator.choice(len(content), 150, replace=False):
        changed = bytearray(content)
        changed[place] ^= int(generator.integers(1, 256))
        path.write_bytes(bytes(changed))
        try:
            pack.load(path)
        except store.StoreError:
            continue


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch hostile-code-ran",)


def test_a_pickle_in_a_pack_s_place_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.parquet"
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(store.StoreError):
        pack.load(path)
    assert not (tmp_path / "hostile-code-ran").exists()


def test_foreign_and_inconsistent_packs_are_refused(tmp_path: Path, results: list[TrialResult]) -> None:
    path = tmp_path / "x.parquet"
    with pytest.raises(store.StoreError, match="cannot be read"):
        pack.load(path)
    pq.write_table(pa.table({"a": [1, 2]}), path)
    with pytest.raises(store.StoreError, match="not those of a pack"):
        pack.load(path)
    good = pq.read_table(pack.save(tmp_path / "good", results[:1])[0])

    def replaced(name: str, values: list[object]) -> None:
        kind = good.schema.field(name).type
        changed = good.set_column(good.schema.get_field_index(name), good.schema.field(name), pa.array([values], kind))
        pq.write_table(changed, path)

    for name, values, message in (
        ("trace/qd_score", [1.0], "different lengths"),
        ("trace/qd_score", [None] * 100, "a number is missing"),
        ("targets/evaluations", [1], "different lengths|targets"),
        ("record", '{"config": 1}', "validation error"),
    ):
        replaced(name, values)
        with pytest.raises(store.StoreError, match=message):
            pack.load(path)


def test_short_targets_are_refused(tmp_path: Path, results: list[TrialResult]) -> None:
    short = dataclasses.replace(results[0], targets=results[0].targets.iloc[:5])
    with pytest.raises(store.StoreError, match="51 targets"):
        pack.load(pack.save(tmp_path, [short])[0])
