"""The corrected QD-score: what the final archive is worth when its elites are evaluated again.

An elite of a stochastic task owes its cell partly to luck: of many noisy values the best was kept, and its measures
were as noisy. So every elite is evaluated once more, with a fresh key, and inserted into an empty archive
(flageat2023uncertain); the QD-score and the coverage of that archive are the corrected ones. These evaluations are not
counted.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qdbench import archive
from qdbench.harness import compiled, trace
from qdbench.harness.evaluator import evaluator
from qdbench.protocols import HostTask, Task

CHUNK = 128
"""Elites that are evaluated at once, with one key."""


def correct(task: Task | HostTask, elites: archive.Archive, keys: compiled.Keys) -> dict[str, float]:
    """``corrected_qd_score`` and ``corrected_coverage`` (in percent).

    Args:
        task: The task.
        elites: The final archive, with its solutions.
        keys: The trial's.
    """
    again = archive.empty(elites.spec, keep_solutions=False)
    solutions = np.asarray(elites.solutions)[np.isfinite(np.asarray(elites.objective))]
    evaluate = evaluator(task)
    for number, first in enumerate(range(0, len(solutions), CHUNK)):
        rows = solutions[first : first + CHUNK]
        missing = CHUNK - len(rows)
        # Always as many, so that one program serves all; what fills up the last chunk does not count.
        padded = np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])
        evaluation = evaluate(keys.of_correction(number), padded, False)
        objective = np.array(evaluation.objective, elites.spec.precision)
        objective[len(rows) :] = np.nan
        again = _insert(again, jnp.asarray(objective), jnp.asarray(evaluation.measures))
    return {
        "corrected_qd_score": trace.shortest(archive.qd_score(again)),
        "corrected_coverage": 100 * int(again.size) / again.spec.cells,
    }


@jax.jit
def _insert(elites: archive.Archive, objective: Any, measures: Any) -> archive.Archive:
    return archive.insert(elites, jnp.zeros((len(objective), 0), objective.dtype), objective, measures)[0]
