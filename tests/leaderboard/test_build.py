"""The files of a board: the same bytes every time, complete, and loading nothing."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import rich.console

from qdbench.leaderboard import aggregate, build, figures, render, tables
from tests.leaderboard.synthetic import fill, make_config, make_spec, save, save_failed

SCORES = {
    ("LP-Sphere-v0", "cma-mega"): (75.29, 0.01, 100.0),
    ("LP-Sphere-v0", "map-elites"): (1.04, 0.05, 1.17),
    ("Arm-v0", "cma-mega"): (74.18, 0.5, 74.18),
    ("Arm-v0", "map-elites"): (1.97, 0.2, 8.06),
}


class Page(HTMLParser):
    """Collects what the tests ask about a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.heads: list[dict[str, str | None]] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "action")
        ]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "th":
            self.heads.append(named)
        if tag == "img":
            self.images.append(named)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("results")
    fill(directory, SCORES)
    save_failed(directory, make_config(make_spec("Arm-v0"), "map-elites", 7))
    return directory


@pytest.fixture(scope="module")
def built(results: Path, tmp_path_factory: pytest.TempPathFactory) -> build.BuiltBoard:
    return build.build(results, tmp_path_factory.mktemp("board"), "A board & its <title>")


def test_the_files(built: build.BuiltBoard) -> None:
    names = {path.relative_to(built.out).as_posix() for path in built.files}
    over_suite = {"figures/profiles.svg", "figures/critical-difference.svg"}
    assert names == {"board.md", "board.csv", "board.json", "index.html"} | over_suite | {
        f"figures/{task}-{kind}.svg" for task in ("arm-v0", "lp-sphere-v0") for kind in ("curves", "archives")
    }
    assert all(path.is_file() for path in built.files)


