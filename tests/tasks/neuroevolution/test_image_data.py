"""Image data sets: every form and place of a file, what is wrong with one, and the digits that come with qdbench."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from sklearn.datasets import load_digits
from typer.testing import CliRunner

import qdbench
from qdbench import data_catalogue, datasets
from qdbench.cli import app
from qdbench.data_catalogue import FASHION_MNIST, IMAGE_FILES, KMNIST, MNIST, DataFile, Dataset
from qdbench.datasets import DataError
from qdbench.tasks.neuroevolution import image_data
from qdbench.tasks.neuroevolution.idx import to_idx

COUNTS = {"train": 60, "t10k": 20}
TREES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}


def contents() -> dict[str, bytes]:
    """A small data set: the IDX files by name."""
    generator = np.random.default_rng(0)
    files = {}
    for name in IMAGE_FILES:
        count = COUNTS[name.split("-")[0]]
        shape, most = ((count, 28, 28), 256) if "images" in name else ((count,), 10)
        files[name] = to_idx(generator.integers(0, most, shape).astype(np.uint8))
    return files


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The small data set in place of K-MNIST: the same names, with its own sizes and hashes."""
    content = {name: (gzip.compress(raw, mtime=0), raw) for name, raw in contents().items()}

    def adapted(file: DataFile) -> DataFile:
        name = Path(file.name).name
        own = content[name.removesuffix(".gz")][0 if name.endswith(".gz") else 1]
        others = tuple(adapted(other) for other in file.others)
        sha256 = hashlib.sha256(own).hexdigest()
        return dataclasses.replace(file, size=len(own), sha256=sha256, checker=None, others=others)

    dataset = Dataset("kmnist", tuple(adapted(file) for file in KMNIST.files))
    monkeypatch.setattr(data_catalogue, "DATASETS", (MNIST, FASHION_MNIST, dataset))
    return dataset


def fill(folder: Path, compressed: bool) -> None:
    folder.mkdir(parents=True)
    for name, raw in contents().items():
        path = folder / (f"{name}.gz" if compressed else name)
        path.write_bytes(gzip.compress(raw, mtime=0) if compressed else raw)


