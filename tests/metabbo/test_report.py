"""Comparisons of made-up meta-evolutions, whose means and errors are known by hand."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from qdbench.metabbo import compare, compare_figures
from qdbench.metabbo.compare import CompareError
from qdbench.metabbo.config import load_preset
from qdbench.metabbo.report_cli import parse_generations, parse_groups, report_app

SPHERE, RASTRIGIN, SLOPE = (f"BBOB-v0 (dim=5, function={number})" for number in (1, 15, 5))
TASKS = [("seen", SPHERE), ("seen", RASTRIGIN), ("unseen", SLOPE)]
RATIOS = {0: [4.0, 4.0, 2.0], 10: [2.0, 2.0, 0.5], 20: [0.5, 2.0, 0.25]}


def make_run(
    folder: Path,
    ratios: dict[int, list[float]] = RATIOS,
    tasks: list[tuple[str, str]] = TASKS,
    seconds: float = 60.0,
    **changes: Any,
) -> Path:
    config = load_preset("lga", "smoke", {"meta_generations": max(ratios), **changes})
    record = {"config": config.model_dump(mode="json"), "meta_generations": max(ratios), "seconds": seconds}
    rows = [
        (generation, split, task, 123.0, ratio)
        for generation, values in ratios.items()
        for (split, task), ratio in zip(tasks, values, strict=True)
    ]
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record))
    columns = ["meta_generation", "split", "task", "precision", "ratio"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "curve.csv", index=False)
    return folder


def scaled(factor: float) -> dict[int, list[float]]:
    return {generation: [factor * value for value in values] for generation, values in RATIOS.items()}


def evaluation(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = load_preset("lga", "smoke", {}).model_dump(mode="json")["evaluation"]
    return {**found, **changes}


@pytest.fixture
def named(tmp_path: Path) -> dict[str, list[Path]]:
    return {
        "none": [
            make_run(tmp_path / "a1", seed=1, seconds=50),
            make_run(tmp_path / "a2", scaled(1 / 4), seed=2, seconds=100),
        ],
        "decay 0.02": [make_run(tmp_path / "b1", scaled(2), seed=1, mean_decay=0.02)],
    }


def call(*arguments: object) -> Result:
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(report_app, texts, env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def test_means_and_errors_by_hand(named: dict[str, list[Path]]) -> None:
    none, decay = compare.read_groups(named)
    np.testing.assert_array_equal(none.evaluated, [0, 10, 20])
    seen = compare.band(none, none.of_split("seen"))
    # Geometric means over tasks are 4, 2, 1 and a quarter of it, so over runs half of it; the two logarithms differ by
    # ln 4, so their standard error is half of it, ln 2.
    np.testing.assert_allclose(seen.mean, [2, 1, 0.5])
    np.testing.assert_allclose(seen.log_error, math.log(2))
    np.testing.assert_allclose(seen.low, np.array([2, 1, 0.5]) * 2**-1.96)
    np.testing.assert_allclose(seen.high, np.array([2, 1, 0.5]) * 2**1.96)
    np.testing.assert_allclose(compare.band(none, none.of_split("unseen")).mean, [1, 0.25, 0.125])
    # Over runs: 1/4 and 1 on the seen tasks, of which only the first is better.
    assert [compare.better(none, split) for split in compare.SPLITS] == [1, 1, 0]
    assert [compare.better(decay, split) for split in compare.SPLITS] == [0, 1, 0]


def test_one_run_has_no_interval(named: dict[str, list[Path]]) -> None:
    _, decay = compare.read_groups(named)
    found = compare.band(decay, decay.of_split("seen"))
    np.testing.assert_allclose(found.mean, [8, 4, 2])
    assert np.isnan([found.low, found.high, found.log_error]).all()
    alone = compare.read_groups({"decay": named["decay 0.02"]})
    (panel, _) = compare_figures.curves_figure(alone).axes
    assert not panel.collections
    assert "–" in compare_figures.files(alone)["table.md"].decode()


def test_three_runs_against_the_sample_standard_deviation(tmp_path: Path) -> None:
    factors = [1.0, 1.5, 3.0]
    runs = [make_run(tmp_path / str(seed), scaled(factor), seed=seed) for seed, factor in enumerate(factors)]
    (group,) = compare.read_groups({"all": runs})
    logs = [math.log(factor) for factor in factors]
    mean = sum(logs) / 3
    error = math.sqrt(sum((log - mean) ** 2 for log in logs) / 2) / math.sqrt(3)
    found = compare.band(group, group.of_split("unseen"))
    np.testing.assert_allclose(found.mean, math.exp(mean) * np.array([2, 0.5, 0.25]))
    np.testing.assert_allclose(found.log_error, error)


def test_only_common_evaluations_count(tmp_path: Path) -> None:
    # As of a run that was stopped after 15 meta-generations at first, and went on.
    longer = {**RATIOS, 15: [1.0, 1.0, 1.0]}
    runs = [make_run(tmp_path / "a", seed=1), make_run(tmp_path / "b", longer, seed=2)]
    (group,) = compare.read_groups({"all": runs})
    np.testing.assert_array_equal(group.evaluated, [0, 10, 20])
    np.testing.assert_allclose(compare.band(group, [2]).mean, [2, 0.5, 0.25])


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a")
    expected = compare.read_run(folder)
    table = pd.read_csv(folder / "curve.csv")
    table.iloc[::-1].iloc[[2, 1, 0, 5, 4, 3, 8, 7, 6]].to_csv(folder / "curve.csv", index=False)
    found = compare.read_run(folder)
    np.testing.assert_array_equal(found.evaluated, expected.evaluated)
    np.testing.assert_array_equal(found.ratios, expected.ratios)


def test_table(named: dict[str, list[Path]]) -> None:
    groups = compare.read_groups(named)
    none, decay = compare.summary(groups).to_dict("records")
    assert (none["group"], none["runs"], none["seeds"], none["seconds"]) == ("none", 2, "1 2", 75)
    assert (none["meta_generations"], none["members"], none["tasks_per_generation"]) == (20, 32, 10)
    assert none["seen_mean"] == pytest.approx(0.5)
    assert none["unseen_mean"] == pytest.approx(0.125)
    assert none["seen_log_error"] == pytest.approx(math.log(2))
    assert (decay["seen_mean"], decay["unseen_mean"]) == (pytest.approx(2), pytest.approx(0.5))
    assert math.isnan(decay["seen_log_error"])
    text = compare_figures.files(groups)["table.md"].decode()
    low, high = 0.5 * 2**-1.96, 0.5 * 2**1.96
    assert f"| none | 2 | 20 | 32 | 10 | 75 | 0.5 | 0.69 | {low:.3g} to {high:.3g} | 1 of 2 |" in text
    assert "| mean\\_decay | 0.005 | 0.02 |" in text
    assert "gaussian-ga" in text


def test_differences_of_a_single_group_are_none(named: dict[str, list[Path]]) -> None:
    groups = compare.read_groups({"none": named["none"]})
    assert compare.differing(groups) == {}
    assert "differ in" not in compare_figures.files(groups)["table.md"].decode()


def test_curves_show_what_the_table_says(named: dict[str, list[Path]]) -> None:
    groups = compare.read_groups(named)
    seen, unseen = compare_figures.curves_figure(groups).axes
    for panel, ends in ((seen, (0.5, 2.0)), (unseen, (0.125, 0.5))):
        curves = panel.lines[:2]
        np.testing.assert_array_equal(curves[0].get_xdata(), [0, 10, 20])
        assert [line.get_ydata()[-1] for line in curves] == pytest.approx(list(ends))
        assert list(panel.lines[2].get_ydata()) == [1, 1]
        assert len(panel.collections) == 1
        low, high = panel.get_ylim()
        assert low <= 0.5 < 2 <= high
    assert "2 tasks" in seen.get_title(loc="left")
    assert "1 task" in unseen.get_title(loc="left")


def test_single_tasks(named: dict[str, list[Path]]) -> None:
    groups = compare.read_groups(named)
    assert compare_figures.chosen_tasks(TASKS, []) == TASKS
    assert compare_figures.chosen_tasks([*TASKS, ("seen", "third")], []) == TASKS
    chosen = compare_figures.chosen_tasks(TASKS, [SLOPE, SPHERE, SLOPE])
    assert chosen == [("unseen", SLOPE), ("seen", SPHERE)]
    slope, sphere = compare_figures.tasks_figure(groups, chosen).axes
    assert slope.get_title(loc="left").split("\n") == [SLOPE, "unseen"]
    np.testing.assert_allclose(slope.lines[1].get_ydata(), [4, 1, 0.5])
    np.testing.assert_allclose(sphere.lines[0].get_ydata(), [2, 1, 0.25])
    with pytest.raises(CompareError, match=r"no task 'BBOB'; the tasks are BBOB-v0 \(dim=5, function=1\); BBOB-v0"):
        compare_figures.chosen_tasks(TASKS, ["BBOB"])


def test_one_split_and_one_evaluation(tmp_path: Path) -> None:
    settings = evaluation(unseen=[])
    folder = make_run(tmp_path / "a", {20: [0.5, 0.5]}, TASKS[:2], evaluation=settings)
    groups = compare.read_groups({"a": [folder]})
    (panel,) = compare_figures.curves_figure(groups).axes
    assert panel.lines[0].get_marker() == "o"
    files = compare_figures.files(groups)
    assert "unseen" not in files["table.md"].decode()
    assert "unseen" not in files["tasks.svg"].decode()


def test_tasks_of_one_label_are_averaged(tmp_path: Path) -> None:
    # The label does not show the precision, for one.
    twice = [("seen", SPHERE), ("seen", SPHERE)]
    (group,) = compare.read_groups({"a": [make_run(tmp_path / "a", {0: [4.0, 1.0]}, twice, meta_generations=1)]})
    (panel,) = compare_figures.tasks_figure([group], compare_figures.chosen_tasks(group.tasks, [])).axes
    assert panel.lines[0].get_ydata() == pytest.approx([2.0])


def test_colours_of_many_groups_differ() -> None:
    groups = [compare.Group(str(place), ()) for place in range(14)]
    looks = compare_figures.group_marks(groups)
    assert len({(mark.color, mark.dashes) for mark in looks.values()}) == 14


def test_same_bytes_every_time(named: dict[str, list[Path]]) -> None:
    first, second = (compare_figures.files(compare.read_groups(named)) for _ in range(2))
    assert first == second
    assert set(first) == {"curves.svg", "tasks.svg", "table.md", "table.csv"}
    for name in ("curves.svg", "tasks.svg"):
        assert ET.fromstring(first[name]).tag.endswith("svg")
    assert first["table.csv"].startswith(b"group,runs,seeds,")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean_decay": 0.02}, r"group 'x' must agree in mean_decay, but it is 0.005 in \S+a and 0.02 in \S+b; make"),
        ({"members": 64}, r"agree in members, but it is 32 in \S+a and 64 in"),
        ({"hyperparameters": {}}, r"agree in hyperparameters.batch_size, but it is 16 in \S+a and nothing in"),
        ({"evolve": ["operators", "sigma"]}, r'agree in evolve, but it is \["operators"\] in \S+a and \["operators", '),
        ({"evaluation": evaluation(repetitions=7)}, "agree in evaluation.repetitions, but it is 5 in .* and 7 in"),
        ({"meta_generations": 30}, "agree in meta_generations, but it is 20 in .* and 30 in"),
        ({"seed": 1}, r"both have seed 1, so they are the same run; give .* another --seed"),
    ],
)
def test_runs_of_a_group_differ_in_the_seed_alone(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    runs = [make_run(tmp_path / "a", seed=1), make_run(tmp_path / "b", **{"seed": 2, **changes})]
    with pytest.raises(CompareError, match=message):
        compare.read_groups({"x": runs})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "mr15-ga"}, r'agree in evaluation.reference, but it is "gaussian-ga" in \S+a and "mr15-ga" in'),
        ({"repetitions": 7}, "evaluation.repetitions, but it is 5 .* and 7"),
        ({"generations": 7}, "evaluation.generations, but it is 49 .* and 7"),
        (
            {"reference_hyperparameters": {"sigma": 0.5}},
            "evaluation.reference_hyperparameters.batch_size, but it is 32",
        ),
        ({"unseen": []}, r"evaluation.unseen\[0\].id, but it is \"BBOB-v0\" in .* and nothing in"),
    ],
)
def test_groups_are_evaluated_alike(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    settings = evaluation(**changes)
    named = {"x": [make_run(tmp_path / "a")], "y": [make_run(tmp_path / "b", evaluation=settings)]}
    with pytest.raises(CompareError, match=message):
        compare.read_groups(named)


def test_groups_may_differ_in_the_rest(tmp_path: Path) -> None:
    settings = evaluation(hyperparameters={"batch_size": 32, "operators": "selection"}, every=3)
    other = make_run(
        tmp_path / "b", members=64, evaluation=settings, hyperparameters={"operators": "selection", "batch_size": 16}
    )
    groups = compare.read_groups({"x": [make_run(tmp_path / "a")], "y": [other]})
    assert compare.differing(groups) == {
        "hyperparameters.operators": ["nothing", '"selection"'],
        "members": ["32", "64"],
        "evaluation.every": ["20", "3"],
        "evaluation.hyperparameters.sigma": ["0.25", "nothing"],
        "evaluation.hyperparameters.operators": ["nothing", '"selection"'],
    }


def test_curves_of_other_tasks(tmp_path: Path) -> None:
    other = [*TASKS[:2], ("unseen", "Arm-v0")]
    named = {"x": [make_run(tmp_path / "a")], "y": [make_run(tmp_path / "b", tasks=other)]}
    with pytest.raises(CompareError, match=r"different tasks: \S+a has the unseen task BBOB-v0 .*5\) and \S+b has not"):
        compare.read_groups(named)


def test_a_folder_counts_once(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    with pytest.raises(CompareError, match="a is named more than once"):
        compare.read_groups({"x": [tmp_path / "a"], "y": [tmp_path / "b" / ".." / "a"]})


@pytest.mark.parametrize("name", ["record.json", "curve.csv"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(CompareError, match=r"there is no folder .*nowhere; name the --out folders"):
        compare.read_run(tmp_path / "nowhere")
    folder = make_run(tmp_path / "a")
    (folder / name).unlink()
    with pytest.raises(CompareError, match=f"a has no {name}, which .* `qdbench meta-train` .* goes on"):
        compare.read_run(folder)


@pytest.mark.parametrize(
    "content", ["{", "[]", '"text"', "{}", '{"config": {}, "meta_generations": 20, "seconds": 1}', "null"]
)
def test_broken_records(tmp_path: Path, content: str) -> None:
    folder = make_run(tmp_path / "a")
    (folder / "record.json").write_text(content)
    with pytest.raises(CompareError, match=r"record.json is not the record of a meta-evolution"):
        compare.read_run(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",ratio", ",share", "has no column 'ratio': its columns are meta_generation, split, task, precision, share"),
        ("unseen", "hidden", "a split is seen or unseen or networks, but there is 'hidden'"),
        ("0.25\n", "0.0\n", r"that of BBOB-v0 .* after 20 meta-generations is 0.0"),
        ("0.25\n", "\n", r"that of BBOB-v0 .* after 20 meta-generations is nan"),
        ("0.25\n", "inf\n", r"ratios are finite and positive"),
        ("0.25\n", "good\n", r"is not the curve of a meta-evolution"),
        ("20,", "30,", r"curve.csv ends at meta-generation 30, but record.json says that 20 were done"),
        ("10,unseen,", "20,unseen,", r"the tasks after 10 meta-generations \(2\) are not those after 0 \(3\)"),
    ],
)
def test_broken_curves(tmp_path: Path, old: str, new: str, message: str) -> None:
    folder = make_run(tmp_path / "a")
    text = (folder / "curve.csv").read_text()
    assert old in text
    (folder / "curve.csv").write_text(text.replace(old, new))
    with pytest.raises(CompareError, match=message):
        compare.read_run(folder)


def test_empty_curves(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a")
    (folder / "curve.csv").write_text("")
    with pytest.raises(CompareError, match="is not the curve"):
        compare.read_run(folder)
    (folder / "curve.csv").write_text("meta_generation,split,task,precision,ratio\n")
    with pytest.raises(CompareError, match="has no rows"):
        compare.read_run(folder)


def test_parse_groups() -> None:
    assert parse_groups(["a=x,y", "b = z=1"]) == {"a": [Path("x"), Path("y")], "b": [Path("z=1")]}
    for text in ("a", "=x", "a=", "a=x,,y", ""):
        with pytest.raises(ValueError, match="a group is NAME=DIR,DIR"):
            parse_groups([text])
    with pytest.raises(ValueError, match="the group 'a' comes twice"):
        parse_groups(["a=x", "a=y"])


def test_parse_generations() -> None:
    assert parse_generations("46, 1,16,1") == [1, 16, 46]
    for text in ("", "0", "1,-3", "1;2", "two"):
        with pytest.raises(ValueError, match="whole numbers from 1 on"):
            parse_generations(text)


def test_command_line(named: dict[str, list[Path]], tmp_path: Path) -> None:
    texts = [f"{name}={','.join(map(str, folders))}" for name, folders in named.items()]
    result = call("compare", *texts, "--task", SLOPE, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    expected = compare_figures.files(compare.read_groups(named), [SLOPE])
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == expected


def test_command_line_errors(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / name, evolve=[name]) for name in ("a", "b")]
    for arguments, message in [
        (("x",), "a group is NAME=DIR,DIR"),
        ((f"x={tmp_path / 'no'}",), "there is no folder"),
        # Square brackets would be markup.
        ((f"x={folders[0]},{folders[1]}",), 'agree in evolve, but it is ["a"]'),
        ((f"x={folders[0]}", "--task", "[red]"), "there is no task '[red]'"),
    ]:
        result = call("compare", *arguments, "--out", tmp_path / "out")
        assert result.exit_code == 2
        assert message in result.output
    assert not (tmp_path / "out").exists()


def test_help_imports_nothing_heavy() -> None:
    program = """
import sys
from typer.testing import CliRunner
from qdbench.metabbo.report_cli import report_app
for text in ("--help", "compare --help", "operators --help"):
    assert CliRunner().invoke(report_app, text.split()).exit_code == 0, text
heavy = sorted({"jax", "equinox", "pandas", "scipy", "matplotlib", "numpy"} & set(sys.modules))
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
