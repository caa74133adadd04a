"""The rules' page and the command ``qdbench check``."""

from __future__ import annotations

from pathlib import Path

from qdbench.testing import OPTIMIZER_RULES, TASK_RULES, page
from tests.test_cli import call

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_rules_say() -> None:
    assert (ROOT / "docs" / "rules.md").read_text() == page()


def test_the_command_line() -> None:
    good = call("check", "task", "Arm-v0", "--set", "dim=5")
    assert good.exit_code == 0, good.output
    assert f"Arm-v0: {len(TASK_RULES)} of {len(TASK_RULES)} rules kept" in good.output
    example = ROOT / "docs" / "examples" / "numpy_search.py"
    assert call("check", "optimizer", f"{example}:NumpySearch").exit_code == 0
    broken = call("check", "optimizer", f"{Path(__file__).parents[1] / 'harness' / 'optimizers.py'}:AsksNaN")
    assert broken.exit_code == 1
    assert "broken  QDB212" in broken.output
    assert "docs/rules.md#qdb212" in broken.output
    assert f"{len(OPTIMIZER_RULES) - 1} of {len(OPTIMIZER_RULES)} rules kept" in broken.output
    assert "did you mean Arm-v0" in call("check", "task", "Amr-v0").output