def test_the_same_bytes_from_a_copy_elsewhere_in_another_process(
    results: Path, built: build.BuiltBoard, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    code = (
        "import sys, pathlib; from qdbench.leaderboard.build import build;"
        "build(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), 'A board & its <title>');"
        "assert 'jax' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(copy), str(tmp_path / "out")]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "7"})
    for path in built.files:
        assert (tmp_path / "out" / path.relative_to(built.out)).read_bytes() == path.read_bytes(), path.name


def test_check_finds_what_was_changed_or_is_missing(results: Path, built: build.BuiltBoard, tmp_path: Path) -> None:
    out = tmp_path / "board"
    shutil.copytree(built.out, out)
    assert build.check(results, out) == []
    (out / "board.csv").write_text("changed")
    (out / "figures" / "arm-v0-curves.svg").unlink()
    assert sorted(path.name for path in build.check(results, out)) == ["arm-v0-curves.svg", "board.csv"]


def test_the_page_loads_nothing(built: build.BuiltBoard) -> None:
    text = (built.out / "index.html").read_text()
    page = Page(text)
    assert page.links
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert not {"link", "iframe", "object", "embed", "base"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)


def test_figures_load_nothing(built: build.BuiltBoard) -> None:
    for path in built.files:
        if path.suffix == ".svg":
            links = Page(path.read_text()).links
            assert all(link.startswith(("#", "data:image/png")) for link in links)
            assert "prefers-color-scheme: dark" in path.read_text()


def test_the_page_is_accessible(built: build.BuiltBoard) -> None:
    page = Page((built.out / "index.html").read_text())
    assert page.heads
    assert all(head.get("scope") in ("col", "row", "colgroup") for head in page.heads)
    assert len(page.images) == 2  # those over the suite; the script draws those of a task, with words of their own
    assert all(image.get("alt") for image in page.images)


def test_the_title_and_errors_are_escaped(built: build.BuiltBoard) -> None:
    text = (built.out / "index.html").read_text()
    assert "<h1>A board &amp; its &lt;title&gt;</h1>" in text
    assert "out of &lt;b&gt;memory&lt;/b&gt;" in text


def test_published_numbers_failures_tests_and_the_way_to_rebuild_are_shown(built: build.BuiltBoard) -> None:
    for name in ("index.html", "board.md"):
        text = (built.out / name).read_text()
        assert "Table 1, reproduced" in text
        assert "Failed trials" in text
        assert "Two-way analysis of variance" in text
        assert "Simple main effects" in text
        assert "qdbench leaderboard build" in text
        assert "75.29" in text
        assert "jax" in text
        assert "2026-01-01" not in text


def test_published_numbers_only_for_the_papers_setting(tmp_path: Path) -> None:
    fill(tmp_path / "results", SCORES, dim=100)
    board = build.build(tmp_path / "results", tmp_path / "board")
    for name in ("index.html", "board.md"):
        assert "Table 1, reproduced" not in (board.out / name).read_text()


def test_csv_has_one_row_a_group_with_all_digits(built: build.BuiltBoard) -> None:
    rows = list(csv.DictReader(io.StringIO((built.out / "board.csv").read_text())))
    assert len(rows) == 4
    summary = built.board.summary
    assert [float(row["qd_score_mean"]) for row in rows] == list(summary["qd_score_mean"])
    assert json.loads(rows[0]["hyperparameters"]) == {}


def test_json_has_the_rows_of_the_csv_and_no_number_that_is_none(built: build.BuiltBoard) -> None:
    content = json.loads((built.out / "board.json").read_text())
    assert content["title"] == "A board & its <title>"
    assert len(content["rows"]) == 4
    assert content["rows"][0]["qd_score_mean"] == built.board.summary["qd_score_mean"].iloc[0]
    assert content["rows"][0]["qd_score_iqm"] == built.board.summary["qd_score_iqm"].iloc[0]
    assert "NaN" not in (built.out / "board.json").read_text()


def test_the_statistics_over_the_suite_are_shown(built: build.BuiltBoard) -> None:
    for name in ("index.html", "board.md"):
        text = (built.out / name).read_text()
        for part in (
            "Over the suite",
            "IQM",
            "Probability of improvement",
            "Failed trials have no score",
            "map-elites 1",
        ):
            assert part in text, part


def test_markdown_tables_are_rectangular(built: build.BuiltBoard) -> None:
    lines = (built.out / "board.md").read_text().splitlines()
    for above, below in itertools.pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert above.replace("\\|", "").count("|") == below.replace("\\|", "").count("|")


def test_unreadable_files_and_mixed_fingerprints_are_shown(tmp_path: Path) -> None:
    results = tmp_path / "results"
    good = save(results, make_config(fingerprint="a" * 16), 10.0)
    save(results, make_config(fingerprint="b" * 16), 20.0)
    good.with_name("009-bad.safetensors").write_bytes(good.read_bytes()[:300])
    board = build.build(results, tmp_path / "board")
    for name in ("index.html", "board.md"):
        text = (board.out / name).read_text()
        assert "009-bad.safetensors" in text
        assert "fingerprint=aaaaaaaaaaaa" in text
        assert "fingerprint=bbbbbbbbbbbb" in text


def test_a_board_of_failures_only(tmp_path: Path) -> None:
    save_failed(tmp_path / "results", make_config())
    board = build.build(tmp_path / "results", tmp_path / "board")
    assert "Failed trials" in (board.out / "index.html").read_text()
    assert board.board.plots == {"LP-Sphere-v0": ()}


def test_tasks_with_one_three_and_no_measures(tmp_path: Path) -> None:
    results = tmp_path / "results"
    save(results, make_config(make_spec("One-v0", measures=1)), 10.0)
    save(results, make_config(make_spec("Three-v0", measures=3, archive_shape=(4, 4, 4))), 10.0)
    save(results, make_config(make_spec("None-v0", measures=0, metric="best_objective")), 1.0, with_archive=False)
    board = build.build(results, tmp_path / "board", save_png=True).board
    assert [plot.name for plot in board.plots["One-v0"]] == ["one-v0-curves", "one-v0-archives"]
    assert [plot.name for plot in board.plots["Three-v0"]] == ["three-v0-curves"]
    assert "the task has 3 measures" in (tmp_path / "board" / "index.html").read_text()
    assert (tmp_path / "board" / "figures" / "one-v0-archives.png").read_bytes().startswith(b"\x89PNG")


def test_long_names_go_to_a_legend(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for sigma in (0.25, 0.5):
        config = make_config(optimizer="my_package.module:MyOptimizer", hyperparameters={"sigma": sigma})
        save(results, config, 10 * sigma)
    save(results, make_config(optimizer="my_package.module:MyOptimizer", repetition=1), 3.0, with_archive=False)
    board = build.build(results, tmp_path / "board").board
    assert "my_package.module:MyOptimizer (sigma=0.25)" in board.look
    assert "my_package.module:MyOptimizer (sigma=unset)" in board.look
    assert len({board.look[name] for name in board.summary["optimizer"]}) == 3


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(build.NoResultsError, match=r"no folder .*missing.*qdbench run --suite quick --out"):
        build.build(tmp_path / "missing", tmp_path / "board")
    (tmp_path / "file.safetensors").write_bytes(b"")
    with pytest.raises(build.NoResultsError, match=r"of its 1 files none .*\n  file.safetensors: "):
        build.build(tmp_path, tmp_path / "board")


def test_compact_keeps_the_board_and_drops_archives(results: Path, built: build.BuiltBoard, tmp_path: Path) -> None:
    everything = tmp_path / "everything"
    shutil.copytree(results, everything)
    save(everything, make_config(make_spec("Arm-v0"), "cma-mega", 5), 74.0)
    left_out = build.compact(everything, tmp_path / "small")
    assert left_out == ()
    before, after = aggregate.read_results(everything), aggregate.read_results(tmp_path / "small")
    assert list(after.trials) == list(before.trials)
    assert list(after.failures) == list(before.failures)
    for digest, trial in after.trials.items():
        assert trial.record == before.trials[digest].record
        assert trial.trace.equals(before.trials[digest].trace)
        assert trial.has_archive == (trial.record.config.repetition == 0)
        archive, original = trial.archive(), before.trials[digest].archive()
        if archive is not None and original is not None:
            assert archive.solutions is None
            np.testing.assert_array_equal(archive.grid(), original.grid())
    board = build.build(everything, tmp_path / "board")
    assert build.check(tmp_path / "small", board.out) == []
    with pytest.raises(ValueError, match="another folder"):
        build.compact(results, results)


def test_terminal_table(built: build.BuiltBoard) -> None:
    console = rich.console.Console(width=120, file=io.StringIO())
    console.print(render.terminal_table(built.board))
    text = console.file.getvalue()
    assert "A board & its <title>" in text
    assert text.index("cma-mega") < text.index("map-elites")


def test_numbers_have_two_decimals_and_no_negative_zero() -> None:
    assert tables.number(1234.567) == "1,234.57"
    assert tables.number(float("nan")) == "–"
    assert tables.signed(-0.001) == "+0.00"
    assert tables.signed(-0.5) == "-0.50"


def test_labels_at_the_ends_of_curves_do_not_overlap() -> None:
    places = figures.spread([0.0, 0.01, 0.02, 0.5, 0.9, 0.91], gap=0.06)
    assert np.all(np.diff(places) >= 0.06 - 1e-12)
    assert places[0] >= 0
    assert places[3] == 0.5


def test_reference_optimizers_have_fixed_and_different_colors() -> None:
    alone, together = figures.styles(["cma-mega"]), figures.styles(["a", "b", "cma-mega"])
    assert alone["cma-mega"] == together["cma-mega"]
    assert len({style.color for style in alone.values()}) == 9
