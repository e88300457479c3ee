"""What a person does with the pages, and what they see."""

import csv
import subprocess
from pathlib import Path

import pytest

from souvenirs.control import count_active_users
from souvenirs.insights import growth, retention
from tests.browser.conftest import RANGE, follow, overflow, serious
from tests.conftest import at

pytestmark = pytest.mark.browser

START, END = at(2025, 1, 1), at(2025, 6, 18)
USAGE = "/admin/souvenirs/usage/"
PAGES = {
    "overview": f"{USAGE}?{RANGE}",
    "retention": f"{USAGE}retention/?{RANGE}",
    "unfinished": f"{USAGE}retention/",
    "people": f"{USAGE}people/?{RANGE}",
    "billing": f"{USAGE}billing/?subscription_start=2025-01-15",
    "health": f"{USAGE}health/",
    "alone": f"/souvenirs/?{RANGE}",
}


def test_from_the_index_to_a_range_and_a_segment_and_back(visit):
    visitor = visit()
    page = visitor.page
    follow(page, "#content-main a[href$='/souvenirs/usage/']")
    page.fill("[name=from]", "2025-01-01")
    page.fill("[name=to]", "2025-06-18")
    follow(page, "text=Show")
    everybody = count_active_users(at(2025, 5, 21), END)
    value = page.locator(".souvenirs-tile", has=page.locator("h3", has_text="28 days"))
    assert value.locator(".souvenirs-value").inner_text() == str(everybody)
    page.select_option("[name=segment]", "few")
    follow(page, "text=Show")
    assert "segment=few" in page.url
    assert "from=2025-01-01" in page.url
    few = count_active_users(at(2025, 5, 21), END, users=[1, 2, 3])
    assert value.locator(".souvenirs-value").inner_text() == str(few)
    page.go_back()
    assert value.locator(".souvenirs-value").inner_text() == str(everybody)
    assert visitor.wrong == []


def test_cell_opens_its_people(visit):
    visitor = visit()
    page = visitor.open(PAGES["retention"])
    cell = page.locator("tr", has_text="2025-01").locator("td.share a").nth(1)
    expected = retention(START, END).users("2025-01", 1)
    follow(page, cell)
    names = set(page.locator(".souvenirs-table tbody th").all_inner_texts())
    assert names == {user.get_username() for user in expected.users()}
    page.go_back()
    assert "retention" in page.url
    assert visitor.wrong == []


def test_number_opens_its_people(visit):
    page = visit().open(PAGES["overview"])
    tile = page.locator(".souvenirs-tile", has=page.locator("h3", has_text="28 days"))
    number = int(tile.locator(".souvenirs-value").inner_text())
    follow(page, tile.locator("a"))
    assert page.locator(".souvenirs-table tbody tr").count() == number


def test_table_as_csv(visit):
    page = visit().open(PAGES["overview"])
    page.locator("summary").nth(2).click()
    with page.expect_download() as waiting:
        page.locator("a[href*='api/growth'][href*='csv']").click()
    with Path(waiting.value.path()).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    found = growth(START, END)
    assert [int(row["active"]) for row in rows] == [each.active for each in found.periods]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_and_everybody_can_use_them(visit, width, scheme):
    visitor = visit(width, color_scheme=scheme, bypass_csp=False)
    for name, path in PAGES.items():
        page = visitor.open(path)
        page.wait_for_load_state("networkidle")
        assert overflow(page) <= 0, name
        charts = page.locator(".souvenirs-drawing.is-lines svg")
        assert charts.count() == (2 if name in ("overview", "alone") else 0)
        assert serious(page, ".souvenirs") == [], name
        # The whole page, with the stylesheets and the scripts of the admin, before any is cached.
        assert sum(visitor.loaded.values()) <= 120_000, visitor.loaded
    assert visitor.wrong == []


def test_everything_is_there_without_a_script(visit):
    visitor = visit(java_script_enabled=False)
    page = visitor.open(PAGES["overview"])
    lines = page.locator(".souvenirs-drawing .line:not(.is-unfinished, .is-dot, .is-hole)")
    assert lines.count() == 6
    # The range cuts off the last of the months.
    assert page.locator(".souvenirs-drawing .line.is-hole").count() == 3
    assert page.locator(".souvenirs-legend .souvenirs-at").first.inner_text() == "2025-06-17"
    page.locator("summary").first.click()
    table = page.locator("details").first.locator("tbody tr")
    assert table.count() == 168
    assert table.first.is_visible()
    page.select_option("[name=interval]", "week")
    follow(page, "text=Show")
    assert "interval=week" in page.url
    assert visitor.wrong == []


