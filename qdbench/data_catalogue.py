"""The data sets that users download: names, sizes, hashes, licences and addresses of their files."""

from __future__ import annotations

import dataclasses

_IDX_CHECKER = "qdbench.tasks.neuroevolution.idx:verify"


@dataclasses.dataclass(frozen=True)
class DataFile:
    """A file of a data set.

    Attributes:
        name: Its path below the data folder.
        licence: The licence of its content.
        command: The command that gets it.
        size: Its bytes, where it is always the same file.
        sha256: Its hash, where it is always the same file.
        url: Where it is downloaded from; None for a file that is made of others.
        checker: ``"module:function"`` that reads a file that is not always the same and raises DataError if it is not
            whole.
        others: Where else below the data folder, and in which form, the same content may lie; it is only ever read.
    """

    name: str
    licence: str
    command: str
    size: int | None = None
    sha256: str | None = None
    url: str | None = None
    checker: str | None = None
    others: tuple[DataFile, ...] = ()


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set: its files, and what is done with those that were downloaded.

    Attributes:
        id: Its name in ``qdbench data fetch``.
        files: Its files.
        finisher: ``"module:function"`` that makes files of those that were downloaded, given the data folder and a
            function that is told about progress; None if there is nothing to do.
    """

    id: str
    files: tuple[DataFile, ...]
    finisher: str | None = None


HPOB_SURROGATES = DataFile(
    name="hpob/saved-surrogates.zip",
    licence="MIT (HPO-B)",
    command="qdbench data fetch hpob",
    size=148_595_881,
    sha256="bda3a71e8b720efa97ea654a5e883f87aed1345fa35553318980e1d45b7b5662",
    url="https://rewind.tf.uni-freiburg.de/index.php/s/rTwPgaxS2Z7NH39/download/saved-surrogates.zip",
)
"""The official surrogates; the address is that of the benchmark's README."""

HPOB_PACK = DataFile(
    name="hpob/surrogates.npz",
    licence="MIT (HPO-B)",
    command="qdbench data fetch hpob, or qdbench data import saved-surrogates.zip",
    checker="qdbench.tasks.hpob.pack:verify",
)
"""The 86 surrogates of the meta-test tasks as qdbench evaluates them, made of the official file."""

HPOB_DATA = DataFile(
    name="hpob/hpob-data.zip",
    licence="MIT (HPO-B)",
    command="qdbench data fetch hpob-designs",
    size=261_011_374,
    sha256="ab1c439e50ffea3d8a3f1e0ad7ee7f03cd3c12df05576de84ad7c3b58fbf3358",
    url="https://rewind.tf.uni-freiburg.de/index.php/s/xdrJQPCTNi2zbfL/download/hpob-data.zip",
)
"""The tables of all runs; the address is that of the benchmark's README."""

HPOB_DESIGNS = DataFile(
    name="hpob/designs.json",
    licence="MIT (HPO-B)",
    command="qdbench data fetch hpob-designs, or qdbench data import hpob-data.zip",
    checker="qdbench.tasks.hpob.designs:verify",
)
"""The official initial designs, made of the tables."""

_IMAGE_REGISTRY = """
mnist/train-images-idx3-ubyte.gz 9912422 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
mnist/train-images-idx3-ubyte 47040016 ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
mnist/train-labels-idx1-ubyte.gz 28881 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
mnist/train-labels-idx1-ubyte 60008 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
mnist/t10k-images-idx3-ubyte.gz 1648877 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
mnist/t10k-images-idx3-ubyte 7840016 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
mnist/t10k-labels-idx1-ubyte.gz 4542 f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
mnist/t10k-labels-idx1-ubyte 10008 ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2
fashion_mnist/train-images-idx3-ubyte.gz 26421880 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
fashion_mnist/train-images-idx3-ubyte 47040016 c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
fashion_mnist/train-labels-idx1-ubyte.gz 29515 a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
fashion_mnist/train-labels-idx1-ubyte 60008 bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
fashion_mnist/t10k-images-idx3-ubyte.gz 4422102 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
fashion_mnist/t10k-images-idx3-ubyte 7840016 5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
fashion_mnist/t10k-labels-idx1-ubyte.gz 5148 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5
fashion_mnist/t10k-labels-idx1-ubyte 10008 0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34
kmnist/train-images-idx3-ubyte.gz 18165135 51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4
kmnist/train-images-idx3-ubyte 47040016 unknown
kmnist/train-labels-idx1-ubyte.gz 29497 e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17
kmnist/train-labels-idx1-ubyte 60008 2a16eeae62da984b8bd24fa32e31d47291f01dac3fe84d5594f304f71e7d374b
kmnist/t10k-images-idx3-ubyte.gz 3041136 edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5
kmnist/t10k-images-idx3-ubyte 7840016 76fbd229ce87db80dd281af5e6670de4ad0e42fb30a7bd643972994c47c1f42e
kmnist/t10k-labels-idx1-ubyte.gz 5120 20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c
kmnist/t10k-labels-idx1-ubyte 10008 a11dc742be8e781a40a92f53d6a4957e7b7d36df2faa097659131ebfd8fd60c6
"""
"""The size and SHA-256 of each file, compressed and not. All were computed, but for that of K-MNIST's training images,
which is as others publish it; not compressed, these are checked by their format and size."""

IMAGE_FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
"""The names of a data set in MNIST's format: images and labels for training, then those of the test."""


def _image_dataset(id: str, tree: str, licence: str, address: str) -> Dataset:
    """A data set in MNIST's format.

    Args:
        id: Its name and that of its folder.
        tree: Its folder's name in torchvision's tree, ``<tree>/raw``, which has the files in both forms.
        licence: The licence.
        address: Where the files are.
    """
    known = {name: (int(size), sha256) for name, size, sha256 in map(str.split, _IMAGE_REGISTRY.split("\n")[1:-1])}

    def entry(folder: str, name: str, url: str | None = None, others: tuple[DataFile, ...] = ()) -> DataFile:
        size, sha256 = known[f"{id}/{name}"]
        rule = (None, _IDX_CHECKER) if sha256 == "unknown" else (sha256, None)
        return DataFile(f"{folder}/{name}", licence, f"qdbench data fetch {id}", size, rule[0], url, rule[1], others)

    files = []
    for name in IMAGE_FILES:
        others = entry(id, name), entry(f"{tree}/raw", f"{name}.gz"), entry(f"{tree}/raw", name)
        files.append(entry(id, f"{name}.gz", f"{address}{name}.gz", others))
    return Dataset(id, tuple(files))


MNIST = _image_dataset("mnist", "MNIST", "CC BY-SA 3.0 (MNIST)", "https://ossci-datasets.s3.amazonaws.com/mnist/")
"""LeCun, Cortes and Burges' handwritten digits; the address is a mirror of the original files."""

FASHION_MNIST = _image_dataset(
    "fashion_mnist",
    "FashionMNIST",
    "MIT (Fashion-MNIST)",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
"""Zalando's articles of clothing; the address is that of the data set's README."""

KMNIST = _image_dataset("kmnist", "KMNIST", "CC BY-SA 4.0 (KMNIST)", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/")
"""CODH's cursive Japanese characters."""

DATASETS = (
    Dataset("hpob", (HPOB_SURROGATES, HPOB_PACK), finisher="qdbench.tasks.hpob.importing:finish"),
    Dataset("hpob-designs", (HPOB_DATA, HPOB_DESIGNS), finisher="qdbench.tasks.hpob.designs:finish"),
    MNIST,
    FASHION_MNIST,
    KMNIST,
)
