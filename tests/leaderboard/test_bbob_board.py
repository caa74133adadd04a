"""The files of BBOB boards, and the general board's direction where lower is better."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rich.console

from qdbench.harness.result import TrialRecord
from qdbench.leaderboard import aggregate, build, render, tables
from qdbench.leaderboard.bbob import data, runtime
from qdbench.leaderboard.bbob.board import BbobBoard, assemble
from qdbench.leaderboard.bbob.functions import SPLITS
from tests.leaderboard import synthetic
from tests.leaderboard.synthetic_bbob import (
    coco_configs,
    draw,
    in_memory,
    lga_configs,
    make_config,
    make_result,
    make_spec,
    save_all,
)
from tests.leaderboard.test_build import Page

OPTIMIZERS = {"random-search": 0.12, "gaussian-ga": 0.6, "cma-es": 2.0}
FUNCTIONS = (1, 3, 8)

COCO = draw(OPTIMIZERS, coco_configs(OPTIMIZERS, FUNCTIONS, (2, 5), instances=4))
LGA = draw(OPTIMIZERS, lga_configs(OPTIMIZERS, FUNCTIONS, repetitions=4))
GRID = draw(OPTIMIZERS, lga_configs(OPTIMIZERS, FUNCTIONS, (2, 20), (16, 32), repetitions=3))
ALL = {"coco": COCO, "lga": LGA, "grid": GRID}


def files_of(board: BbobBoard) -> dict[str, bytes]:
    return build.rendered(board)


@pytest.fixture(scope="module", params=list(ALL))
def board(request: pytest.FixtureRequest) -> BbobBoard:
    return assemble(in_memory(ALL[request.param]))


def test_the_board_follows_from_the_results() -> None:
    kinds = {name: assemble(in_memory(results)).kind for name, results in ALL.items()}
    assert kinds == {"coco": "runtimes", "lga": "precision", "grid": "precision"}


def test_the_figures(board: BbobBoard) -> None:
    names = {name for name in files_of(board) if name.startswith("figures/")}
    expected = {
        (2, "runtimes"): {"runtimes", "runtimes-d2-20000", "runtimes-d5-50000"},
        (1, "precision"): {"scores-d20-1600", "curves-d20-1600"},
        (4, "precision"): {"settings", "settings-curves", "scores-d20-1600", "curves-d20-1600"},
    }[len(board.experiment.settings), board.kind]
    assert names == {f"figures/{name}.svg" for name in expected | {"critical-difference", "profiles"}}


def test_pages_load_nothing_and_tables_are_rectangular(board: BbobBoard) -> None:
    files = files_of(board)
    page = Page(files["index.html"].decode())
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert all(head.get("scope") in ("col", "row", "colgroup") for head in page.heads)
    assert all(image.get("alt") for image in page.images)
    for name, content in files.items():
        if name.endswith(".svg"):
            assert all(link.startswith(("#", "data:image/png")) for link in Page(content.decode()).links)
    lines = files["board.md"].decode().splitlines()
    for above, below in itertools.pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert above.replace("\\|", "").count("|") == below.replace("\\|", "").count("|")


def test_csv_has_one_row_a_setting_function_and_optimizer(board: BbobBoard) -> None:
    rows = list(csv.DictReader(io.StringIO(files_of(board)["board.csv"].decode())))
    assert len(rows) == len(board.experiment.settings) * len(FUNCTIONS) * len(OPTIMIZERS)


def test_the_terminal_shows_the_ranking(board: BbobBoard) -> None:
    console = rich.console.Console(width=100, record=True, file=io.StringIO())
    console.print(render.terminal_table(board))
    text = console.export_text()
    assert all(name in text for name in OPTIMIZERS)
    assert text.index("cma-es") < text.index("random-search")


@pytest.mark.parametrize("name", ["coco", "grid"])
def test_bytes_do_not_depend_on_the_order(name: str) -> None:
    results = ALL[name]
    assert files_of(assemble(in_memory(results))) == files_of(assemble(in_memory(results[::-1])))


def test_built_from_files_in_another_process(tmp_path: Path) -> None:
    results = [*LGA, make_result(make_config(make_spec(3, 20), "cma-es", 99, budget=1600), 5.0, 0.5)]
    save_all(tmp_path / "results", results)
    built = build.build(tmp_path / "results", tmp_path / "board", "A title")
    assert isinstance(built.board, BbobBoard)
    assert (tmp_path / "board" / "board.md").read_text().startswith("# A title\n")
    code = (
        "import sys, pathlib; from qdbench.leaderboard.build import check;"
        "changed = check(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]));"
        "assert changed == [], changed; assert 'jax' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "results"), str(tmp_path / "board")]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "11"})


def test_expected_running_times_in_the_csv() -> None:
    board = assemble(in_memory(COCO))
    results = [r for r in COCO if r.record.config.optimizer == "gaussian-ga" and r.record.config.task.dim == 5]
    results = [r for r in results if r.record.config.task.arguments["function"] == 3]
    assert all(result.targets is not None for result in results)
    target = [result.targets.iloc[5] for result in results if result.targets is not None]
    assert target[0]["target"] == pytest.approx(10)
    spent = [r.metrics["evaluations"] for r in results]
    reached = [row["evaluations"] for row in target if row["evaluations"]]
    failed = [t for t, row in zip(spent, target, strict=True) if not row["evaluations"]]
    values = board.values.set_index(["dim", "function", "optimizer"])
    row = values.loc[(5, 3, "gaussian-ga")]
    assert row["ert_1e+01"] == pytest.approx((sum(reached) + sum(failed)) / len(reached) if reached else np.inf)
    assert row["successes_1e+01"] == len(reached)


def test_failed_trials_are_listed_and_do_not_count() -> None:
    failed = TrialRecord(
        config=make_config(make_spec(8, 5, 9), "cma-es"), status="failed", error="ValueError: a <b>bold</b> one"
    )
    files = files_of(assemble(in_memory(COCO, [failed])))
    assert "a &lt;b&gt;bold&lt;/b&gt; one" in files["index.html"].decode()
    assert files["board.csv"] == files_of(assemble(in_memory(COCO)))["board.csv"]
    only = files_of(assemble(in_memory([], [failed])))
    assert "Failed trials" in only["board.md"].decode()


def test_without_the_gaussian_ga_there_are_means_and_a_reason() -> None:
    results = [result for result in LGA if result.record.config.optimizer != "gaussian-ga"]
    text = files_of(assemble(in_memory(results)))["board.md"].decode()
    assert "There is no normalised score: no trial of gaussian-ga is among the results." in text
    assert "Geometric mean" not in text
    assert "Mean best-so-far precision" in text


def test_mean_ranks_stand_beside_the_scores_with_their_intervals() -> None:
    section, *_ = assemble(in_memory(LGA)).sections
    table = section.tables[0]
    heads = [column.full_title for column in table.columns]
    assert heads[2:8] == [f"{group} {split}" for group in ("Geometric mean score", "Mean rank") for split in SPLITS]
    for row in table.rows:
        for cell in row[5:8]:
            found = re.fullmatch(r"(\d\.\d\d) \[(\d\.\d\d), (\d\.\d\d)\]", cell.text)
            assert found is not None
            assert float(found[1]) == pytest.approx(cell.value, abs=0.005)
            assert 1 <= float(found[2]) <= float(found[3]) <= 3


def test_where_all_functions_are_of_one_split_it_is_shown_alone() -> None:
    results = [result for result in LGA if result.record.config.task.arguments["function"] != 3]
    text = files_of(assemble(in_memory(results)))["board.md"].decode()
    assert "Mean rank training" in text
    assert not any(f"{group} {split}" in text for group in ("score", "rank") for split in ("all", "hold-out"))


def test_an_optimizer_that_lacks_a_function_is_in_no_distribution_of_it() -> None:
    results = [
        result
        for result in COCO
        if result.record.config.optimizer != "cma-es" or result.record.config.task.arguments["function"] != 8
    ]
    board = assemble(in_memory(results))
    (own,) = [row for row in board.brief.rows if row[0].text == "cma-es"]
    assert own[1].text == tables.MISSING
    assert board.brief.rows[-1] == own


def test_a_trial_without_targets_makes_a_board_of_precision() -> None:
    results = in_memory(COCO)
    object.__setattr__(next(iter(results.trials.values())), "targets", None)
    assert assemble(results).kind == "precision"


def test_two_versions_are_not_pooled() -> None:
    other = make_result(make_config(make_spec(1, 2, 1), "cma-es", 1, fingerprint="other"), 5.0, 1.0)
    with pytest.raises(ValueError, match=r"function 1 in dimension 2, instance 1, is there in two versions.*other"):
        assemble(in_memory([*COCO, other]))


def test_ids_that_name_the_function() -> None:
    spec = make_spec(1, id="BBOB-F08-v0", arguments={"dim": 5, "instance": 2})
    assert data.function_of(make_config(make_spec(7), "cma-es")) == 7
    config = make_config(make_spec(), "cma-es").model_copy(update={"task": spec})
    assert (data.function_of(config), data.instance_of(config)) == (8, 2)


def test_precisions_have_a_floor_and_what_is_no_number_stays() -> None:
    tiny = make_result(make_config(make_spec(1, 5), "cma-es"), 1e-3, 3.0, end=1e-12)
    assert tiny.metrics["precision"] < 1e-9
    odd = make_result(make_config(make_spec(1, 5), "cma-es", 1), 1e-3, 3.0)
    odd.record.metrics["precision"] = float("nan")
    table = data.gather(in_memory([tiny, odd])).trials
    assert table["precision"].iloc[0] == data.FLOOR
    assert np.isnan(table["precision"].iloc[1])


def test_several_thousand_trials_build_in_seconds() -> None:
    results = in_memory(draw(OPTIMIZERS, coco_configs(OPTIMIZERS, range(1, 25), (2, 5, 10), instances=15)))
    began = time.perf_counter()
    files_of(assemble(results))
    # 3,240 trials; about 3 s on an idle machine.
    assert time.perf_counter() - began < 60


def test_the_area_of_an_optimizer_that_is_always_faster_is_larger() -> None:
    board = assemble(in_memory(COCO))
    areas = {row[0].text: row[2].value for row in board.brief.rows}
    assert areas["cma-es"] > areas["gaussian-ga"] > areas["random-search"]  # type: ignore[operator]
    assert runtime.SAMPLES >= 1


# The general board: a task that ranks by precision among others.


def test_lower_precision_ranks_first_on_the_general_board(tmp_path: Path) -> None:
    save_all(
        tmp_path, [make_result(make_config(make_spec(2, 5), name), 10.0, power) for name, power in OPTIMIZERS.items()]
    )
    synthetic.save(tmp_path, synthetic.make_config(synthetic.make_spec("LP-Sphere-v0")), 10.0)
    built = build.build(tmp_path, tmp_path / "board")
    assert not isinstance(built.board, BbobBoard)
    summary = built.board.summary.set_index(["task", "optimizer"])
    ranks = {name: summary.loc[("BBOB-v0", name), "rank"] for name in OPTIMIZERS}
    assert ranks == {"cma-es": 1, "gaussian-ga": 2, "random-search": 3}
    means = [summary.loc[("BBOB-v0", name), "precision_mean"] for name in ("cma-es", "gaussian-ga", "random-search")]
    assert means == sorted(means)
    page = (tmp_path / "board" / "index.html").read_text()
    assert "Precision f - f_opt" in page
    figure = built.board.plots["BBOB-v0"][0].figure
    assert [axes.get_yscale() for axes in figure.axes] == ["log"]
    console = rich.console.Console(width=120, record=True, file=io.StringIO())
    console.print(render.terminal_table(built.board))
    assert "e-" in console.export_text()


def test_precision_is_minus_the_best_objective_where_it_is_not_recorded(tmp_path: Path) -> None:
    result = make_result(make_config(make_spec(2, 5), "cma-es"), 10.0, 0.5)
    kept = {name: value for name, value in result.metrics.items() if name != "precision"}
    record = result.record.model_copy(update={"metrics": kept})
    results = in_memory([type(result)(record, result.trace, None, result.targets)])
    assert aggregate.trial_table(results)["precision"].iloc[0] == result.metrics["precision"]
    spec = record.config.task
    trace = aggregate.with_metric(result.trace, spec)
    np.testing.assert_array_equal(trace["precision"], -result.trace["best_objective"])
    assert aggregate.with_metric(trace, spec) is trace


def test_regret_is_what_lacks_to_the_best(tmp_path: Path) -> None:
    made = make_result(make_config(make_spec(2, 5), "cma-es"), 10.0, 0.5)
    spec = made.record.config.task.model_copy(update={"metric": "regret", "objective_range": (0.0, 1.0)})
    metrics = {"qd_score": 0.0, "coverage": 0.0, "best_objective": 0.25, "evaluations": 10}
    config = made.record.config.model_copy(update={"task": spec})
    record = made.record.model_copy(update={"config": config, "metrics": metrics})
    results = in_memory([type(made)(record, made.trace, None, None)])
    assert aggregate.trial_table(results)["regret"].iloc[0] == 0.75
    trace = aggregate.with_metric(made.trace, spec)
    np.testing.assert_array_equal(trace["regret"], 1 - made.trace["best_objective"])


def test_scientific_numbers() -> None:
    texts = [tables.scientific(value) for value in (0.0, 1.0, 1234.5, 3.217e-7, 2e12, float("nan"))]
    assert texts == ["0", "1", "1.23e3", "3.22e-7", "2e12", tables.MISSING]
