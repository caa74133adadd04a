"""The command line of the benchmarks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import peers as peers_benchmark
from benchmarks import profile as profile_benchmark
from benchmarks import scaling as scaling_benchmark
from benchmarks.display import console
from benchmarks.launch import available_cores

app = typer.Typer(
    name="python -m benchmarks",
    help="Speed of qdbench beside its peers, and where an iteration's time goes. "
    "Without a command: [b]peers[/b], then [b]scaling[/b], with the defaults (some 20 to 30 minutes).",
    epilog="Try it first with: python -m benchmarks peers --iterations 300 --rounds 1 --out /tmp/benchmark",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

_RESULTS = Path(__file__).resolve().parent / "results"
Out = Annotated[Path, typer.Option(help="Folder of the tables.")]
Rounds = Annotated[int, typer.Option(min=1, help="How often to measure; medians are reported.")]
Core = Annotated[int | None, typer.Option(help="The core to pin to. Default: the last one that may be used.")]


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Runs the two standard benchmarks if no command is given."""
    if context.invoked_subcommand is None:
        _need_pyribs()
        succeeded = peers_benchmark.run(_RESULTS, 10_000, 3, _core(None))
        succeeded &= scaling_benchmark.run(_RESULTS, 3, 2.0, 10_000, _core(None), 900.0)
        _leave(succeeded)


@app.command()
def peers(
    iterations: Annotated[int, typer.Option(min=1, help="Iterations of a search.")] = 10_000,
    rounds: Rounds = 3,
    out: Out = _RESULTS,
    core: Core = None,
) -> None:
    """CMA-MEGA, MAP-Elites (line) and CMA-ME beside pyribs, and beside QDax if it is installed."""
    _need_pyribs()
    _leave(peers_benchmark.run(out, iterations, rounds, _core(core)))


@app.command()
def scaling(
    iterations: Annotated[int, typer.Option(min=100, help="The most iterations of one measurement.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=0.01, help="About how long one measurement should run.")] = 2.0,
    rounds: Rounds = 3,
    timeout: Annotated[float, typer.Option(help="Seconds after which a point is given up.")] = 900.0,
    out: Out = _RESULTS,
    core: Core = None,
) -> None:
    """How the cost of an iteration grows with the dimension, the batch and the archive."""
    _leave(scaling_benchmark.run(out, rounds, seconds, iterations, _core(core), timeout))


@app.command()
def profile(
    seconds: Annotated[float, typer.Option(min=0.001, help="About how long one repetition should run.")] = 0.1,
    rounds: Rounds = 7,
    out: Out = _RESULTS,
    core: Core = None,
) -> None:
    """Where the time of an iteration goes, piece by piece, and how far each piece is from its floor."""
    _leave(profile_benchmark.run(out, rounds, seconds, _core(core)))


def _core(chosen: int | None) -> int | None:
    cores = available_cores()
    if not cores:
        console.print("this system cannot pin a process to a core: timings will vary more", highlight=False)
        return None
    if chosen is None:
        return cores[-1]
    if chosen not in cores:
        raise typer.BadParameter(f"core {chosen} may not be used; those that may: {', '.join(map(str, cores))}")
    return chosen


def _need_pyribs() -> None:
    if importlib.util.find_spec("ribs") is None:
        console.print("pyribs is not installed: [b]pip install -e '.\\[benchmark]'[/b], or [b]make bench[/b]")
        raise typer.Exit(1)


def _leave(succeeded: bool) -> None:
    if not succeeded:
        raise typer.Exit(1)


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