def test_chart_follows_the_theme(visit):
    visitor = visit()
    page = visitor.open(PAGES["overview"])
    colour = "getComputedStyle(document.querySelector('.souvenirs-drawing .line')).stroke"
    before = page.evaluate(colour)
    for _ in range(3):
        page.locator(".theme-toggle:visible").first.click()
        if page.evaluate(colour) != before:
            break
    assert page.evaluate(colour) != before
    assert visitor.wrong == []


def test_chart_says_what_is_under_the_pointer(visit):
    page = visit().open(PAGES["overview"])
    legend = page.locator(".souvenirs-legend").first
    rows = page.locator("details").first.locator("tbody tr")

    def said():
        period = legend.locator(".souvenirs-at").inner_text()
        values = rows.filter(has_text=period).locator("td").all_text_contents()
        assert legend.locator("b").all_inner_texts() == values[:3]
        return period

    assert said() == "2025-06-17"
    page.locator(".souvenirs-drawing svg").first.hover()
    assert "2025-03-20" < said() < "2025-03-30"
    page.mouse.move(0, 0)
    assert said() == "2025-06-17"


@pytest.mark.parametrize("width", [1280, 390])
def test_from_right_to_left(visit, settings, tmp_path, width):
    """With a catalogue of the project: without one, the pages are in English."""
    folder = tmp_path / "he/LC_MESSAGES"
    folder.mkdir(parents=True)
    source = 'msgctxt "the code of the language of this catalogue"\nmsgid "en"\nmsgstr "he"\n'
    (folder / "django.po").write_text(
        f'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n\n{source}'
    )
    subprocess.run(["msgfmt", "-o", folder / "django.mo", folder / "django.po"], check=True)
    settings.LOCALE_PATHS = [tmp_path]
    settings.LANGUAGE_CODE = "he"
    visitor = visit(width)
    for name, path in PAGES.items():
        page = visitor.open(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.dir") == "rtl"
        assert overflow(page) <= 0, name
    assert visitor.wrong == []


def test_on_a_phone_no_moment_is_cut_off(visit):
    visitor = visit(390)
    for name in ("people", "health", "billing"):
        page = visitor.open(PAGES[name])
        hidden = "each => each.map(box => box.scrollWidth - box.clientWidth)"
        assert set(page.eval_on_selector_all(".souvenirs-scroll", hidden)) == {0}, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_go_together_without_the_variables_of_any_theme(visit, scheme):
    page = visit().open(PAGES["alone"])
    page.evaluate("document.querySelector('link[href*=standalone]').remove()")
    page.evaluate("scheme => { document.documentElement.style.colorScheme = scheme }", scheme)
    page.evaluate("document.body.style.background = 'Canvas'")  # which axe-core takes for white
    assert serious(page, ".souvenirs") == []


def test_keyboard_reaches_every_control(visit):
    page = visit().open(PAGES["retention"])
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.name || document.activeElement.className")
        )
    assert {"from", "to", "interval", "cohort", "mode", "tz", "souvenirs-scroll"} <= reached


def test_mistake_is_said_at_its_field(visit):
    visitor = visit()
    page = visitor.open(f"{USAGE}?{RANGE}")
    page.fill("[name=tz]", "Atlantis")
    follow(page, "text=Show")
    wrong = page.locator("[name=tz]")
    assert wrong.get_attribute("aria-invalid") == "true"
    assert wrong.input_value() == "Atlantis"
    assert "must be a name like Europe/Paris" in page.locator("#souvenirs-tz_error").inner_text()


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_nothing_is_cut_off_and_nothing_can_be_pressed(visit, name):
    """718 pixels are the width of A4 between margins of a centimetre."""
    page = visit(1280).open(PAGES[name])
    page.wait_for_load_state("networkidle")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1000})
    assert overflow(page) <= 0
    hidden = """boxes => boxes.map(
        box => Math.max(box.scrollWidth - box.clientWidth, box.scrollHeight - box.clientHeight)
    )"""
    boxes = page.eval_on_selector_all(".souvenirs-scroll:not(details *)", hidden)
    assert max(boxes) <= 0
    for selector in (
        "#nav-sidebar",
        "#header",
        ".souvenirs-pages",
        ".souvenirs-controls",
        ".breadcrumbs",
    ):
        assert page.locator(selector).count() == 0 or not page.locator(selector).first.is_visible()
