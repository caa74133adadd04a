"""The command line of the benchmarks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import bbob_functions as functions_benchmark
from benchmarks import bbob_runs as runs_benchmark
from benchmarks import hpob_run as hpob_run_benchmark
from benchmarks import image_networks as images_benchmark
from benchmarks import inner_loops as loops_benchmark
from benchmarks import lsi as lsi_benchmark
from benchmarks import neuroevolution as policies_benchmark
from benchmarks import peers as peers_benchmark
from benchmarks import profile as profile_benchmark
from benchmarks import scaling as scaling_benchmark
from benchmarks import surrogates as surrogates_benchmark
from benchmarks import workers as workers_benchmark
from benchmarks.bbob_peers import COCO, EVOSAX, how_to_install
from benchmarks.display import console
from benchmarks.launch import pinnable_cores

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
Seconds = Annotated[float, typer.Option(min=0.001, help="About how long one repetition should run.")]
Timeout = Annotated[float, typer.Option(help="Seconds after which a measurement is given up.")]
Core = Annotated[int | None, typer.Option(help="The core to pin to. Default: the last one that may be used.")]


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Runs the two standard benchmarks if no command is given."""
    if context.invoked_subcommand is None:
        _need("pyribs", "ribs")
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
    """CMA-MEGA, MAP-Elites (line), CMA-ME, CMA-MAE and CMA-MAEGA beside pyribs, and QDax if it is installed."""
    _need("pyribs", "ribs")
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
    seconds: Seconds = 0.1,
    rounds: Rounds = 7,
    out: Out = _RESULTS,
    core: Core = None,
) -> None:
    """Where the time of an iteration goes, piece by piece, and how far each piece is from its floor."""
    _leave(profile_benchmark.run(out, rounds, seconds, _core(core)))


@app.command("bbob-functions")
def bbob_functions(
    function: Annotated[list[int] | None, typer.Option(min=1, max=24, help="A function; repeat it for more.")] = None,
    seconds: Seconds = 0.1,
    rounds: Rounds = 3,
    timeout: Timeout = 300.0,
    out: Out = _RESULTS,
    core: Core = None,
) -> None:
    """BBOB's 24 functions beside coco-experiment and evosax, if they are installed."""
    _say_what_is_missing(COCO, EVOSAX)
    chosen = sorted(set(function)) if function else range(1, 25)
    _leave(functions_benchmark.run(out, chosen, rounds, seconds, _core(core), timeout))


@app.command("bbob-runs")
def bbob_runs(
    algorithm: Annotated[list[str] | None, typer.Option(help="qdbench's id; repeat it for more. Default: all.")] = None,
    function: Annotated[list[int] | None, typer.Option(help="1 or 15; repeat it for both. Default: both.")] = None,
    seconds: Seconds = 0.5,
    rounds: Rounds = 3,
    timeout: Timeout = 300.0,
    out: Out = _RESULTS,
    core: Core = None,
) -> None:
    """Whole runs on BBOB functions, 64 seeds in one program, beside evosax if it is installed."""
    _say_what_is_missing(EVOSAX)
    known = {entry.id: entry for entry in runs_benchmark.ALGORITHMS}
    for name, given, allowed in (
        ("algorithm", algorithm or [], known),
        ("function", function or [], runs_benchmark.FUNCTIONS),
    ):
        if unknown := [str(value) for value in given if value not in allowed]:
            raise typer.BadParameter(f"no such {name}: {', '.join(unknown)}; there are {', '.join(map(str, allowed))}")
    algorithms = [known[id] for id in dict.fromkeys(algorithm or known)]
    functions = sorted(set(function or runs_benchmark.FUNCTIONS))
    _leave(runs_benchmark.run(out, algorithms, functions, rounds, seconds, _core(core), timeout))


@app.command("inner-loops")
def inner_loops(
    seconds: Seconds = 0.5,
    rounds: Rounds = 3,
    timeout: Timeout = 300.0,
    out: Out = _RESULTS,
    core: Core = None,
) -> None:
    """Inner loops of a meta-evolution beside evosax's learned GA, if it is installed, and beside their floor."""
    _say_what_is_missing(EVOSAX)
    _leave(loops_benchmark.run(out, rounds, seconds, _core(core), timeout))


