"""The data folder, downloads from a server of the test's own, and the commands of ``qdbench data``."""

from __future__ import annotations

import functools
import gc
import hashlib
import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qdbench import data_catalogue, datasets, terminal
from qdbench.cli import app
from qdbench.data_catalogue import HPOB_PACK, HPOB_SURROGATES, DataFile, Dataset
from qdbench.datasets import DataError
from tests.tasks.hpob import models
from tests.tasks.hpob.test_importing import archive, read_as

CONTENT = b"some data"
HASH = hashlib.sha256(CONTENT).hexdigest()


def call(*arguments: str, **environment: str) -> Result:
    # A console keeps the width that the environment had when it was made, which in a worker is another one.
    with pytest.MonkeyPatch.context() as patch:
        for console in (terminal.console, terminal.errors):
            patch.setattr(console, "_width", 250)
            patch.setattr(console, "_height", 50)
        return CliRunner().invoke(app, ["data", *arguments], env={"NO_COLOR": "1", **environment})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of one file, ``data.bin``."""
    root = tmp_path / "served"
    root.mkdir()
    (root / "data.bin").write_bytes(CONTENT)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=root)) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def register(monkeypatch: pytest.MonkeyPatch, **fields: object) -> DataFile:
    """Makes a data set ``test`` of one file the only one."""
    file = DataFile("test/data.bin", "CC0", "qdbench data fetch test", **fields)  # type: ignore[arg-type]
    monkeypatch.setattr(data_catalogue, "DATASETS", (Dataset("test", (file,)),))
    return file


def test_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument, then the variable, then the system's cache; none of them is created."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(datasets.FOLDER_VARIABLE, raising=False)
    assert datasets.data_folder().name == "qdbench"
    monkeypatch.setenv(datasets.FOLDER_VARIABLE, str(tmp_path / "variable"))
    assert datasets.data_folder() == tmp_path / "variable"
    assert datasets.data_folder(tmp_path / "argument") == tmp_path / "argument"
    for file in (HPOB_SURROGATES, HPOB_PACK):
        assert datasets.inspect(file).size is None
        with pytest.raises(DataError, match="there is no file"):
            datasets.locate(file)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_described(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        datasets.locate(HPOB_SURROGATES, tmp_path)
    assert str(raised.value).splitlines() == [
        f"there is no file {tmp_path}/hpob/saved-surrogates.zip",
        "  size: 148,595,881 bytes",
        "  sha256: bda3a71e8b720efa97ea654a5e883f87aed1345fa35553318980e1d45b7b5662",
        f"  source: {HPOB_SURROGATES.url}",
        "  licence: MIT (HPO-B)",
        "  get it with: qdbench data fetch hpob",
        "  another folder: QDBENCH_DATA=/path/to/data",
    ]
    (tmp_path / HPOB_SURROGATES.name).mkdir(parents=True)
    with pytest.raises(DataError, match="there is a folder, not a file, at"):
        datasets.locate(HPOB_SURROGATES, tmp_path)
    assert datasets.inspect(HPOB_SURROGATES, tmp_path).problem == "a folder, not a file"


def test_a_download(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = register(monkeypatch, url=f"{server}/data.bin", size=len(CONTENT), sha256=HASH)
    home, told = tmp_path / "home", []
    (path,) = datasets.fetch("test", home, lambda done, total, what: told.append((done, total, what)))
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT), "data.bin")
    assert datasets.locate(file, home) == path
    assert [entry.name for entry in path.parent.iterdir()] == ["data.bin"]
    monkeypatch.setenv(datasets.OFFLINE_VARIABLE, "1")
    assert datasets.fetch("test", home) == [path]


# pooch leaves the connection of a refused download open, until it is collected.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("address", "fields", "message"),
    [
        ("data.bin", {"sha256": "0" * 64}, "does not match the known hash"),
        ("nothing.bin", {"sha256": HASH}, "404"),
    ],
)
def test_downloads_that_fail_leave_nothing(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, fields: dict[str, str], message: str
) -> None:
    register(monkeypatch, url=f"{server}/{address}", **fields)
    with pytest.raises(DataError, match=message) as raised:
        datasets.fetch("test", tmp_path / "home")
    assert f"cannot download {server}/{address} to {tmp_path}/home/test/data.bin" in str(raised.value)
    assert f"the sha256 {fields['sha256']}" in str(raised.value)
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []
    del raised
    gc.collect()


def test_no_download_offline_or_over_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, url="http://127.0.0.1:9/data.bin", size=9, sha256=HASH)
    monkeypatch.setenv(datasets.OFFLINE_VARIABLE, "1")
    with pytest.raises(DataError, match="QDBENCH_OFFLINE=1 forbids the download of http"):
        datasets.fetch("test", tmp_path)
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "test" / "data.bin"
    path.parent.mkdir()
    path.write_bytes(b"too short")
    with pytest.raises(DataError, match=f"sha256 {hashlib.sha256(b'too short').hexdigest()}; it should be {HASH}"):
        datasets.fetch("test", tmp_path)
    path.write_bytes(b"short")
    with pytest.raises(DataError, match=r"5 bytes; it should have 9; remove it, then: qdbench data fetch test"):
        datasets.fetch("test", tmp_path)
    with pytest.raises(DataError, match=re.escape("no data set 'tset': did you mean test?")):
        datasets.fetch("tset", tmp_path)
    with pytest.raises(DataError, match=re.escape("no data set 'x': there are test")):
        datasets.fetch("x", tmp_path)


def test_fetching_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the official file in place, ``fetch`` downloads nothing and makes the pack, also of a damaged one."""
    path = archive(tmp_path / "hpob.zip")
    surrogates = DataFile(
        HPOB_SURROGATES.name, "MIT", "get it", path.stat().st_size, datasets.sha256_of(path), "http://127.0.0.1:9/"
    )
    monkeypatch.setattr("qdbench.tasks.hpob.importing.HPOB_SURROGATES", surrogates)
    read_as(monkeypatch, file=surrogates)
    finisher = datasets.dataset("hpob").finisher
    monkeypatch.setattr(data_catalogue, "DATASETS", (Dataset("hpob", (surrogates, HPOB_PACK), finisher),))
    (tmp_path / "hpob").mkdir()
    path.rename(tmp_path / surrogates.name)
    for damaged in (b"", b"damaged"):
        if damaged:
            (tmp_path / HPOB_PACK.name).write_bytes(damaged)
            assert call("verify", "--data-home", str(tmp_path)).exit_code == 1
        result = call("fetch", "hpob", "--data-home", str(tmp_path))
        assert result.exit_code == 0
        assert result.output.split() == [str(tmp_path / surrogates.name), str(tmp_path / HPOB_PACK.name)]
        assert call("verify", "--data-home", str(tmp_path)).output.count("whole: ") == 2


