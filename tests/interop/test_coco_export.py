"""The export to COCO's format, read back by COCO's own cocopp, which works out the expected running times anew."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from qdbench.harness.result import TrialResult
from qdbench.harness.targets import TARGETS
from qdbench.interop import coco
from qdbench.interop.cli import export_app
from qdbench.leaderboard.bbob import data, runtime
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

OPTIMIZERS = {"random-search": 0.12, "gaussian-ga": 0.6, "cma-es": 2.0}
FUNCTIONS, DIMS = (1, 3, 8), (2, 5)

needs_cocopp = pytest.mark.skipif(
    importlib.util.find_spec("cocopp") is None or importlib.util.find_spec("six") is None,
    reason="cocopp and six come with the extra coco",
)

# In a process of its own: cocopp looks for the internet and warns a lot.
READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from cocopp.pproc import DataSetList
folders, targets = json.loads(sys.argv[1])
found = []
np.random.seed(1)
for folder in folders:
    for ds in DataSetList(folder):
        # A relative 1e-9 is how far cocopp's own targets may be from 10**(2 - k / 5) by rounding.
        wanted = [target * (1 + 1e-9) for target in targets]
        found.append({
            "optimizer": ds.algId, "function": ds.funcId, "dim": ds.dim,
            "instances": [int(i) for i in ds.instancenumbers], "evaluations": [int(t) for t in ds.maxevals],
            "ert": [float(t) for t in ds.detERT(wanted)], "successes": [int(s) for s in ds.detSuccesses(wanted)],
            "final": [float(p) for p in ds.finalfunvals],
            "restarts": [sorted(map(float, t)) for t in ds.evals_with_simulated_restarts(wanted, samplesize=3000)],
        })
print("RESULT" + json.dumps(found))
"""


