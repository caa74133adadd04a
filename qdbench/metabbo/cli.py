"""``qdbench meta-train``: evolves an optimizer's arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qdbench.harness.cores import available_cores
from qdbench.terminal import console, errors, friendly_errors, named_values


def meta_train(
    optimizer: Annotated[
        str, typer.Argument(help="Whose presets are meant, such as [b]lga[/b]; with --config, a name for the output.")
    ],
    preset: Annotated[str, typer.Option(help="[b]smoke[/b] (a minute), [b]cpu[/b] (an hour) or [b]paper[/b].")] = "cpu",
    config: Annotated[Path | None, typer.Option(help="A .toml file instead of a preset.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="An entry to change, as [b]members=64[/b] (TOML after the =); may be repeated."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything. Default: the configuration's.")] = None,
    devices: Annotated[
        int | None, typer.Option(min=1, help="CPU devices to spread the meta-population over. Default: the cores.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the checkpoint, the parameters, their record and the curve.")
    ] = Path("meta"),
) -> None:
    """Evolve the arrays of an optimizer on a distribution of tasks (meta-black-box optimization).

    Writes a checkpoint every few meta-generations; the same command resumes. At the end: parameters.safetensors,
    record.json, curve.csv and curve.svg.

    [b]qdbench meta-train lga --preset smoke --out meta/smoke[/b]

    [b]qdbench meta-train lga --preset cpu --seed 1 --out meta/lga-1[/b]

    [b]qdbench meta-train lga --preset cpu --set mean_decay=0.02 --set members=64 --out meta/decay[/b]
    """
    try:
        with friendly_errors():
            changes = named_values(set_ or [])
            if seed is not None:
                changes["seed"] = seed
            _use_devices(devices or len(available_cores()))
            from qdbench.metabbo import config as configs
            from qdbench.metabbo.display import run_with_progress

            chosen = configs.load_config(config, changes) if config else configs.load_preset(optimizer, preset, changes)
            run_with_progress(chosen, out, console)
    except KeyboardInterrupt:
        errors.print("[yellow]Interrupted.[/yellow] The last checkpoint is kept; the same command resumes.")
        raise typer.Exit(130) from None


def _use_devices(count: int) -> None:
    """Makes JAX see several CPU devices, one a core; it must not have computed anything yet."""
    import jax

    jax.config.update("jax_num_cpu_devices", count)
