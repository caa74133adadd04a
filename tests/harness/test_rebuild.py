"""A record alone is enough to make its trial again, for every registered pure optimizer."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import baselines
import qdbench
from qdbench.harness import rebuild, trial
from qdbench.harness.jobs import config_of
from qdbench.harness.plugins import is_pure
from qdbench.registry import OPTIMIZERS
from qdbench.spec import TaskSpec

FILE = Path(__file__).parent / "optimizers.py"
IDS = [entry.id for entry in OPTIMIZERS if entry.is_available and is_pure(entry.id)]
SPECS = {id: qdbench.make(id, dim=5).spec for id in ("Arm-v0", "BBOB-F01-v0")}


def others(id: str) -> list[tuple[str, Any]]:
    """For each hyperparameter another value than the default."""
    factory, bound = OPTIMIZERS.resolve(id)
    found = []
    for name, parameter in inspect.signature(factory).parameters.items():
        default = parameter.default
        if name == "spec" or name in bound or isinstance(default, str):
            continue
        if isinstance(default, bool):
            found.append((name, not default))
        elif isinstance(default, int):
            found.append((name, 2 * default))
        elif default is None:
            found.append((name, 12 if "int" in str(parameter.annotation) else 12.0))
        else:
            found.append((name, default / 2 or 0.25))
    return found


@pytest.mark.parametrize("task", SPECS)
@pytest.mark.parametrize("id", IDS)
def test_settings_lead_back_to_arguments_that_give_them(id: str, task: str) -> None:
    spec, tried = SPECS[task], 0
    # A tessellation of the task's default size takes seconds.
    small = {"cells": 20, "samples": 500} if id.startswith("cvt") else {}
    for name, value in [("", None), *others(id)]:
        try:
            optimizer = baselines.make(id, spec, **small | ({name: value} if name else {}))
        except ValueError:
            continue  # not every value goes with every other default
        tried += 1
        recorded = trial.describe(optimizer, spec)[1]
        given = rebuild.arguments_of(id, spec, recorded)
        assert trial.describe(baselines.make(id, spec, **given), spec)[1] == recorded, name
    assert tried >= 1


def config(optimizer: str = "gaussian-ga", **hyperparameters: Any) -> trial.TrialConfig:
    task = qdbench.make("Arm-v0", dim=5)
    golden = trial.fingerprint(task)
    return trial.configure(task.spec, golden, optimizer, 3, 400, hyperparameters)


@pytest.mark.parametrize(
    "made",
    [
        config(elite_ratio=0.3, batch_size=20, sigma=0.3),
        config("cma-mega", sigma_g=3.0, batch_size=20),
        config(f"{FILE}:Sampler", batch=7),
    ],
    ids=["ratio", "mega", "file"],
)
def test_the_job_has_exactly_the_configuration(made: trial.TrialConfig) -> None:
    job = rebuild.job_of(made)
    assert config_of(job).digest() == made.digest()
    assert job.repetition == 3


def test_what_cannot_be_rebuilt_says_what_differs() -> None:
    made = config()
    changed = made.model_copy(update={"hyperparameters": made.hyperparameters | {"no_such_setting": 1}})
    with pytest.raises(rebuild.RebuildError, match="no_such_setting is recorded as 1, but is 'absent'"):
        rebuild.job_of(changed)
    spec: TaskSpec = made.task.model_copy(update={"budget": 7})
    with pytest.raises(rebuild.RebuildError, match="the task Arm-v0 is another one here: budget is recorded as 7"):
        rebuild.job_of(made.model_copy(update={"task": spec}))
    with pytest.raises(rebuild.RebuildError, match="fingerprint is recorded as '0000'"):
        rebuild.job_of(made.model_copy(update={"fingerprint": "0000"}))
    with pytest.raises(rebuild.RebuildError, match=r"it cannot be made here: .*no_such_module"):
        rebuild.job_of(made.model_copy(update={"optimizer": "no_such_module:Me"}))
