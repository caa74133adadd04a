"""The store: whole or not at all, and nothing that is read can harm."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import qdbench
from qdbench.harness import store
from qdbench.harness.result import TrialRecord, TrialResult


@pytest.fixture(scope="module")
def result() -> TrialResult:
    return qdbench.run(qdbench.make("LP-Sphere-v0", dim=10), "random-search", budget=500)


def test_round_trip(tmp_path: Path, result: TrialResult) -> None:
    path = store.save_result(tmp_path, result)
    assert path == store.path_of(tmp_path, result.record.config)
    loaded = store.load(path)
    assert loaded.record == result.record
    assert loaded.trace.equals(result.trace)
    for name in ("cells", "objective", "measures", "solutions"):
        np.testing.assert_array_equal(getattr(loaded.archive, name), getattr(result.archive, name))
    assert list(store.result_paths(tmp_path)) == [path]


def test_is_finished_means_this_very_configuration(tmp_path: Path, result: TrialResult) -> None:
    config = result.record.config
    assert not store.is_finished(tmp_path, config)
    without = TrialResult(result.record, result.trace, None)
    path = store.save_result(tmp_path, without)
    assert store.is_finished(tmp_path, config)
    assert not store.is_finished(tmp_path, config, with_solutions=True)
    for change in ({"repetition": 1}, {"budget": 501}, {"hyperparameters": {}}, {"fingerprint": "other"}):
        assert not store.is_finished(tmp_path, config.model_copy(update=change))
    # A result under another's name is not taken for it.
    other = config.model_copy(update={"repetition": 1})
    store.path_of(tmp_path, other).write_bytes(path.read_bytes())
    assert not store.is_finished(tmp_path, other)


@pytest.mark.parametrize("keep", [0, 4, 100, 1000, -1])
def test_a_truncated_result_is_not_finished(tmp_path: Path, result: TrialResult, keep: int) -> None:
    path = store.save_result(tmp_path, result)
    path.write_bytes(path.read_bytes()[:keep])
    assert not store.is_finished(tmp_path, result.record.config)
    with pytest.raises(store.StoreError, match="cannot be read as a result"):
        store.load(path)


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch hostile-code-ran",)


def test_a_pickle_in_a_result_s_place_is_refused_and_not_run(
    tmp_path: Path, result: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = store.path_of(tmp_path, result.record.config)
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(store.StoreError):
        store.load(path)
    assert not (tmp_path / "hostile-code-ran").exists()


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    save_file({"a": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(store.StoreError, match="not a qdbench result"):
        store.load(tmp_path / "foreign.safetensors")
    save_file({"a": np.zeros(3)}, tmp_path / "bad.safetensors", metadata={"qdbench": '{"status": "finished"}'})
    with pytest.raises(store.StoreError, match="cannot be read as a result"):
        store.load(tmp_path / "bad.safetensors")
    with pytest.raises(store.StoreError, match="cannot be read"):
        store.load(tmp_path / "missing.safetensors")


def test_a_result_without_its_tensors_is_refused(tmp_path: Path, result: TrialResult) -> None:
    save_file({"a": np.zeros(3)}, tmp_path / "bare.safetensors", metadata={"qdbench": result.record.model_dump_json()})
    with pytest.raises(store.StoreError, match="cannot be read as a result"):
        store.load(tmp_path / "bare.safetensors")


def test_a_full_disk_leaves_the_old_file_and_no_rest(
    tmp_path: Path, result: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.save_result(tmp_path, result)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(store.StoreError, match="No space left on device"):
        store.save_result(tmp_path, result)
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_write_that_the_system_cuts_off_is_a_store_error(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from pathlib import Path
from qdbench.harness.store import StoreError, write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]) / "sub" / "file", b"x" * 5000)
except StoreError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert "cannot write" in done.stdout
    assert list((tmp_path / "sub").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, result: TrialResult) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(store.StoreError, match=r"cannot write .*file"):
        store.save_result(tmp_path / "file", result)
    with pytest.raises(store.StoreError, match="cannot write"):
        store.check_writable(tmp_path / "file" / "results")


def test_failures_are_kept_until_the_trial_succeeds(tmp_path: Path, result: TrialResult) -> None:
    record = TrialRecord(config=result.record.config, status="failed", error="it broke")
    path = store.save_failure(tmp_path, record)
    assert store.load_failure(path) == record
    assert not store.is_finished(tmp_path, record.config)
    assert list(store.failure_paths(tmp_path)) == [path]
    store.save_result(tmp_path, result)
    assert list(store.failure_paths(tmp_path)) == []
    path.write_text("{")
    with pytest.raises(store.StoreError, match="record of a failed trial"):
        store.load_failure(path)
