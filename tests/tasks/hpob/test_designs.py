"""Initial designs: what is taken out of HPO-B's files, what tasks say about them, and every bad input."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdbench import datasets
from qdbench.data_catalogue import HPOB_DESIGNS
from qdbench.datasets import FOLDER_VARIABLE, DataError
from qdbench.tasks.hpob import designs, task
from qdbench.tasks.hpob.designs import POINTS, ROWS, SEEDS, TABLES, holds_designs, import_designs, read_design
from qdbench.tasks.hpob.names import key_of
from tests.tasks.hpob.test_importing import archive

NAMES = (("4796", "23"), ("4796", "3549"), ("5971", "10093"))
DIMS = (3, 3, 16)


def contents() -> tuple[dict[str, Any], dict[str, Any]]:
    """Tables of 40 runs and the rows of the designs, laid out as HPO-B's are."""
    rng = np.random.default_rng(0)
    tables: dict[str, Any] = {}
    rows: dict[str, Any] = {}
    for (space, dataset), dim in zip(NAMES, DIMS, strict=True):
        table = {"X": rng.random((40, dim)).tolist(), "y": rng.random((40, 1)).tolist()}
        tables.setdefault(space, {})[dataset] = table
        rows.setdefault(space, {})[dataset] = {seed: rng.permutation(40)[:5].tolist() for seed in SEEDS}
    # A task that is not among the 86.
    tables["4796"]["1"] = {"X": [], "y": []}
    return tables, rows


def files(tables: Any = None, rows: Any = None) -> dict[str, bytes]:
    whole = contents()
    return {
        f"hpob-data/{TABLES}": json.dumps(whole[0] if tables is None else tables).encode(),
        f"hpob-data/{ROWS}": json.dumps(whole[1] if rows is None else rows).encode(),
        "hpob-data/meta-train-dataset.json": b"{}",
    }


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    written, tasks = import_designs(archive(tmp_path / "hpob-data.zip", files()), data_home=tmp_path)
    assert (written, tasks) == (tmp_path / HPOB_DESIGNS.name, 3)
    return written


def test_the_designs_are_the_rows_of_the_tables(imported: Path) -> None:
    tables, rows = contents()
    for (space, dataset), dim in zip(NAMES, DIMS, strict=True):
        for seed in SEEDS:
            design = read_design(imported, space, dataset, seed, dim)
            chosen = rows[space][dataset][seed]
            np.testing.assert_array_equal(design.solutions, np.array(tables[space][dataset]["X"])[chosen])
            np.testing.assert_array_equal(design.accuracy, np.array(tables[space][dataset]["y"])[chosen, 0])
    assert datasets.inspect(HPOB_DESIGNS, imported.parent.parent).problem == ""


def test_a_folder_is_as_good(tmp_path: Path, imported: Path) -> None:
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(tmp_path / "hpob-data.zip") as file:
        file.extractall(folder)
    for path in (folder, folder / "hpob-data"):
        assert holds_designs(path)
        written, _ = import_designs(path, tmp_path / "other.json")
        assert json.loads(written.read_text())["designs"] == json.loads(imported.read_text())["designs"]
    assert not holds_designs(tmp_path)
    renamed = (tmp_path / "hpob-data.zip").rename(tmp_path / "renamed.zip")
    assert holds_designs(renamed)


