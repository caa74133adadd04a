"""What all tests share: the repository on the path, hypothesis' settings and small helpers for drivers."""

from __future__ import annotations

import sys
from pathlib import Path

# `python -m pytest` puts the repository's root on the path, bare `pytest` does not; `tests.reference` wants it.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

import jax  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# The first example of a property compiles; a deadline would measure the compiler. The same examples every time.
settings.register_profile("qdbench", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("qdbench")


@pytest.fixture(autouse=True)
def _global_settings_stay() -> object:
    """Precision is a task's property: no test, and nothing that a test calls, may leave the global flag changed."""
    before = jax.config.jax_enable_x64
    yield
    assert jax.config.jax_enable_x64 == before
