"""The pages in a real browser: they sort, filter, compare, zoom and tell, offline, with a mouse and with a keyboard."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdbench.harness import store
from qdbench.leaderboard import build, render
from qdbench.leaderboard.site import cards, explorer, overview
from tests.leaderboard.synthetic import fill, make_config, make_result, make_spec, save, save_failed

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

SCORES = {
    ("LP-Sphere-v0", "cma-mega"): (75.29, 0.01, 100.0),
    ("LP-Sphere-v0", "map-elites"): (1.04, 0.05, 1.17),
    ("LP-Sphere-v0", "random-search"): (1.00, 0.05, 1.17),
    ("Arm-v0", "cma-mega"): (74.18, 0.5, 74.18),
    ("Arm-v0", "map-elites"): (1.97, 0.2, 8.06),
    ("Arm-v0", "random-search"): (2.50, 0.2, 9.06),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    fill(root / "small" / "results", SCORES)
    save_failed(root / "small" / "results", make_config(make_spec("Arm-v0"), "map-elites", 7))
    build.build(root / "small" / "results", root / "small", "A small board")
    overview.build_all(root)
    return root / "small" / "index.html"


class Visit:
    """A page, offline, with everything that it complains about and everything that it asks for."""

    def __init__(self, browser: Any, path: Path, fragment: str = "", **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.context.set_offline(True)
        self.page = self.context.new_page()
        # Processor time, which other programs on the machine do not lengthen as they do the time on the wall.
        self.session = self.context.new_cdp_session(self.page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + fragment)

    def busy(self) -> float:
        """Seconds of processor time that the page has used."""
        metrics = self.session.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in metrics}["TaskDuration"]

    def column(self, number: int) -> list[str]:
        return self.page.locator(f"#results-table tbody tr > :nth-child({number})").all_inner_texts()


@pytest.fixture
def visit(browser: Any, board: Path) -> Iterator[Visit]:
    visited = Visit(browser, board)
    yield visited
    assert visited.complaints == []
    assert all(url.startswith("data:") for url in visited.requests[1:]), visited.requests
    assert visited.requests[0] == board.as_uri()
    visited.context.close()


def test_the_table_sorts_by_its_heads_with_mouse_and_keyboard(visit: Visit) -> None:
    assert len(visit.column(1)) == 6
    assert set(visit.column(14)) == {"cpu"}
    head = visit.page.get_by_role("button", name="Mean", exact=True)
    head.click()
    means = [float(text.partition(" ")[0]) for text in visit.column(5)]
    assert means == sorted(means)
    cell = visit.page.locator("#results-table th[data-key=mean]")
    assert cell.get_attribute("aria-sort") == "ascending"
    head.focus()
    visit.page.keyboard.press("Enter")
    means = [float(text.partition(" ")[0]) for text in visit.column(5)]
    assert means == sorted(means, reverse=True)
    assert cell.get_attribute("aria-sort") == "descending"
    assert visit.column(2)[0].strip() == "cma-mega"


def test_filters_and_a_link_that_holds_the_view(visit: Visit, browser: Any, board: Path) -> None:
    page = visit.page
    page.fill("#filter", "arm map")
    assert visit.column(1) == ["Arm-v0"]
    assert visit.column(2) == ["map-elites"]
    assert visit.column(10) == ["1"]  # the failed trial is shown
    page.fill("#filter", "")
    page.select_option("#filter-optimizer", "cma-mega")
    assert visit.column(1) == ["Arm-v0", "LP-Sphere-v0"]
    assert page.inner_text("#results-count") == "2 of 6 rows"
    page.get_by_role("button", name="Rank", exact=True).click()
    fragment = page.evaluate("location.hash")
    again = Visit(browser, board, fragment)
    assert again.column(2) == ["cma-mega", "cma-mega"]
    assert again.page.locator("th[data-key=rank]").get_attribute("aria-sort") == "ascending"
    again.context.close()
    page.get_by_role("button", name="Reset").click()
    assert len(visit.column(1)) == 6
    page.fill("#filter", "nothing like it")
    assert visit.column(1) == []


def test_two_optimizers_beside_each_other(visit: Visit, browser: Any, board: Path) -> None:
    page = visit.page
    page.select_option("#first", "map-elites")
    page.select_option("#second", "random-search")
    rows = page.locator("#compare-table tbody tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows] == ["Arm-v0", "LP-Sphere-v0"]
    assert "random-search" in rows[0].split("\t")[5]
    words = page.inner_text("#compare-words")
    assert re.fullmatch(r"map-elites has the better mean on \d, random-search on \d of 2 tasks\.", words)
    page.get_by_role("button", name="Only the two compared").click()
    page.select_option("#task", "LP-Sphere-v0")
    assert page.locator("#curves .legend button").count() == 2
    assert page.locator("#archives canvas").count() == 2
    again = Visit(browser, board, page.evaluate("location.hash"))
    assert again.page.input_value("#first") == "map-elites"
    assert again.page.input_value("#second") == "random-search"
    assert again.page.input_value("#task") == "LP-Sphere-v0"
    assert again.page.locator("#curves .legend button").count() == 2
    again.page.get_by_role("button", name="Swap").click()
    assert again.page.input_value("#first") == "random-search"
    again.context.close()


def test_pointing_at_a_cell_shows_its_elite_and_zooming_changes_the_cell(visit: Visit, board: Path) -> None:
    page = visit.page
    canvas = page.locator("#archives canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.505, box["y"] + box["height"] * 0.495)
    tip = page.locator("#archives .tip").first
    assert tip.is_visible()
    (path,) = (board.parent / "results" / "Arm-v0" / "cma-mega").glob("000-*")
    archive = store.load(path).archive
    assert archive is not None
    found = float(archive.grid()[50, 50])
    shown = re.match(r"objective ([\d.]+); sum of the first half ([-\d.]+); sum of the second half ", tip.inner_text())
    assert shown
    assert float(shown[1]) == pytest.approx(found, rel=1e-3)
    assert float(shown[2]) == 0.0
    corner = box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.495
    page.mouse.move(*corner)
    before = tip.inner_text()
    page.mouse.wheel(0, -300)
    page.mouse.wheel(0, -300)
    page.mouse.move(corner[0] + box["width"] * 0.3, corner[1])
    after = tip.inner_text()
    assert before != after
    page.get_by_role("button", name="Zoom out of the archive of cma-mega").click()
    label = canvas.get_attribute("aria-label")
    assert f"{archive.size} elites in 74.2 % of 10000 cells" in label
    page.mouse.move(0, 0)
    assert not tip.is_visible()


def test_archives_with_the_keyboard(visit: Visit) -> None:
    canvas = visit.page.locator("#archives canvas").first
    canvas.focus()
    visit.page.keyboard.press("ArrowRight")
    told = visit.page.locator("#archives output").first
    assert told.inner_text().startswith("objective 9")
    for _ in range(60):
        visit.page.keyboard.press("ArrowRight")
    assert told.inner_text() == "cell (99, 50): empty"
    visit.page.keyboard.press("+")


def test_curves_tell_their_values(visit: Visit) -> None:
    page = visit.page
    picture = page.locator("#curves svg")
    picture.focus()
    page.keyboard.press("End")
    tip = page.locator("#curves .tip")
    assert "360,100 evaluations" in tip.inner_text()
    end = re.search(r"cma-mega ([\d.]+) \[([\d.]+), ([\d.]+)\]", tip.inner_text())
    assert end
    assert float(end[2]) < float(end[1]) < float(end[3])
    assert float(end[1]) == pytest.approx(74.18, abs=1.5)
    page.keyboard.press("Home")
    assert "36,010 evaluations" in tip.inner_text() or "0 evaluations" in tip.inner_text()
    box = picture.bounding_box()
    assert box
    picture.hover(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})  # scrolls to it first
    assert "180,050 evaluations" in tip.inner_text()
    page.locator("#curves .legend button").first.click()
    assert page.locator("#curves .legend button").first.get_attribute("aria-pressed") == "false"
    assert page.locator("#curves svg path").count() == 4  # a band and a line for each of two
    page.get_by_role("button", name="Next task").click()
    assert page.input_value("#task") == "LP-Sphere-v0"
    assert "Final" in page.inner_text("#archives")


def test_every_figure_has_words_and_every_card_what_it_should(visit: Visit) -> None:
    page = visit.page
    for picture in page.locator("[role=img]").all():
        assert len(picture.get_attribute("aria-label")) > 20
    for image in page.locator("img").all():
        assert image.get_attribute("alt")
    task = page.locator("#task-arm-v0").inner_text()
    for part in ("end effector", "version history", "licence", "fingerprint", "budget", "Fontaine & Nikolaidis"):
        assert part in task
    optimizer = page.locator("#optimizer-cma-mega").inner_text()
    for part in ("Gradient Arborescence", "mean rank", "strongest", "Fontaine & Nikolaidis 2021"):
        assert part in optimizer
    bibtex = page.locator("#optimizer-cma-mega details")
    bibtex.locator("summary").click()
    assert "@inproceedings{fontaine2021dqd" in bibtex.inner_text()
    assert "weakest" in page.locator("#optimizer-random-search").inner_text()


def test_everything_is_reached_with_the_tab_key(visit: Visit) -> None:
    seen = set()
    for _ in range(80):
        visit.page.keyboard.press("Tab")
        seen.add(visit.page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"filter", "filter-task", "task", "only-pair", "first", "second", "CANVAS", "svg", "A", "BUTTON"} <= seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(browser: Any, board: Path, scheme: str) -> None:
    visited = Visit(browser, board, color_scheme=scheme)
    colors = visited.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    ground, ink = (np.mean([int(value) for value in re.findall(r"\d+", color)[:3]]) for color in colors)
    assert (ground > 200 and ink < 80) if scheme == "light" else (ground < 60 and ink > 200)
    visited.context.close()


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Any, board: Path) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    for path in (board, board.parents[1] / "index.html"):
        visited = Visit(browser, path, **phone)
        assert visited.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visited.page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 15
        visited.context.close()


def test_the_overview_leads_to_the_board(browser: Any, board: Path) -> None:
    visited = Visit(browser, board.parents[1] / "index.html")
    row = visited.page.locator("tbody tr").first.inner_text().split("\t")
    assert row[:5] == ["small", "2", "3", "18", "1"]
    visited.page.get_by_role("link", name="A small board").click()
    assert visited.page.url == board.as_uri()
    assert visited.complaints == []
    visited.context.close()


def test_the_overview_and_all_boards_are_checked(board: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(board.parents[1], tmp_path / "root"))
    assert overview.build_all(root, check=True) == []
    (root / "small" / "board.json").write_text("{}")
    (root / "index.html").unlink()
    changed = {path.name for path in overview.build_all(root, check=True)}
    assert changed == {"board.json", "index.html"}
    assert not (root / "index.html").exists()
    with pytest.raises(build.NoResultsError, match="no board below"):
        overview.build_all(tmp_path / "nowhere")


def large_page(tasks: int = 200, optimizers: int = 50) -> bytes:
    rng = np.random.default_rng(0)
    rows = [
        [
            task,
            optimizer,
            int(rng.integers(1, 51)),
            *(round(float(value), 6) for value in rng.random(8)),
            20,
            0,
            10_000,
            0,
            1.5,
            0,
        ]
        for task in range(tasks)
        for optimizer in range(optimizers)
    ]
    curve = [list(range(0, 2000, 100)), *([round(float(value), 5) for value in rng.random(20)] for _ in range(3))]
    data = {
        "columns": list(explorer.COLUMNS),
        "optimizers": [{"name": f"optimizer-{index}", "color": "#0072b2"} for index in range(optimizers)],
        "tasks": [
            {
                "name": f"Task-{index}-v0", "id": "Task-v0", "metric": "QD-score", "lower": False, "budget": 10_000,
                "curves": {str(other): curve for other in range(optimizers)}, "archives": {},
            }
            for index in range(tasks)
        ],
        "devices": ["cpu"],
        "rows": rows,
    }  # fmt: skip
    content = {"title": "Large", "description": "", "incidents": [], "commands": (), "explorer": explorer.to_json(data)}
    return render.page("page.html.j2", content, {}, {}).encode()


def test_ten_thousand_rows_open_in_two_seconds_and_stay_usable(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    path.write_bytes(large_page())
    alone = os.getloadavg()[0] < (os.cpu_count() or 1) / 2
    started = time.perf_counter()
    visited = Visit(browser, path)
    visited.page.wait_for_function("document.querySelectorAll('#results-table tbody tr').length === 100")
    elapsed, opened = time.perf_counter() - started, visited.busy()
    assert visited.page.inner_text("#results-count").startswith("10,000 of 10,000 rows")
    visited.page.get_by_role("button", name="Mean", exact=True).click()
    assert visited.page.locator("th[data-key=mean]").get_attribute("aria-sort") == "ascending"
    sorted_after = visited.busy()
    visited.page.fill("#filter", "task-17 optimizer-4")
    assert visited.page.inner_text("#results-count").startswith("121 of")
    filtered_after = visited.busy()
    visited.page.get_by_role("button", name="Show 100 more").click()
    assert len(visited.column(1)) == 121
    assert visited.complaints == []
    visited.context.close()
    assert opened < 2.0
    assert sorted_after - opened < 0.5
    assert filtered_after - sorted_after < 0.5
    assert elapsed < 2.0 or not alone


def test_cards_have_hyperparameters_and_where_an_optimizer_is_strong_and_weak(tmp_path: Path) -> None:
    for task, score in (("LP-Sphere-v0", 5.0), ("Arm-v0", 1.0)):
        save(tmp_path, make_config(make_spec(task), "map-elites", hyperparameters={"sigma": 0.3}), score)
        save(tmp_path, make_config(make_spec(task), "mine:Search"), 3.0)
    found = build.files_of(tmp_path)[0]
    made = cards.of_results(found.results, explorer.of_board(found))["optimizers"]  # type: ignore[arg-type]
    facts = {card.title: card.facts for card in made}
    assert facts["map-elites"]["hyperparameters"] == "sigma = 0.3"
    assert facts["map-elites"]["strongest"] == "rank 1 on LP-Sphere-v0"
    assert facts["map-elites"]["weakest"] == "rank 2 on Arm-v0"
    assert facts["mine:Search"]["mean rank"] == "1.50 over 2 tasks"


def test_the_data_are_the_results(board: Path) -> None:
    built = build.files_of(board.parent / "results", "A small board")[0]
    data = explorer.of_board(built)  # type: ignore[arg-type]
    summary = built.summary  # type: ignore[union-attr]
    assert len(data["rows"]) == len(summary) == 6
    row = dict(zip(data["columns"], data["rows"][0], strict=True))
    first = summary.iloc[0]
    assert data["optimizers"][row["optimizer"]]["name"] == first["optimizer"]
    assert row["mean"] == pytest.approx(first["qd_score_mean"], rel=1e-5)
    assert row["iqm_low"] == pytest.approx(first["qd_score_iqm_low"], rel=1e-5)
    config = make_config(make_spec("Arm-v0"), "cma-mega", 0)
    archive = make_result(config, 1.0, 74.18).archive
    assert archive is not None
    packed = explorer._archive(archive)
    import base64

    steps = np.frombuffer(base64.b64decode(packed["columns"][0]["data"]), "<u2").astype(float)
    low, high = packed["columns"][0]["low"], packed["columns"][0]["high"]
    assert low + steps * (high - low) / 65535 == pytest.approx(archive.objective, abs=(high - low) / 65535)
    assert np.frombuffer(base64.b64decode(packed["cells"]), "<u2").tolist() == archive.cells.tolist()
    assert "</script" not in explorer.to_json({"x": "</script>"})
