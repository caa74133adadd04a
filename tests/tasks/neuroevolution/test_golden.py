"""Golden values: what fixed weights do in 20 steps. A difference is a changed dependency, or a task's new version.

``python -m tests.tasks.neuroevolution.golden`` writes the file anew.
"""

from __future__ import annotations

import pytest

from qdbench.registry import TASKS
from tests.registered import BRAX
from tests.tasks.neuroevolution.golden import NAMES, PACKAGES, TOLERANCE, measure, stored, versions

# Each takes 20 seconds to compile; Reacher stands for them in the quick tests.
SLOW = {*BRAX} - {"Reacher"}
PARAMETERS = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in NAMES]


@pytest.mark.parametrize("name", PARAMETERS)
def test_values_are_the_stored_ones(name: str) -> None:
    if not TASKS.entry(f"Neuro-{name}-v0").is_available:
        pytest.skip("needs brax")
    expected, found = stored()[name], measure(name)
    changed = {
        package: f"{expected['versions'].get(package)} -> {version}"
        for package, version in versions(PACKAGES[name]).items()
        if expected["versions"].get(package) != version
    }
    reason = f"changed dependencies: {changed}" if changed else "the dependencies are the same: the task has changed"
    assert found["fingerprint"] == expected["fingerprint"], reason
    tolerance = TOLERANCE.get(name, 1e-4)
    for what in ("objective", "measures"):
        assert found[what] == pytest.approx(expected[what], rel=tolerance, abs=tolerance), reason


def test_the_values_tell_policies_apart() -> None:
    assert set(stored()) == set(NAMES)
    for name, values in stored().items():
        assert len({tuple(row) for row in zip(*[iter(values["measures"])] * 2, strict=True)}) > 1, name
