"""Configurations: presets, what is refused and how, and schedules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qdbench
from qdbench.metabbo.config import MetaConfig, Schedule, TaskFamily, load_config, load_preset, preset_names
from qdbench.registry import UnknownNameError
from tests.metabbo import tiny

# Table 2 of lange2023lga.
FUNCTIONS = [1, 8, 11, 15, 20, 4, 6, 16, 17, 19]


def test_the_paper_s_settings() -> None:
    paper = load_preset("lga", "paper", {})
    assert (paper.members, paper.tasks_per_generation, paper.meta_generations) == (512, 256, 750)
    assert paper.learning_rate == Schedule(first=0.01, decay=0.999, last=0.001)
    assert paper.sigma == Schedule(first=0.1, decay=0.999, last=0.001)
    assert paper.mean_decay == 0.005
    assert (paper.generations, paper.hyperparameters) == (50, {"batch_size": 16})
    assert [family.id for family in paper.tasks] == [f"BBOB-F{number:02d}-v0" for number in FUNCTIONS]
    assert {family.grid["dim"] for family in paper.tasks} == {tuple(range(2, 11))}
    assert (paper.fitness, paper.normalisation, paper.aggregate) == ("final", "z-score", "median")
    assert paper.noise > 0
    assert paper.optimizer == tiny.LGA


def test_defaults_are_the_paper_s() -> None:
    paper = load_preset("lga", "paper", {})
    default = MetaConfig(optimizer="x", evolve=("a",), tasks=(TaskFamily(id="y"),))
    for name in ("members", "tasks_per_generation", "meta_generations", "sigma", "learning_rate", "mean_decay"):
        assert getattr(default, name) == getattr(paper, name)
    assert default.generations == paper.generations


def test_how_the_preset_for_the_cpu_differs() -> None:
    """In size, dimensions, noise, schedules and fitness, as docs/learned_ga.md says, and in nothing else."""
    paper, cpu = (load_preset("lga", name, {}).model_dump() for name in ("paper", "cpu"))
    assert {name for name in paper if paper[name] != cpu[name]} == {
        "members",
        "tasks_per_generation",
        "tasks",
        "normalisation",
        "aggregate",
        "noise",
        "mean_decay",
        "sigma",
        "learning_rate",
    }
    assert (cpu["members"], cpu["normalisation"], cpu["aggregate"]) == (256, "rank", "mean")
    assert (cpu["noise"], cpu["mean_decay"]) == (0.2, 0)
    for one, other in zip(paper["tasks"], cpu["tasks"], strict=True):
        assert (one["grid"].pop("dim"), other["grid"].pop("dim")) == (tuple(range(2, 11)), (2, 5, 10, 20))
        assert one == other


@pytest.mark.parametrize("name", ["cpu", "paper", "smoke"])
def test_presets_name_tasks_that_exist(name: str) -> None:
    assert name in preset_names("lga")
    preset = load_preset("lga", name, {})
    assert {family.id for family in preset.tasks} <= {f"BBOB-F{number:02d}-v0" for number in FUNCTIONS}
    for family in (*preset.tasks, *preset.evaluation.seen, *preset.evaluation.unseen):
        pool = {argument: values[-1] for argument, values in family.pool.items()}
        spec = qdbench.make(family.id, **family.variants()[-1], **pool).spec
        assert (spec.precision, spec.metric, spec.num_measures) == ("float32", "precision", 0)
    seen, unseen = (
        {v["function"] for f in part for v in f.variants()}
        for part in (preset.evaluation.seen, preset.evaluation.unseen)
    )
    assert seen <= set(FUNCTIONS)
    assert not unseen & set(FUNCTIONS)
    if name != "smoke":
        assert seen | unseen == set(range(1, 25))


FAMILY = {"id": "BBOB-F01-v0"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 5}, r"members\n.*multiple of 2"),
        ({"members": 0}, "members"),
        ({"membres": 4}, r"membres\n.*Extra inputs"),
        ({"members": "many"}, "members"),
        ({"evolve": []}, "evolve"),
        ({"tasks": []}, "tasks"),
        ({"noise": 1.5}, "noise"),
        ({"mean_decay": 1}, "mean_decay"),
        ({"sigma": {"first": 0}}, r"sigma\.first"),
        ({"sigma": {"first": 1, "decay": 1.1}}, r"sigma\.decay"),
        ({"sigma": 0.1}, "sigma"),
        ({"fitness": "worst"}, "'final' or 'best'"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"generations": 0}, "generations"),
        ({"draw": {"sigma": [1]}}, r"draw\.sigma"),
        ({"tasks": [{"id": "x", "pool": {"a": [1], "b": [2]}}]}, "x: a pool has one argument, but this one has a, b"),
        ({"tasks": [{"id": "x", "grid": {"dim": []}}]}, "x: a grid and a pool need at least one value"),
        ({"tasks": [{"id": "x", "pool": {"dim": []}}]}, "x: a grid and a pool need at least one value"),
        ({"tasks": [{"id": "x", "pool": {"instance": "3-1"}}]}, "'3-1' of instance has 0 values"),
        ({"tasks": [{"id": "x", "pools": {}}]}, "Extra inputs"),
        ({"evaluation": {"every": 0}}, r"evaluation\.every"),
        # What cannot be drawn would fail in the first meta-generation, after a minute of compiling.
        ({"draw": {"sigma": [0.5, 0.1]}}, "draw"),
        ({"draw": {"sigma": [0.0, float("inf")]}}, "draw"),
    ],
)  # fmt: skip
def test_bad_entries_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load_preset("lga", "smoke", changes)
    assert "preset lga-smoke is not a valid configuration" in str(caught.value)


def test_unknown_presets_are_answered_with_the_known() -> None:
    with pytest.raises(UnknownNameError, match="no preset 'huge' of 'lga': it has cpu, paper, smoke"):
        load_preset("lga", "huge", {})
    with pytest.raises(UnknownNameError, match="no preset 'cpu' of 'cma-es': it has none"):
        load_preset("cma-es", "cpu", {})


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    with pytest.raises(UnknownNameError, match=r"no file .*mine\.toml"):
        load_config(path, {})
    path.write_text(tiny.as_toml(tiny.settings()))
    assert load_config(path, {}) == tiny.config()
    assert load_config(path, {"members": 8, "seed": 3}) == tiny.config(members=8, seed=3)
    path.write_text("members = = 3")
    with pytest.raises(ValueError, match=r"mine\.toml is not a valid configuration: .*line 1"):
        load_config(path, {})
    path.write_text("")
    with pytest.raises(ValueError, match=r"optimizer\n.*Field required"):
        load_config(path, {})


def test_variants_are_the_grid_s_combinations() -> None:
    family = TaskFamily(id="x", arguments={"a": 0}, grid={"b": (1, 2), "c": (3, 4)}, pool={"d": (5, 6)})
    assert family.variants() == [{"a": 0, "b": b, "c": c} for b in (1, 2) for c in (3, 4)]
    assert TaskFamily(id="x").variants() == [{}]


def test_what_decides_the_search() -> None:
    """The number of meta-generations may be changed when a run goes on, and how often it is saved."""
    one = tiny.config()
    assert tiny.config(meta_generations=99, checkpoint_every=7).search() == one.search()
    for change in (
        {"seed": 1},
        {"members": 6},
        {"sigma": {"first": 0.2}},
        {"noise": 0.5},
        {"tasks": [tiny.ROSENBROCK]},
    ):
        assert tiny.config(**change).search() != one.search()


def test_schedules_by_hand() -> None:
    schedule = Schedule(first=0.8, decay=0.5, last=0.15)
    assert [schedule.at(generation) for generation in range(5)] == [0.8, 0.4, 0.2, 0.15, 0.15]
    assert Schedule(first=2.0).at(1000) == 2.0
    paper = Schedule(first=0.1, decay=0.999, last=0.001)
    assert paper.at(750) == pytest.approx(0.1 * 0.999**750)
    assert paper.at(10_000) == 0.001


numbers = st.floats(1e-6, 10)


@given(first=numbers, decay=st.floats(1e-3, 1), last=st.floats(0, 10), generation=st.integers(0, 5000))
def test_schedules_fall_within_bounds(first: float, decay: float, last: float, generation: int) -> None:
    schedule = Schedule(first=first, decay=decay, last=last)
    now, later = schedule.at(generation), schedule.at(generation + 1)
    assert last <= later <= now <= max(first, last)
    assert schedule.at(0) == max(first, last)
