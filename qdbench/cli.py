"""The command line. ``qdbench --help`` imports neither JAX nor pandas; commands import what they need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    name="qdbench",
    help="Standard tasks, reference optimizers and leaderboards for quality diversity and evolutionary computation.",
    epilog="Start with: qdbench run --suite quick --out results/quick --jobs 2",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
list_app = typer.Typer(help="List tasks, optimizers or suites.", no_args_is_help=True)
board_app = typer.Typer(help="Build leaderboards from stored results.", no_args_is_help=True)
app.add_typer(list_app, name="list")
app.add_typer(board_app, name="leaderboard")

console = Console()
errors = Console(stderr=True)


@list_app.command("tasks")
def list_tasks() -> None:
    """The registered tasks."""
    import qdbench.tasks  # noqa: F401  (registers the ids)
    from qdbench.registry import TASKS

    _listing("Tasks", [(entry.id, entry.summary) for entry in TASKS])


@list_app.command("optimizers")
def list_optimizers() -> None:
    """The registered optimizers."""
    import baselines  # noqa: F401  (registers the ids)
    from qdbench.registry import OPTIMIZERS

    _listing("Optimizers", [(entry.id, entry.summary) for entry in OPTIMIZERS])


@list_app.command("suites")
def list_suites() -> None:
    """The suites that come with qdbench."""
    from qdbench.harness.suite import load_suite, suite_names

    _listing("Suites", [(name, load_suite(name).summary) for name in suite_names()])


@app.command()
def run(
    suite: Annotated[str | None, typer.Option(help="A suite's name or the path of a .toml file.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="A task id; may be repeated. Default: the suite's.")] = None,
    optimizer: Annotated[
        list[str] | None,
        typer.Option(help="An id, [b]module:Class[/b] or [b]file.py:Class[/b]; may be repeated. Default: the suite's."),
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option(help="Like --optimizer, but beside the suite's own; may be repeated.")
    ] = None,
    repetitions: Annotated[int | None, typer.Option(min=1, help="Repetitions 0 .. N-1. Default: the suite's.")] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Evaluations a trial. Default: the suite's.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes, each pinned to its share of the cores.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder of the results, one file a trial.")] = Path("results"),
    keep_solutions: Annotated[
        bool, typer.Option(help="Store the elites' parameters too (40 MB a trial on the 1000-parameter tasks).")
    ] = False,
) -> None:
    """Run trials: a suite, or chosen tasks and optimizers. Finished trials are kept, and a second call resumes.

    [b]qdbench run --suite quick --out results/quick --jobs 2[/b]

    [b]qdbench run --task LP-Sphere-v0 --optimizer cma-mega --out results/mine[/b]

    [b]qdbench run --suite quick --add my_search.py:MySearch --out results/quick[/b]
    """
    from qdbench.harness.display import run_with_progress
    from qdbench.harness.executors import local
    from qdbench.harness.experiment import plan
    from qdbench.harness.store import StoreError
    from qdbench.harness.suite import load_suite

    with _friendly_errors():
        chosen = load_suite(suite) if suite else None
        tasks: list[tuple[str, dict[str, Any]]] = [(id, {}) for id in task or ()]
        optimizers: list[tuple[str, dict[str, Any]]] = [(id, {}) for id in optimizer or ()]
        if chosen is not None:
            tasks = tasks or [(choice.id, choice.arguments) for choice in chosen.tasks]
            optimizers = optimizers or [(choice.id, choice.hyperparameters) for choice in chosen.optimizers]
        optimizers += [(id, {}) for id in add or ()]
        if not (tasks and optimizers):
            raise ValueError("name a suite (--suite quick), or at least one --task and one --optimizer")
        count = repetitions or (chosen.repetitions if chosen else 1)
        evaluations = budget or (chosen.budget if chosen else None)
        _check_names([id for id, _ in tasks], [id for id, _ in optimizers])
        planned = plan(tasks, optimizers, range(count), evaluations, keep_solutions)
        executor = local.run_here if jobs == 1 else local.in_processes(jobs)
        try:
            failures = run_with_progress(planned, out, executor, console)
        except StoreError as error:
            errors.print(f"[red]{error}[/red]\nFinished trials are kept; the same command resumes.")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            errors.print("[yellow]Interrupted.[/yellow] Finished trials are kept; the same command resumes.")
            raise typer.Exit(130) from None
    if failures:
        raise typer.Exit(1)


@board_app.command("build")
def build_board(
    results: Annotated[Path, typer.Argument(help="Folder of the results.")],
    out: Annotated[Path, typer.Option(help="Folder of the board.")],
    title: Annotated[str | None, typer.Option(help="Title of the board.")] = None,
    check: Annotated[bool, typer.Option(help="Write nothing; fail if the files there are not what would be.")] = False,
) -> None:
    """Build a leaderboard (Markdown, CSV, HTML, figures) from result files alone."""
    from qdbench.leaderboard.build import build
    from qdbench.leaderboard.build import check as differing
    from qdbench.leaderboard.render import terminal_table

    with _friendly_errors():
        if check:
            changed = differing(results, out, title)
            for path in changed:
                errors.print(f"[red]{path} is not what the results give[/red]")
            raise typer.Exit(1 if changed else 0)
        built = build(results, out, title)
    console.print(terminal_table(built.board))
    for problem in built.board.results.problems:
        errors.print(f"[yellow]{problem.kind}[/yellow] {problem.file}: {problem.reason}", highlight=False)
    console.print(f"HTML page: [b]{(out / 'index.html').resolve()}[/b]", soft_wrap=True, highlight=False)


@board_app.command("compact")
def compact_results(
    results: Annotated[Path, typer.Argument(help="Folder of the results.")],
    out: Annotated[Path, typer.Option(help="Folder of the compact copy.")],
) -> None:
    """Copy results without solutions, with archives for repetition 0 only: small enough to commit."""
    from qdbench.leaderboard.build import compact

    with _friendly_errors():
        problems = compact(results, out)
    for problem in problems:
        errors.print(f"[yellow]not copied[/yellow] {problem.file}: {problem.reason}", highlight=False)
    console.print(f"compact copy in {out}", highlight=False)


@app.command()
def verify(
    results: Annotated[Path, typer.Argument(help="Folder of results that were run with --keep-solutions.")],
) -> None:
    """Evaluate every elite of the stored archives again and compare with what is stored."""
    from qdbench.harness.verify import verify_archives

    with _friendly_errors():
        reports = verify_archives(results)
        if not reports:
            raise ValueError(f"no archive in {results} holds solutions: run the trials with --keep-solutions")
    table = Table("task", "optimizer", "repetition", "elites", "largest difference", "agrees")
    for report in reports:
        table.add_row(
            report.task,
            report.optimizer,
            str(report.repetition),
            str(report.elites),
            f"{report.difference:.1e}",
            "yes" if report.agrees else "[red]no[/red]",
        )
    console.print(table)
    if not all(report.agrees for report in reports):
        raise typer.Exit(1)


def main() -> None:
    """The entry point of the command ``qdbench``."""
    app()


def _listing(title: str, rows: list[tuple[str, str]]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("id", no_wrap=True)
    table.add_column("what it is")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _check_names(tasks: list[str], optimizers: list[str]) -> None:
    """Fails on a misspelt name before anything runs."""
    import baselines  # noqa: F401  (registers the ids)
    import qdbench.tasks  # noqa: F401
    from qdbench.harness.plugins import load_optimizer
    from qdbench.registry import OPTIMIZERS, TASKS

    for id in tasks:
        TASKS.entry(id)
    for id in optimizers:
        if id not in OPTIMIZERS:
            load_optimizer(id)


@contextlib.contextmanager
def _friendly_errors() -> Iterator[None]:
    """Prints errors that say what to do, without a traceback, and exits with 2."""
    try:
        yield
    except (KeyError, ValueError, TypeError, ImportError, FileNotFoundError, RuntimeError) as error:
        if isinstance(error, typer.Exit | typer.Abort):
            raise
        errors.print(f"[red]error:[/red] {error}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    main()
