"""A live display of a meta-evolution, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console

from qdbench.harness.display import counting
from qdbench.harness.store import check_writable
from qdbench.metabbo import report
from qdbench.metabbo.config import MetaConfig
from qdbench.metabbo.evaluation import geometric_mean
from qdbench.metabbo.train import MetaEvolution


def run_with_progress(config: MetaConfig, folder: Path, console: Console) -> None:
    """Runs a meta-evolution to its end with a progress bar, printing every evaluation, and writes its files.

    Raises:
        StoreError: If the folder cannot be written, or has a checkpoint of another configuration.
    """
    check_writable(folder)
    with console.status("Making tasks and compiling inner loops (a minute)"):
        evolution = MetaEvolution(config, folder)
    done = evolution.progress.generation
    if done:
        console.print(f"Resuming after {done} meta-generations.", highlight=False)
    with counting("meta-generations", console) as bar:
        task = bar.add_task("the first one compiles", total=config.meta_generations, completed=done)
        for step in evolution.steps():
            text = f"{step.progress.seconds[-1]:.2f} s each" if len(step.progress.seconds) else ""
            bar.update(task, completed=step.progress.generation, description=text)
            if step.ratios is not None and evolution.evaluator is not None:
                line = summary(evolution.evaluator.tasks["split"].to_numpy(), step.ratios)
                bar.console.print(f"{step.progress.generation:6d}  {line}", highlight=False, soft_wrap=True)
    for path in report.write(evolution):
        console.print(f"wrote {path}", highlight=False)


def summary(splits: np.ndarray, ratios: np.ndarray) -> str:
    """Such as ``precision / reference's: seen 0.61 (8 of 10 better), unseen 0.55 (11 of 14 better)``."""
    parts = []
    for split in dict.fromkeys(splits):
        some = ratios[splits == split]
        parts.append(f"{split} {geometric_mean(some):.3g} ({(some < 1).sum()} of {len(some)} better)")
    return f"precision / reference's: {', '.join(parts)}"
