"""``qdbench check``: the contract tests from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from qdbench.terminal import console, errors, friendly_errors, named_values

if TYPE_CHECKING:
    from qdbench.testing.rule import Rule

check_app = typer.Typer(help="Try the contract's rules on a task or an optimizer.", no_args_is_help=True)

_Settings = Annotated[
    list[str] | None, typer.Option("--set", help="An argument of the task, as [b]dim=10[/b]; may be repeated.")
]


@check_app.command("task")
def check_task(
    name: Annotated[str, typer.Argument(help="The id of a registered task.")], settings: _Settings = None
) -> None:
    """Try all rules for tasks (docs/rules.md); fails if one is broken.

    [b]qdbench check task LP-Sphere-v0 --set dim=10[/b]
    """
    with friendly_errors():
        from qdbench import testing

        subject = testing.task_subject(name, **named_values(settings or ()))
        _report(subject, testing.TASK_RULES)


@check_app.command("optimizer")
def check_optimizer(
    name: Annotated[str, typer.Argument(help="An id, [b]module:Class[/b] or [b]file.py:Class[/b].")],
    task: Annotated[str, typer.Option(help="The id of the task that it is tried on.")] = "LP-Sphere-v0",
    settings: _Settings = None,
) -> None:
    """Try all rules for optimizers (docs/rules.md); fails if one is broken.

    [b]qdbench check optimizer my_search.py:MySearch --set dim=20[/b]
    """
    with friendly_errors():
        from qdbench import make, testing

        arguments = named_values(settings or ()) or ({"dim": 20} if task == "LP-Sphere-v0" else {})
        subject = testing.optimizer_subject(name, make(task, **arguments))
        _report(subject, testing.OPTIMIZER_RULES)


def _report(subject: Any, rules: tuple[Rule, ...]) -> None:
    """Prints a line for each rule, and what is broken; exits with 1 if anything is."""
    broken = 0
    for rule in rules:
        violation = rule.violation(subject)
        broken += violation is not None
        if violation is None:
            console.print(f"[green]ok[/green]      {rule.code} {rule.title}", soft_wrap=True, highlight=False)
        else:
            errors.print(f"[red]broken[/red]  {escape(violation)}", soft_wrap=True, highlight=False)
    console.print(f"{subject.name}: {len(rules) - broken} of {len(rules)} rules kept", highlight=False)
    if broken:
        raise typer.Exit(1)
