"""Boards of tuned optimizers, their numbers worked out again by hand."""

from __future__ import annotations

import copy
import csv
import io
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from qdbench.harness import tune
from qdbench.leaderboard.bbob.functions import HOLD_OUT, TRAINING
from qdbench.leaderboard.tuned import build, data, figures, protocols
from qdbench.leaderboard.tuned.board import EACH, ONE, TunedBoard, assemble
from qdbench.leaderboard.tuned.cli import tuned_board
from tests.leaderboard.test_build import Page

COMMITTED = Path(__file__).parents[2] / "leaderboards" / "bbob" / "tuning"
GENETIC = ("gaussian-ga", "mr15-ga", "samr-ga", "gesmr-ga")
REPETITIONS = 4

# Mean precisions by function (two training functions, f1 and f8, and f2), in the order of the cells.
GRIDS: dict[str, dict[str, list[float]]] = {
    "gaussian-ga": {"elite_ratio": [0.0, 0.5], "sigma": [0.1, 1.0]},
    "cma-es": {"sigma": [1, 2, 4]},
}
MEANS = {
    "gaussian-ga": {1: [4.0, 2.0, 8.0, 9.0], 8: [10.0, 12.0, 50.0, 40.0], 2: [5.0, 6.0, 7.0, 0.5]},
    "cma-es": {1: [1.0, 2.0, 3.0], 8: [20.0, 6.0, 18.0], 2: [1e-3, 1.0, 2.0]},
}
STD = 0.5


def make_file(optimizer: str, **changes: Any) -> dict[str, Any]:
    grid, means = GRIDS[optimizer], MEANS[optimizer]
    labels = {function: f"BBOB-v0 dim=20 function={function}" for function in means}
    cells = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    content = {
        "optimizer": optimizer,
        "suite": "mine",
        "rule": tune.RULE,
        "grid": grid,
        "fixed": {"batch_size": 32},
        "repetitions": REPETITIONS,
        "tasks": {
            labels[function]: {
                "id": "BBOB-v0",
                "arguments": {"function": function, "dim": 20, "instance": 1},
                "fingerprint": f"f{function}",
                "budget": 1600,
            }
            for function in means
        },
        "evidence": [
            {"task": labels[function], **cell, "mean": mean, "std": STD, "median": mean}
            for function, values in means.items()
            for cell, mean in zip(cells, values, strict=True)
        ],
        "provenance": {"qdbench": "0.1.0", "recorded": f"2026-01-01T00:00:00 {optimizer}"},
    }
    return copy.deepcopy(content) | changes


def save(directory: Path, content: Any, name: str | None = None) -> Path:
    path = directory / (name or content["optimizer"]) / "tune.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for optimizer in GRIDS:
        save(tmp_path / "tuned", make_file(optimizer))
    return tmp_path / "tuned"


@pytest.fixture
def board(folder: Path) -> TunedBoard:
    return assemble(data.find([folder]), "gaussian-ga")


def values_of(board: TunedBoard) -> pd.DataFrame:
    return board.values.set_index(["protocol", "optimizer", "function"])


def table_of(board: TunedBoard, section: str, place: int = 0) -> dict[str, list[str]]:
    (found,) = [part for part in board.sections if part.title == section]
    return {row[0].text: [cell.text for cell in row[1:]] for row in found.tables[place].rows}


def test_the_two_choices_by_hand(board: TunedBoard) -> None:
    gaussian, cma = board.tunings[::-1]
    # f1 and f8, ratios to 2 and 10: sqrt(2 x 1), sqrt(1 x 1.2), sqrt(4 x 5), ...
    assert set(protocols.one_setting(gaussian).values()) == {1}
    assert protocols.training_score(gaussian) == pytest.approx(np.sqrt(1.2))
    # ratios to 1 and 6: sqrt(1 x 10 / 3), sqrt(2 x 1), sqrt(3 x 3); f2 would have chosen the first.
    assert protocols.one_setting(cma) == {1: 1, 2: 1, 8: 1}
    assert protocols.per_function(gaussian) == {1: 1, 2: 3, 8: 0}
    assert protocols.per_function(cma) == {1: 0, 2: 0, 8: 1}
    values = values_of(board)["setting"]
    assert values["one-setting", "gaussian-ga", 2] == "elite_ratio=0, sigma=1"
    assert values["each-function", "gaussian-ga", 2] == "elite_ratio=0.5, sigma=1"
    assert values["each-function", "cma-es", 8] == "sigma=2"


