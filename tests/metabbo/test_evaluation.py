"""How the mean is evaluated beside a reference optimizer."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import baselines
import qdbench
from qdbench.metabbo import config, distribution, evaluation
from qdbench.metabbo.evaluation import Evaluator, geometric_mean, ratios
from tests.metabbo import tiny
from tests.metabbo.driving import alone_mean

SETTINGS = {
    "seen": [tiny.SPHERE | {"pool": {"instance": [2, 3]}}],
    "unseen": [{"id": "BBOB-F08-v0", "arguments": tiny.PLAIN}],
    "repetitions": 3,
    "generations": 4,
    "hyperparameters": {"start": 1.0, "batch_size": 3},
    "reference_hyperparameters": {"sigma": 0.3, "elite_ratio": 0.2, "batch_size": 5},
}
TASKS = [("BBOB-F01-v0", 2), ("BBOB-F01-v0", 3), ("BBOB-F08-v0", 1)]


def test_ratios_by_hand() -> None:
    reference = -np.array([2.0, 4.0, 1.0, 1e-12, 0.0])
    mean_best = -np.array([[1.0, 4.0, 1e5, 1e-12, 0.0], [0.0, 1e-9, 1e-9, 1.0, -1.0]])
    # Precisions below 1e-8 count as 1e-8, and nothing is more than a hundred times better or worse.
    expected = [[0.5, 1, 100, 1, 1], [0.01, 0.01, 0.01, 100, 1]]
    np.testing.assert_allclose(ratios(mean_best, reference), expected)
    np.testing.assert_allclose(ratios(mean_best[0], reference), expected[0])
    np.testing.assert_allclose(ratios(np.array([-3e-8]), np.array([-1e-9])), [3])


def test_geometric_means_by_hand() -> None:
    np.testing.assert_allclose(geometric_mean(np.array([2.0, 8.0])), 4)
    np.testing.assert_allclose(geometric_mean(np.array([[0.01, 100, 1], [1, 1, 8]])), [1, 2])


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    return Evaluator(tiny.CLIMBER, config.Evaluation.model_validate(SETTINGS), {})


def test_tasks_are_all_combinations(evaluator: Evaluator) -> None:
    assert [tuple(row) for row in evaluator.tasks.to_numpy()] == [
        ("seen", "BBOB-F01-v0 (dim=2, instance=2)"),
        ("seen", "BBOB-F01-v0 (dim=2, instance=3)"),
        ("unseen", "BBOB-F08-v0 (dim=2)"),
    ]


def test_the_mean_best_is_that_of_the_optimizer_alone(evaluator: Evaluator) -> None:
    spec = qdbench.make("BBOB-F01-v0", **tiny.PLAIN).spec
    found = evaluator.mean_best({"sigma": jnp.float32(0.8)})
    np.testing.assert_allclose(found, alone_mean(tiny.make(spec, 0.8, 1.0, 3), TASKS, 3, 4), rtol=1e-4)
    other = evaluator.mean_best({"sigma": jnp.float32(0.1)})
    assert (other != found).all()
    # The same numbers on every call, with the same or another evaluator.
    np.testing.assert_array_equal(evaluator.mean_best({"sigma": jnp.float32(0.8)}), found)
    # What the settings leave open is as in the inner loops.
    settings = SETTINGS | {"hyperparameters": {"start": 1.0}}
    inner_loops = {"start": 9.0, "batch_size": 3}
    again = Evaluator(tiny.CLIMBER, config.Evaluation.model_validate(settings), inner_loops)
    np.testing.assert_array_equal(again.mean_best({"sigma": jnp.float32(0.1)}), other)


def test_the_reference_has_its_own_settings(evaluator: Evaluator) -> None:
    spec = qdbench.make("BBOB-F01-v0", **tiny.PLAIN).spec
    reference = baselines.make("gaussian-ga", spec, sigma=0.3, elite_ratio=0.2, batch_size=5)
    expected = alone_mean(reference, TASKS, 3, 4)
    np.testing.assert_allclose(evaluator.reference(), expected, rtol=1e-4)


def test_a_reference_without_arrays() -> None:
    settings = SETTINGS | {"reference": "random-search", "reference_hyperparameters": {}, "generations": 2}
    found = Evaluator(tiny.CLIMBER, config.Evaluation.model_validate(settings), {}).reference()
    assert found.shape == (3,)
    assert (found < 0).all()


def test_tasks_of_different_shapes_stay_in_order() -> None:
    """Results come by group; splits and names have to follow them."""
    families = [
        {"id": "BBOB-F01-v0", "arguments": tiny.PLAIN | {"dim": dim}, "grid": {"instance": [1, 2]}} for dim in (2, 3)
    ]
    settings = config.Evaluation.model_validate(
        SETTINGS
        | {"seen": [families[1]], "unseen": [families[0], tiny.SPHERE | {"arguments": tiny.PLAIN | {"dim": 3}}]}
    )
    tasks = Evaluator(tiny.CLIMBER, settings, {}).tasks
    assert list(tasks["split"]) == ["seen"] * 2 + ["unseen"] * 5
    assert [label.split("dim=")[1][0] for label in tasks["task"]] == list("3333322")
    built = distribution.build(
        [*settings.seen, *(f.model_copy(update={"grid": f.pool or f.grid, "pool": {}}) for f in settings.unseen)]
    )
    ((draws, filled), (others, fewer)) = evaluation._rows(built, 2)[0]
    assert (filled, fewer) == (10, 4)
    np.testing.assert_array_equal(draws.family, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    np.testing.assert_array_equal(others.family, [0, 0, 1, 1])
    assert len({tuple(key) for key in [*draws.key, *others.key]}) == 14


NETWORKS = {
    "tasks": [{"id": "Neuro-Pendulum-v0", "arguments": {"budget": "smoke", "measures": "none"}}],
    "hyperparameters": {"start": 0.0, "batch_size": 2, "sigma": 0.5},
    "reference_hyperparameters": {"sigma": 0.1, "batch_size": 4},
    "repetitions": 2,
    "generations": 3,
}


def test_networks_have_settings_of_their_own(evaluator: Evaluator) -> None:
    both = Evaluator(tiny.CLIMBER, config.Evaluation.model_validate(SETTINGS | {"networks": [NETWORKS]}), {})
    assert [tuple(row) for row in both.tasks.to_numpy()] == [
        *(tuple(row) for row in evaluator.tasks.to_numpy()),
        ("networks", "Neuro-Pendulum-v0 (budget=smoke)"),
    ]
    arrays = {"sigma": jnp.float32(0.8)}
    np.testing.assert_array_equal(both.mean_best(arrays)[:-1], evaluator.mean_best(arrays))
    np.testing.assert_array_equal(both.reference()[:-1], evaluator.reference())
    # A pendulum costs something, and at most 17 in each of 200 steps.
    assert -200 * 17 < both.mean_best(arrays)[-1] < 0
    assert 0.01 < ratios(both.mean_best(arrays), both.reference())[-1] < 100


def test_networks_alone_are_enough() -> None:
    alone = Evaluator(tiny.CLIMBER, config.Evaluation.model_validate({"networks": [NETWORKS]}), {})
    assert list(alone.tasks["split"]) == ["networks"]
    assert alone.reference().shape == (1,)


def test_a_task_whose_best_objective_is_not_zero_is_refused() -> None:
    games = NETWORKS | {"tasks": [{"id": "Neuro-Breakout-v0", "arguments": {"budget": "smoke", "measures": "none"}}]}
    with pytest.raises(ValueError, match=r"Neuro-Breakout-v0 cannot be compared by what is missing to 0.* is 1"):
        Evaluator(tiny.CLIMBER, config.Evaluation.model_validate({"networks": [games]}), {})
