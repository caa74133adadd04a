"""What the figure of a learned GA at work shows, against rules that zero operators follow, and by hand."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import qdbench
from baselines.learned_ga import lga
from qdbench.leaves import named_leaves
from qdbench.metabbo import operators_figure, operators_trace, parameters
from qdbench.metabbo.operators_trace import Generation, Step, replacements
from qdbench.metabbo.report_cli import report_app
from qdbench.random import derive, key_from_names, normal
from tests.reference.learned_ga import redrawn

ALL = "selection mutation sampling crossover"
SIZE = 16


def write_zero(path: Path, names: str = "selection mutation") -> Path:
    operators = lga.zero_operators(names.split(), 16, 2, True)
    named = {f"operators.{name}": array for name, array in named_leaves(operators).items()}
    content = parameters.to_bytes(named, "baselines.learned_ga.lga:make_zero", {"operators": names}, {})
    path.write_bytes(content)
    return path


def random_operators(names: str, seed: int = 0, scale: float = 0.5) -> lga.Operators:
    return redrawn(lga.zero_operators(names.split(), 16, 2, True), seed, scale)


def sphere() -> Any:
    return qdbench.make("BBOB-F01-v0", dim=2, precision="float32", measures=False)


def steps(operators: lga.Operators, count: int, sigma: float = 0.25) -> list[tuple[lga.State, Step, jax.Array]]:
    """The state before each iteration, the iteration and its key."""
    task = sphere()
    optimizer = lga.make_with(operators, "lga", task.spec, sigma, 1.0, SIZE)
    key = key_from_names("test", 0)
    state = operators_trace.start(optimizer, task, derive(key, 0))
    found = []
    for number in range(1, count + 1):
        part = derive(key, number)
        step = operators_trace.step(optimizer, task, state, part)
        found.append((state, step, part))
        state = step.state
    return found


def made_generation(**changes: Any) -> Generation:
    """Three parents and three children; the second child is the best so far, and takes two places."""
    plain = Generation(
        number=7,
        parents=np.array([-3.0, -1.0, -2.0]),
        children=np.array([-2.5, -0.5, -4.0]),
        rates=np.array([0.1, 1.0, 10.0]),
        origins=np.array([1, 2, 0]),
        taken=np.array([1, 3, 1]),
        before=-1.0,
    )
    return plain._replace(**changes)


def test_zero_operators_keep_parents_and_rates() -> None:
    operators = lga.zero_operators(["selection", "mutation"], 16, 2, True)
    generations = operators_figure.run(operators, 200, 2, SIZE, 0.25, 0)
    stays = np.array([one.stays for one in generations])
    expected = math.e / (math.e + SIZE)
    assert abs(stays.mean() - expected) < 4 * math.sqrt(expected * (1 - expected) / stays.size)
    taken = np.concatenate([one.taken[~one.stays] for one in generations])
    counts = np.bincount(taken, minlength=SIZE)
    # A sum of squares of 16 standard normal numbers, but for one that the total gives: 15 on average.
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 40
    assert all((one.rates == np.float32(0.25)).all() for one in generations)
    table = operators_figure.summary(generations)
    for column in ("rate_mean", "rate_median", "rate_min", "rate_max"):
        np.testing.assert_array_equal(table[column], 0.25)
    assert table["rate_rank_correlation"].isna().all()
    np.testing.assert_array_equal(table["generation"], np.arange(1, 201))
    np.testing.assert_array_equal(table["parents_replaced"], SIZE - stays.sum(axis=1))


@pytest.mark.parametrize("names", [ALL, "selection", "mutation", ""])
def test_who_takes_whose_place_agrees_with_the_population(names: str) -> None:
    """Solutions, objectives, mutation rates and ages of the places are those of whom the trace puts there."""
    for state, step, _ in steps(random_operators(names), 12):
        after, chosen = step.state, np.asarray(step.chosen)
        for before, child, place in [
            (state.population.solutions, step.solutions, after.population.solutions),
            (state.population.objective, step.objective, after.population.objective),
            (state.sigmas, step.rates, after.sigmas),
            (state.ages + 1, np.zeros(SIZE, np.float32), after.ages),
        ]:
            np.testing.assert_array_equal(np.concatenate([before, child])[chosen], place)
        taken = replacements(chosen)
        kept = set(chosen[chosen < SIZE].tolist())
        assert set(np.flatnonzero(taken == SIZE).tolist()) == kept
        if "selection" in names:
            np.testing.assert_array_equal(np.where(taken == SIZE, np.arange(SIZE), SIZE + taken), chosen)
        else:
            best = np.sort(np.concatenate([state.population.objective, step.objective]))[::-1][:SIZE]
            np.testing.assert_array_equal(after.population.objective, best)


@pytest.mark.parametrize("names", ["selection mutation sampling", "sampling"])
def test_children_are_mutations_of_their_parents(names: str) -> None:
    """The children's noise is that of the key, so their distance to any other parent would show."""
    for state, step, key in steps(random_operators(names), 12):
        noise = np.asarray(normal(derive(key, 0, 1), (SIZE, 2)))
        parents = np.asarray(state.population.solutions)[np.asarray(step.origins)]
        np.testing.assert_allclose(step.solutions, parents + np.asarray(step.rates)[:, None] * noise, atol=2e-6)
        if "mutation" not in names:
            np.testing.assert_array_equal(step.rates, np.asarray(state.sigmas)[np.asarray(step.origins)])


