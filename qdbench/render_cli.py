"""``qdbench render``: a picture of what a solution does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qdbench.terminal import console, friendly_errors

if TYPE_CHECKING:
    import numpy as np

    from qdbench.protocols import Task


def render(
    task: Annotated[str, typer.Argument(help="The id of a task of control, such as Neuro-Pendulum-v0.")],
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A result that was run with --keep-solutions (its best elite is drawn), or weights as a .npy file. "
            "Default: random weights."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file; any format but .gif gets the first state only.")] = Path(
        "episode.gif"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of the episode, and of random weights.")] = 0,
) -> None:
    """Draw an episode of a solution.

    [b]qdbench render Neuro-Breakout-v0 results/mine/Neuro-Breakout-v0/gaussian-ga/000-....safetensors[/b]
    """
    with friendly_errors():
        from qdbench.random import key_from_names
        from qdbench.tasks.neuroevolution.control import Control
        from qdbench.tasks.neuroevolution.drawing import save

        made, solution = _given(task, source, seed)
        if not isinstance(made, Control):
            raise ValueError(f"{task} has no episodes to draw: a task of control has, such as Neuro-Pendulum-v0")
        trajectory = made.rollout(key_from_names("render", seed), solution)
        count = save(trajectory, out)
    console.print(
        f"{out}: {count} pictures of {len(trajectory.rewards)} steps, return {trajectory.rewards.sum():.6g}",
        soft_wrap=True,
        highlight=False,
    )


def _given(id: str, source: Path | None, seed: int) -> tuple[Task, np.ndarray]:
    """The task, with the arguments of the result if there is one, and the weights."""
    import numpy as np

    from qdbench.api import make
    from qdbench.harness import store

    if source is None:
        task = make(id)
        weights = np.random.default_rng(seed).standard_normal(task.spec.dim)
        return task, task.spec.start.mean + task.spec.start.scale * weights
    if not source.is_file():
        raise FileNotFoundError(f"there is no file {source}")
    if source.suffix == ".npy":
        return make(id), np.load(source, allow_pickle=False)
    result = store.load(source)
    spec, archive = result.record.config.task, result.archive
    if spec.id != id:
        raise ValueError(f"{source} is a result on {spec.id}, not on {id}")
    if archive is None or archive.solutions is None or not archive.size:
        raise ValueError(f"{source} holds no solutions: run the trial with --keep-solutions")
    arguments: dict[str, Any] = spec.arguments
    return make(id, **arguments), archive.solutions[int(np.argmax(archive.objective))]