def test_ratios_and_intervals_by_hand(board: TunedBoard) -> None:
    values = values_of(board)
    pairs = {
        ("one-setting", 1): (2, 2),
        ("one-setting", 2): (1, 6),
        ("one-setting", 8): (6, 12),
        ("each-function", 1): (1, 2),
        ("each-function", 2): (1e-3, 0.5),
        ("each-function", 8): (6, 10),
    }
    for (protocol, function), (ours, base) in pairs.items():
        row = values.loc[(protocol, "cma-es", function)]
        assert (row["mean"], row["ratio"]) == pytest.approx((ours, ours / base))
        spread = np.sqrt((STD / ours) ** 2 / REPETITIONS + (STD / base) ** 2 / REPETITIONS)
        assert row["ratio_low"] == pytest.approx(ours / base * np.exp(-1.96 * spread))
        assert row["ratio_high"] == pytest.approx(ours / base * np.exp(1.96 * spread))
        own = values.loc[(protocol, "gaussian-ga", function)]
        assert own["ratio"] == 1
        assert np.isnan(own["ratio_low"])


def test_rankings_by_hand(board: TunedBoard) -> None:
    def texts(ratios: dict[int, float]) -> list[str]:
        means = (stats.gmean(np.maximum([ratios[f] for f in members], 0.01)) for members in ((1, 2, 8), (1, 8), (2,)))
        return [f"{mean:.3g}" for mean in means]

    one = table_of(board, ONE)["cma-es"]
    assert one == ["1", *texts({1: 1, 2: 1 / 6, 8: 0.5}), "1.17", "1.25", "1.00", "2", "1", "1"]
    each = table_of(board, EACH)["cma-es"]
    assert each == ["1", *texts({1: 0.5, 2: 0.002, 8: 0.6}), "1.00", "1.00", "1.00", "3", "2", "1"]
    both = table_of(board, "Both protocols")
    assert both["cma-es"] == [*one[1:4], *each[1:4]]
    assert both["gaussian-ga"] == ["1"] * 6
    assert table_of(board, "Both protocols", 1)["cma-es"][:4] == ["sigma=2", f"{np.sqrt(2):.3g}", "3", "batch_size=32"]
    assert table_of(board, EACH, 1)["f2 Ellipsoid (separable)"] == ["hold-out", "0.002", "1"]


def test_robustness_by_hand(board: TunedBoard) -> None:
    cma, gaussian = board.tunings
    beside = pd.Series({1: 2.0, 2: 6.0, 8: 12.0})
    scores = protocols.cell_scores(gaussian, beside)
    np.testing.assert_allclose(scores[1], 1)
    np.testing.assert_allclose(scores[3], np.cbrt(9 / 2 * 0.5 / 6 * 40 / 12))
    found = figures.map_of(gaussian, scores, 1)
    assert (found.across, found.down, found.columns, found.rows) == ("sigma", "elite_ratio", ("0.1", "1"), ("0", "0.5"))
    np.testing.assert_array_equal(found.scores, scores.reshape(2, 2))
    assert found.chosen == (0, 1)
    single = figures.map_of(cma, np.array([0.5, 0.25, 2.0]), 2)
    assert (single.down, single.rows, single.chosen, single.scores.shape) == ("", ("",), (0, 2), (1, 3))