def test_cross_over_does_not_hide_the_parents() -> None:
    task, key = sphere(), key_from_names("test", 1)
    full, rest = (random_operators(ALL), random_operators(ALL))
    rest = eqx.tree_at(lambda tree: tree.crossover, rest, None)
    one, other = (lga.make_with(operators, "lga", task.spec, 0.25, 1.0, SIZE) for operators in (full, rest))
    first = operators_trace.step(one, task, operators_trace.start(one, task, key), derive(key, 1))
    second = operators_trace.step(other, task, operators_trace.start(other, task, key), derive(key, 1))
    assert not np.array_equal(first.solutions, second.solutions)
    np.testing.assert_array_equal(first.origins, second.origins)


def test_equal_solutions_are_not_mistaken_for_each_other() -> None:
    """Without mutation children equal their parents, and only ages tell who was there before."""
    found = steps(lga.zero_operators(["selection"], 16, 2, True), 20, sigma=1e-20)
    for state, step, _ in found:
        parents = np.asarray(state.population.solutions)
        np.testing.assert_array_equal(step.solutions, parents[np.asarray(step.origins)])
        taken = replacements(np.asarray(step.chosen))
        np.testing.assert_array_equal(taken == SIZE, np.asarray(step.state.ages) > 0)
        child = np.asarray(step.solutions)[taken[taken < SIZE]]
        np.testing.assert_array_equal(np.asarray(step.state.population.solutions)[taken < SIZE], child)
    # Some solutions are there more than once by then.
    assert len(np.unique(np.asarray(found[-1][0].population.objective))) < SIZE


def test_traced_iterations_are_those_of_ask_and_tell() -> None:
    operators = random_operators(ALL)
    task = sphere()
    optimizer = lga.make_with(operators, "lga", task.spec, 0.5, 1.0, SIZE)
    (batch,) = optimizer.iteration
    key = key_from_names("operators", 3)
    state = operators_trace.start(optimizer, task, derive(key, 0))
    ask = eqx.filter_jit(lambda *parts: optimizer.ask(*parts, batch))
    tell = eqx.filter_jit(lambda key, state, *rest: optimizer.tell(key, state, batch, *rest))
    best = float(state.population.objective.max())
    for one in operators_trace.trace(optimizer, task, 5, 3):
        np.testing.assert_allclose(one.parents, state.population.objective, rtol=1e-5)
        assert one.before == pytest.approx(best, rel=1e-4)
        part = derive(key, one.number)
        solutions, state = ask(derive(part, 0), state)
        evaluation = task.evaluate(None, solutions)
        np.testing.assert_allclose(one.children, evaluation.objective, rtol=1e-4)
        np.testing.assert_allclose(one.rates, state.children, rtol=1e-5)
        state = tell(derive(part, 2), state, solutions, evaluation)
        best = max(best, float(evaluation.objective.max()))
        assert one.precision == pytest.approx(-best, rel=1e-4)


def test_replacements_by_hand() -> None:
    np.testing.assert_array_equal(replacements(np.array([0, 5, 5, 3])), [4, 1, 1, 4])
    np.testing.assert_array_equal(replacements(np.array([0, 1, 2])), [3, 3, 3])
    # Truncation sorts: the children 0 and 2 come in, the parents 1 and 2 go.
    np.testing.assert_array_equal(replacements(np.array([6, 0, 4, 3])), [4, 2, 0, 4])


