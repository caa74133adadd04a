"""The switch for jaxlib's defective fusion; that results are right is tested where functions are (numerics, tasks)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qdbench.compiler import FLAG, flags_for, prepare


@pytest.mark.parametrize("version", ["0.8.0", "0.10.1", "0.9.0.1"])
def test_versions_without_the_fusion_get_no_flag_that_they_would_not_know(version: str) -> None:
    assert flags_for(version, "") == ""
    assert flags_for(version, "--other=1") == "--other=1"


@pytest.mark.parametrize("version", ["0.10.2", "0.11.0", "0.12.0.1", "1.0.0", "0.11.0.dev20261001"])
def test_versions_with_it_get_it_switched_off_beside_other_flags(version: str) -> None:
    assert flags_for(version, "") == FLAG
    assert flags_for(version, "--other=1") == f"--other=1 {FLAG}"


def test_what_the_user_chose_stays() -> None:
    assert flags_for("0.11.0", f"{FLAG}-reduce") == f"{FLAG}-reduce"


def test_a_late_import_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.10.2")
    with pytest.warns(RuntimeWarning, match="import qdbench first, or set XLA_FLAGS"):
        prepare()
    prepare()


def test_importing_qdbench_sets_it_before_jax_starts() -> None:
    code = (
        "import importlib.metadata as m, os; m.version = lambda name: '0.11.0'; os.environ['XLA_FLAGS'] = '--a=1';"
        "import qdbench, sys; assert 'jax' not in sys.modules; print(os.environ['XLA_FLAGS'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == f"--a=1 {FLAG}"
