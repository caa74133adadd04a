"""Labels that tell groups of trials apart: an id alone where that is enough, else the id and what differs."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qdbench.harness.result import TrialConfig

_UNSET = "unset"


def label_groups(configs: Mapping[str, TrialConfig]) -> dict[str, tuple[str, str]]:
    """Labels the task variant and the optimizer configuration of every trial.

    Trials share a task label only if spec, fingerprint, budget and result format are equal, and an optimizer label on
    a task only if the hyperparameters are equal. A task label names the arguments and the budget where they differ
    under one id, and adds the result format, the fingerprint and a hash of the spec as far as they are needed. An
    optimizer label names the hyperparameters that differ within a task.

    Args:
        configs: The configuration of every trial, under any key.

    Returns:
        ``(task label, optimizer label)`` under the same keys.
    """
    tasks = _task_labels(configs.values())
    names = _differing_hyperparameters(configs.values())
    return {
        key: (tasks[_variant(config)], _optimizer_label(config, names[config.optimizer]))
        for key, config in configs.items()
    }


def _variant(config: TrialConfig) -> str:
    return _canonical([config.task.model_dump(mode="json"), config.fingerprint, config.budget, config.version])


def _task_labels(configs: Iterable[TrialConfig]) -> dict[str, str]:
    by_id: dict[str, dict[str, TrialConfig]] = defaultdict(dict)
    for config in configs:
        by_id[config.task.id][_variant(config)] = config
    labels: dict[str, str] = {}
    for id, variants in by_id.items():
        names = list(variants)
        texts = _distinguish([_features(config) for config in variants.values()])
        labels |= {name: f"{id} ({text})" if text else id for name, text in zip(names, texts, strict=True)}
    return labels


def _features(config: TrialConfig) -> tuple[dict[str, str], dict[str, str]]:
    """What is named wherever it differs, and what is named only if the label would be ambiguous otherwise."""
    shown = {name: _short(value) for name, value in sorted(config.task.arguments.items())}
    shown["budget"] = f"{config.budget:,}"
    spec = _canonical(config.task.model_dump(mode="json"))
    hidden = {
        "format": str(config.version),
        "fingerprint": config.fingerprint[:12],
        "spec": hashlib.sha256(spec.encode()).hexdigest()[:8],
    }
    return shown, hidden


def _distinguish(features: Sequence[tuple[dict[str, str], dict[str, str]]]) -> list[str]:
    shown = [first for first, _ in features]
    names = _differing(shown)
    merged = [first | second for first, second in features]
    texts = _texts(merged, names)
    for name in features[0][1]:
        if len(set(texts)) == len(texts):
            break
        if len({entry[name] for entry in merged}) > 1:
            names = [*names, name]
            texts = _texts(merged, names)
    return texts


def _texts(entries: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[str]:
    return [", ".join(f"{name}={entry.get(name, _UNSET)}" for name in names) for entry in entries]


def _differing(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    names = sorted({name for entry in entries for name in entry})
    return [name for name in names if len({_canonical(entry.get(name, _UNSET)) for entry in entries}) > 1]


def _differing_hyperparameters(configs: Iterable[TrialConfig]) -> dict[str, list[str]]:
    """The hyperparameters of each optimizer that differ within some task variant.

    Those that differ only between tasks are left out: published hyperparameters often depend on the task.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for config in configs:
        groups[config.optimizer, _variant(config)].append(config.hyperparameters)
    names: dict[str, set[str]] = defaultdict(set)
    for (optimizer, _), entries in groups.items():
        names[optimizer].update(_differing(entries))
    return {optimizer: sorted(found) for optimizer, found in names.items()}


def _optimizer_label(config: TrialConfig, names: Sequence[str]) -> str:
    if not names:
        return config.optimizer
    values = (f"{name}={_short(config.hyperparameters.get(name, _UNSET))}" for name in names)
    return f"{config.optimizer} ({', '.join(values)})"


def _short(value: Any) -> str:
    return value if isinstance(value, str) else _canonical(value)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
