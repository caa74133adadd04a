"""What a worker on another machine must have of the driver: the same packages, plug-ins and settings."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import socket
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import qdbench
from qdbench.harness.cores import limit_threads
from qdbench.harness.experiment import Job
from qdbench.program_cache import keep_programs

_DECISIVE = ("jax", "jaxlib", "equinox", "numpy")
_PREFIX = "QDBENCH_"

_worn: set[str] = set()


class Order(NamedTuple):
    """A job with the hash of everything that decides its result, as the driver sees it."""

    job: Job
    digest: str


class Outfit(NamedTuple):
    """What decides how a worker runs its trials.

    Attributes:
        versions: Of qdbench with a hash of its sources, of Python and of what results depend on.
        environment: Variables to set before JAX is imported.
        threads: Threads that a worker may use.
        directory: The driver's working directory.
        files: Contents of plug-ins that lie in it, by their paths relative to it.
    """

    versions: dict[str, str]
    environment: dict[str, str]
    threads: int
    directory: str
    files: dict[str, bytes]


def order(job: Job) -> Order:
    """The job as it is sent to another machine."""
    from qdbench.harness.jobs import config_of

    return Order(job, config_of(job).digest())


def outfit_of(jobs: Sequence[Job], threads: int, gpus: float = 0) -> Outfit:
    """What workers need for the jobs.

    Args:
        jobs: All jobs of the run.
        threads: Threads of a worker.
        gpus: GPUs of a worker.
    """
    environment = {name: text for name, text in os.environ.items() if name.startswith(_PREFIX)}
    # JAX sizes its pools by it; else every worker of a large node would have as many threads as the node has cores.
    environment["NPROC"] = str(threads)
    if not gpus:
        environment["JAX_PLATFORMS"] = "cpu"
    elif gpus < 1:
        # JAX takes three quarters of a GPU's memory unless it is told otherwise.
        environment["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.75 * gpus:.3f}"
    files = {name: content for id in {job.optimizer for job in jobs} for name, content in _plugin_files(id)}
    return Outfit(versions(), environment, threads, str(Path.cwd()), files)


@functools.cache
def versions() -> dict[str, str]:
    """What must be the same on all machines."""
    sources = hashlib.sha256()
    for package in ("qdbench", "baselines"):
        root = Path(qdbench.__file__).parents[1] / package
        for path in sorted(root.rglob("*.py")):
            sources.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    own = f"{qdbench.__version__} (sources {sources.hexdigest()[:12]})"
    return {"qdbench": own, "Python": platform.python_version(), **{name: _version(name) for name in _DECISIVE}}


def put_on(outfit: Outfit) -> None:
    """Prepares this process, once; before JAX is imported."""
    key = hashlib.sha256(repr(outfit).encode()).hexdigest()
    if key in _worn:
        return
    _worn.add(key)
    os.environ.update(outfit.environment)
    limit_threads(outfit.threads)
    keep_programs()
    if not outfit.files:
        return
    # Where the driver's folder can be seen, files beside a plug-in are there too.
    folder = Path(outfit.directory)
    if not all(_holds(folder / name, content) for name, content in outfit.files.items()):
        folder = Path(tempfile.mkdtemp(prefix="qdbench-plugins-"))
        for name, content in outfit.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    os.chdir(folder)


def refusal(orders: Sequence[Order], outfit: Outfit) -> str:
    """Why this machine cannot run the orders as the driver would; empty if it can."""
    node = socket.gethostname()
    here = versions()
    for package, wanted in outfit.versions.items():
        if here[package] != wanted:
            return (
                f"node {node} has {package} {here[package]}, but the run was started with {package} {wanted}: install "
                "the same on all machines"
                + (f", there with: pip install '{package}=={wanted}'" if package in _DECISIVE else "")
            )
    for job, digest in orders:
        try:
            found = order(job).digest
        except Exception as error:
            return (
                f"node {node} cannot make {job.label}: {type(error).__name__}: {error} (a plug-in or a data set must "
                "be installed on every node; files of the working directory are sent along)"
            )
        if found != digest:
            return (
                f"node {node} would not run {job.label} as it was asked for (hash {found} there, {digest} here): "
                "a plug-in has another version or source there"
            )
    return ""


def _plugin_files(optimizer: str) -> Iterator[tuple[str, bytes]]:
    """The files of an optimizer given as a file or a module, as far as they lie in the working directory."""
    module, separator, _ = optimizer.rpartition(":")
    if not separator:
        return
    if module.endswith(".py"):
        paths = [] if Path(module).is_absolute() or ".." in Path(module).parts else [Path(module)]
    else:
        # The working directory is looked in first; see load_optimizer.
        top = Path(module.partition(".")[0])
        paths = [top.with_suffix(".py"), *sorted(top.rglob("*.py"))]
    yield from ((path.as_posix(), path.read_bytes()) for path in paths if path.is_file())


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