def test_maps_of_other_hyperparameters() -> None:
    shape = (2, 3, 4)
    grid = {"sigma": (0.1, 1.0), "rate": (1, 2, 3), "elite_ratio": (0.0, 0.1, 0.2, 0.3)}
    empty = pd.DataFrame()
    tuning = data.Tuning("x", "mine", grid, {}, 1, {}, empty, empty, {})
    scores = np.random.default_rng(0).uniform(size=shape)
    found = figures.map_of(tuning, scores.ravel(), int(np.ravel_multi_index((1, 2, 3), shape)))
    np.testing.assert_array_equal(found.scores, scores.min(axis=1).T)
    assert (found.across, found.down, found.chosen) == ("sigma", "elite_ratio", (3, 1))
    without = data.Tuning("x", "mine", {"rate": (1, 2), "memory": (3, 4, 5)}, {}, 1, {}, empty, empty, {})
    found = figures.map_of(without, np.arange(6.0), 5)
    assert (found.across, found.down, found.scores.tolist()) == ("memory", "rate", [[0, 1, 2], [3, 4, 5]])


def test_a_mean_that_is_no_number_is_never_chosen(folder: Path) -> None:
    content = make_file("cma-es")
    for entry in content["evidence"]:
        if entry["sigma"] == 2:
            entry |= {"mean": None, "std": None}
    save(folder, content)
    board = assemble(data.find([folder]), "gaussian-ga")
    assert protocols.one_setting(board.tunings[0]) == {1: 0, 2: 0, 8: 0}
    assert protocols.per_function(board.tunings[0]) == {1: 0, 2: 0, 8: 2}
    build.rendered(board)


def test_solved_functions_count_as_the_floor(folder: Path) -> None:
    for optimizer in GRIDS:
        content = make_file(optimizer)
        for entry in content["evidence"]:
            if entry["task"].endswith("=2"):
                entry |= {"mean": 0.0, "std": 0.0}
        save(folder, content)
    values = values_of(assemble(data.find([folder]), "gaussian-ga"))
    row = values.loc[("each-function", "cma-es", 2)]
    assert (row["mean"], row["ratio"], row["rank"], row["ratio_low"], row["ratio_high"]) == (1e-8, 1, 1.5, 1, 1)


def test_the_files(folder: Path, tmp_path: Path) -> None:
    build.build([folder], tmp_path / "out")
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    plots = {"scores-one-setting", "scores-each-function", "robustness"}
    assert files == {"board.md", "board.csv", "board.json", "index.html", *(f"figures/{name}.svg" for name in plots)}
    text = (tmp_path / "out" / "index.html").read_text()
    page = Page(text)
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert all(image.get("alt") for image in page.images)
    assert "recorded" not in text
    assert str(tmp_path) not in text
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "board.csv").read_text())))
    assert len(rows) == 2 * 3 * 2
    lines = (tmp_path / "out" / "board.md").read_text().splitlines()
    for above, below in itertools.pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert above.count("|") == below.count("|")


