import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import qdbench
from qdbench.protocols import Evaluation, HostOptimizer

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "numpy_search.py"
RIBS = EXAMPLE.with_name("ribs_search.py")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def code_blocks(page):
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def load_example():
    specification = importlib.util.spec_from_file_location("numpy_search", EXAMPLE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.NumpySearch


def load_from_readme():
    (block,) = [block for block in code_blocks(ROOT / "README.md") if "class MySearch" in block]
    names = {}
    exec(block, names)
    return names["MySearch"]


def search(task, optimizer, budget):
    """Returns the best objective of each batch."""
    best, evaluations = [], 0
    while evaluations < budget:
        solutions = optimizer.ask()
        evaluation = task.evaluate(None, solutions)
        evaluation = Evaluation(np.asarray(evaluation.objective), np.asarray(evaluation.measures))
        optimizer.tell(solutions, evaluation)
        best.append(evaluation.objective.max())
        evaluations += len(solutions)
    return best


def test_the_page_shows_the_examples_as_they_are():
    assert {EXAMPLE.read_text(), RIBS.read_text()} <= set(code_blocks(ROOT / "docs" / "plug-in.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_code_block_is_python(page):
    for block in code_blocks(page):
        compile(block, str(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("load", [load_example, load_from_readme])
def test_an_example_is_an_optimizer_that_depends_on_its_seed_alone(load):
    task = qdbench.make("LP-Sphere-v0", dim=10)
    first, again, other = (load()(task.spec, seed=seed) for seed in (0, 0, 1))
    assert isinstance(first, HostOptimizer)
    np.testing.assert_array_equal(first.ask(), again.ask())
    assert not np.array_equal(first.ask(), other.ask())


def test_the_example_fills_cells_with_better_solutions():
    task = qdbench.make("LP-Sphere-v0", dim=10)
    optimizer = load_example()(task.spec, seed=0)
    search(task, optimizer, 100)
    initial = dict(optimizer.elites)
    search(task, optimizer, 3_600)
    assert len(optimizer.elites) > 2 * len(initial)
    assert all(optimizer.elites[cell][0] >= objective for cell, (objective, _) in initial.items())
    shape = task.spec.archive_shape
    assert all(0 <= index < size for cell in optimizer.elites for index, size in zip(cell, shape, strict=True))


@pytest.mark.parametrize(("kind", "low", "high"), [("uniform", 3, 4), ("normal", -10, 20)])
def test_the_example_starts_where_the_spec_says(kind, low, high):
    spec = qdbench.make("LP-Sphere-v0", dim=10).spec
    start = qdbench.Start(kind=kind, mean=5, scale=2, low=3, high=4)
    solutions = load_example()(spec.model_copy(update={"start": start}), seed=0).ask()
    assert solutions.shape == (100, 10)
    assert low <= solutions.min()
    assert solutions.max() <= high


def test_the_readme_example_climbs():
    task = qdbench.make("LP-Sphere-v0", dim=10)
    best = search(task, load_from_readme()(task.spec, seed=0), 3_600)
    assert best[-1] > 99 > best[0]


def test_the_example_runs_from_its_file():
    task = qdbench.make("LP-Sphere-v0", dim=10)
    result = qdbench.run(task, f"{EXAMPLE}:NumpySearch", budget=1_000)
    assert result.metrics["evaluations"] == 1_000
    assert result.metrics["coverage"] > 0


def test_the_readme_usage_runs():
    (block,) = [block for block in code_blocks(ROOT / "README.md") if "qdbench.run" in block]
    names = {}
    exec(block, names)
    assert names["evaluation"].measures_jacobian.shape == (5, 2, 100)
    assert names["result"].metrics["evaluations"] == 36_000
    assert names["result"].archive.grid().shape == (100, 100)
