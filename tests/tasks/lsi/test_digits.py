"""LSI-Digits and LSI-Digits-CLIP: arguments, what the pictures show, and the shipped models."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.svm import SVC

import qdbench
from qdbench.tasks.lsi import embedded
from qdbench.tasks.lsi.pictures import ink, slant
from scripts.lsi import digits
from tests.reference import lsi_embedded as reference

DATA = Path(embedded.__file__).parent / "digits_data"


def test_the_wanted_digit_decides() -> None:
    theta = np.random.default_rng(0).normal(size=(200, 128))
    shares = np.stack(
        [np.asarray(qdbench.make("LSI-Digits-v0", digit=d).evaluate(None, theta).objective) for d in range(10)]
    )
    total = 100 * reference.closeness("digits", theta)
    # Probabilities sum to one with that of a scribble, so that the objectives sum to the closeness at most.
    assert (shares.sum(axis=0) <= total * (1 + 1e-4)).all()
    assert np.median(shares.sum(axis=0) / total) > 0.9
    assert np.median(shares.max(axis=0) / total) > 0.8
    assert (shares.max(axis=1) > 80).all()


@pytest.mark.parametrize("name", ["noise", "four parts in another order"])
def test_what_is_no_digit_is_a_scribble(name: str) -> None:
    task = qdbench.make("LSI-Digits-v0")
    rng = np.random.default_rng(0)
    if name == "noise":
        pictures = rng.uniform(size=(200, 8, 8, 1))
    else:
        images = load_digits().images[:200] / 16
        pictures = np.block([[images[:, 4:, 4:], images[:, 4:, :4]], [images[:, :4, 4:], images[:, :4, :4]]])[..., None]
    embeddings = np.asarray(task.clip.embed_images(task.clip.normalize(jnp.asarray(pictures, jnp.float32))))
    assert ((embeddings @ np.asarray(task.texts).T).argmax(axis=1) == 10).mean() > 0.9


@functools.cache
def judge() -> SVC:
    """A classifier that knows neither model, of digits over the whole range of the measures."""
    known = digits.load(0).varied_training
    chosen = slice(None, None, 5)
    return SVC(gamma=0.05, C=10).fit(known.images[chosen].reshape(-1, 64), known.attributes[chosen, 0])


def read(theta: np.ndarray) -> np.ndarray:
    return judge().predict(np.clip(reference.images("digits", theta), 0, 1).reshape(len(theta), -1))


@pytest.mark.parametrize("digit", [3, 8])
def test_an_independent_classifier_reads_pictures_of_high_objective_as_the_wanted_digit(digit: int) -> None:
    task = qdbench.make("LSI-Digits-v0", digit=digit)
    theta = np.random.default_rng(2).normal(size=(2000, 128))
    good = theta[np.asarray(task.evaluate(None, theta).objective) > 90]
    assert len(good) > 30
    assert (read(good) == digit).mean() > 0.95


@pytest.mark.slow
def test_it_reads_elites_that_cma_mega_found_as_the_wanted_digit_everywhere_in_the_archive() -> None:
    result = qdbench.run("LSI-Digits-v0", "cma-mega-adam", budget=36_100)
    archive = result.archive
    good = archive.objective > 80
    assert good.sum() > 6000
    right = read(archive.solutions[good]) == 8
    assert right.mean() > 0.97
    # In each ninth of the measures' box: from thin to bold, and slanted to either side.
    ninths = 3 * (archive.cells[good] // 100 * 3 // 100) + archive.cells[good] % 100 * 3 // 100
    assert [right[ninths == ninth].sum() > 200 for ninth in range(9)] == [True] * 9


def test_ink_and_slant_of_drawn_lines() -> None:
    upright, right, left = np.zeros((3, 8, 8, 1), np.float32)
    for row in range(8):
        upright[row, 3] = right[row, 7 - row] = left[row, row] = 1
    pictures = np.stack([upright, right, left, np.zeros_like(left), 5 * upright, -upright])
    np.testing.assert_allclose(ink(pictures), [1 / 8, 1 / 8, 1 / 8, 0, 1 / 8, 0], atol=1e-6)
    steep = 5.25 / 5.30
    np.testing.assert_allclose(slant(pictures), [0, steep, -steep, 0, 0, 0], atol=1e-5)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="digit must be an integer from 0 to 9, but it is 10"):
        qdbench.make("LSI-Digits-v0", digit=10)
    with pytest.raises(ValueError, match=r"unknown word 'owl'; the words are a, number, \., zero"):
        qdbench.make("LSI-Digits-CLIP-v0", prompt="a number owl .")
    with pytest.raises(ValueError, match="has 11 words; it should have 10 at most"):
        qdbench.make("LSI-Digits-CLIP-v0", prompt=" ".join(["a"] * 11))


def test_another_prompt_is_another_task() -> None:
    theta = np.random.default_rng(0).normal(size=(3, 128))
    values = [
        np.asarray(qdbench.make("LSI-Digits-CLIP-v0", prompt=f"a number {name} .").evaluate(None, theta).objective)
        for name in ("eight", "one")
    ]
    assert np.abs(values[0] - values[1]).min() > 0.1


def test_the_shipped_files_are_small_and_their_record_is_complete() -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 500_000
    record = json.loads((DATA / "training.json").read_text())
    assert {"seed", "data", "versions", "generator", "clip"} <= set(record)
    held_out = record["clip"]["zero_shot_accuracy"]["held_out"]
    # At least as good as the trial that the design is based on.
    assert held_out["class"] >= 0.969
    assert held_out["ink"] >= 0.864
    assert held_out["slant"] >= 0.897
    read = record["generator"]["quality"]["read_as_class"]
    assert min(read) > 100


def test_the_tokenizer_is_what_tokenizers_reads() -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers reads the file to compare with")
    oracle = tokenizers.Tokenizer.from_file(str(DATA / "clip" / "tokenizer.json"))
    for text in ("a number eight .", "a bold right slanted number seven ."):
        assert oracle.encode(text).ids == embedded.encode("LSI", "digits", text)
