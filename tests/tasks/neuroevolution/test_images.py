"""The image tasks against NumPy, and the two ways to go through a population against each other."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import qdbench
from qdbench.datasets import DataError
from qdbench.tasks.neuroevolution import budgets, image_network, images
from tests.reference import image_network as reference

TRAIN, TEST = 1437, 360


@pytest.fixture(scope="module")
def task() -> images.ImageClassification:
    return qdbench.make("Neuro-Digits-v0", batch_size=70)


def solutions(count: int, scale: float = 0.1) -> np.ndarray:
    return (scale * np.random.default_rng(0).standard_normal((count, 11_274))).astype(np.float32)


def chosen_by(task: images.ImageClassification, key: jax.Array) -> np.ndarray:
    return np.asarray(images.draw(key, TRAIN, task.batch_size))


def test_the_number_and_the_order_of_weights(task: images.ImageClassification) -> None:
    assert image_network.NUM_WEIGHTS == task.spec.dim == 11_274
    flat = np.arange(11_274, dtype=np.float32)
    network = task.unflatten(flat)
    for part, expected in zip(jax.tree.leaves(network), reference.weights(flat), strict=True):
        np.testing.assert_array_equal(part, expected)
    np.testing.assert_array_equal(image_network.flatten(network), flat)


def test_logits_are_the_reference(task: images.ImageClassification) -> None:
    pixels = task.data.images[:5]
    for scale in (0.05, 0.5):
        solution = solutions(1, scale)[0]
        found = task.unflatten(solution)(image_network.normalise(pixels))
        expected = np.stack([reference.logits(solution, image) for image in np.asarray(pixels)])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_objective_and_measures_are_the_reference(task: images.ImageClassification) -> None:
    key, population = jax.random.key(3), solutions(2)
    result = task.evaluate(key, population)
    chosen = chosen_by(task, key)
    labels = np.asarray(task.data.labels)[chosen]
    for place, solution in enumerate(population):
        outputs = np.stack([reference.logits(solution, image) for image in np.asarray(task.data.images)[chosen]])
        expected = reference.scores(outputs, labels)
        np.testing.assert_allclose(result.objective[place], expected[0], rtol=1e-5)
        np.testing.assert_allclose(result.measures[place], expected[1:], rtol=1e-5, atol=1e-6)


def test_flax_says_the_same(task: images.ImageClassification) -> None:
    """Convolutions, pooling and order of the features as in the field's own code."""
    nn = pytest.importorskip("flax.linen")

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            for channels in (8, 16):
                x = nn.max_pool(nn.relu(nn.Conv(channels, (5, 5))(x)), (2, 2), (2, 2))
            return nn.Dense(10)(x.reshape(x.shape[0], -1))

    flat = solutions(1)[0]
    parts = reference.weights(flat)
    names = {"Conv_0": parts[:2], "Conv_1": parts[2:4], "Dense_0": parts[4:]}
    parameters = {name: {"kernel": np.float32(k), "bias": np.float32(b)} for name, (k, b) in names.items()}
    pixels = image_network.normalise(task.data.images[:20])
    expected = Network().apply({"params": parameters}, pixels[..., None])
    np.testing.assert_allclose(task.unflatten(flat)(pixels), expected, rtol=1e-4, atol=1e-5)


def test_zero_weights_guess_uniformly() -> None:
    task = qdbench.make("Neuro-Digits-v0", start="zero")
    result = task.evaluate(jax.random.key(0), np.zeros((1, 11_274)))
    np.testing.assert_allclose(result.objective, -np.log(10), rtol=1e-6)
    np.testing.assert_allclose(result.measures[0, 0], 1, rtol=1e-5)
    # The first of equals is class 0: right for all its images and for no others.
    np.testing.assert_allclose(result.measures[0, 1], 0.3, rtol=1e-6)
    assert task.spec.qd_score_offset == task.spec.objective_range[0] == pytest.approx(-np.log(10))
    assert task.spec.start.scale == 0


def test_an_overconfident_network_stays_finite(task: images.ImageClassification) -> None:
    result = task.evaluate(jax.random.key(0), solutions(2, scale=100.0))
    assert np.isfinite(result.objective).all()
    assert np.isfinite(result.measures).all()
    assert (np.asarray(result.measures)[:, 0] < 1e-3).all()


def test_solutions_share_the_minibatch_whatever_their_number(task: images.ImageClassification) -> None:
    population = np.repeat(solutions(1), 3, axis=0)
    key = jax.random.key(1)
    same = np.asarray(task.evaluate(key, population).objective)
    assert len(set(same.tolist())) == 1
    assert same[0] == np.asarray(task.evaluate(key, population[:1]).objective)[0]
    assert same[0] != np.asarray(task.evaluate(jax.random.key(2), population[:1]).objective)[0]


def test_a_minibatch_is_drawn_without_replacement() -> None:
    drawn = np.asarray(jax.vmap(lambda key: images.draw(key, TRAIN, 100))(jax.random.split(jax.random.key(0), 200)))
    assert all(len(set(row)) == 100 for row in drawn.tolist())
    assert drawn.min() >= 0
    assert drawn.max() < TRAIN
    # Every image is as probable as any other: 200 x 100 draws, 13.9 of each image on average.
    counts = np.bincount(drawn.ravel(), minlength=TRAIN)
    variance = 200 * (100 / TRAIN) * (1 - 100 / TRAIN)
    assert np.var(counts) == pytest.approx(variance, rel=0.2)
    np.testing.assert_array_equal(np.sort(images.draw(jax.random.key(0), 10, 10)), np.arange(10))