def read_with_cocopp(folders: list[Path], tmp_path: Path) -> dict[tuple[str, int, int], dict[str, Any]]:
    arguments = json.dumps([[str(folder) for folder in folders], list(TARGETS)])
    environment = os.environ | {"MPLBACKEND": "Agg", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", READ, arguments]
    shown = subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    (line,) = [line for line in shown.splitlines() if line.startswith("RESULT")]
    return {(row["optimizer"], row["function"], row["dim"]): row for row in json.loads(line.removeprefix("RESULT"))}


@needs_cocopp
def test_cocopp_finds_our_expected_running_times(tmp_path: Path) -> None:
    results = draw(OPTIMIZERS, coco_configs(OPTIMIZERS, FUNCTIONS, DIMS, instances=6))
    # One that reaches targets at once, one that never gets anywhere, and two repetitions of every instance. (Where some
    # instances have more repetitions than others, cocopp counts instances alike and we count trials alike.)
    results += [make_result(make_config(make_spec(1, 2, 7), name), 50.0, 0.4) for name in OPTIMIZERS]
    results += [make_result(make_config(make_spec(1, 2, 8), name), 5e6, 0.0) for name in OPTIMIZERS]
    again = [make_config(make_spec(8, 5, instance), name, 1) for instance in range(1, 7) for name in OPTIMIZERS]
    results += draw(OPTIMIZERS, again, seed=5)
    save_all(tmp_path / "results", results)
    written = coco.export(tmp_path / "results", tmp_path / "coco")
    assert [(entry.optimizer, entry.trials) for entry in written] == [(name, 44) for name in sorted(OPTIMIZERS)]

    theirs = read_with_cocopp([entry.folder for entry in written], tmp_path)
    experiment = data.gather(in_memory(results))
    assert experiment.hits is not None
    assert len(theirs) == len(OPTIMIZERS) * len(FUNCTIONS) * len(DIMS)
    for (optimizer, function, dim), row in theirs.items():
        keys = experiment.trials[["optimizer", "function", "dim"]]
        group = experiment.trials[(keys == [optimizer, function, dim]).all(axis=1)]
        hits, spent = experiment.hits[group.index.to_numpy()], group["evaluations"].to_numpy()
        assert row["instances"] == list(group["instance"])
        assert row["evaluations"] == list(spent)
        assert row["successes"] == list(runtime.successes(hits))
        np.testing.assert_allclose(row["ert"], runtime.expected_running_time(hits, spent), rtol=1e-12)
        np.testing.assert_allclose(np.maximum(row["final"], data.FLOOR), group["precision"], rtol=1e-9)


@needs_cocopp
def test_cocopp_simulates_the_same_distribution_of_restarts(tmp_path: Path) -> None:
    results = draw({"gaussian-ga": 1.3}, coco_configs(["gaussian-ga"], (3,), (5,), instances=15), seed=3)
    save_all(tmp_path / "results", results)
    written = coco.export(tmp_path / "results", tmp_path / "coco")
    (row,) = read_with_cocopp([entry.folder for entry in written], tmp_path).values()
    experiment = data.gather(in_memory(results))
    assert experiment.hits is not None
    ours = runtime.simulate_restarts(experiment.hits, experiment.trials["evaluations"].to_numpy(), samples=200)
    some = 0
    for target, theirs in enumerate(row["restarts"]):
        successes = row["successes"][target]
        some += 0 < successes < 15
        if not successes:
            assert np.isinf(ours[:, target]).all()
            continue
        points = np.quantile(ours[:, target], np.linspace(0.05, 0.95, 10))
        shares = runtime.distribution(ours[:, target], points)
        # 3,000 samples each: the largest difference of two such distributions is below 0.05 in all but 1 of 1,000.
        np.testing.assert_allclose(runtime.distribution(np.asarray(theirs), points), shares, atol=0.05)
    assert some > 5


OBSERVE = """
import json, sys, cocoex, numpy as np
targets = json.loads(sys.argv[1])
suite = cocoex.Suite("bbob", "instances: 1-4", "function_indices: 1,5,8 dimensions: 2,3")
observer = cocoex.Observer("bbob", "result_folder: watched algorithm_name: walk")
rng = np.random.default_rng(0)
trials = []
optima = []
for problem in cocoex.Suite("bbob", "instances: 1-4", "function_indices: 1,5,8 dimensions: 2,3"):
    problem._best_parameter("print")  # writes a file
    optima.append(problem(np.loadtxt("._bbob_problem_best_parameter.txt")))
for problem, f_opt in zip(suite, optima):
    problem.observe_with(observer)
    best, mean, hits, values, at = np.inf, np.zeros(problem.dimension), [0] * len(targets), [], {}
    for count in range(1, 1501):
        x = mean + rng.choice([2.0, 0.3, 0.03, 0.003]) * rng.standard_normal(problem.dimension)
        precision = problem(x) - f_opt
        if precision < best:
            best, mean = precision, x
        for k, target in enumerate(targets):
            if not hits[k] and best <= target:
                hits[k], at[count] = count, best
        if best <= 1e-8:
            break
    trials.append({"function": problem.id_function, "dim": problem.dimension, "instance": problem.id_instance,
                   "hits": hits, "at": [at.get(t) for t in hits], "evaluations": count, "best": best, "f_opt": f_opt})
    problem.free()
print("RESULT" + json.dumps([observer.result_folder, trials]))
"""


@needs_cocopp
@pytest.mark.skipif(importlib.util.find_spec("cocoex") is None, reason="cocoex comes with the extra coco")
def test_cocopp_reads_from_our_files_what_it_reads_from_cocos_own(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", OBSERVE, json.dumps(list(TARGETS))]
    shown = subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True).stdout
    (line,) = [line for line in shown.splitlines() if line.startswith("RESULT")]
    watched, trials = json.loads(line.removeprefix("RESULT"))
    results = [_as_result(trial) for trial in trials]
    files = coco.render(in_memory(results))
    for name, text in files["walk-of-ours"].items():
        path = tmp_path / "ours" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = read_with_cocopp([tmp_path / watched, tmp_path / "ours"], tmp_path)
    assert len(found) == 2 * 3 * 2
    for (optimizer, function, dim), theirs in found.items():
        if optimizer == "walk":
            ours = found["walk-of-ours", function, dim]
            for key in ("instances", "evaluations", "successes", "ert"):
                assert ours[key] == theirs[key], (function, dim, key)


def _as_result(trial: dict[str, Any]) -> TrialResult:
    spec = make_spec(trial["function"], trial["dim"], trial["instance"], f_opt=trial["f_opt"], budget=1500)
    made = make_result(make_config(spec, "walk-of-ours"), 10.0, 0.5)
    assert made.targets is not None
    metrics = made.metrics | {"precision": trial["best"], "evaluations": trial["evaluations"]}
    at = [np.nan if value is None else value for value in trial["at"]]
    trace = made.trace.assign(evaluations=trial["evaluations"], best_objective=-trial["best"])
    return TrialResult(
        made.record.model_copy(update={"metrics": metrics}),
        trace,
        None,
        made.targets.assign(evaluations=trial["hits"], precision=at),
    )


@pytest.mark.slow
@needs_cocopp
def test_cocopp_makes_its_pages_of_our_files(tmp_path: Path) -> None:
    results = draw(OPTIMIZERS, coco_configs(OPTIMIZERS, (1, 3, 8, 15, 22), (2, 5), instances=15))
    save_all(tmp_path / "results", results)
    written = coco.export(tmp_path / "results", tmp_path / "coco")
    environment = os.environ | {"MPLBACKEND": "Agg", "HOME": str(tmp_path)}
    folders = [str(entry.folder) for entry in written]
    command = [sys.executable, "-W", "ignore", "-m", "cocopp", "-o", str(tmp_path / "pages"), *folders]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)
    assert list((tmp_path / "pages").rglob("*.html"))


