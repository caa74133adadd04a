"""Makes HPO-Mini: real runs of scikit-learn's models, and surrogates of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.progress import Progress

from qdbench.tasks.hpob.importing import import_surrogates
from qdbench.terminal import console
from scripts.hpo_mini import fit, runs
from scripts.hpo_mini.spaces import SPACES

app = typer.Typer(help=__doc__, no_args_is_help=True)

Work = Annotated[Path, typer.Option(help="Folder of the chunks that have been run; the same command resumes.")]
Count = Annotated[int, typer.Option(min=50, help="Random configurations of each task.")]
Seed = Annotated[int, typer.Option(min=0, help="Of configurations, folds and models.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]

_WORK = Path("hpo-mini-runs")
_OUT = Path("qdbench/tasks/hpob/mini_data")


@app.command("run")
def run_configurations(work: Work = _WORK, count: Count = 1000, seed: Seed = 0, jobs: Jobs = 2) -> None:
    """Run the configurations: about an hour on one core."""
    with Progress(console=console) as bar:
        task = bar.add_task("configurations", total=count * len(runs.tasks()))
        for space, dataset, done in runs.run(work, count, seed, jobs):
            bar.update(task, advance=done, description=f"{space} on {dataset}")


@app.command("fit")
def fit_surrogates(
    work: Work = _WORK,
    count: Count = 1000,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Folder of the tables, the packed surrogates and their errors.")] = _OUT,
) -> None:
    """Fit and pack the surrogates once everything has run: ten minutes on one core."""
    tables = {task: runs.table(work, *task, count, seed) for task in runs.tasks()}
    models = work / "models"
    with Progress(console=console) as bar:
        task = bar.add_task("surrogates", total=len(tables))
        quality = []
        for row in fit.write_models(tables, models, seed):
            quality.append(row)
            bar.update(task, advance=1, description=f"{row['space']} on {row['dataset']}")
    out.mkdir(parents=True, exist_ok=True)
    import_surrogates(models, out / "surrogates.npz", every_split=True)
    for space in SPACES:
        parts = [table.assign(dataset=dataset) for (name, dataset), table in tables.items() if name == space]
        pd.concat(parts).to_parquet(out / f"{space}.parquet", index=False, compression="zstd")
    pd.DataFrame(quality).to_csv(out / "errors.csv", index=False, float_format="%.4g")
    console.print(f"wrote {out}", highlight=False)


if __name__ == "__main__":
    app()
