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
    "functions of qdbench": "benchmarks.bbob_ours:time_function",
    "functions of COCO": "benchmarks.coco_peer:time_function",
    "functions of evosax": "benchmarks.evosax_peer:time_function",
    "runs of qdbench": "benchmarks.bbob_ours:time_runs",
    "runs of evosax": "benchmarks.evosax_peer:time_runs",
    "inner loops of qdbench": "benchmarks.bbob_ours:time_inner_loops",
    "inner loops of evosax": "benchmarks.evosax_peer:time_inner_loops",
    "policies of qdbench": "benchmarks.neuroevolution_child:time_ours",
    "policies of evosax": "benchmarks.neuroevolution_child:time_evosax",
    "predictions of surrogates": "benchmarks.surrogates_child:time_predictions",
    "loading of surrogates": "benchmarks.surrogates_child:time_loading",
    "image networks of qdbench": "benchmarks.image_networks_child:time_qdbench",
    "image networks of evosax": "benchmarks.image_networks_child:time_evosax",
    "latent space illumination": "benchmarks.lsi_child:time_evaluation",
    "trials on workers": "benchmarks.workers_child:time_run",
    "machine": "benchmarks.pieces:measure_machine",
}


def main(request: str) -> None:
    """Does what a JSON request says."""
    content: dict[str, Any] = json.loads(request)
    # Before anything imports JAX or NumPy: their thread pools count the cores when they are made.
    if content["core"] is not None:
        os.sched_setaffinity(0, {content["core"]})
    # Before anything imports JAX: qdbench switches a defect of some versions off, and all JAX peers get the same flags.
    importlib.import_module("qdbench")
    module, _, function = _MEASUREMENTS[content["what"]].partition(":")
    result = getattr(importlib.import_module(module), function)(**content["arguments"])
    print(json.dumps(dataclasses.asdict(result) if dataclasses.is_dataclass(result) else result))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1])
