"""Results of HPO tasks as curves: the best normalised accuracy over evaluations, for each setting that is compared."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from qdbench.harness.result import TrialConfig, TrialRecord
from qdbench.leaderboard.aggregate import Results, StoredTrial
from qdbench.leaderboard.hpob.curves import INDEX
from qdbench.leaderboard.labels import label_groups
from qdbench.tasks.hpob.designs import POINTS, SEEDS

FAMILIES = {"hpob": "HPO-B", "hpo-mini": "HPO-Mini", "hpo-own": "own surrogates"}
OFFICIAL_READINGS = (25, 50, 100)
"""The evaluations after the design at which HPO-B's authors read regrets and ranks."""
OPTFORMER = 105
"""The evaluations at which lange2023lga compares."""


class Setting(NamedTuple):
    """What is compared with each other.

    Attributes:
        benchmark: ``"hpob"``, ``"hpo-mini"`` or ``"hpo-own"``.
        start: ``"design"``, ``"centre"`` or ``"uniform"``.
        mode: ``"surrogate"`` or ``"table"``.
        batch_size: The solutions of a batch if all optimizers share it.
        budget: Evaluations, a design included.
    """

    benchmark: str
    start: str
    mode: str
    batch_size: int | None
    budget: int

    @property
    def offset(self) -> int:
        """Evaluations of the design, which do not count in curves."""
        return POINTS if self.start == "design" else 0

    @property
    def readings(self) -> tuple[int, ...]:
        """The evaluations (after a design) at which regrets and ranks are read."""
        last = self.budget - self.offset
        wanted = OFFICIAL_READINGS if self.start == "design" else (*OFFICIAL_READINGS[:2], OPTFORMER)
        return tuple(sorted({reading for reading in wanted if reading < last} | {last}))

    @property
    def title(self) -> str:
        """Such as ``HPO-Mini, N = 4, from the centre, 400 evaluations``."""
        starts = {"design": f"{POINTS} initial configurations", "centre": "from the centre", "uniform": "uniform start"}
        parts = [FAMILIES[self.benchmark]]
        parts += ["looked up in tables"] if self.mode == "table" else []
        parts += [f"N = {self.batch_size}"] if self.batch_size else []
        count = f"{self.budget - self.offset:,} evaluations"
        return ", ".join([*parts, starts[self.start], f"then {count}" if self.offset else count])

    @property
    def short(self) -> str:
        """The batch size alone where there is one, such as ``N = 4``, else the evaluations."""
        return f"N = {self.batch_size}" if self.batch_size else f"{self.budget - self.offset:,} evaluations"

    @property
    def order(self) -> tuple[str, str, str, int, int]:
        """What settings are sorted by."""
        return *self[:3], self.batch_size or 0, self.budget

    @property
    def name(self) -> str:
        """For file names."""
        size = f"-n{self.batch_size}" if self.batch_size else ""
        return f"{self.benchmark}-{self.start}-{self.mode}{size}-{self.budget}"


@dataclasses.dataclass(frozen=True)
class Experiment:
    """All finished trials.

    Attributes:
        curves: For each setting a table of :mod:`qdbench.leaderboard.hpob.curves`: the best normalised accuracy after
            0, 1, ... evaluations (after a design where there is one; NaN before anything was evaluated).
        hyperparameters: Those of each optimizer in each setting, as text.
        seconds: The median seconds of a trial.
        failures: How many trials of each optimizer failed in each setting.
        places: What each trial is compared in, failed ones among them, and the optimizer's label there, by digest.
    """

    curves: dict[Setting, pd.DataFrame]
    hyperparameters: dict[Setting, dict[str, str]]
    seconds: dict[Setting, dict[str, float]]
    failures: dict[Setting, Counter[str]]
    places: dict[str, tuple[Setting, str]]


def is_hpo(results: Results) -> bool:
    """Whether every trial, finished or failed, is on an HPO task that ranks by regret."""
    specs = [record.config.task for record in results.records().values()]
    return bool(specs) and all(spec.family in FAMILIES and spec.metric == "regret" for spec in specs)