def damaged(change: str) -> dict[str, bytes]:
    tables, rows = contents()
    if change == "row":
        rows["4796"]["23"]["test3"][2] = 40
    elif change == "seed":
        del rows["4796"]["23"]["test3"]
    elif change == "count":
        rows["4796"]["23"]["test3"].pop()
    elif change == "outside":
        for row in tables["4796"]["23"]["X"]:
            row[0] = 1.5
    elif change == "nan":
        for row in tables["4796"]["23"]["y"]:
            row[0] = float("nan")
    return files(tables, rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("row", "surrogate-4796-23 test3: bo-initializations.json should name 5 rows of meta-test-dataset.json"),
        ("seed", "surrogate-4796-23 test3: bo-initializations.json should name 5 rows"),
        ("count", r"test3: the configurations have the shape \(4, 3\) .* should have \(5, 3\) and \(5,\)"),
        ("outside", r"configurations should lie in \[0, 1\], and accuracies be finite"),
        ("nan", "accuracies be finite"),
    ],
)
def test_bad_rows_are_named_and_nothing_is_written(tmp_path: Path, change: str, message: str) -> None:
    path = archive(tmp_path / "hpob-data.zip", damaged(change))
    with pytest.raises(DataError, match=message):
        import_designs(path, data_home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_missing_members(tmp_path: Path) -> None:
    only = {f"hpob-data/{ROWS}": files()[f"hpob-data/{ROWS}"]}
    with pytest.raises(DataError, match=r"has no meta-test-dataset\.json; it should be laid out like"):
        import_designs(archive(tmp_path / "hpob-data.zip", only), tmp_path / "out.json")
    with pytest.raises(DataError, match="should hold an object of spaces, not list"):
        import_designs(archive(tmp_path / "list.zip", files(rows=[])), tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_what_is_not_there_and_what_is_no_file_of_designs(imported: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no initial design test9 of space 4796 on data set 23"):
        read_design(imported, "4796", "23", "test9", 3)
    with pytest.raises(DataError, match=r"they should have \(5, 4\)"):
        read_design(imported, "4796", "23", "test0", 4)
    for content in (b"[]", b'{"format": "other", "designs": {}}', b"{"):
        other = tmp_path / "other.json"
        other.write_bytes(content)
        os.utime(other, ns=(0, len(content)))
        with pytest.raises(DataError, match=r"other\.json is no"):
            designs.verify(other)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the refitted models and the designs that go with them, passed off as official."""
    source = Path(os.environ.get(FOLDER_VARIABLE, "")) / "hpob"
    if not (source / "refit-initializations.json").is_file():
        pytest.skip(f"{FOLDER_VARIABLE} names no folder with hpob/refit-initializations.json")
    return source


def test_real_designs_in_the_handlers_protocol(home: Path, tmp_path: Path) -> None:
    """The task says what the runs said, and beside them what the surrogate says."""
    from qdbench.tasks.hpob.importing import import_surrogates

    entries = json.loads((home / "refit-initializations.json").read_text())
    _, pack = import_surrogates(home / "refit-surrogates.zip", tmp_path / "refits.npz")
    for space, dataset in (("4796", "3549"), ("5971", "43")):
        found = entries[f"{space}_{dataset}_2"]
        design = designs.Design(np.array(found["X"]), np.array(found["y"]))
        surrogate = pack.surrogate(space, dataset)
        setting = task.Setting(
            "HPOB-v0", "hpob", "", {"space": space, "dataset": dataset}, "test2", "float64", True, ()
        )
        made = task.assemble(setting, pack, surrogate, design)
        plain = task.assemble(
            task.Setting("HPOB-v0", "hpob", "", {"space": space, "dataset": dataset}, "centre", "float64", True, ()),
            pack,
            surrogate,
        )
        expected = np.clip((design.accuracy - surrogate.y_min) / (surrogate.y_max - surrogate.y_min), 0, 1)
        np.testing.assert_allclose(made.evaluate(None, design.solutions).objective, expected, atol=1e-15)
        assert not np.allclose(plain.evaluate(None, design.solutions).objective, expected, atol=1e-3)
        near = np.clip(design.solutions + 1e-9, 0, 1)
        np.testing.assert_array_equal(made.evaluate(None, near).objective, plain.evaluate(None, near).objective)
        assert made.spec.start.kind == "design"
        assert design.solutions.shape == (POINTS, made.spec.dim)
    assert key_of("4796", "3549") == "surrogate-4796-3549"
