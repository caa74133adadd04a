"""The command line. ``qdbench --help`` imports neither JAX nor pandas; commands import what they need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from qdbench.check_cli import check_app
from qdbench.data_cli import data_app
from qdbench.interop.cli import export_app
from qdbench.leaderboard.cli import cite, lint, submit, verify
from qdbench.leaderboard.plot_cli import plot_app
from qdbench.leaderboard.tuned.cli import tuned_board
from qdbench.metabbo.cli import meta_train
from qdbench.metabbo.report_cli import report_app
from qdbench.program_cache import keep_programs
from qdbench.render_cli import render
from qdbench.terminal import console, errors, exit_from_check, friendly_errors

if TYPE_CHECKING:
    from qdbench.registry import Entry

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
app.add_typer(data_app, name="data")
app.add_typer(export_app, name="export")
app.add_typer(check_app, name="check")
app.add_typer(plot_app, name="plot")
board_app.command("tuned")(tuned_board)
app.command("verify")(verify)
app.command("cite")(cite)
app.command("submit")(submit)
board_app.command("lint")(lint)
app.command("meta-train")(meta_train)
app.command("render")(render)
app.add_typer(report_app, name="meta-report")


@list_app.command("tasks")
def list_tasks() -> None:
    """The registered tasks."""
    import qdbench.tasks  # noqa: F401  (registers the ids)
    from qdbench.registry import TASKS

    _listing("Tasks", [(entry.id, _summary_of(entry), entry.origin) for entry in TASKS])


@list_app.command("optimizers")
def list_optimizers() -> None:
    """The registered optimizers."""
    import baselines  # noqa: F401  (registers the ids)
    from qdbench.registry import OPTIMIZERS

    _listing("Optimizers", [(entry.id, _summary_of(entry), entry.origin) for entry in OPTIMIZERS])


@list_app.command("suites")
def list_suites() -> None:
    """The suites that come with qdbench."""
    from qdbench.harness.suite import load_suite, suite_names

    _listing("Suites", [(name, load_suite(name).summary) for name in suite_names()])


@app.command()
def run(
    suite: Annotated[str | None, typer.Option(help="A suite's name or the path of a .toml file.")] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="A task id; may be repeated. Default: the suite's. One that the suite has keeps its arguments."
        ),
    ] = None,
    optimizer: Annotated[
        list[str] | None,
        typer.Option(
            help="An id, [b]module:Class[/b] or [b]file.py:Class[/b]; may be repeated. Default: the suite's. One that "
            "the suite has keeps its hyperparameters."
        ),
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option(help="Like --optimizer, but beside the suite's own; may be repeated.")
    ] = None,
    repetitions: Annotated[int | None, typer.Option(min=1, help="Repetitions 0 .. N-1. Default: the suite's.")] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Evaluations a trial. Default: the suite's.")] = None,
    executor: Annotated[
        str, typer.Option(help="Where trials run: [b]local[/b] (this machine), [b]ray[/b] or [b]slurm[/b] (clusters).")
    ] = "local",
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many work at a time. Default: 1 local process (each is pinned to its share of the cores), all "
            "that a Ray cluster has room for, 32 SLURM jobs.",
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="Only the k-th of n parts, as [b]k/n[/b]: one part a machine, in any order.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds a trial may take, compilation included; then it is stopped, and failed."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="Of a Ray cluster, as HOST:6379 or [b]auto[/b]. Default: RAY_ADDRESS, or a new one on this machine."
        ),
    ] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="Cores of a worker of Ray or SLURM. Default: 1.")] = None,
    gpus: Annotated[
        float | None, typer.Option(min=0, help="GPUs of a worker of Ray or SLURM; Ray shares one at a fraction.")
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(
            help="A parameter of submitit, such as [b]slurm_partition=gpu[/b] or [b]timeout_min=240[/b] (of a SLURM "
            "job, of some 10 trials; default 60); may be repeated. [b]cluster=local[/b] tries it without SLURM."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results, one file a trial.")] = Path("results"),
    keep_solutions: Annotated[
        bool, typer.Option(help="Store the elites' parameters too (40 MB a trial on the 1000-parameter tasks).")
    ] = False,
) -> None:
    """Run trials: a suite, or chosen tasks and optimizers. Finished trials are kept, and a second call resumes.

    [b]qdbench run --suite quick --out results/quick --jobs 2[/b]

    [b]qdbench run --task LP-Sphere-v0 --optimizer cma-mega --out results/mine[/b]

    [b]qdbench run --suite quick --add my_search.py:MySearch --out results/quick[/b]

    [b]qdbench run --suite bbob-coco --shard 1/4 --jobs 2 --out results/bbob-coco[/b]

    [b]qdbench run --suite dqd --executor ray --address auto --out results/dqd[/b]
    """
    from qdbench.harness.budget import Budget
    from qdbench.harness.display import run_with_progress
    from qdbench.harness.executors import Settings
    from qdbench.harness.executors import make as make_executor
    from qdbench.harness.experiment import plan
    from qdbench.harness.experiment import shard as part_of
    from qdbench.harness.store import StoreError
    from qdbench.harness.suite import load_suite, named

    with friendly_errors():
        chosen = load_suite(suite) if suite else None
        tasks = named(task, chosen.all_tasks() if chosen else [])
        optimizers = named(optimizer, chosen.all_optimizers() if chosen else [])
        optimizers += [(id, {}) for id in add or ()]
        if not (tasks and optimizers):
            raise ValueError("name a suite (--suite quick), or at least one --task and one --optimizer")
        count = repetitions or (chosen.repetitions if chosen else 1)
        rule = chosen.rule() if chosen and budget is None else Budget(budget)
        _check_names([id for id, _ in tasks], [id for id, _ in optimizers])
        planned = plan(tasks, optimizers, range(count), rule, keep_solutions)
        if shard:
            planned = part_of(planned, *_fraction(shard))
        parameters = dict(_setting(item, "--slurm") for item in slurm) if slurm else None
        chosen_executor = make_executor(executor, Settings(jobs, timeout, address, cpus, gpus, parameters))
        try:
            failures = run_with_progress(planned, out, chosen_executor, console)
        except StoreError as error:
            errors.print(f"[red]{escape(str(error))}[/red]\nFinished trials are kept; the same command resumes.")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            errors.print("[yellow]Interrupted.[/yellow] Finished trials are kept; the same command resumes.")
            raise typer.Exit(130) from None
    if failures:
        raise typer.Exit(1)


@app.command()
def tune(
    optimizer: Annotated[str, typer.Argument(help="The id of a registered optimizer.")],
    suite: Annotated[str, typer.Option(help="The suite whose tasks, budget and fixed hyperparameters count.")],
    task: Annotated[list[str] | None, typer.Option(help="Only tasks of this id; may be repeated.")] = None,
    function: Annotated[list[int] | None, typer.Option(help="Only tasks with this argument; may be repeated.")] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(help="What to try, as [b]sigma=0.1,0.25[/b]; may be repeated. Default: the paper's grid."),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(help="A hyperparameter, as [b]batch_size=32[/b] or [b]parameters=my.safetensors[/b]."),
    ] = None,
    repetitions: Annotated[int | None, typer.Option(min=1, help="Trials of each cell. Default: the suite's.")] = None,
    first_repetition: Annotated[
        int, typer.Option(min=0, help="The first of them; 1000 keeps them apart from those of a board.")
    ] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("tuned"),
) -> None:
    """Tune an optimizer: try a grid of hyperparameters on the tasks of a suite, one program for each task.

    The default grid is elite_ratio 0, .15, .25, .35, .5, 1 x sigma .1, .25, .5, .75, 1, as far as the optimizer has
    them; on tasks with networks the smaller one of the paper for robots, games or images. Writes tune.json (choices,
    rule, evidence), trials.csv, tune.md and a heat map.

    [b]qdbench tune gaussian-ga --suite bbob-lga --repetitions 10 --out tuned/gaussian-ga[/b]

    [b]qdbench tune sep-cma-es --suite bbob-lga --function 1 --grid sigma=0.5,1,2 --out tuned/sep-cma-es[/b]
    """
    from rich.progress import Progress

    from qdbench.harness import tune_report
    from qdbench.harness.suite import load_suite, named
    from qdbench.harness.tune import tune as try_grid

    with friendly_errors():
        _check_names([], [optimizer])
        chosen = load_suite(suite)
        tasks = [
            (id, arguments)
            for id, arguments in chosen.all_tasks()
            if (not task or id in task) and (not function or arguments.get("function") in function)
        ]
        if not tasks:
            raise ValueError(f"suite {suite!r} has no such task")
        settings = [given for _, given in named([optimizer], chosen.all_optimizers())]
        fixed = dict(_setting(item, "--fix") for item in fix or ())
        if len(settings) > 1 and not fixed:
            raise ValueError(f"suite {suite!r} has {len(settings)} settings of {optimizer!r}: fix one, as --fix NAME=1")
        wanted = dict(_numbers(item) for item in grid) if grid else None
        with Progress(console=console) as progress:
            bar = progress.add_task("compiling", total=1.0)
            tuned = try_grid(
                optimizer,
                tasks,
                chosen.rule(),
                repetitions or chosen.repetitions,
                wanted,
                fixed or settings[0],
                lambda fraction, label: progress.update(bar, completed=fraction, description=label),
                first_repetition,
            )
        files = tune_report.write(tuned, chosen.name, out)
    console.print(tune_report.summary(tuned))
    console.print(f"written: {', '.join(str(path) for path in files)}", soft_wrap=True, highlight=False)


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

    with friendly_errors():
        if check:
            exit_from_check(differing(results, out, title), "results")
        built = build(results, out, title)
    console.print(terminal_table(built.board))
    for problem in built.board.results.problems:
        errors.print(f"[yellow]{problem.kind}[/yellow] {escape(f'{problem.file}: {problem.reason}')}", highlight=False)
    console.print(f"HTML page: [b]{(out / 'index.html').resolve()}[/b]", soft_wrap=True, highlight=False)


@board_app.command("site")
def build_site(
    root: Annotated[Path, typer.Argument(help="Folder of boards, each a folder with its results.")],
    check: Annotated[bool, typer.Option(help="Write nothing; fail if the files there are not what would be.")] = False,
) -> None:
    """Rebuild every board below a folder, and the page that lists them.

    [b]qdbench leaderboard site leaderboards --check[/b]
    """
    from qdbench.leaderboard.site.overview import build_all

    with friendly_errors():
        files = build_all(root, check, lambda name: errors.print(f"[dim]{escape(name)}[/dim]", highlight=False))
        if check:
            exit_from_check(files, "results")
    console.print(f"HTML page: [b]{(root / 'index.html').resolve()}[/b]", soft_wrap=True, highlight=False)


@board_app.command("compact")
def compact_results(
    results: Annotated[Path, typer.Argument(help="Folder of the results.")],
    out: Annotated[Path, typer.Option(help="Folder of the compact copy.")],
    pack: Annotated[
        bool, typer.Option("--pack", help="One Parquet file a task and optimizer, without archives: for many trials.")
    ] = False,
) -> None:
    """Copy results without solutions, with archives for repetition 0 only: small enough to commit.

    Boards are built from single files and packs alike.

    [b]qdbench leaderboard compact results/bbob-lga --out leaderboards/bbob-lga/results --pack[/b]
    """
    from qdbench.leaderboard.build import compact

    with friendly_errors():
        problems = compact(results, out, packed=pack)
    for problem in problems:
        errors.print(f"[yellow]not copied[/yellow] {escape(f'{problem.file}: {problem.reason}')}", highlight=False)
    console.print(f"compact copy in {out}", highlight=False)


def main() -> None:
    """The entry point of the command ``qdbench``."""
    keep_programs()
    app()


def _listing(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    """Prints a table of ids, what they are and, if the rows say so, whose code they are."""
    table = Table(title=title, title_justify="left")
    table.add_column("id", no_wrap=True)
    table.add_column("what it is")
    if any(len(row) > 2 for row in rows):
        table.add_column("from", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _summary_of(entry: Entry) -> str:
    successor = f"superseded by {entry.superseded_by}: " if entry.superseded_by else ""
    return successor + entry.summary


def _check_names(tasks: list[str], optimizers: list[str]) -> None:
    """Fails on a misspelt name before anything runs."""
    import baselines  # noqa: F401  (registers the ids)
    import qdbench.tasks  # noqa: F401
    from qdbench.harness.plugins import load_optimizer
    from qdbench.registry import OPTIMIZERS, TASKS

    entries = [TASKS.entry(id) for id in tasks]
    for id in optimizers:
        if id in OPTIMIZERS:
            entries.append(OPTIMIZERS.entry(id))
        else:
            load_optimizer(id)
    for entry in {entry.id: entry for entry in entries if entry.superseded_by}.values():
        errors.print(f"[yellow]{entry.id} is superseded by {entry.superseded_by}[/yellow]: new work should use that")


def _numbers(text: str) -> tuple[str, tuple[int | float, ...]]:
    """Reads ``name=1,0.5``."""
    name, _, values = text.partition("=")
    try:
        return name, tuple(int(value) if value.strip().isdecimal() else float(value) for value in values.split(","))
    except ValueError:
        raise ValueError(f"{text!r} should be a name and numbers, such as sigma=0.1,0.25") from None


def _setting(text: str, option: str) -> tuple[str, int | float | str]:
    """Reads what an option is given, ``name=1`` or ``name=text``."""
    name, separator, value = text.partition("=")
    if not name or not separator or not value:
        raise ValueError(f"{option} is NAME=VALUE, such as batch_size=32, but it is {text!r}")
    try:
        numbers = _numbers(text)[1]
    except ValueError:
        return name, value
    return name, numbers[0] if len(numbers) == 1 else value


def _fraction(shard: str) -> tuple[int, int]:
    index, _, count = shard.partition("/")
    if not (index.isdecimal() and count.isdecimal()):
        raise ValueError(f"--shard is k/n, such as 1/4, but it is {shard!r}")
    return int(index), int(count)


if __name__ == "__main__":
    main()