def gather(results: Results) -> Experiment:
    """The curves of all finished trials.

    Raises:
        ValueError: If a task is there in two versions, which must not be pooled.
    """
    _check_one_version(trial.record.config for trial in results.trials.values())
    places = _places(results.records())
    grouped: dict[Setting, dict[str, StoredTrial]] = {}
    for digest, trial in results.trials.items():
        grouped.setdefault(places[digest][0], {})[digest] = trial
    curves, hyperparameters, seconds = {}, {}, {}
    for setting in sorted(grouped, key=lambda setting: setting.order):
        trials = grouped[setting]
        labels = {digest: places[digest][1] for digest in trials}
        rows = [_row(labels[digest], trial, setting) for digest, trial in trials.items()]
        index = pd.MultiIndex.from_tuples([row[0] for row in rows], names=INDEX)
        curves[setting] = pd.DataFrame(np.stack([row[1] for row in rows]), index=index).sort_index()
        found = pd.DataFrame(
            {
                "method": [labels[digest] for digest in trials],
                "settings": [_text(trial.record.config) for trial in trials.values()],
                "seconds": [float(trial.record.metrics.get("run_seconds", np.nan)) for trial in trials.values()],
            }
        ).groupby("method")
        hyperparameters[setting] = found["settings"].first().to_dict()
        seconds[setting] = found["seconds"].median().to_dict()
    failures: dict[Setting, Counter[str]] = {setting: Counter() for setting in curves}
    for digest in results.failures:
        setting, label = places[digest]
        failures.setdefault(setting, Counter())[label] += 1
    return Experiment(curves, hyperparameters, seconds, failures, places)


def _places(records: Mapping[str, TrialRecord]) -> dict[str, tuple[Setting, str]]:
    grouped: dict[Setting, dict[str, TrialConfig]] = {}
    for digest, record in records.items():
        grouped.setdefault(setting_of(record.config), {})[digest] = record.config
    return {
        digest: (setting, optimizer)
        for setting, configs in grouped.items()
        for digest, (_, optimizer) in label_groups(configs).items()
    }


def space_and_dataset(config: TrialConfig) -> tuple[str, str]:
    """The arguments that choose the task."""
    arguments = config.task.arguments
    return str(arguments.get("space")), str(arguments.get("dataset"))


def setting_of(config: TrialConfig) -> Setting:
    """What a trial is compared in."""
    arguments = config.task.arguments
    start = "design" if config.task.start.kind == "design" else str(arguments.get("start", "centre"))
    sizes = {size for name, size in config.hyperparameters.items() if name.startswith("batch.")}
    # HPO-B counts evaluations, whatever the batches are; in lange2023lga's protocol N is the setting.
    shared = next(iter(sizes)) if len(sizes) == 1 and start != "design" else None
    size = shared if isinstance(shared, int) else None
    return Setting(config.task.family, start, str(arguments.get("mode", "surrogate")), size, config.budget)


def steps(trace: pd.DataFrame, offset: int, last: int) -> np.ndarray:
    """The best objective after ``offset + 0, 1, ..., last`` evaluations: that of the last row within as many."""
    evaluations = trace["evaluations"].to_numpy()
    place = np.searchsorted(evaluations, offset + np.arange(last + 1), side="right") - 1
    values = trace["best_objective"].to_numpy(np.float64)
    return np.where(place >= 0, values[np.maximum(place, 0)], np.nan)


def _row(label: str, trial: StoredTrial, setting: Setting) -> tuple[tuple[str, str, str, str], np.ndarray]:
    config = trial.record.config
    start = str(config.task.arguments.get("start"))
    seed = f"{start}-{config.repetition:03d}" if start in SEEDS else f"{config.repetition:03d}"
    values = steps(trial.trace, setting.offset, setting.budget - setting.offset)
    return (label, *space_and_dataset(config), seed), values


def _text(config: TrialConfig) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(config.hyperparameters.items()))


def _check_one_version(configs: Iterable[TrialConfig]) -> None:
    versions: dict[tuple[str, ...], tuple[str, ...]] = {}
    for config in configs:
        names = ("space", "dataset", "mode", "start")
        key = (config.task.family, *(str(config.task.arguments.get(name)) for name in names), str(config.budget))
        version = (config.task.id, config.fingerprint, config.task.precision, str(config.version))
        if versions.setdefault(key, version) != version:
            raise ValueError(
                f"{' '.join(key)} is there in two versions (id, fingerprint, precision, result format): "
                f"{versions[key]} and {version}. Trials of different versions are never pooled: keep each in a folder "
                "of its own"
            )


def plain_name(text: str) -> str:
    """A name for files."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
