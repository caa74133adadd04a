"""Compiled inner loops against members that are driven alone, with the keys that the loops say they use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import baselines
import qdbench
from baselines.learned_ga import lga
from qdbench.harness.compiled import anonymous
from qdbench.leaves import named_leaves
from qdbench.metabbo import distribution, inner
from qdbench.metabbo.config import TaskFamily
from qdbench.metabbo.loops import make_optimizer
from qdbench.metabbo.noise import KINDS, NONE
from tests.baselines.driving import function_task, sphere
from tests.metabbo import tiny
from tests.metabbo.driving import WORST, alone
from tests.reference.learned_ga import redrawn

GENERATIONS = 4

FUNCTIONS = [
    TaskFamily.model_validate(family)
    for family in (tiny.SPHERE, tiny.ROSENBROCK, {"id": "BBOB-F15-v0", "arguments": tiny.PLAIN})
]
# Two instances, without noise and with Gaussian and severe Cauchy noise; the last row is room that stays empty.
ROWS = [
    (0, 2, NONE, (1, 2)),
    (1, 1, NONE, (3, 4)),
    (2, 0, 1, (5, 6)),
    (0, 1, 6, (7, 8)),
]
TASKS = [("BBOB-F01-v0", 3), ("BBOB-F08-v0", 5), ("BBOB-F15-v0", 1), ("BBOB-F01-v0", 2)]


def check_members(members: list[Any], under: str, changed: Callable[[Any, float], Any]) -> None:
    """Members in one program, each task with its own drawn sigma unless that is evolved, against each alone."""
    built = distribution.build(FUNCTIONS)
    (group,) = built.groups
    drawn = {} if under == "sigma" else {"sigma": 0.0}
    sigmas = [0.1, 0.3, 1.0, 0.6]
    rows = [tiny.draw_of(*row, **dict.fromkeys(drawn, sigma)) for row, sigma in zip(ROWS, sigmas, strict=True)]
    program = inner.program(members[0], GENERATIONS, 5)
    evolved = tiny.evolved_of(members, under)
    results = program(evolved, group.pools, distribution.draws(rows, 5), np.int32(4))
    assert results.final.shape == results.best.shape == (len(members), 5)
    np.testing.assert_array_equal(np.asarray(results.final)[:, 4], 0)
    for column, ((id, instance), row, sigma) in enumerate(zip(TASKS, ROWS, sigmas, strict=True)):
        task = anonymous(qdbench.make(id, **tiny.PLAIN, instance=instance))
        for number, member in enumerate(members):
            expected = alone(changed(member, sigma) if drawn else member, task, row[3], GENERATIONS, row[2])
            actual = results.final[number, column], results.best[number, column]
            np.testing.assert_allclose(actual, expected, rtol=2e-4, atol=1e-5, err_msg=f"{number} {id}")
    assert len(np.unique(np.asarray(results.final)[:, :4])) > 4


def with_sigma(optimizer: Any, sigma: float) -> Any:
    return eqx.tree_at(lambda made: made.sigma, optimizer, jnp.float32(sigma))


@pytest.fixture(scope="module")
def spec() -> Any:
    return qdbench.make("BBOB-F01-v0", **tiny.PLAIN).spec


def test_the_gaussian_ga_s_mutation_rate(spec: Any) -> None:
    members = [baselines.make("gaussian-ga", spec, sigma=sigma, batch_size=6) for sigma in (0.1, 1.0)]
    check_members(members, "sigma", with_sigma)


def test_the_learned_ga_s_operators(spec: Any) -> None:
    zero = lga.make_zero(spec, batch_size=6)
    members = [eqx.tree_at(lambda made: made.operators, zero, redrawn(zero.operators, seed, 0.7)) for seed in range(2)]
    check_members(members, "operators", with_sigma)


def test_drawn_arrays_take_effect_on_their_task() -> None:
    """The same task and key with three starts; without a step, the start is all that is evaluated."""
    task = function_task(sphere, 2, "float32")
    climber = tiny.make(task.spec, sigma=0.0)
    rows = [tiny.draw_of(0, 0, NONE, (1, 2), start=start) for start in (1.0, 2.0, 3.0)]
    program = inner.program(climber, 2, 3)
    results = program(tiny.evolved_of([climber] * 2, "sigma"), (inner.stack([task]),), distribution.draws(rows, 3), 3)
    np.testing.assert_allclose(results.final, [[-2, -8, -18]] * 2)


def test_a_noisy_objective_is_seen_and_not_counted() -> None:
    task = function_task(sphere, 2, "float32")
    climber = tiny.make(task.spec, sigma=0.5)
    rows = [tiny.draw_of(0, 0, kind, (1, 2)) for kind in range(1 + len(KINDS))]
    program = inner.program(climber, GENERATIONS, len(rows))
    many = distribution.draws(rows, len(rows))
    results = program(tiny.evolved_of([climber], "sigma"), (inner.stack([task]),), many, np.int32(len(rows)))
    # Those that the learned GA's test does not have.
    for kind in (NONE, 2, 5):
        expected = alone(climber, task, (1, 2), GENERATIONS, kind)
        np.testing.assert_allclose((results.final[0, kind], results.best[0, kind]), expected, rtol=1e-5)
    # Noise misleads: not all ends are where the end without noise is.
    assert len(np.unique(np.asarray(results.final))) > 2


def holes(x: Any) -> Any:
    """Half of the plane is bad, in every way."""
    bad = jnp.asarray([jnp.nan, jnp.inf, 1e20, 1e11], x.dtype)[jnp.floor(jnp.abs(x[:, 1]) * 4).astype(int) % 4]
    return jnp.where(x[:, 0] > 2.8, bad, sphere(x))


def hopeless(x: Any) -> Any:
    return sphere(x) * jnp.nan


def test_what_is_no_number_or_tiny_counts_as_the_worst() -> None:
    tasks = [function_task(function, 2, "float32") for function in (holes, hopeless)]
    climber = tiny.make(tasks[0].spec, sigma=0.3)
    rows = [tiny.draw_of(family, 0, NONE, (5, seed)) for family in (0, 1) for seed in range(4)]
    pools = tuple(inner.stack([task]) for task in tasks)
    results = inner.program(climber, GENERATIONS, 8)(
        tiny.evolved_of([climber], "sigma"), pools, distribution.draws(rows, 8), np.int32(8)
    )
    np.testing.assert_array_equal(np.asarray(results.final)[0, 4:], WORST)
    np.testing.assert_array_equal(np.asarray(results.best)[0, 4:], WORST)
    assert np.isfinite(results.final).all()
    for column in range(4):
        expected = alone(climber, tasks[0], (5, column), GENERATIONS)
        np.testing.assert_allclose((results.final[0, column], results.best[0, column]), expected, rtol=1e-5)
    assert (np.asarray(results.best)[0, :4] > -20).any()


def test_one_generation_and_no_initial_population() -> None:
    task = function_task(sphere, 2, "float32")
    climber = tiny.make(task.spec)
    draws = distribution.draws([tiny.draw_of(0, 0, NONE, (1, 2))], 1)
    results = inner.program(climber, 1, 1)(tiny.evolved_of([climber], "sigma"), (inner.stack([task]),), draws, 1)
    np.testing.assert_allclose(np.ravel(results), alone(climber, task, (1, 2), generations=1), rtol=1e-6)


def test_two_devices_give_what_one_gives(tmp_path: Path) -> None:
    program = f"""