def test_matrices_by_hand() -> None:
    one = made_generation()
    # Parents from the best: 1, 2, 0. Children from the best: 1, 0, 2.
    np.testing.assert_array_equal(
        operators_figure.sorted_selection(one), [[-1, -1, -1, 2], [1, -1, -1, -1], [1, -1, -1, -1]]
    )
    np.testing.assert_array_equal(operators_figure.sorted_improvements(one), [[1, -1, -1], [1, -1, -1], [1, 0, -1]])
    other = one._replace(taken=np.array([0, 1, 3]))
    np.testing.assert_array_equal(
        operators_figure.sorted_selection(other), [[1, -1, -1, -1], [-1, -1, -1, 2], [-1, 0, -1, -1]]
    )


def test_summary_by_hand() -> None:
    (row,) = operators_figure.summary([made_generation()]).to_dict("records")
    # The children's parents have ranks 1, 2, 3, and rates grow by the same factor each.
    assert row == {
        "generation": 7,
        "best_precision": 0.5,
        "rate_mean": pytest.approx(3.7),
        "rate_median": 1.0,
        "rate_min": 0.1,
        "rate_max": 10.0,
        "children_improved": 1,
        "parents_replaced": 2,
        "children_taken_over": 1,
        "rate_rank_correlation": pytest.approx(1.0),
    }
    turned = made_generation(rates=np.array([10.0, 1.0, 0.1]))
    assert operators_figure.summary([turned])["rate_rank_correlation"].iloc[0] == pytest.approx(-1)
    # Parents that are equal have equal ranks.
    equal = made_generation(parents=np.full(3, -1.0))
    np.testing.assert_array_equal(operators_figure.ranks(equal), [2, 2, 2])
    assert operators_figure.summary([equal])["rate_rank_correlation"].isna().all()
    solved = made_generation(children=np.array([-2.5, 0.0, -4.0]))
    assert math.copysign(1, operators_figure.summary([solved])["best_precision"].iloc[0]) == 1


def test_figure_by_hand() -> None:
    drawing = operators_figure.figure([made_generation(), made_generation(number=9)], 2)
    assert len(drawing.axes) == 6
    rates = drawing.axes[2]
    assert [bar.get_height() for bar in rates.patches] == [1.0, 0.1, 10.0]
    assert len({bar.get_facecolor() for bar in rates.patches[1:]}) == 1
    assert rates.patches[0].get_facecolor() != rates.patches[1].get_facecolor()
    # The rows in the matrices of the parents of the children 1, 0 and 2.
    assert [label.get_text() for label in rates.get_xticklabels()] == ["2", "1", "3"]
    texts = " ".join(text.get_text() for text in drawing.texts)
    assert "generation 7" in texts
    assert "generation 9" in texts


def test_many_children_are_drawn_without_ranks() -> None:
    one = operators_figure.run(lga.zero_operators(["selection"], 16, 2, True), 1, 3, 32, 0.25, 0)[0]
    panels = operators_figure.figure([one], 3).axes
    assert not panels[2].get_xticklabels()
    assert "rank" not in panels[2].get_xlabel()


def test_same_bytes_every_time(tmp_path: Path) -> None:
    path = write_zero(tmp_path / "zero.safetensors", ALL)
    first, second = (operators_figure.files(path, [1, 4], 2, SIZE, 0.25, 0) for _ in range(2))
    assert first == second
    assert ET.fromstring(first["operators.svg"]).tag.endswith("svg")
    assert operators_figure.files(path, [1, 4], 2, SIZE, 0.25, 1) != first


def test_command_line(tmp_path: Path) -> None:
    path = write_zero(tmp_path / "zero.safetensors")
    options = ["--dim", "3", "--batch-size", "8", "--sigma", "0.5", "--generations", "3,1", "--seed", "2"]
    arguments = ["operators", str(path), "--out", str(tmp_path / "out"), *options]
    result = CliRunner().invoke(report_app, arguments)
    assert result.exit_code == 0, result.output
    expected = operators_figure.files(path, [1, 3], 3, 8, 0.5, 2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == expected
    table = pd.read_csv(tmp_path / "out" / "operators.csv")
    assert list(table["generation"]) == [1, 2, 3]
    assert (table["rate_max"] == 0.5).all()


def test_command_line_errors(tmp_path: Path) -> None:
    path = write_zero(tmp_path / "zero.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(path.read_bytes()[:-9])
    for arguments, message in [
        ((tmp_path / "no.safetensors",), "there is no file"),
        ((broken,), "it may be truncated"),
        ((path, "--generations", "0"), "whole numbers from 1 on"),
    ]:
        texts = ["operators", *map(str, arguments), "--out", str(tmp_path / "out")]
        result = CliRunner().invoke(report_app, texts, env={"COLUMNS": "200", "NO_COLOR": "1"})
        assert result.exit_code == 2
        assert message in result.output
    assert not (tmp_path / "out").exists()
