"""How HPO-Mini is made: spaces, runs that resume, surrogates by HPO-B's recipe."""

from __future__ import annotations

import warnings
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import qdbench
from qdbench.tasks.hpob import mini
from qdbench.tasks.hpob.ensemble import from_pack, predict
from qdbench.tasks.hpob.importing import import_surrogates
from qdbench.tasks.hpob.names import key_of, task_of
from scripts.hpo_mini import fit, runs
from scripts.hpo_mini.spaces import SPACES, Parameter


def test_spaces_and_data_sets_are_as_many_as_promised() -> None:
    dims = [len(space.parameters) for space in SPACES.values()]
    assert len(SPACES) >= 6
    assert (min(dims), max(dims)) == (2, 8)
    assert all(len(space.datasets) >= 3 for space in SPACES.values())
    # The importer finds them by their names.
    assert all(task_of(f"{key_of(*task)}.json") == task for task in runs.tasks())


@given(st.floats(0, 1))
def test_hyperparameters_stay_in_their_ranges(unit: float) -> None:
    for space in SPACES.values():
        for parameter in space.parameters:
            value = parameter.value(unit)
            assert parameter.low * (1 - 1e-12) <= value <= parameter.high * (1 + 1e-12)
            assert isinstance(value, int) == parameter.integer


def test_scales_by_hand() -> None:
    assert Parameter("a", 0.01, 100, log=True).value(0.5) == pytest.approx(1)
    assert Parameter("a", 1, 5).value(0.25) == 2
    assert Parameter("a", 1, 256, log=True, integer=True).value(0.5) == 16
    assert [Parameter("a", 1, 3, integer=True).value(unit) for unit in (0, 0.5, 1)] == [1, 2, 3]


def test_configurations_are_those_of_the_seed_and_begin_with_the_fewer() -> None:
    some = runs.configurations("svm", "iris", 20, 3)
    assert some.shape == (20, 2)
    assert some.dtype == np.float32
    np.testing.assert_array_equal(runs.configurations("svm", "iris", 50, 3)[:20], some)
    others = [runs.configurations(*task, 20, seed) for task, seed in ((("svm", "iris"), 4), (("svm", "wine"), 3))]
    assert all((other != some).all() for other in others)


def test_the_accuracy_is_that_of_a_cross_validation_by_hand() -> None:
    unit = np.array([0.6, 0.7], np.float32)
    features, labels = datasets.load_wine(return_X_y=True)
    values = SPACES["svm"].values(unit)
    found = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=1).split(features, labels):
        scaler = StandardScaler().fit(features[train])
        model = SVC(C=values["C"], gamma=values["gamma"]).fit(scaler.transform(features[train]), labels[train])
        found.append((model.predict(scaler.transform(features[test])) == labels[test]).mean())
    assert runs.accuracy("svm", "wine", unit, 1) == pytest.approx(np.mean(found), abs=1e-12)