@pytest.mark.parametrize("folder", ["kmnist", "KMNIST/raw"])
@pytest.mark.parametrize("compressed", [True, False])
def test_every_form_and_place_gives_the_same_task(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, compressed: bool
) -> None:
    fill(tmp_path / folder, compressed)
    before = sorted(tmp_path.rglob("*"))
    tmp_path.chmod(0o555)
    monkeypatch.setenv(datasets.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv(datasets.OFFLINE_VARIABLE, "1")
    assert datasets.is_present("kmnist")
    data = qdbench.make("Neuro-KMNIST-v0", batch_size=8).data
    for name, part in zip(IMAGE_FILES, data, strict=True):
        header = 16 if "images" in name else 8
        assert np.asarray(part).tobytes() == contents()[name][header:]
    # A complete tree needs no download, and reading has made nothing.
    assert len(datasets.fetch("kmnist", tmp_path)) == 4
    assert sorted(tmp_path.rglob("*")) == before
    tmp_path.chmod(0o755)


def test_unchanged_files_are_read_once(small: Dataset, tmp_path: Path) -> None:
    fill(tmp_path / "kmnist", True)
    first, second = (image_data.from_folder(small, tmp_path) for _ in range(2))
    assert all(one is other for one, other in zip(first, second, strict=True))


def test_a_missing_file_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(datasets.FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(DataError) as raised:
        qdbench.make("Neuro-FashionMNIST-v0")
    name = "train-images-idx3-ubyte"
    assert str(raised.value).splitlines() == [
        f"there is no file {tmp_path}/nowhere/fashion_mnist/{name}.gz",
        "  size: 26,421,880 bytes",
        "  sha256: 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        f"  source: http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{name}.gz",
        "  licence: MIT (Fashion-MNIST)",
        "  get it with: qdbench data fetch fashion_mnist",
        f"  or put it at: fashion_mnist/{name}, FashionMNIST/raw/{name}.gz, FashionMNIST/raw/{name}",
        "  another folder: QDBENCH_DATA=/path/to/data",
    ]
    monkeypatch.setenv(datasets.OFFLINE_VARIABLE, "1")
    with pytest.raises(DataError, match=f"QDBENCH_OFFLINE=1 forbids the download of .*{name}.gz; put the file at"):
        datasets.fetch("fashion_mnist")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("name", IMAGE_FILES)
def test_a_truncated_or_another_file_is_named(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, compressed: bool
) -> None:
    monkeypatch.setenv(datasets.FOLDER_VARIABLE, str(tmp_path))
    fill(tmp_path / "kmnist", compressed)
    path = tmp_path / "kmnist" / (f"{name}.gz" if compressed else name)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    size = f"{len(whole) - 1:,} bytes; it should have {len(whole):,}; remove it, then: qdbench data fetch kmnist"
    with pytest.raises(DataError, match=f"{path}: {size}"):
        qdbench.make("Neuro-KMNIST-v0", batch_size=8)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(
        DataError, match=f"{path}: sha256 [0-9a-f]{{64}}; it should be {hashlib.sha256(whole).hexdigest()}"
    ):
        qdbench.make("Neuro-KMNIST-v0", batch_size=8)


def test_parts_that_do_not_fit_together(tmp_path: Path) -> None:
    """The hashes exclude it; so it is tried on files without any."""
    dataset = Dataset("kmnist", tuple(DataFile(f"kmnist/{name}", "CC0", "none") for name in IMAGE_FILES))
    fill(tmp_path / "kmnist", False)
    for name, array in (
        ("train-labels-idx1-ubyte", np.zeros(59, np.uint8)),
        ("t10k-labels-idx1-ubyte", np.full(20, 10, np.uint8)),
        ("t10k-images-idx3-ubyte", np.zeros((20, 27, 28), np.uint8)),
    ):
        path = tmp_path / "kmnist" / name
        whole = path.read_bytes()
        path.write_bytes(to_idx(array))
        with pytest.raises(DataError, match=rf"the data set kmnist in {tmp_path}: images of shape .* they should be"):
            image_data.from_folder(dataset, tmp_path)
        path.write_bytes(whole)
    assert image_data.from_folder(dataset, tmp_path).labels.shape == (60,)


def test_the_registry_of_files() -> None:
    for dataset in (MNIST, FASHION_MNIST, KMNIST):
        tree = TREES[dataset.id]
        for name, file in zip(IMAGE_FILES, dataset.files, strict=True):
            assert file.name == f"{dataset.id}/{name}.gz"
            assert [form.name for form in file.others] == [
                f"{dataset.id}/{name}",
                f"{tree}/raw/{name}.gz",
                f"{tree}/raw/{name}",
            ]
            count = 60_000 if name.startswith("train") else 10_000
            raw = count * 784 + 16 if "images" in name else count + 8
            assert [form.size for form in file.others] == [raw, file.size, raw]
            assert file.url is not None
            assert file.url.endswith(f"/{name}.gz")
            for form in (file, *file.others):
                # All but one content has a known hash.
                known = (dataset.id, form.size) != ("kmnist", 47_040_016)
                assert (form.sha256 is not None and len(form.sha256) == 64) == known
                assert (form.checker is None) == known


@pytest.mark.parametrize("dataset", [MNIST, FASHION_MNIST], ids=lambda dataset: dataset.id)
def test_the_real_files(dataset: Dataset) -> None:
    if not datasets.is_present(dataset.id):
        pytest.skip(f"{dataset.id} is not in the data folder")
    data = image_data.from_folder(dataset)
    assert data.images.shape == (60_000, 28, 28)
    assert data.test_images.shape == (10_000, 28, 28)
    counts = np.bincount(np.asarray(data.test_labels), minlength=10)
    # The counts of the data sets' own descriptions.
    expected = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009] if dataset is MNIST else [1000] * 10
    np.testing.assert_array_equal(counts, expected)
    # The mean and the standard deviation by which the images are normalised are those of MNIST.
    if dataset is MNIST:
        pixels = np.asarray(data.images) / 255
        np.testing.assert_allclose([pixels.mean(), pixels.std()], [0.1307, 0.3081], atol=5e-5)


def test_what_is_there_of_kmnist(tmp_path: Path) -> None:
    """Its training images may not be there; the other files are checked by themselves."""
    found = [state for state in map(datasets.inspect, KMNIST.files) if state.size is not None]
    if not found:
        pytest.skip("nothing of kmnist is in the data folder")
    assert [state.problem for state in found] == [""] * len(found)
    (tmp_path / "KMNIST" / "raw").mkdir(parents=True)
    # Not compressed, the training images have no known hash; size and format are checked.
    path = tmp_path / "KMNIST" / "raw" / IMAGE_FILES[0]
    path.write_bytes(to_idx(np.zeros((60_000, 28, 28), np.uint8)))
    assert datasets.inspect(KMNIST.files[0], tmp_path).problem == ""
    path.write_bytes(bytes(47_040_016))
    assert "not an IDX file: it starts with 00 00 00 00" in datasets.inspect(KMNIST.files[0], tmp_path).problem


def test_commands(small: Dataset, tmp_path: Path) -> None:
    fill(tmp_path / "KMNIST" / "raw", False)
    arguments = ["--data-home", str(tmp_path)]
    result = CliRunner().invoke(app, ["data", "verify", *arguments])
    assert result.exit_code == 0
    assert result.output.count("whole: ") == 4
    shutil.rmtree(tmp_path / "KMNIST")
    result = CliRunner().invoke(app, ["data", "fetch", "kmnist", *arguments], env={datasets.OFFLINE_VARIABLE: "1"})
    assert result.exit_code == 2
    assert "forbids the download of" in result.output


def test_the_digits_are_scikit_learn_s() -> None:
    theirs, data = load_digits(), image_data.digits()
    assert [len(part) for part in data] == [1437, 1437, 360, 360]
    large = image_data.enlarge(theirs.images.astype(np.uint8))
    ours = np.concatenate([data.images, data.test_images]), np.concatenate([data.labels, data.test_labels])
    assert sorted((image.tobytes(), int(label)) for image, label in zip(*ours, strict=True)) == sorted(
        (image.tobytes(), int(label)) for image, label in zip(large, theirs.target, strict=True)
    )


images = st_numpy.arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(8), st.just(8)), elements=st.integers(0, 16))


@given(images=images)
def test_enlarging_is_bilinear_interpolation(images: np.ndarray) -> None:
    """Between the middles of pixels, which lie at 0.5, 1.5, ... of 8; one dimension after the other."""
    places = (np.arange(28) + 0.5) * 8 / 28
    along = [np.array([np.interp(places, np.arange(8) + 0.5, row) for row in image]) for image in images.astype(float)]
    across = [np.array([np.interp(places, np.arange(8) + 0.5, column) for column in image.T]).T for image in along]
    np.testing.assert_allclose(image_data.enlarge(images), np.array(across) * 255 / 16, atol=0.5 + 1e-9)
