"""Looking into traced programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# LAPACK's calls, batched or not, under the names that JAX has given them over time.
_DECOMPOSITIONS = (
    "cholesky",
    "eig",
    "eigh",
    "geqrf",
    "geqp3",
    "hessenberg",
    "householder_product",
    "lu",
    "qr",
    "schur",
    "svd",
    "triangular_solve",
    "tridiagonal",
)


def has_decomposition(jaxpr: Any) -> bool:
    """Whether a program decomposes matrices (eigh, qr, cholesky, ...) anywhere, or calls what cannot be looked into.

    Args:
        jaxpr: A ``ClosedJaxpr`` or a ``Jaxpr``.
    """
    return any(_is_suspect(name) for name in primitives(jaxpr))


def primitives(jaxpr: Any) -> Iterator[str]:
    """The names of all primitives of a program, with those of the programs inside it."""
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    for equation in inner.eqns:
        yield equation.primitive.name
        for parameter in equation.params.values():
            for part in _programs_in(parameter):
                yield from primitives(part)


def _programs_in(parameter: Any) -> Iterator[Any]:
    if hasattr(parameter, "eqns") or hasattr(getattr(parameter, "jaxpr", None), "eqns"):
        yield parameter
    elif isinstance(parameter, tuple | list):
        for part in parameter:
            yield from _programs_in(part)


def _is_suspect(name: str) -> bool:
    parts = name.split("_")
    return (name.endswith("_call") and "custom_jvp" not in name and "custom_vjp" not in name) or any(
        name == known or name.startswith(f"{known}_") or known in parts for known in _DECOMPOSITIONS
    )
