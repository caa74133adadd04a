"""What a meta-evolution leaves behind: parameters, their record, the curve as a table and as a figure."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from qdbench.harness.provenance import provenance
from qdbench.harness.store import write_files
from qdbench.leaderboard.figures import OKABE_ITO, SETTINGS, svg_bytes
from qdbench.metabbo.compare import SPLITS
from qdbench.metabbo.evaluation import ratios
from qdbench.metabbo.folder import CURVE, CURVE_FIGURE, PARAMETERS, RECORD
from qdbench.metabbo.train import MetaEvolution

_COLORS = dict(zip(SPLITS, OKABE_ITO, strict=False))


def write(evolution: MetaEvolution) -> list[Path]:
    """Writes ``parameters.safetensors``, ``record.json``, ``curve.csv`` and ``curve.svg``.

    Raises:
        StoreError: If a file cannot be written.
    """
    told = record(evolution)
    files = {
        PARAMETERS: evolution.parameters(told),
        RECORD: (json.dumps(told, indent=2, sort_keys=True) + "\n").encode(),
    }
    if evolution.evaluator is not None:
        table = curve(evolution)
        files[CURVE] = table.to_csv(index=False, float_format="%.6g").encode()
        files[CURVE_FIGURE] = figure(table, evolution.config.evaluation.reference)
    return write_files(evolution.folder, files)


def record(evolution: MetaEvolution) -> dict[str, Any]:
    """The configuration, how far it ran and how long, and with what."""
    progress = evolution.progress
    return {
        "config": evolution.config.model_dump(mode="json"),
        "meta_generations": progress.generation,
        "seconds": round(float(progress.seconds.sum()), 1),
        "devices": len(jax.local_devices()),
        "parameters": int(progress.state.mean.size),
        "provenance": provenance("float32", "meta-train"),
    }


def curve(evolution: MetaEvolution) -> pd.DataFrame:
    """One row an evaluation and task: ``meta_generation``, ``split``, ``task``, ``precision``, ``ratio``."""
    assert evolution.evaluator is not None
    progress, tasks = evolution.progress, evolution.evaluator.tasks
    parts = [
        tasks.assign(meta_generation=generation, precision=-mean_best, ratio=ratios(mean_best, evolution.reference))
        for generation, mean_best in zip(progress.evaluated, progress.mean_best, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)[["meta_generation", "split", "task", "precision", "ratio"]]


def figure(table: pd.DataFrame, reference: str) -> bytes:
    """The geometric mean ratio over meta-generations, for each split, as SVG."""
    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(6, 3.6), layout="constrained")
        axes = drawing.subplots()
        for split, part in table.groupby("split", sort=True):
            # NumPy's logarithm and exponential depend on the processor in the last digit.
            means = part["ratio"].map(math.log).groupby(part["meta_generation"]).mean().map(math.exp)
            axes.plot(means.index, means, color=_COLORS[str(split)], label=f"{split} tasks")
        axes.axhline(1, color="0.4", linewidth=0.8)
        axes.set(yscale="log", xlabel="meta-generation", ylabel=f"precision / {reference}'s (lower is better)")
        axes.legend(frameon=False)
        return svg_bytes(drawing)
