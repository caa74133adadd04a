"""Registries, the front door, and what importing it must not cost."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import baselines
import qdbench
from qdbench import data_catalogue, datasets
from qdbench.cli import app
from qdbench.registry import OPTIMIZERS, TASKS, Registry, UnknownNameError, load

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def registry() -> Registry:
    result = Registry("task", TASKS._pattern, "LP-Sphere-v0")
    for id in ("LP-Sphere-v0", "LP-Sphere-v2", "Arm-v0"):
        result.register(id, "json:loads", summary="a summary", size=3)
    return result


@pytest.mark.parametrize(
    "id",
    [
        "LP-Sphere",
        "lp sphere-v0",
        "-v0",
        "LP-Sphere-v",
        "LP--Sphere-v0",
        "LP-Sphere-v0-",
        "",
        "0-v0",
        "A-v0\n",
        "A-v00",
        "A-v٣",
    ],
)
def test_malformed_task_ids(registry: Registry, id: str) -> None:
    with pytest.raises(ValueError, match=rf"task id {re.escape(repr(id))} is malformed: .*'LP-Sphere-v0'"):
        registry.register(id, "json:loads")
    assert id not in registry


@pytest.mark.parametrize("id", ["CMA-ME", "cma_me", "-me", "me-", "", "cma me"])
def test_malformed_optimizer_ids(id: str) -> None:
    with pytest.raises(ValueError, match=r"optimizer id .* is malformed"):
        Registry("optimizer", OPTIMIZERS._pattern, "cma-mega").register(id, "json:loads")


@pytest.mark.parametrize("entry_point", ["json", "json.loads", "a:b:c", "", "json:", ":loads"])
def test_malformed_entry_points(registry: Registry, entry_point: str) -> None:
    with pytest.raises(ValueError, match="module:attribute"):
        registry.register("New-v0", entry_point)
    assert "New-v0" not in registry


def test_duplicates_name_who_was_first(registry: Registry) -> None:
    with pytest.raises(ValueError, match=r"'Arm-v0' is registered already, for 'json:loads'"):
        registry.register("Arm-v0", "json:dumps")


def test_resolve_gives_the_factory_and_its_arguments(registry: Registry) -> None:
    factory, arguments = registry.resolve("Arm-v0")
    assert factory is json.loads
    assert arguments == {"size": 3}
    arguments["size"] = 4
    assert registry.resolve("Arm-v0")[1] == {"size": 3}
    assert registry.entry("Arm-v0").summary == "a summary"
    assert [entry.id for entry in registry] == ["Arm-v0", "LP-Sphere-v0", "LP-Sphere-v2"]


def test_what_needs_a_package_is_available_with_it(registry: Registry) -> None:
    for version, package in ((3, "json"), (4, "no_such_package"), (5, None)):
        registry.register(f"Arm-v{version}", "json:loads", requires=package)
    assert [registry.entry(f"Arm-v{version}").is_available for version in (3, 4, 5)] == [True, False, True]


def test_what_needs_data_is_available_with_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(datasets.FOLDER_VARIABLE, str(tmp_path))
    registry.register("Arm-v3", "json:loads", data="hpob")
    entry = registry.entry("Arm-v3")
    assert not entry.is_available
    # What was downloaded is not enough: tasks read what is made of it.
    for file, available in ((data_catalogue.HPOB_SURROGATES, False), (data_catalogue.HPOB_PACK, True)):
        path = tmp_path / file.name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        assert entry.is_available == available


def test_a_superseded_id_still_resolves_and_warns(registry: Registry) -> None:
    registry.register("Arm-v1", "json:loads", superseded_by="Arm-v2")
    registry.register("Arm-v2", "json:loads")
    with pytest.warns(DeprecationWarning, match="task 'Arm-v1' is superseded by 'Arm-v2'"):
        assert registry.resolve("Arm-v1")[0] is json.loads
    registry.resolve("Arm-v2")  # a warning would be an error


def test_the_warning_is_shown_at_the_line_that_makes_the_task(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import qdbench\n"
        "qdbench.register('Old-v0', 'qdbench.tasks.arm:make', superseded_by='Arm-v0')\n"
        "qdbench.make('Arm-v0', dim=3)\n"
        "qdbench.make('Old-v0', dim=3)\n"
    )
    done = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, text=True)
    assert f"{script}:4: DeprecationWarning: task 'Old-v0' is superseded by 'Arm-v0'" in done.stderr
    assert done.stderr.count("DeprecationWarning") == 1


def test_a_successor_is_another_well_formed_id(registry: Registry) -> None:
    with pytest.raises(ValueError, match="cannot be superseded by itself"):
        registry.register("Arm-v1", "json:loads", superseded_by="Arm-v1")
    with pytest.raises(ValueError, match="task id 'arm' is malformed"):
        registry.register("Arm-v1", "json:loads", superseded_by="arm")
    assert "Arm-v1" not in registry


@pytest.mark.parametrize("table", [TASKS, OPTIMIZERS], ids=["tasks", "optimizers"])
def test_every_successor_is_registered_and_not_superseded_in_a_circle(table: Registry) -> None:
    for entry in table:
        seen = {entry.id}
        while entry.superseded_by:
            entry = table.entry(entry.superseded_by)
            assert entry.id not in seen
            seen.add(entry.id)


def test_make_and_the_command_line_name_the_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert qdbench.list_tasks()
    entries = dict(TASKS._entries)
    entries["Arm-v0"] = dataclasses.replace(entries["Arm-v0"], superseded_by="Arm-v1")
    monkeypatch.setattr(TASKS, "_entries", entries)
    with pytest.warns(DeprecationWarning, match="'Arm-v0' is superseded by 'Arm-v1'"):
        qdbench.make("Arm-v0", dim=3)
    listed = CliRunner().invoke(app, ["list", "tasks"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert "superseded by Arm-v1" in listed.output


@pytest.mark.parametrize(
    ("id", "hint"),
    [
        ("LP-Sphere-v1", r"no task 'LP-Sphere-v1'; the versions of 'LP-Sphere' are LP-Sphere-v0, LP-Sphere-v2"),
        ("LP-Sphere", r"the versions of 'LP-Sphere' are"),
        ("lp-sphere-v0", r"did you mean LP-Sphere-v0 or"),
        ("LPSphere-v0", r"did you mean LP-Sphere-v0"),
        ("arm-v0", r"did you mean Arm-v0"),
    ],
)
def test_unknown_names_suggest(registry: Registry, id: str, hint: str) -> None:
    with pytest.raises(UnknownNameError, match=hint) as error:
        registry.entry(id)
    assert "`qdbench list tasks` shows all" in str(error.value)
    assert isinstance(error.value, KeyError)


def test_nothing_near_is_said_plainly(registry: Registry) -> None:
    with pytest.raises(UnknownNameError) as error:
        registry.entry("zzzzqqqq")
    assert str(error.value) == "no task 'zzzzqqqq' (`qdbench list tasks` shows all)"


@pytest.mark.parametrize("entry_point", ["json", ":loads", "json:", ""])
def test_load_wants_module_and_attribute(entry_point: str) -> None:
    with pytest.raises(ValueError, match="should be 'module:attribute'"):
        load(entry_point)


def test_load_says_what_is_missing() -> None:
    with pytest.raises(ImportError, match="module 'json' has no attribute 'nothing'"):
        load("json:nothing")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load("no_such_module:nothing")


def test_every_registered_thing_resolves() -> None:
    assert qdbench.list_tasks()
    for table in (TASKS, OPTIMIZERS):
        entries = list(table)
        assert entries
        for entry in entries:
            factory, _ = table.resolve(entry.id)
            assert callable(factory)
            assert entry.summary


def test_make_and_its_errors() -> None:
    assert qdbench.make("Arm-v0", dim=5).spec.dim == 5
    with pytest.raises(UnknownNameError, match="did you mean LP-Sphere-v0"):
        qdbench.make("LP-Spher-v0")
    with pytest.raises(UnknownNameError, match="did you mean cma-mega"):
        baselines.make("cma-mgea", qdbench.make("Arm-v0", dim=5).spec)
    with pytest.raises(TypeError, match=r"task 'Arm-v0' has no argument dims, joints; it has dim, precision"):
        qdbench.make("Arm-v0", joints=5, dims=2)
    with pytest.raises(TypeError, match="task 'HPO-Own-v0' needs the argument space, dataset; it has pack, space"):
        qdbench.make("HPO-Own-v0", pack="mine.npz")
    # What is bound at registration is not the caller's to give.
    with pytest.raises(TypeError, match="has no argument function; it has dim, precision"):
        qdbench.make("LP-Sphere-v0", function="rastrigin")


def test_register_a_task_of_ones_own() -> None:
    id = "Test-LP-v7"
    qdbench.register(id, "qdbench.tasks.linear_projection:make", summary="mine", function="sphere")
    try:
        assert id in qdbench.list_tasks()
        assert qdbench.make(id, dim=4).spec.id == id
    finally:
        del TASKS._entries[id]


def test_attributes_of_the_package() -> None:
    assert set(qdbench.__all__) == set(dir(qdbench))
    for name in qdbench.__all__:
        assert getattr(qdbench, name) is not None
    with pytest.raises(AttributeError, match="module 'qdbench' has no attribute 'nothing'"):
        qdbench.nothing  # noqa: B018


@pytest.mark.parametrize(
    "statement",
    [
        "import qdbench",
        "import baselines",
        "import qdbench; assert qdbench.list_tasks()",
        "import qdbench.registry, qdbench.spec",
    ],
)
def test_imports_nothing_heavy(statement: str) -> None:
    heavy = "{'jax', 'jaxlib', 'equinox', 'pandas', 'scipy', 'matplotlib', 'numpy', 'optax', 'statsmodels'}"
    code = f"{statement}; import sys; print(*sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""


def test_values_of_wrong_types_are_explained_to_users() -> None:
    """Without the run-time type checks of these tests, which would be faster to complain."""
    code = """
import inspect
import qdbench
from qdbench.registry import TASKS
for id in qdbench.list_tasks():
    if "dim" not in inspect.signature(TASKS.resolve(id)[0]).parameters:
        continue
    for dim in (2.5, "10", None, True):
        try:
            qdbench.make(id, dim=dim)
        except ValueError as error:
            assert f"{id}: dim must be an integer of at least" in str(error) and repr(dim) in str(error), error
        else:
            raise SystemExit(f"{id} was made with dim={dim!r}")
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr + result.stdout
