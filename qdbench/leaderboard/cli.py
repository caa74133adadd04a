"""``qdbench verify``, ``cite``, ``submit``, ``leaderboard lint``: what is done with results beside building boards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from qdbench.terminal import console, errors, friendly_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qdbench.leaderboard.audit import Finding
    from qdbench.leaderboard.verify import Report


def verify(
    results: Annotated[Path, typer.Argument(help="Folder of results, or of a board with its results.")],
    trials: Annotated[int, typer.Option(min=0, help="Finished trials to draw at random and run again.")] = 5,
    trial: Annotated[
        list[str] | None, typer.Option(help="Run this trial again, by its digest or its beginning; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides which trials are drawn.")] = 0,
) -> None:
    """Check results: files and records fit together, archives and a sample of trials give the same again.

    Everything is audited (hashes, names, traces, archives, missing repetitions). Archives with solutions (of runs with
    --keep-solutions) are evaluated again. A sample of trials runs again from their records alone. Exits with 1 if
    anything is wrong.

    [b]qdbench verify leaderboards/dqd --trials 5[/b]

    [b]qdbench verify results/mine --trial 78c6de25[/b]
    """
    from qdbench.leaderboard.verify import verify as check

    with friendly_errors():
        report = check(
            results,
            trials,
            trial or (),
            seed,
            lambda place: errors.print(f"[dim]{escape(place)}[/dim]", soft_wrap=True),
        )
    _show(report)
    if not report.agrees:
        raise typer.Exit(1)


def cite(
    results: Annotated[Path | None, typer.Argument(help="Folder of results, or of a board with its results.")] = None,
    suite: Annotated[str | None, typer.Option(help="A suite's name or the path of a .toml file.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="A task id; may be repeated.")] = None,
    optimizer: Annotated[list[str] | None, typer.Option(help="An optimizer id; may be repeated.")] = None,
) -> None:
    """Print what to cite: a sentence and BibTeX for exactly what a run, a suite or a task uses.

    The sentence names versions, arguments and fingerprints. Of several variants of one task, it names the first 16
    digits of the SHA-256 of their sorted fingerprints.

    [b]qdbench cite leaderboards/dqd > references.bib[/b]

    [b]qdbench cite --task Arm-v0 --optimizer cma-mega[/b]
    """
    from qdbench.leaderboard import cite as citing

    with friendly_errors():
        if sum(map(bool, (results, suite, task or optimizer))) != 1:
            raise ValueError("name a folder of results, or --suite, or --task and --optimizer")
        if results:
            use = citing.of_results(results)
        elif suite:
            from qdbench.harness.suite import load_suite

            chosen = load_suite(suite)
            use = citing.of_choices(chosen.all_tasks(), [id for id, _ in chosen.all_optimizers()])
        else:
            use = citing.of_choices([(id, {}) for id in task or ()], optimizer or ())
        citation = citing.cite(use)
    # BibTeX ignores what is outside of entries, so the output is a .bib file with the sentence on top.
    typer.echo(f"{citation.sentence}\n\n{citation.bibtex}")


def submit(
    results: Annotated[Path, typer.Argument(help="Folder of the run.")],
    suite: Annotated[str, typer.Option(help="The suite that was run.")],
    name: Annotated[str, typer.Option(help="Name of the submission, such as [b]my-search[/b].")],
    out: Annotated[Path | None, typer.Option(help="Folder to write. Default: submissions/NAME.")] = None,
    summary: Annotated[str, typer.Option(help="What is submitted, in a sentence.")] = "",
    partial: Annotated[str, typer.Option(help="Why not everything of the suite is there, if it is not.")] = "",
) -> None:
    """Turn a run into the one folder that a pull request adds, and lint it.

    [b]qdbench submit results/dqd --suite dqd --name my-search[/b]
    """
    from qdbench.leaderboard.lint import lint as check
    from qdbench.leaderboard.submission import submit as write

    with friendly_errors():
        folder = out or Path("submissions") / name
        card = write(results, folder, suite, name, summary, partial)
        findings = check(folder)
    console.print(f"{card.trials:,} finished and {card.failures:,} failed trials in {folder}", highlight=False)
    _exit_from(findings)


def lint(
    submission: Annotated[Path, typer.Argument(help="Folder of the submission.")],
    against: Annotated[Path | None, typer.Option(help="Results of the board, to find duplicates and drift.")] = None,
) -> None:
    """Check a submission: schema, completeness, fingerprints, duplicates, drift, size. Exits with 1 on any finding.

    [b]qdbench leaderboard lint submissions/my-search --against leaderboards/dqd/results[/b]
    """
    from qdbench.leaderboard.lint import lint as check

    with friendly_errors():
        findings = check(submission, against)
    _exit_from(findings)


def _exit_from(findings: Sequence[Finding]) -> None:
    if findings:
        console.print(_findings_table("Findings", findings))
        raise typer.Exit(1)
    console.print("nothing was found", highlight=False)


def _findings_table(title: str, findings: Sequence[Finding]) -> Table:
    table = Table("finding", "where", "what", title=title, title_justify="left")
    for finding in findings:
        table.add_row(f"[red]{finding.kind}[/red]", escape(finding.place), escape(finding.reason))
    return table


def _show(report: Report) -> None:
    if report.findings:
        console.print(_findings_table("Audit", report.findings))
    if report.archives:
        heads = ("task", "optimizer", "repetition", "elites", "largest difference", "agrees")
        table = Table(*heads, title="Archives, evaluated again", title_justify="left")
        for entry in report.archives:
            cells = (entry.task, entry.optimizer, str(entry.repetition), str(entry.elites), f"{entry.difference:.1e}")
            table.add_row(*cells, "yes" if entry.agrees else "[red]no[/red]")
        console.print(table)
    if report.reruns:
        table = Table(
            "trial", "verdict", "difference", "tolerance", "note", title="Trials, run again", title_justify="left"
        )
        for rerun in report.reruns:
            verdict = rerun.verdict if rerun.agrees else f"[red]{rerun.verdict}[/red]"
            numbers = (f"{rerun.difference:.1e}", f"{rerun.tolerance:.0e}")
            table.add_row(escape(rerun.place), verdict, *numbers, escape(rerun.note))
        console.print(table)
    good = sum(rerun.agrees for rerun in report.reruns)
    console.print(
        f"{report.trials:,} finished trials audited, {len(report.findings)} findings; "
        f"{sum(entry.agrees for entry in report.archives)} of {len(report.archives)} archives agree; "
        f"{good} of {len(report.reruns)} trials agree.",
        highlight=False,
        soft_wrap=True,
    )
