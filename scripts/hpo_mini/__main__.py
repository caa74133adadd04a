"""Makes HPO-Mini: real runs of scikit-learn's models, and surrogates of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from qdbench.terminal import console
from scripts.hpo_mini import runs

app = typer.Typer(help=__doc__, no_args_is_help=True)

Work = Annotated[Path, typer.Option(help="Folder of the chunks that have been run; the same command resumes.")]
Count = Annotated[int, typer.Option(min=50, help="Random configurations of each task.")]
Seed = Annotated[int, typer.Option(min=0, help="Of configurations, folds and models.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]

_WORK = Path("hpo-mini-runs")


@app.command("run")
def run_configurations(work: Work = _WORK, count: Count = 1000, seed: Seed = 0, jobs: Jobs = 2) -> None:
    """Run the configurations: about two hours on one core."""
    with Progress(console=console) as bar:
        task = bar.add_task("configurations", total=count * len(runs.tasks()))
        for space, dataset, done in runs.run(work, count, seed, jobs):
            bar.update(task, advance=done, description=f"{space} on {dataset}")


if __name__ == "__main__":
    app()
