"""Numbers in sentences."""

from __future__ import annotations

import pytest

from qdbench.wording import count, span


@pytest.mark.parametrize(("amount", "text"), [(0, "0 rounds"), (1, "1 round"), (2, "2 rounds")])
def test_count(amount: int, text: str) -> None:
    assert count(amount, "round") == text


@pytest.mark.parametrize(("values", "text"), [([1000], "1,000"), ([7, 7], "7"), ([2000, 10, 50], "10 to 2,000")])
def test_span(values: list[int], text: str) -> None:
    assert span(iter(values)) == text
