"""Numbers in sentences."""

from __future__ import annotations

from collections.abc import Iterable


def count(amount: int, noun: str) -> str:
    """``1 round``, ``3 rounds``."""
    return f"{amount} {noun}" + ("" if amount == 1 else "s")


def span(values: Iterable[int]) -> str:
    """``1,000`` where all are the same, else ``500 to 1,000``."""
    ascending = sorted(values)
    low, high = ascending[0], ascending[-1]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
