"""The child process of a measurement: pins itself to a core, measures, prints one line of JSON."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
from typing import Any

_MEASUREMENTS = {
    "qdbench": "benchmarks.ours:time_search",
    "pyribs": "benchmarks.pyribs:time_search",
    "QDax": "benchmarks.qdax_peer:time_search",
    "cost": "benchmarks.ours:cost_of_iteration",
    "profile": "benchmarks.pieces:measure_all",
}


def main(request: str) -> None:
    """Does what a JSON request says."""
    content: dict[str, Any] = json.loads(request)
    # Before anything imports JAX or NumPy: their thread pools count the cores when they are made.
    if content["core"] is not None:
        os.sched_setaffinity(0, {content["core"]})
    module, _, function = _MEASUREMENTS[content["what"]].partition(":")
    result = getattr(importlib.import_module(module), function)(**content["arguments"])
    print(json.dumps(dataclasses.asdict(result) if dataclasses.is_dataclass(result) else result))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1])