def test_fixed_noise_is_one_minibatch_for_good() -> None:
    one, other = (qdbench.make("Neuro-Digits-v0", batch_size=50, noise="fixed") for _ in range(2))
    np.testing.assert_array_equal(one.fixed, other.fixed)
    assert one.spec.deterministic
    population = solutions(2)
    result = one.evaluate(None, population)
    chosen = np.asarray(one.fixed)
    pixels, labels = np.asarray(one.data.images)[chosen], np.asarray(one.data.labels)[chosen]
    outputs = np.stack([reference.logits(population[1], image) for image in pixels])
    np.testing.assert_allclose(result.objective[1], reference.scores(outputs, labels)[0], rtol=1e-5)


def test_the_test_score_is_the_accuracy_on_the_test_set(task: images.ImageClassification) -> None:
    network = task.unflatten(solutions(2)[1])
    assert task.spec.test_episodes == TEST == len(task.data.test_labels)
    expected = []
    for solution in solutions(2):
        outputs = task.unflatten(solution)(image_network.normalise(task.data.test_images))
        expected.append(np.mean(np.asarray(outputs).argmax(axis=1) == np.asarray(task.data.test_labels)))
    found = task.test(None, solutions(2))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(found, task.test(jax.random.key(5), solutions(2)))
    # A few of them against the reference.
    pixels = task.data.test_images[:4]
    classes = [reference.logits(solutions(2)[1], image).argmax() for image in np.asarray(pixels)]
    np.testing.assert_array_equal(network(image_network.normalise(pixels)).argmax(axis=1), classes)


def test_one_by_one_and_in_chunks_agree(task: images.ImageClassification, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of accelerators, on the CPU; with chunks that do not divide the numbers of images and members."""
    pixels = image_network.normalise(task.data.images[:50])
    labels = task.data.labels[:50].astype(jnp.int32)
    population = jnp.asarray(solutions(5))
    one_by_one = image_network.scores(population, pixels, labels)
    monkeypatch.setattr(image_network, "_ACCELERATOR_IMAGES", 16)
    monkeypatch.setattr(image_network, "_ACCELERATOR_MEMBERS", 2)
    monkeypatch.setattr(lax, "platform_dependent", lambda *rows, cpu, default: default(*rows))
    in_chunks = image_network.scores.__wrapped__(population, pixels, labels)
    for one, other in zip(one_by_one, in_chunks, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_images_are_arguments_of_the_program() -> None:
    """Not constants in it: a data set would be compiled, and folded, anew."""
    task = qdbench.make("Neuro-Digits-v0", batch_size=8)
    assert sum(leaf.size for leaf in jax.tree.leaves(task)) == (TRAIN + TEST) * (28 * 28 + 1)
    traced = jax.jit(lambda task, key, rows: task.evaluate(key, rows)).trace(task, jax.random.key(0), solutions(2))
    assert sum(np.size(constant) for constant in traced.jaxpr.consts) < 100


def test_float32_whatever_the_global_setting(task: images.ImageClassification) -> None:
    expected = task.evaluate(jax.random.key(0), solutions(2))
    with jax.enable_x64(True):
        result = jax.jit(lambda rows: task.evaluate(jax.random.key(0), rows))(solutions(2).astype(np.float64))
        tested = task.test(None, solutions(2))
    assert result.objective.dtype == result.measures.dtype == tested.dtype == np.float32
    np.testing.assert_allclose(result.objective, expected.objective, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be an integer from 1 to 1437, but it is 0"),
        ({"batch_size": 1438}, "batch_size must be an integer from 1 to 1437, but it is 1438"),
        ({"budget": "large"}, "budget must be one of paper, small, smoke, but it is 'large'"),
        ({"noise": "none"}, "noise must be 'resampled' or 'fixed', but it is 'none'"),
        ({"start": "one"}, "start must be 'normal' or 'zero', but it is 'one'"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"Neuro-Digits-v0: {message}"):
        qdbench.make("Neuro-Digits-v0", **arguments)


def test_named_budgets() -> None:
    made = {name: qdbench.make("Neuro-Digits-v0", budget=name) for name in ("paper", "small", "smoke")}
    assert {name: (task.spec.budget, task.batch_size) for name, task in made.items()} == {
        "paper": (128 * 4000, 1024),
        "small": (64 * 60, 256),
        "smoke": (4 * 5, 32),
    }
    assert qdbench.make("Neuro-Digits-v0").spec == made["paper"].spec
    own = qdbench.make("Neuro-Digits-v0", budget="small", batch_size=7)
    assert (own.spec.budget, own.batch_size) == (3840, 7)
    assert budgets.IMAGE_BUDGETS["paper"].images == 128 * 4000 * 1024


def test_without_measures() -> None:
    task = qdbench.make("Neuro-Digits-v0", batch_size=8, measures=False)
    assert task.evaluate(jax.random.key(0), solutions(3)).measures.shape == (3, 0)
    assert task.spec.cells == 1


def test_what_is_missing_is_said(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match="get it with: qdbench data fetch kmnist"):
        qdbench.make("Neuro-KMNIST-v0")
