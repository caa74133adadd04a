"""Fixtures of the harness's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import quadratic


@pytest.fixture(scope="module")
def registered() -> Iterator[None]:
    """The small precision task and its optimizers are registered, for a module."""
    quadratic.register()
    yield
    quadratic.unregister()