@app.command()
def neuroevolution(
    environment: Annotated[list[str] | None, typer.Option(help="Such as Breakout; repeat it for more.")] = None,
    seconds: Seconds = 2.0,
    rounds: Rounds = 3,
    timeout: Timeout = 1800.0,
    out: Out = _RESULTS,
    core: Core = None,
) -> None:
    """Generations of policies beside evosax's GymnaxProblem and BraxProblem, if it is installed."""
    _need("Brax", "brax")
    _say_what_is_missing(EVOSAX)
    chosen = list(dict.fromkeys(environment or policies_benchmark.ENVIRONMENTS))
    if unknown := [name for name in chosen if name not in policies_benchmark.ENVIRONMENTS]:
        known = ", ".join(policies_benchmark.ENVIRONMENTS)
        raise typer.BadParameter(f"no such environment: {', '.join(unknown)}; there are {known}")
    _leave(policies_benchmark.run(out, chosen, rounds, seconds, _core(core), timeout))


@app.command()
def surrogates(
    archive: Annotated[Path, typer.Argument(help="Models, laid out like HPO-B's saved-surrogates.zip.")],
    seconds: Seconds = 0.3,
    rounds: Rounds = 3,
    timeout: Timeout = 600.0,
    out: Out = _RESULTS,
    core: Core = None,
) -> None:
    """HPO-B's tree ensembles beside xgboost: one model and all, loading, memory."""
    _need("xgboost", "xgboost")
    _leave(surrogates_benchmark.run(archive, out, rounds, seconds, _core(core), timeout))


@app.command("hpob-run")
def hpob_run(
    archive: Annotated[Path, typer.Argument(help="Models, laid out like HPO-B's saved-surrogates.zip.")],
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    repetitions: Annotated[int, typer.Option(min=1, help="Of each optimizer on each task.")] = 5,
    out: Out = _RESULTS,
) -> None:
    """The protocol hpob-lga over all tasks with six optimizers: how long one run of the harness takes."""
    _leave(hpob_run_benchmark.run(archive, out, jobs, repetitions))


@app.command("image-networks")
def image_networks(
    task: Annotated[str, typer.Option(help="The id of an image task whose data is there.")] = "Neuro-Digits-v0",
    population: Annotated[int, typer.Option(min=1, help="Networks of a generation.")] = 16,
    batch_size: Annotated[int, typer.Option(min=1, help="Images of a minibatch.")] = 1024,
    rounds: Rounds = 3,
    timeout: Timeout = 600.0,
    out: Out = _RESULTS,
    core: Core = None,
) -> None:
    """Generations of image networks beside evosax's TorchVisionProblem, if it is installed (torch is not needed)."""
    _say_what_is_missing(EVOSAX)
    _leave(images_benchmark.run(out, task, population, batch_size, rounds, _core(core), timeout))


@app.command()
def lsi(seconds: Seconds = 0.3, timeout: Timeout = 600.0, out: Out = _RESULTS, core: Core = None) -> None:
    """Latent space illumination: time and memory of an evaluation by resolution and batch."""
    _leave(lsi_benchmark.run(out, seconds, _core(core), timeout))


@app.command()
def workers(rounds: Rounds = 3, timeout: Timeout = 900.0, out: Out = _RESULTS) -> None:
    """What a trial costs its worker and its driver, locally and on Ray, and how wide a run may go by that."""
    _need("Ray", "ray")
    _leave(workers_benchmark.run(out, rounds, timeout))


def _core(chosen: int | None) -> int | None:
    cores = pinnable_cores()
    if not cores:
        console.print("this system cannot pin a process to a core: timings will vary more", highlight=False)
        return None
    if chosen is None:
        return cores[-1]
    if chosen not in cores:
        raise typer.BadParameter(f"core {chosen} may not be used; those that may: {', '.join(map(str, cores))}")
    return chosen


def _need(name: str, module: str) -> None:
    if importlib.util.find_spec(module) is None:
        console.print(f"{name} is not installed: [b]pip install -e '.\\[benchmark]'[/b], or [b]make bench[/b]")
        raise typer.Exit(1)


def _say_what_is_missing(*packages: str) -> None:
    command = how_to_install(*packages)
    if command:
        console.print(f"a peer is not installed and will be missing: [b]{command}[/b]", highlight=False)


def _leave(succeeded: bool) -> None:
    if not succeeded:
        raise typer.Exit(1)


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