@pytest.mark.parametrize("space", SPACES)
def test_every_space_runs_at_its_corners(space: str) -> None:
    dim = len(SPACES[space].parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores = [runs.accuracy(space, "iris", np.full(dim, unit, np.float32), 0) for unit in (0.0, 1.0)]
    assert all(0 < score <= 1 for score in scores)


def test_runs_resume_chunk_by_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [("svm", "iris"), ("svm", "wine")]
    monkeypatch.setattr(runs, "tasks", lambda: tasks)
    assert sum(done for _, _, done in runs.run(tmp_path, 30, 0, 1)) == 60
    expected = runs.table(tmp_path, "svm", "wine", 30, 0)
    assert list(expected.columns) == ["C", "gamma", "accuracy"]
    units = runs.configurations("svm", "wine", 30, 0)
    np.testing.assert_array_equal(expected[["C", "gamma"]].to_numpy(), units)
    assert expected["accuracy"].iloc[27] == runs.accuracy("svm", "wine", units[27], 0)
    (tmp_path / "svm-wine" / "00025.npy").unlink()
    with pytest.raises(FileNotFoundError, match="00025"):
        runs.table(tmp_path, "svm", "wine", 30, 0)
    assert list(runs.run(tmp_path, 30, 0, 1)) == [("svm", "wine", 5)]
    pd.testing.assert_frame_equal(runs.table(tmp_path, "svm", "wine", 30, 0), expected)


def synthetic(rows: int = 120) -> pd.DataFrame:
    units = np.random.default_rng(0).random((rows, 2), np.float32)
    accuracy = 0.5 + 0.4 * np.sin(5 * units[:, 0]) * units[:, 1]
    return pd.DataFrame(units, columns=["C", "gamma"]).assign(accuracy=accuracy)


def test_the_recipe_takes_the_best_of_its_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fit serves all numbers of rounds: as if every cell of the grid had been fitted alone."""
    monkeypatch.setattr(fit, "LEARNING_RATES", (0.01, 0.3))
    monkeypatch.setattr(fit, "ROUNDS", (5, 20, 40))
    table = synthetic()
    x, y = table[["C", "gamma"]].to_numpy(np.float32), table["accuracy"].to_numpy(np.float32)
    folds = list(fit.KFold(fit.FOLDS, shuffle=True, random_state=1).split(x))
    errors = {}
    for rate in fit.LEARNING_RATES:
        for rounds in fit.ROUNDS:
            settings = {"max_depth": 6, "eta": rate, "seed": 1, "nthread": 1}
            found = []
            for train, test in folds:
                model = xgboost.train(settings, xgboost.DMatrix(x[train], y[train]), rounds)
                found.append(np.sqrt(np.mean((model.predict(xgboost.DMatrix(x[test])) - y[test]) ** 2)))
            errors[rate, rounds] = np.mean(found)
    model, rate, rounds = fit.surrogate(table, 1)
    assert (rate, rounds) == min(errors, key=errors.__getitem__)
    assert model.num_boosted_rounds() == rounds


def test_held_out_rows_were_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "ROUNDS", (20, 100))
    quality = fit.held_out(synthetic(), 0)
    assert 0 < quality.rmse < 0.1
    assert 0.7 < quality.r2 < 1
    assert quality.spearman > 0.8
    # What cannot be learned is not learned: a model that had seen the rows would seem good.
    noise = synthetic().assign(accuracy=np.random.default_rng(1).random(120))
    assert fit.held_out(noise, 0).r2 < 0.3


def test_models_are_imported_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "ROUNDS", (5, 20))
    tables = {("svm", "iris"): synthetic(), ("svm", "breast_cancer"): synthetic(60)}
    rows = list(fit.write_models(tables, tmp_path / "models", 0))
    assert [row["rows"] for row in rows] == [120, 60]
    _, pack = import_surrogates(tmp_path / "models", tmp_path / "pack.npz", every_split=True)
    assert set(pack.names) == set(tables)
    booster, _, _ = fit.surrogate(tables["svm", "iris"], 0)
    points = np.random.default_rng(2).random((50, 2), np.float32)
    expected = booster.predict(xgboost.DMatrix(points))
    np.testing.assert_array_equal(np.asarray(predict(from_pack(pack, "svm", "iris"), jnp.asarray(points))), expected)
    accuracy = tables["svm", "iris"]["accuracy"]
    assert pack.surrogate("svm", "iris").y_max == float(accuracy.max())


def test_what_is_shipped_is_what_the_script_makes() -> None:
    pack = mini.shipped()
    assert set(pack.names) == set(runs.tasks())
    for space, dataset in runs.tasks():
        rows = mini.table(space, dataset)
        units = runs.configurations(space, dataset, 1000, 0)
        np.testing.assert_array_equal(rows.drop(columns=mini.SCORE).to_numpy(np.float32), units)
        surrogate = pack.surrogate(space, dataset)
        assert (surrogate.y_min, surrogate.y_max) == (rows[mini.SCORE].min(), rows[mini.SCORE].max())
    # Releases of scikit-learn may differ by a few of the 150 flowers.
    for space in ("svm", "knn"):
        rows = mini.table(space, "iris")
        for place in (0, 500, 999):
            unit = runs.configurations(space, "iris", 1000, 0)[place]
            assert runs.accuracy(space, "iris", unit, 0) == pytest.approx(rows[mini.SCORE][place], abs=0.02)


def test_the_surrogates_follow_the_tables() -> None:
    for space, dataset in (("svm", "digits"), ("mlp", "iris"), ("boosting", "wine")):
        task, table = (
            qdbench.make("HPO-Mini-v0", space=space, dataset=dataset, mode=mode) for mode in ("surrogate", "table")
        )
        rows = mini.table(space, dataset)
        points = rows.drop(columns=mini.SCORE).to_numpy(np.float64)
        found, known = (np.asarray(one.evaluate(None, points).objective) for one in (task, table))
        accuracy = rows[mini.SCORE]
        expected = (accuracy - accuracy.min()) / (accuracy.max() - accuracy.min())
        np.testing.assert_allclose(known, expected, atol=1e-12)
        assert np.corrcoef(found, expected)[0, 1] > 0.9


def test_initial_designs_are_runs_of_the_table_and_each_seeds_own() -> None:
    designs = [mini.initial_design("svm", "iris", f"test{number}") for number in range(5)]
    rows = mini.table("svm", "iris").to_numpy(np.float64)
    for design in designs:
        for solution, accuracy in zip(*design, strict=True):
            assert (rows == [*solution, accuracy]).all(axis=1).any()
    firsts = {tuple(design.solutions[0]) for design in designs}
    assert len(firsts) == 5
    made = qdbench.make("HPO-Mini-v0", space="svm", dataset="iris", start="test3")
    low, high = rows[:, -1].min(), rows[:, -1].max()
    values = made.evaluate(None, designs[3].solutions).objective
    np.testing.assert_allclose(values, (designs[3].accuracy - low) / (high - low), atol=1e-12)
