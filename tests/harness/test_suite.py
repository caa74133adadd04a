"""Suites: the ones that come along, and files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import baselines
import qdbench
from qdbench.harness.budget import Budget
from qdbench.harness.experiment import plan
from qdbench.harness.jobs import evaluations_of
from qdbench.harness.suite import load_suite, named, read_grid, suite_names
from qdbench.harness.trial import instantiate
from qdbench.protocols import Optimizer
from qdbench.registry import OPTIMIZERS, UnknownNameError
from tests.registered import AVAILABLE


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_names_things_that_exist_and_fit(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    rule = suite.rule()
    for task_choice in suite.tasks:
        if task_choice.id not in AVAILABLE:
            continue
        # The corners of a grid stand for all of it.
        everything = task_choice.all_arguments()
        for arguments in everything if len(everything) < 4 else (everything[0], everything[-1]):
            task = qdbench.make(task_choice.id, **arguments)
            for choice in suite.optimizers:
                if not OPTIMIZERS.entry(choice.id).is_available:
                    continue
                settings = choice.all_hyperparameters()
                for hyperparameters in (settings[0], settings[-1]):
                    optimizer = instantiate(choice.id, task.spec, hyperparameters, seed=0)
                    pure = optimizer if isinstance(optimizer, Optimizer) else None
                    needed = sum(batch.size for batch in pure.initial + pure.iteration) if pure else 1
                    assert needed <= evaluations_of(rule, task.spec, pure)


def test_the_bbob_suites_are_as_published() -> None:
    counts = {}
    for name in ("bbob-lga", "bbob-lga-tuned", "bbob-lga-grid", "bbob-coco"):
        suite = load_suite(name)
        planned = plan(
            suite.all_tasks(), suite.all_optimizers(), range(suite.repetitions), suite.rule(), keep_solutions=False
        )
        assert len({job.label for job in planned}) == len(planned)
        counts[name] = len(planned)
    assert counts == {
        "bbob-lga": 24 * 9 * 50,
        "bbob-lga-tuned": 24 * 5 * 50,
        "bbob-lga-grid": 10 * 5 * 6 * 4 * 10,
        "bbob-coco": 24 * 5 * 15 * 8,
    }
    spec = qdbench.make("BBOB-v0", function=8, dim=5).spec
    gaussian = baselines.make("gaussian-ga", spec, batch_size=32)
    assert evaluations_of(load_suite("bbob-lga").rule(), spec, gaussian) == 50 * 32
    assert evaluations_of(load_suite("bbob-coco").rule(), spec, None) == 50_000


def test_the_dqd_suite_is_the_paper_s_experiment() -> None:
    suite = load_suite("dqd")
    assert suite.repetitions == 20
    assert [choice.id for choice in suite.tasks] == ["LP-Sphere-v0", "LP-Rastrigin-v0", "Arm-v0"]
    assert len(suite.optimizers) == 8
    for choice in suite.tasks:
        spec = qdbench.make(choice.id).spec
        assert (spec.dim, spec.archive_shape, suite.budget or spec.budget) == (1000, (100, 100), 100 + 36 * 10_000)


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"the suites are .*dqd, .*quick"):
        load_suite("dqdd")
    path = tmp_path / "mine.toml"
    with pytest.raises(UnknownNameError):
        load_suite(str(path))
    path.write_text("name = ")
    with pytest.raises(ValueError, match="is not valid"):
        load_suite(str(path))
    path.write_text('name = "a"\nrepetitions = 0\ntasks = []\noptimizers = []\nother = 1')
    with pytest.raises(ValueError, match="is not valid") as error:
        load_suite(str(path))
    assert all(word in str(error.value) for word in ("repetitions", "tasks", "optimizers", "other"))


def test_grids_are_products_in_a_stable_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        """
        name = "mine"
        repetitions = 2
        iterations = 7
        [[tasks]]
        id = "BBOB-v0"
        arguments = { instance = 3 }
        grid = { function = "2-3", dim = [2, 5] }
        [[optimizers]]
        id = "not-there-yet"
        hyperparameters = { sigma = 0.1 }
        grid = { batch_size = [8, 4] }
        """
    )
    suite = load_suite(str(path))
    assert suite.all_tasks() == [
        ("BBOB-v0", {"instance": 3, "function": function, "dim": dim}) for function in (2, 3) for dim in (2, 5)
    ]
    assert suite.all_optimizers() == [("not-there-yet", {"sigma": 0.1, "batch_size": size}) for size in (8, 4)]
    assert suite.rule() == Budget(iterations=7)


@given(st.integers(-20, 20), st.integers(0, 30))
def test_ranges_hold_both_ends(first: int, more: int) -> None:
    assert read_grid({"x": f"{first}-{first + more}"}) == {"x": tuple(range(first, first + more + 1))}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("budget = 10\niterations = 5", "one kind of budget, but this one has budget and iterations"),
        ("budget_per_dim = 0", "greater than or equal to 1"),
        ("grid: { dim = '5-2' }", "the range '5-2' of dim has 0 values"),
        ("grid: { dim = '1-999999999' }", "has 999999999 values"),
        ("grid: { dim = 'all' }", "must be a list or a range of integers such as '1-24'"),
        ("grid: { dim = [] }", "list of different values"),
        ("grid: { dim = [2, 2] }", "list of different values"),
        ("grid: { instance = [2] }", "instance is given twice"),
        ("grid: 5", "valid dictionary"),
    ],
)
def test_bad_grids_and_budgets_are_named(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    grid = lines.removeprefix("grid: ") if lines.startswith("grid") else "{}"
    top = "" if lines.startswith("grid") else lines
    path.write_text(
        f"name = 'mine'\nrepetitions = 1\n{top}\n[[tasks]]\nid = 'A-v0'\narguments = {{ instance = 1 }}\n"
        f"grid = {grid}\n[[optimizers]]\nid = 'b'\n"
    )
    with pytest.raises(ValueError, match="is not valid") as error:
        load_suite(str(path))
    assert message in str(error.value)


def test_ids_beside_a_suite_keep_its_settings() -> None:
    own = [("a", {"x": 1}), ("b", {}), ("a", {"x": 2})]
    assert named(["c", "a"], own) == [("c", {}), ("a", {"x": 1}), ("a", {"x": 2})]
    assert named([], own) == named(None, own) == own
    assert named(["a"], []) == [("a", {})]


def test_the_suite_of_instances_has_the_settings_of_the_tuned_one() -> None:
    instances, tuned = load_suite("bbob-lga-instances"), load_suite("bbob-lga-tuned")
    assert instances.all_optimizers() == tuned.all_optimizers()
    used = {arguments["instance"] for _, arguments in instances.all_tasks()}
    assert len(used) * instances.repetitions == tuned.repetitions == 50
    # Settings were chosen on instance 1, parameters on 1 to 4, and evolved on 1,001 to 1,128.
    assert 4 < min(used) <= max(used) < 1001