def test_bytes_are_the_same_in_another_process_and_order(folder: Path, tmp_path: Path) -> None:
    build.build([folder / "cma-es", folder / "gaussian-ga"], tmp_path / "out")
    code = (
        "import sys; from pathlib import Path; from qdbench.leaderboard.tuned.build import check;"
        "changed = check([Path(p) for p in sys.argv[2:]], Path(sys.argv[1])); assert changed == [], changed"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out"), str(folder / "gaussian-ga"), str(folder)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "7"})
    (tmp_path / "out" / "board.csv").write_text("other")
    assert build.check([folder], tmp_path / "out") == [tmp_path / "out" / "board.csv"]


def test_one_split_and_one_optimizer(tmp_path: Path) -> None:
    content = make_file("gaussian-ga")
    (hold_out,) = [label for label in content["tasks"] if label.endswith("=2")]
    del content["tasks"][hold_out]
    content["evidence"] = [entry for entry in content["evidence"] if entry["task"] != hold_out]
    save(tmp_path, content)
    board = assemble(data.find([tmp_path]), "gaussian-ga")
    assert table_of(board, ONE)["gaussian-ga"] == ["1", "1", "1.00", "0"]
    assert "hold-out, of" not in build.rendered(board)["board.md"].decode()
    assert [plot.name for section in board.sections for plot in section.plots] == ["robustness"]


# Errors.


def read(*contents: Any, reference: str = "gaussian-ga", directory: Path) -> TunedBoard:
    paths = [save(directory, content, str(place)) for place, content in enumerate(contents)]
    return assemble(paths, reference)


def test_tunings_that_do_not_compare(tmp_path: Path) -> None:
    first = make_file("gaussian-ga")
    with pytest.raises(ValueError, match=r"0/tune.json does not compare with .*1/tune.json: suite: mine there, other"):
        read(first, make_file("cma-es", suite="other"), directory=tmp_path)
    with pytest.raises(ValueError, match="repetitions: 4 there, 9 here"):
        read(first, make_file("cma-es", repetitions=9), directory=tmp_path)
    other = make_file("cma-es")
    other["tasks"]["BBOB-v0 dim=20 function=8"]["budget"] = 3200
    with pytest.raises(ValueError, match=r"function 8: .*1,600 evaluations there, .*3,200 evaluations here"):
        read(first, other, directory=tmp_path)
    other = make_file("cma-es")
    other["tasks"]["BBOB-v0 dim=20 function=8"]["fingerprint"] = "changed"
    with pytest.raises(ValueError, match=r"function 8: .*fingerprint f8.* there, .*fingerprint changed"):
        read(first, other, directory=tmp_path)
    label = "BBOB-v0 dim=20 function=8"
    fewer = make_file("cma-es")
    del fewer["tasks"][label]
    fewer["evidence"] = [entry for entry in fewer["evidence"] if entry["task"] != label]
    with pytest.raises(ValueError, match=r"functions: \[1, 2, 8\] there, \[1, 2\] here"):
        read(first, fewer, directory=tmp_path)
    with pytest.raises(ValueError, match=r"both tune 'gaussian-ga': name each optimizer once"):
        read(first, first, directory=tmp_path)


def test_the_reference_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the reference 'samr-ga' is not among the tuned optimizers: cma-es, gauss"):
        read(make_file("gaussian-ga"), make_file("cma-es"), reference="samr-ga", directory=tmp_path)


def test_one_setting_needs_a_training_function(tmp_path: Path) -> None:
    content = make_file("gaussian-ga")
    content["tasks"] = {label: task for label, task in content["tasks"].items() if label.endswith("=2")}
    content["evidence"] = [entry for entry in content["evidence"] if entry["task"].endswith("=2")]
    with pytest.raises(ValueError, match=r"'gaussian-ga' was tuned on the functions 2: one setting is chosen on"):
        read(content, directory=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "0/tune.json is not a whole tune.json of qdbench: the whole file: Inval"),
        (lambda text: "", "the whole file: Invalid JSON: EOF"),
        (lambda text: "[1, 2]", "the whole file: Input should be an object"),
        (lambda text: '{"name": "else", "version": 3}', "optimizer: Field required"),
        (lambda text: text.replace('"mean": 4.0', '"mean": NaN'), "evidence.0.mean: Input should be a finite number"),
        (lambda text: text.replace('"mean": 4.0', '"mean": "4a"'), "evidence.0.mean: Input should be a valid number"),
        (lambda text: text.replace('"repetitions": 4', '"repetitions": 0'), "repetitions: Input should be greater"),
        (
            lambda text: text.replace('"function"', '"f"'),
            "is not one of BBOB: BBOB-v0: the argument",
        ),
        (lambda text: text.replace('"function": 8', '"function": 1'), "function 1 is there twice, as"),
        (lambda text: text.replace('"sigma": [0.1, 1.0]', '"sigma": [0.1, 3.0]'), "no evidence of .*sigma=3.0"),
        (lambda text: text.replace('"sigma": [0.1, 1.0]', '"sigma": [0.1]'), "beyond its grid and tasks, of .*=1.0"),
        (lambda text: text.replace('"sigma": 1.0', '"sigma": 0.1'), "evidence twice of .*sigma=0.1"),
    ],
)
def test_files_that_are_none(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(change(json.dumps(make_file("gaussian-ga"))), directory=tmp_path)


@given(st.one_of(st.binary(max_size=200), st.integers(0, 2000).map(lambda end: json.dumps(make_file("cma-es"))[:end])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_whatever_is_no_tuning_is_named(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "tune.json"
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(raw[: len(json.dumps(make_file("cma-es"))) - 1])
    with pytest.raises(ValueError, match=r"tune.json is not a whole tune.json of qdbench"):
        data.read(path)


def test_the_command(folder: Path, tmp_path: Path) -> None:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(tuned_board)
    runner = CliRunner(env={"COLUMNS": "200"})
    out = ["--out", str(tmp_path / "out")]
    made = runner.invoke(app, [str(folder / "gaussian-ga"), str(folder / "cma-es"), *out])
    assert made.exit_code == 0, made.output
    assert "cma-es" in made.output
    assert (tmp_path / "out" / "index.html").is_file()
    assert runner.invoke(app, [str(folder), *out, "--check"]).exit_code == 0
    other = runner.invoke(app, [str(folder), *out, "--check", "--reference", "cma-es"])
    assert other.exit_code == 1
    assert "board.md is not what the files give" in other.output
    for arguments, message in (
        ([str(folder), "--reference", "nobody"], "the reference 'nobody' is not among"),
        ([str(tmp_path / "nowhere")], "no folder"),
        ([str(tmp_path / "out")], "no tune.json in"),
    ):
        failed = runner.invoke(app, [*arguments, *out])
        assert failed.exit_code == 2
        assert message in failed.output


# The committed tunings.


@pytest.fixture(scope="module")
def committed() -> TunedBoard:
    return assemble(data.find([COMMITTED / name for name in GENETIC]), "gaussian-ga")


def test_the_committed_tunings_make_a_board(committed: TunedBoard) -> None:
    assert set(committed.values["optimizer"]) == set(GENETIC)
    assert len(committed.values) == 2 * 24 * len(GENETIC)
    assert len(build.rendered(committed)) == 4 + 3


@pytest.mark.parametrize("name", GENETIC)
def test_the_committed_choices_by_an_independent_computation(committed: TunedBoard, name: str) -> None:
    content = json.loads((COMMITTED / name / "tune.json").read_text())
    names = list(content["grid"])
    table = pd.DataFrame(content["evidence"])
    table["function"] = table["task"].str.extract(r"function=(\d+)$").astype(int)
    means = table.pivot_table(index=names, columns="function", values="mean").clip(lower=1e-8)

    def capped(functions: Any) -> pd.Series:
        ratios = means[list(functions)] / means[list(functions)].min()
        return pd.Series(stats.gmean(np.minimum(ratios, 10), axis=1), index=means.index)

    (tuning,) = [tuning for tuning in committed.tunings if tuning.optimizer == name]
    (cell,) = set(protocols.one_setting(tuning).values())
    assert tuple(tuning.cells[cell].values()) == capped(TRAINING).idxmin()
    # On all functions the rule is the one that made the file.
    everywhere = capped((*TRAINING, *HOLD_OUT))
    assert everywhere.min() == pytest.approx(content["global"]["score"])
    assert everywhere.idxmin() == tuple(content["global"]["hyperparameters"].values())
    best = protocols.per_function(tuning)
    for label, hyperparameters in content["per_task"].items():
        assert tuning.cells[best[int(label.rpartition("=")[2])]] == hyperparameters
    if name == "gaussian-ga":
        assert capped(TRAINING).idxmin() == (0.15, 0.25)
        assert stats.gmean(means[list(TRAINING)], axis=1).argmin() == cell