def test_the_layout_of_the_observer(tmp_path: Path) -> None:
    files = coco.render(in_memory(draw(OPTIMIZERS, coco_configs(OPTIMIZERS, (1, 8), (2, 3), instances=2))))
    assert set(files) == set(OPTIMIZERS)
    assert set(files["cma-es"]) == {
        "bbobexp_f1.info",
        "bbobexp_f8.info",
        *(f"data_f{f}/bbobexp_f{f}_DIM{dim}.{kind}" for f in (1, 8) for dim in (2, 3) for kind in ("dat", "tdat")),
    }
    head, comment, trials, *others = files["cma-es"]["bbobexp_f8.info"].splitlines()
    assert head.startswith("suite = 'bbob', funcId = 8, DIM = 2, Precision = 1.000e-08, algId = 'cma-es', ")
    assert comment.startswith("%")
    assert trials.startswith("data_f8/bbobexp_f8_DIM2.dat, 1:")
    assert len(others) == 3


def test_lines_improve_from_the_first_evaluation_to_the_last() -> None:
    results = draw(OPTIMIZERS, coco_configs(OPTIMIZERS, FUNCTIONS, DIMS, instances=3))
    results.append(make_result(make_config(make_spec(1, 2, 9), "cma-es"), 1e-9, 0.0))
    for contents in coco.render(in_memory(results)).values():
        for name, text in contents.items():
            if name.endswith(".dat"):
                for block in text.split("%")[1:]:
                    rows = [line.split() for line in block.splitlines()[1:]]
                    evaluations, precision = [int(row[0]) for row in rows], [float(row[2]) for row in rows]
                    assert evaluations[0] == 1
                    assert evaluations == sorted(set(evaluations))
                    assert precision == sorted(precision, reverse=True)


def test_a_trial_without_a_finite_value_is_written() -> None:
    result = make_result(make_config(make_spec(), "cma-es"), 1e6, 0.0)
    result.record.metrics["precision"] = float("nan")
    trace = result.trace.assign(best_objective=np.nan)
    files = coco.render(in_memory([TrialResult(result.record, trace, None, result.targets)]))["cma-es"]
    rows = files["data_f1/bbobexp_f1_DIM5.dat"].splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["1", "50000"]
    assert all(np.isfinite(float(row.split()[2])) for row in rows)


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        coco.export(tmp_path / "missing", tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="no finished trial"):
        coco.export(tmp_path, tmp_path / "out")
    two_budgets = draw(OPTIMIZERS, lga_configs(OPTIMIZERS, (1,), sizes=(16, 32), repetitions=1))
    with pytest.raises(ValueError, match=r"budgets \[800, 1600\]"):
        coco.render(in_memory(two_budgets))
    without = draw(OPTIMIZERS, lga_configs(OPTIMIZERS, (1,), repetitions=1))
    with pytest.raises(ValueError, match="no record of when they reached"):
        coco.render(in_memory([TrialResult(r.record, r.trace, None, None) for r in without]))
    synthetic.save(tmp_path / "qd", synthetic.make_config(), 1.0)
    with pytest.raises(ValueError, match="on BBOB only"):
        coco.export(tmp_path / "qd", tmp_path / "out")
    with pytest.raises(ValueError, match="would share the folder a_b"):
        coco._check_folders(["a b", "a/b"])


def test_the_command(tmp_path: Path) -> None:
    save_all(tmp_path / "results", draw(OPTIMIZERS, coco_configs(OPTIMIZERS, (1,), (2,), instances=2)))
    arguments = ["coco", str(tmp_path / "results"), "--out", str(tmp_path / "coco")]
    done = CliRunner().invoke(export_app, arguments)
    assert done.exit_code == 0
    assert "2 trials of cma-es" in done.output
    assert (tmp_path / "coco" / "cma-es" / "data_f1" / "bbobexp_f1_DIM2.tdat").is_file()
    failed = CliRunner().invoke(export_app, ["coco", str(tmp_path / "missing"), "--out", str(tmp_path / "coco")])
    assert failed.exit_code == 2
    assert "no folder" in failed.output
