"""``qdbench meta-report ...``: figures and tables of finished meta-evolutions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from qdbench.terminal import console, friendly_errors

report_app = typer.Typer(
    help="Compare meta-evolutions, or look into what one has found.", no_args_is_help=True, rich_markup_mode="rich"
)


@report_app.command("compare")
def compare_runs(
    groups: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=DIR,DIR...",
            help="Groups of runs: a name and the --out folders of [b]qdbench meta-train[/b], which differ in the seed.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of curves.svg, tasks.svg, table.md and table.csv.")],
    task: Annotated[
        list[str] | None,
        typer.Option(help="A task for tasks.svg, as curve.csv names it; may be repeated. Default: two of each split."),
    ] = None,
) -> None:
    """Compare groups of finished meta-evolutions, such as three mean decays with three seeds each.

    The runs of a group must differ in their seed alone, and all must have been evaluated on the same tasks beside the
    same reference optimizer.

    [b]qdbench meta-report compare none=meta/a-1,meta/a-2 decay=meta/b-1,meta/b-2 --out meta/compared[/b]
    """
    with friendly_errors(OSError):
        named = parse_groups(groups)
        from qdbench.metabbo import compare, compare_figures

        _write(out, compare_figures.files(compare.read_groups(named), task or []))


@report_app.command("operators")
def show_operators(
    parameters: Annotated[Path, typer.Argument(help="A parameters.safetensors of the learned GA.")],
    out: Annotated[Path, typer.Option(help="Folder of operators.svg and operators.csv.")],
    dim: Annotated[int, typer.Option(min=2, help="Dimensions of the sphere.")] = 2,
    batch_size: Annotated[int, typer.Option(min=2, help="Children, and as many parents.")] = 16,
    sigma: Annotated[float, typer.Option(min=1e-20, max=1e6, help="Initial mutation rate.")] = 0.25,
    generations: Annotated[str, typer.Option(help="Which to draw.")] = "1,16,31,46",
    seed: Annotated[int, typer.Option(min=0, help="Of everything.")] = 0,
) -> None:
    """See a learned GA at work on the sphere: who replaces whom, and the children's mutation rates.

    The figure shows some generations, the table all up to the last of them.

    [b]qdbench meta-report operators meta/smoke/parameters.safetensors --out meta/operators[/b]
    """
    with friendly_errors(OSError):
        shown = parse_generations(generations)
        from qdbench.metabbo import operators_figure

        _write(out, operators_figure.files(parameters, shown, dim, batch_size, sigma, seed))


def parse_groups(texts: list[str]) -> dict[str, list[Path]]:
    """The folders of each group, by its name.

    Raises:
        ValueError: If one is not NAME=DIR,DIR..., or a name comes twice.
    """
    found: dict[str, list[Path]] = {}
    for text in texts:
        name, separator, rest = text.partition("=")
        folders = [part.strip() for part in rest.split(",")]
        if not separator or not name.strip() or not all(folders):
            raise ValueError(f"a group is NAME=DIR,DIR... such as decay=meta/1,meta/2, not {text!r}")
        if name.strip() in found:
            raise ValueError(f"the group {name.strip()!r} comes twice; separate its folders by commas instead")
        found[name.strip()] = [Path(folder) for folder in folders]
    return found


def parse_generations(text: str) -> list[int]:
    """The numbers in ascending order, each once.

    Raises:
        ValueError: If it is not a list of whole numbers from 1 on.
    """
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        numbers = [0]
    if numbers[0] < 1:
        raise ValueError(f"--generations takes whole numbers from 1 on, such as 1,16,31,46, not {text!r}")
    return numbers


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    from qdbench.harness.store import write_files

    for path in write_files(out, files):
        console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
