"""Importing: what is written, and every bad input with its message, after which nothing is left behind."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
import re
import shutil
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdbench import data_catalogue, datasets
from qdbench.datasets import DataError
from qdbench.tasks.hpob import importing, sources
from qdbench.tasks.hpob.ensemble import from_pack
from qdbench.tasks.hpob.importing import import_surrogates
from qdbench.tasks.hpob.names import META_TEST, SUMMARY, in_meta_test, task_of
from qdbench.tasks.hpob.pack import load_pack, verify
from tests.tasks.hpob import models
from tests.tasks.hpob.models import Split

SHALLOW = models.dump(models.hand_made([1.0, Split(0, 0.5, True, 1.0, 2.0)], 3))
DEEP = models.dump(models.hand_made([Split(2, 0.5, True, Split(0, 0.1, False, 1.0, 2.0), 3.0)], 3, "2.5E-1"))
RANGES = {
    "surrogate-4796-23": {"y_min": 0.25, "y_max": 0.75},
    "surrogate-4796-3549": {"y_min": 0.5, "y_max": 1.0},
    "surrogate-9999-1": {"y_min": 0.0, "y_max": 1.0},
}
FILES = {
    "saved-surrogates/surrogate-4796-23.json": SHALLOW,
    "saved-surrogates/surrogate-4796-3549.json": DEEP,
    "saved-surrogates/surrogate-9999-1.json": SHALLOW,
    "saved-surrogates/summary-stats.json": json.dumps(RANGES).encode(),
    "saved-surrogates/README.md": b"not a model",
}


def archive(path: Path, files: Mapping[str, bytes] = FILES, **settings: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **settings) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def folder(path: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return path


def assert_refused(path: Path, message: str, **options: Any) -> None:
    """Importing fails with a message that has this in it, and leaves nothing."""
    out = path.parent / "out" / "pack.npz"
    with pytest.raises(DataError, match=re.escape(message)):
        import_surrogates(path, out, **options)
    assert not out.parent.exists()


@pytest.mark.parametrize("kind", ["zip", "folder", "inner folder"])
def test_an_archive_and_a_folder_give_the_same(tmp_path: Path, kind: str) -> None:
    path = archive(tmp_path / "mine.zip") if kind == "zip" else folder(tmp_path / "mine")
    told: list[tuple[int, int, str]] = []
    written, pack = import_surrogates(
        path / "saved-surrogates" if kind == "inner folder" else path,
        tmp_path / "pack.npz",
        progress=lambda done, total, what: told.append((done, total, what)),
    )
    assert written == tmp_path / "pack.npz"
    read = load_pack(written)
    assert read.names == pack.names == (("4796", "23"), ("4796", "3549"))
    assert (read.official, read.source) == (False, "saved-surrogates" if kind == "inner folder" else path.name)
    assert bool(read.source_sha256) == (kind == "zip")
    shallow, deep = read.surrogate("4796", "23"), read.surrogate("4796", "3549")
    assert (shallow.y_min, shallow.y_max, deep.y_min, deep.y_max) == (0.25, 0.75, 0.5, 1.0)
    assert (shallow.trees.base_score, deep.trees.base_score) == (0.5, 0.25)
    np.testing.assert_array_equal(shallow.trees.leaf, [[1, 1, 1, 1], [1, 1, 2, 2]])
    np.testing.assert_array_equal(deep.trees.leaf, [[1, 2, 3, 3]])
    assert told == [(0, 2, "surrogate-4796-23.json"), (1, 2, "surrogate-4796-3549.json"), (2, 2, "writing")]


def test_the_bytes_are_the_same_every_time(tmp_path: Path) -> None:
    path = archive(tmp_path / "mine.zip")
    first, second = (import_surrogates(path, tmp_path / name)[0].read_bytes() for name in ("a.npz", "b.npz"))
    assert first == second


def test_ensembles_of_a_pack_share_the_shape_of_their_space(tmp_path: Path) -> None:
    pack = load_pack(import_surrogates(archive(tmp_path / "mine.zip"), tmp_path / "pack.npz")[0])
    one, other = (from_pack(pack, "4796", name) for name in ("23", "3549"))
    assert one.leaf.shape == other.leaf.shape == (2, 4)
    with pytest.raises(DataError, match=r"no surrogate 4796-24; of its 2, the nearest are 4796-23"):
        from_pack(pack, "4796", "24")


def test_models_of_every_split(tmp_path: Path) -> None:
    _, pack = import_surrogates(archive(tmp_path / "mine.zip"), tmp_path / "pack.npz", every_split=True)
    assert pack.names == (("4796", "23"), ("4796", "3549"), ("9999", "1"))


def test_one_model_of_a_user(tmp_path: Path) -> None:
    path = tmp_path / "my-model.json"
    path.write_bytes(models.content(models.fit(3)))
    written, _ = import_surrogates(path, data_home=tmp_path / "home", y_range=(-2.0, 3.0))
    assert written == tmp_path / "home" / "hpob" / "unofficial-my-model.npz"
    surrogate = load_pack(written).surrogate("own", "my-model")
    assert (surrogate.y_min, surrogate.y_max, surrogate.trees.num_feature) == (-2.0, 3.0, 3)
    named = tmp_path / "surrogate-9999-1.json"
    named.write_bytes(SHALLOW)
    assert import_surrogates(named, tmp_path / "pack.npz")[1].names == (("9999", "1"),)


def test_the_official_file_is_known_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "saved-surrogates.zip")
    expected = (
        f"{path} ({path.stat().st_size:,} bytes) has the sha256 {datasets.sha256_of(path)}; HPO-B's has 148,595,881"
    )
    assert_refused(path, expected)
    written, pack = import_surrogates(path, data_home=tmp_path, unofficial=True)
    assert not pack.official
    assert written.name == "unofficial-saved-surrogates.npz"
    official = data_catalogue.DataFile("hpob/saved-surrogates.zip", "", "", sha256=datasets.sha256_of(path))
    read_as(monkeypatch, file=official)
    renamed = shutil.copy(path, tmp_path / "renamed.zip")
    for given in (path, Path(renamed)):
        written, pack = import_surrogates(given, data_home=tmp_path / "home")
        assert pack.official
        assert written == tmp_path / "home" / "hpob" / "surrogates.npz"
        assert load_pack(written).official


def test_truncated_and_damaged_archives(tmp_path: Path) -> None:
    whole = archive(tmp_path / "mine.zip").read_bytes()
    path = tmp_path / "truncated.zip"
    path.write_bytes(whole[:-30])
    assert_refused(path, f"{path} is no whole zip file (its directory is missing; {len(whole) - 30:,} bytes)")
    with zipfile.ZipFile(tmp_path / "mine.zip") as file:
        start = file.getinfo("saved-surrogates/surrogate-4796-23.json").header_offset + 80
    path.write_bytes(whole[:start] + bytes(20) + whole[start + 20 :])
    assert_refused(path, "saved-surrogates/surrogate-4796-23.json cannot be read")


def read_as(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """Changes what is known about the official file, or the limits."""
    kind = dataclasses.replace(sources.SURROGATES, **fields)
    monkeypatch.setattr(importing, "opened", functools.partial(sources.opened, kind=kind))


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "bomb.zip", {**FILES, "saved-surrogates/surrogate-4796-3918.json": bytes(50_000_000)})
    assert_refused(path, "bytes to 50,000,000; such a file is compressed at most 100 times")
    read_as(monkeypatch, member_limit=10_000_000)
    assert_refused(path, "surrogate-4796-3918.json would unpack to 50,000,000 bytes; at most 10,000,000 are read")
    read_as(monkeypatch, total_limit=1000)
    assert_refused(archive(tmp_path / "many.zip"), "bytes; at most 1,000 are read")
    read_as(monkeypatch, member_limit=10_000_000)
    large = tmp_path / "large.json"
    large.write_bytes(bytes(10_000_001))
    assert_refused(large, f"{large} has 10,000,001 bytes; at most 10,000,000 are read")


def test_a_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    path = archive(tmp_path / "liar.zip", {"surrogate-4796-23.json": b" " * 5_000_000, SUMMARY: FILES_SUMMARY})
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 5_000_000), struct.pack("<I", 100)))
    assert_refused(path, "surrogate-4796-23.json cannot be read (Bad CRC-32")


FILES_SUMMARY = json.dumps(RANGES).encode()


@pytest.mark.parametrize(
    "name", ["../evil.json", "/etc/evil.json", "a/../../evil.json", "..\\evil.json", "C:/evil.json"]
)
def test_paths_that_leave_the_archive(tmp_path: Path, name: str) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as file:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        file.writestr(info, b"{}")
    assert_refused(path, f"{path}: the path {name!r} leaves the archive")


def test_links_that_leave_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "surrogate-4796-23.json"
    outside.write_bytes(SHALLOW)
    path = folder(tmp_path / "mine", {SUMMARY: FILES_SUMMARY})
    (path / outside.name).symlink_to(outside)
    assert_refused(path, f"{path / outside.name} leads out of the folder, to {outside}")


def test_what_a_folder_lacks_or_has_twice(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert_refused(empty, f"{empty} has no {SUMMARY} and no surrogate-<space>-<dataset>.json")
    assert_refused(folder(tmp_path / "a", {"surrogate-4796-23.json": SHALLOW}), f"has no {SUMMARY}; it should be laid")
    assert_refused(folder(tmp_path / "b", {SUMMARY: FILES_SUMMARY}), "has 0 surrogates, none of them of HPO-B's 86")
    other = folder(tmp_path / "c", {SUMMARY: FILES_SUMMARY, "surrogate-9999-1.json": SHALLOW})
    assert_refused(other, "1 surrogates, none of them of HPO-B's 86 meta-test tasks; import the others with --every")
    twice = {**FILES, "surrogate-4796-23.json": SHALLOW}
    assert_refused(folder(tmp_path / "d", twice), "has surrogate-4796-23.json twice")
    assert_refused(archive(tmp_path / "e.zip", twice), "has surrogate-4796-23.json twice")
    (folder(tmp_path / "f", {SUMMARY: FILES_SUMMARY}) / "surrogate-4796-23.json").mkdir()
    assert_refused(tmp_path / "f", "surrogate-4796-23.json is a folder; it should be a file")
    assert_refused(tmp_path / "nothing.zip", "there is no file or folder")


def test_a_model_with_a_missing_field(tmp_path: Path) -> None:
    broken = json.loads(DEEP)
    del broken["learner"]["gradient_booster"]["model"]["trees"][0]["left_children"]
    path = archive(tmp_path / "mine.zip", {**FILES, "saved-surrogates/surrogate-4796-3549.json": models.dump(broken)})
    assert_refused(path, f"{path}: surrogate-4796-3549.json: tree 0: the field left_children is missing")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (None, "summary-stats.json has no y_min and y_max for surrogate-4796-23"),
        ({"y_min": 0.5}, "summary-stats.json has no y_min and y_max for surrogate-4796-23"),
        ({"y_min": "low", "y_max": 1}, "summary-stats.json has no y_min and y_max for surrogate-4796-23"),
        ({"y_min": 1.0, "y_max": 1.0}, "surrogate-4796-23: y_min is 1.0 and y_max is 1.0; they should be finite"),
        ({"y_min": float("nan"), "y_max": 1.0}, "y_min is nan"),
    ],
)
def test_y_ranges(tmp_path: Path, entry: Any, message: str) -> None:
    ranges = {**RANGES, "surrogate-4796-23": entry}
    assert_refused(
        archive(tmp_path / "mine.zip", {**FILES, f"saved-surrogates/{SUMMARY}": models.dump(ranges)}), message
    )


def test_an_encrypted_archive(tmp_path: Path) -> None:
    path = archive(tmp_path / "mine.zip")
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 1)
    path.write_bytes(content)
    assert_refused(path, "is encrypted")


def test_a_disk_that_is_full_and_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "mine.zip")
    with pytest.raises(DataError, match=re.escape(f"{tmp_path} is a folder; name a file: --out {tmp_path}/")):
        import_surrogates(path, tmp_path)
    with pytest.raises(DataError, match=r"cannot write .*nothing was written.*--out"):
        import_surrogates(path, path / "inside.npz")
    out = tmp_path / "out" / "pack.npz"
    old = import_surrogates(path, out)[0].read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"No space left on device; nothing was written. [\d,]+ bytes are needed"):
        import_surrogates(path, out)
    assert [file.name for file in out.parent.iterdir()] == ["pack.npz"]
    assert out.read_bytes() == old


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "mine.zip")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    try:
        assert_refused(path, f"{path} cannot be read: Permission denied")
    finally:
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)


def changed(path: Path, **arrays: Any) -> Path:
    """The same pack with other arrays, under another name."""
    with np.load(path) as file:
        content = {**{name: file[name] for name in file.files}, **arrays}
    other = path.with_name("changed.npz")
    np.savez_compressed(other, **content)
    return other


def test_packs_that_are_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = import_surrogates(archive(tmp_path / "mine.zip"), tmp_path / "pack.npz")
    verify(path)
    with np.load(path) as file:
        leaf, header, threshold, first = (file[name] for name in ("leaf", "header", "threshold", "first_tree"))
    with pytest.raises(DataError, match=r"changed.npz is damaged: its content has the hash"):
        load_pack(changed(path, leaf=leaf + 1))
    newer = np.frombuffer(header.tobytes().replace(b"ensembles-1", b"ensembles-2"), np.uint8)
    with pytest.raises(DataError, match="has the format 'qdbench-tree-ensembles-2'; this version reads"):
        load_pack(changed(path, header=newer))
    with pytest.raises(DataError, match="cannot be read as packed surrogates"):
        load_pack(changed(path, header=np.frombuffer(b"{}", np.uint8)))
    with pytest.raises(DataError, match=r"cannot be read as packed surrogates .*allow_pickle=False"):
        load_pack(changed(path, leaf=np.array([{}], object)))
    truncated = tmp_path / "truncated.npz"
    truncated.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"cannot be read as packed surrogates.*qdbench data import"):
        load_pack(truncated)
    with pytest.raises(DataError, match="there is no file"):
        load_pack(tmp_path / "nothing.npz")
    # What follows passes the hash: a file that was made so.
    monkeypatch.setattr("qdbench.tasks.hpob.pack._digest", lambda *_: b"")
    nothing = np.zeros(0, np.uint8)
    for arrays, message in (
        ({"leaf": leaf.astype(np.float64)}, "leaf has the type float64; it should be float32"),
        ({"leaf": leaf[:, :3]}, "a tree has 3 leaves; it should have 1, 2, 4"),
        ({"leaf": leaf[:-1]}, "leaf has the shape (2, 4); it should be (3, 4)"),
        ({"first_tree": first[::-1].copy()}, "feature has the shape (3, 3); it should be (0, 3)"),
        ({"first_tree": np.array([0, 4, 3])}, "first_tree should start at 0 and increase"),
        (
            {"threshold": np.full_like(threshold, np.inf)},
            "4796-23: a threshold, a leaf or the base score is not finite",
        ),
        ({"feature": np.full(threshold.shape, 3, np.int16)}, "looks at a feature between 3 and 3; the 3 features are"),
    ):
        with pytest.raises(DataError, match=re.escape(message)):
            load_pack(changed(path, digest=nothing, **arrays))


def test_names() -> None:
    assert len(META_TEST) == 16
    assert sum(map(len, META_TEST.values())) == 86
    assert in_meta_test("7609", "145878")
    assert not in_meta_test("7609", "1")
    assert task_of("surrogate-7609-145878.json") == ("7609", "145878")
    assert task_of("summary-stats.json") is None
    assert importing.OWN_SPACE not in META_TEST


def test_the_task_list_is_that_of_the_benchmark() -> None:
    path = Path(os.environ.get("QDBENCH_DATA", "")) / "hpob" / "meta-test-tasks-per-space.json"
    if not path.is_file():
        pytest.skip(f"there is no {path}: set QDBENCH_DATA to a folder that has it")
    assert {space: list(names) for space, names in META_TEST.items()} == json.loads(path.read_text())
