"""Where trials run. An executor takes jobs and a folder and yields what became of each."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from qdbench.harness.experiment import Executor


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run is spread; None where nothing is asked for.

    Attributes:
        workers: How many may work at the same time: processes of this machine, workers of Ray, SLURM jobs.
        timeout: Seconds that a trial may take, compilation included.
        address: ``host:port`` of a Ray cluster's head, or ``"auto"`` for the one that this machine belongs to.
        cpus: Cores of a worker.
        gpus: GPUs of a worker; a fraction shares one.
        parameters: What submitit is told, by name; ``cluster`` is ``"slurm"`` unless it says otherwise.
    """

    workers: int | None = None
    timeout: float | None = None
    address: str | None = None
    cpus: int | None = None
    gpus: float | None = None
    parameters: dict[str, Any] | None = None


class _Kind(NamedTuple):
    """The package that an executor needs, and what else of :class:`Settings` than the first two it takes."""

    requires: str | None
    takes: frozenset[str] = frozenset()


EXECUTORS = {
    "local": _Kind(None),
    "ray": _Kind("ray", frozenset({"address", "cpus", "gpus"})),
    "slurm": _Kind("submitit", frozenset({"cpus", "gpus", "parameters"})),
}
"""The executors: each is a module of this package with a function ``make(settings)``."""


def make(name: str, settings: Settings) -> Executor:
    """The executor of a name.

    Raises:
        ValueError: If there is none, or it does not take a setting that is given.
        ImportError: If it needs a package that is not installed.
    """
    if name not in EXECUTORS:
        raise ValueError(f"no executor {name!r}: the executors are {', '.join(EXECUTORS)}")
    kind = EXECUTORS[name]
    for field in dataclasses.fields(Settings)[2:]:
        if getattr(settings, field.name) is not None and field.name not in kind.takes:
            takers = " and ".join(other for other, taking in EXECUTORS.items() if field.name in taking.takes)
            raise ValueError(f"executor {name!r} takes no {field.name}: that is for {takers}")
    if kind.requires is not None and importlib.util.find_spec(kind.requires) is None:
        raise ImportError(f"executor {name!r} needs {kind.requires}: pip install 'qdbench[{name}]'")
    executor: Executor = importlib.import_module(f"{__name__}.{name}").make(settings)
    return executor