def test_commands(tmp_path: Path) -> None:
    path, home, out = tmp_path / "my-model.json", tmp_path / "home", tmp_path / "mine.npz"
    path.write_bytes(models.content(models.fit(2)))
    result = call("import", str(path), "--out", str(out), "--y-min", "-1", "--y-max", "2")
    assert result.exit_code == 0
    assert result.output == f"1 surrogates (not HPO-B's: report no score as HPO-B) in {out}\n"
    result = call("import", str(tmp_path / "nothing.zip"), "--out", str(out))
    assert result.exit_code == 2
    assert result.output == f"error: there is no file or folder {tmp_path}/nothing.zip\n"
    result = call("fetch", "hpob", "--data-home", str(home), QDBENCH_OFFLINE="1")
    assert result.exit_code == 2
    assert f"put the file at {home}/hpob/saved-surrogates.zip" in result.output
    result = call("status", QDBENCH_DATA=str(home))
    assert result.exit_code == 0
    assert str(home) in result.output
    assert re.search(r"saved-surrogates\.zip +│ no +│ +│ +│ MIT \(HPO-B\) +│ qdbench data fetch hpob +│", result.output)
    result = call("verify", "--data-home", str(home))
    assert (result.exit_code, result.output) == (0, "no data is there: qdbench data status\n")
    assert not home.exists()


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / HPOB_SURROGATES.name
    path.parent.mkdir()
    path.write_bytes(b"x")
    result = call("verify", "--data-home", str(tmp_path))
    assert result.exit_code == 1
    assert result.output == (
        f"damaged: {path}: 1 bytes; it should have 148,595,881\n  remove it, then: qdbench data fetch hpob\n"
    )
    assert "damaged: qdbench data verify" in call("status", "--data-home", str(tmp_path)).output


def test_help_and_status_import_nothing_heavy(tmp_path: Path) -> None:
    program = f"""
import sys
from typer.testing import CliRunner
from qdbench.cli import app
for text in ("data --help", "data import --help", "data status --data-home {tmp_path}"):
    assert CliRunner().invoke(app, text.split()).exit_code == 0, text
heavy = sorted({{"jax", "equinox", "pandas", "scipy", "matplotlib", "numpy", "pooch"}} & set(sys.modules))
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
