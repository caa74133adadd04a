"""The loop of both trainings: steps in compiled chunks, with progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax import lax

_CHUNK = 200


def run(
    step: Callable[..., Any],
    carry: Any,
    inputs: Any,
    data: tuple[Any, ...],
    count: int,
    progress: Callable[[int, int], None],
    scanned: bool = True,
) -> Any:
    """What is carried after all steps.

    Args:
        step: The function of what is carried, a step's input and the data; gives what is carried next.
        carry: What is carried at first; it is given away.
        inputs: A pytree of arrays with a row for each step.
        data: What every step sees.
        count: Steps.
        progress: Told how many are done, and of how many.
        scanned: Whether a chunk is one program. On a CPU, XLA's convolutions are slow in a scan; then a step is one.
    """

    def scan(carry: Any, rows: Any, *data: Any) -> Any:
        return lax.scan(lambda c, row: (step(c, row, *data), None), carry, rows)[0]

    compiled = jax.jit(scan if scanned else step, donate_argnums=0)
    for first in range(0, count, _CHUNK):
        rows = jax.tree.map(lambda leaf, first=first: leaf[first : first + _CHUNK], inputs)
        if scanned:
            carry = compiled(carry, rows, *data)
        else:
            for index in range(min(_CHUNK, count - first)):
                carry = compiled(carry, jax.tree.map(lambda leaf, index=index: leaf[index], rows), *data)
        jax.block_until_ready(carry)
        progress(min(first + _CHUNK, count), count)
    return carry