import jax, numpy as np
jax.config.update("jax_num_cpu_devices", 2)
from tests.metabbo import tiny
from tests.metabbo.driving import WORST, alone
assert tiny.devices_mesh(4).devices.size == 2
assert tiny.devices_mesh(3) is None
np.save({str(tmp_path / "two.npy")!r}, tiny.results_of_four())
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tiny.ROOT)
    one = tiny.results_of_four()
    assert process.wait(timeout=240) == 0
    assert one.shape == (2, 4, 6)
    np.testing.assert_allclose(np.load(tmp_path / "two.npy"), one, rtol=1e-6)


def test_what_can_be_evolved(spec: Any) -> None:
    climber = tiny.make(spec)
    assert list(named_leaves(climber)) == ["sigma", "start", "steps"]
    assert set(inner.evolved_arrays(climber, ["sigma"])) == {"sigma"}
    assert set(inner.evolved_arrays(climber, ["start", "sigma"])) == {"sigma", "start"}
    zero = lga.make_zero(spec)
    assert all(name.startswith("operators.mutation.") for name in inner.evolved_arrays(zero, ["operators.mutation"]))
    assert sum(array.size for array in inner.evolved_arrays(zero, ["operators"]).values()) == 1377
    # Beginnings end at a dot, and integers are not evolved.
    for name in ("sig", "sigma.x", "steps", "", "operators"):
        with pytest.raises(ValueError, match=f"'climber' has no arrays under {name!r}: it has sigma, start"):
            inner.evolved_arrays(climber, ["sigma", name])


def test_arrays_are_replaced_by_name(spec: Any) -> None:
    climber = tiny.make(spec)
    changed = inner.with_arrays(climber, {"start": np.float64(9)})
    assert (float(changed.sigma), float(changed.start), changed.start.dtype) == (0.5, 9, np.float32)
    assert changed.iteration == climber.iteration


def test_optimizers_by_id_and_by_factory(spec: Any) -> None:
    assert make_optimizer("gaussian-ga", spec, {"sigma": 2.0}).sigma == 2
    assert make_optimizer(tiny.CLIMBER, spec, {"start": 1.0}).start == 1
    with pytest.raises(TypeError, match=r"must make a qdbench\.protocols\.Optimizer"):
        make_optimizer("tests.metabbo.tiny:make_none", spec, {})
    with pytest.raises(KeyError, match="gaussian-g"):
        make_optimizer("gaussian-g", spec, {})
