"""Boards of HPO tasks: curves from traces, settings kept apart, pages, and the critical-difference diagram."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qdbench.harness.result import TrialConfig, TrialRecord, TrialResult
from qdbench.leaderboard import build
from qdbench.leaderboard.hpob import curves, data, published
from qdbench.leaderboard.hpob.board import HpoBoard, assemble, overall_table
from qdbench.leaderboard.hpob.data import Setting
from qdbench.spec import Measure, Start, TaskSpec
from tests.leaderboard.synthetic_bbob import in_memory
from tests.leaderboard.test_build import Page

TASKS = (("svm", "iris"), ("svm", "wine"), ("forest", "iris"), ("forest", "wine"))


def make_spec(space: str, dataset: str, start: str, family: str = "hpo-mini") -> TaskSpec:
    kind = "design" if start.startswith("test") else "normal"
    return TaskSpec(
        id="HPOB-v0" if family == "hpob" else "HPO-Mini-v0",
        arguments={"space": space, "dataset": dataset, "start": start, "mode": "surrogate"},
        family=family,
        dim=2,
        measures=tuple(Measure(name=name, low=0, high=1) for name in "ab"),
        archive_shape=(20, 20),
        objective_range=(0.0, 1.0),
        budget=105,
        metric="regret",
        precision="float64",
        solution_bounds=(0.0, 1.0),
        start=Start(kind=kind, mean=0.5, scale=0.0),
    )


def make_result(spec: TaskSpec, optimizer: str, repetition: int, quality: float, size: int, budget: int) -> TrialResult:
    """A trial whose regret after t evaluations is t ** -quality, read at hundredths of the budget."""
    config = TrialConfig(
        task=spec,
        fingerprint=f"{spec.arguments['space']}-{spec.arguments['dataset']}",
        optimizer=optimizer,
        hyperparameters={"batch.children": size},
        repetition=repetition,
        budget=budget,
    )
    fractions = np.arange(1, 101) / 100
    evaluations = (np.arange(1, 101) * budget // 100) // size * size
    with np.errstate(divide="ignore"):
        best = np.where(evaluations > 0, 1 - np.maximum(evaluations, 1).astype(float) ** -quality, np.nan)
    trace = pd.DataFrame(
        {
            "fraction": fractions,
            "iteration": evaluations // size,
            "evaluations": evaluations,
            "gradient_evaluations": 0,
            "qd_score": 0.0,
            "coverage": 1.0,
            "best_objective": best,
        }
    )
    metrics = {"best_objective": float(best[-1]), "evaluations": int(evaluations[-1]), "run_seconds": 1.5}
    record = TrialRecord(config=config, status="finished", metrics=metrics, provenance={"jax": "0.10.1"})
    return TrialResult(record, trace, None)


QUALITIES = {"random-search": 0.3, "gaussian-ga": 0.5, "cma-es": 0.9}


def trials(start: str, sizes: tuple[int, ...], budget: int | None = None, **changes: Any) -> list[TrialResult]:
    rng = np.random.default_rng(0)
    found = []
    for space, dataset in TASKS:
        for optimizer, quality in QUALITIES.items():
            for size in sizes:
                for repetition in range(3):
                    spec = make_spec(space, dataset, start, **changes)
                    noisy = quality * float(np.exp(0.1 * rng.standard_normal()))
                    found.append(make_result(spec, optimizer, repetition, noisy, size, budget or 100 * size))
    return found


LGA = trials("centre", (4, 8))
OFFICIAL = [result for seed in ("test0", "test1") for result in trials(seed, (5,), 105)]


@pytest.fixture(scope="module", params=["lga", "official"])
def board(request: pytest.FixtureRequest) -> HpoBoard:
    return assemble(in_memory(LGA if request.param == "lga" else OFFICIAL))


def test_settings_are_kept_apart() -> None:
    experiment = data.gather(in_memory(LGA + OFFICIAL))
    assert list(experiment.curves) == [
        Setting("hpo-mini", "centre", "surrogate", 4, 400),
        Setting("hpo-mini", "centre", "surrogate", 8, 800),
        Setting("hpo-mini", "design", "surrogate", None, 105),
    ]
    assert [setting.readings for setting in experiment.curves] == [
        (25, 50, 105, 400),
        (25, 50, 105, 800),
        (25, 50, 100),
    ]
    last = experiment.curves[Setting("hpo-mini", "design", "surrogate", None, 105)]
    assert last.index.unique("seed").tolist() == [f"{seed}-00{n}" for seed in ("test0", "test1") for n in range(3)]
    assert list(last.columns) == list(range(101))


def test_the_curves_are_read_within_so_many_evaluations() -> None:
    trace = pd.DataFrame({"evaluations": [0, 4, 8, 8, 12], "best_objective": [np.nan, 0.1, 0.2, 0.2, 0.4]})
    found = data.steps(trace, 0, 12)
    np.testing.assert_array_equal(found, [np.nan] * 4 + [0.1] * 4 + [0.2] * 4 + [0.4])
    np.testing.assert_array_equal(data.steps(trace, 5, 4), [0.1] * 3 + [0.2] * 2)


def test_the_ranking_by_hand() -> None:
    index = [("a", "s", "1", "x"), ("a", "s", "2", "x"), ("b", "s", "1", "x"), ("b", "s", "2", "x")]
    table = pd.DataFrame(
        {1: [0.5, 0.5, 0.6, 0.4], 2: [0.9, 0.7, 0.8, 0.5]}, index=pd.MultiIndex.from_tuples(index, names=curves.INDEX)
    )
    found = overall_table(table, curves.ranks(table, (1, 2)), (1, 2))
    assert list(found.index) == ["a", "b"]
    assert found.loc["a", ["regret_2", "rank_2", "rank_1", "place"]].tolist() == pytest.approx([0.2, 1, 1.5, 1])
    interval = stats.t.interval(0.95, 1, loc=0.35, scale=stats.sem([0.2, 0.5]))
    assert found.loc["b", ["regret_2_low", "regret_2_high"]].tolist() == pytest.approx(list(interval))


def test_the_best_is_first_and_the_words_say_that_ranks_differ(board: HpoBoard) -> None:
    assert len(board.sections) == 2 * len(board.experiment.curves)
    for section in board.sections:
        assert [row[0].text for row in section.tables[0].rows] == ["cma-es", "gaussian-ga", "random-search"]
    for section in board.sections[1::2]:
        assert section.title.startswith("Over the suite: ")
        assert any(words.startswith("Over the 4 tasks the mean ranks differ significantly") for words in section.words)
    assert set(board.values["optimizer"]) == set(QUALITIES)
    assert "Place" in [column.title for column in board.brief.columns]


def test_pages_load_nothing_and_are_the_same_each_time(board: HpoBoard) -> None:
    files = build.rendered(board)
    page = Page(files["index.html"].decode())
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert all(image.get("alt") for image in page.images)
    assert {name for name in files if name.endswith(".svg")} == {
        f"figures/{plot.name}.svg" for section in board.sections for plot in section.plots
    }
    again = assemble(in_memory(list(reversed(LGA if len(board.sections) == 4 else OFFICIAL))))
    assert build.rendered(again) == files


def test_series_that_one_lacks_are_not_ranked() -> None:
    some = [
        result
        for result in OFFICIAL
        if (result.record.config.optimizer, result.record.config.repetition) != ("cma-es", 2)
    ]
    experiment = data.gather(in_memory(some))
    ((setting, table),) = experiment.curves.items()
    common = curves.common_series(table)
    assert len(common) == 3 * 4 * 4
    assert assemble(in_memory(some)).sections[0].title == setting.title


def test_two_versions_are_refused() -> None:
    config = OFFICIAL[0].record.config.model_copy(update={"fingerprint": "other"})
    other = TrialResult(OFFICIAL[0].record.model_copy(update={"config": config}), OFFICIAL[0].trace, None)
    with pytest.raises(ValueError, match="is there in two versions"):
        assemble(in_memory([*OFFICIAL, other]))


def hpob_curves(seeds: tuple[str, ...]) -> pd.DataFrame:
    index = [("mine", "4796", dataset, seed) for dataset in ("23", "3549") for seed in seeds]
    return pd.DataFrame(np.full((len(index), 101), 0.9), index=pd.MultiIndex.from_tuples(index, names=curves.INDEX))


def test_published_curves_stand_beside_those_of_their_design() -> None:
    setting = Setting("hpob", "design", "surrogate", None, 105)
    table = published.beside(setting, hpob_curves(("test0-000", "test3-000")))
    assert table.index.unique("method").tolist() == [
        "DGP (published)",
        "FSBO2 (published)",
        "GP (published)",
        "RS (published)",
        "mine",
    ]
    own = published.published()
    np.testing.assert_array_equal(
        table.loc[("GP (published)", "4796", "23", "test3-000")].to_numpy(),
        own.loc[("GP", "4796", "23", "test3")].to_numpy().astype(np.float64),
    )
    assert len(table) == 5 * 4
    for other in (
        setting._replace(start="centre"),
        setting._replace(benchmark="hpo-mini"),
        setting._replace(budget=205),
    ):
        mine = hpob_curves(("test0-000",))
        assert published.beside(other, mine) is mine


def test_the_packed_curves_give_the_published_means() -> None:
    # As in facts of the paper's repository; test_hpob_curves takes them from the original files.
    expected = {"RS": 0.0561, "GP": 0.0358, "DGP": 0.0301, "FSBO2": 0.0224}
    found = curves.mean_regret(published.published().astype("float64"), (100,))[100]
    assert found.round(4).to_dict() == expected


def test_the_view_without_degenerate_tasks() -> None:
    results = []
    for space, dataset in (("4796", "23"), ("6766", "31")):
        for optimizer, quality in QUALITIES.items():
            spec = make_spec(space, dataset, "test0", family="hpob")
            results.append(make_result(spec, optimizer, 0, quality, 5, 105))
    titles = [section.title for section in assemble(in_memory(results)).sections]
    assert titles[2] == f"{titles[0]}, without the degenerate tasks"
