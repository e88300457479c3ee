"""What a person does with the pages, and what they see."""

import csv
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from souvenirs.control import annotate, count_active_users
from souvenirs.insights import growth, retention
from tests.browser.conftest import RANGE, follow, hebrew, overflow, serious
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
    page.click("summary:has-text('Dates')")
    page.fill("[name=from]", "2025-01-01")
    page.fill("[name=to]", "2025-06-18")
    follow(page, "form:has([name=from]) button")
    everybody = count_active_users(at(2025, 5, 21), END)
    value = page.locator(".souvenirs-figure", has=page.locator("h2", has_text="28 days"))
    assert value.locator(".souvenirs-value").inner_text() == str(everybody)
    with page.expect_navigation():
        page.select_option("[name=segment]", "few")
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
    figure = page.locator(".souvenirs-figure", has=page.locator("h2", has_text="28 days"))
    number = int(figure.locator(".souvenirs-value").inner_text())
    follow(page, figure.locator(".souvenirs-value a"))
    assert page.locator(".souvenirs-table tbody tr").count() == number


def test_table_as_csv(visit):
    page = visit().open(PAGES["overview"])
    page.click("#souvenirs-growth-part a")
    with page.expect_download() as waiting:
        page.click("#souvenirs-growth-part a[href*='api/growth'][href*='csv']")
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
    page = visitor.open(f"{PAGES['overview']}&interval=day&compare=previous")
    lines = page.locator(".souvenirs-drawing .line:not(.is-unfinished, .is-dot, .is-hole)")
    assert lines.count() == 3
    assert page.locator(".souvenirs-legend .souvenirs-at").first.inner_text() == "2025-06-17"
    follow(page, "#souvenirs-trend-part a")
    table = page.locator("#souvenirs-trend-part tbody tr")
    assert table.count() == 168
    assert table.first.is_visible()
    for name in ("segments", "slipping", "busy", "accounts"):
        follow(page, f"#souvenirs-{name}-part a")
        assert page.locator(f"#souvenirs-{name}-part a[data-part]").count() == 0
    page.select_option("select[name=interval]", "week")
    follow(page, ".souvenirs-show")
    assert "interval=week" in page.url
    assert "compare=previous" in page.url
    assert visitor.wrong == []


def test_parts_are_loaded_into_place(visit):
    visitor = visit()
    page = visitor.open(PAGES["overview"])
    page.wait_for_selector("#souvenirs-segments-part tbody tr")
    page.wait_for_selector("#souvenirs-slipping-part p:not(:has(a))")
    page.wait_for_selector("text=were registered before")
    url = page.url
    page.click("#souvenirs-trend-part a")
    page.wait_for_selector("#souvenirs-trend-part tbody tr")
    assert page.url == url
    assert visitor.wrong == []


@pytest.fixture
def regulars(people, leave):
    """Eight who come every day in its last minute, but have not come today."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    last = midnight - timedelta(minutes=1)
    leave(*((user, last - timedelta(days=day)) for day in range(60) for user in range(1, 9)))


@pytest.mark.usefixtures("regulars")
def test_expected_number_is_drawn_once_it_is_known(visit):
    visitor = visit(width=390)
    page = visitor.open(f"{USAGE}?interval=day")
    page.wait_for_selector("#souvenirs-expected-part .is-expected.is-dot", state="attached")
    written = page.locator(".souvenirs-legend li:has(.is-expected) b").inner_text()
    page.locator(".souvenirs-drawing").first.focus()
    page.keyboard.press("End")
    tip = page.locator("#souvenirs-expected-part .souvenirs-tip")
    assert f"Expected {written}" in tip.inner_text()
    page.keyboard.press("Home")
    assert "Expected" not in tip.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert visitor.wrong == []


@pytest.mark.usefixtures("regulars")
def test_chart_is_not_replaced_while_somebody_reads_it(visit):
    page = visit().open("/admin/")
    page.route("**/*only=expected*", lambda route: (page.wait_for_timeout(500), route.fallback()))
    page.goto(page.url.replace("/admin/", f"{USAGE}?interval=day"))
    drawing = page.locator(".souvenirs-drawing").first
    drawing.focus()
    page.keyboard.press("Home")
    page.wait_for_selector("#souvenirs-accounts-part p:not(:has(a))")
    assert drawing.locator(".souvenirs-tip").is_visible()
    assert page.locator(".is-expected").count() == 0
    page.keyboard.press("Tab")
    page.wait_for_selector("#souvenirs-expected-part .is-expected.is-dot", state="attached")


def test_part_that_cannot_be_loaded_is_a_link(visit):
    page = visit().open(PAGES["overview"])
    page.wait_for_load_state("networkidle")
    page.evaluate("() => { window.fetch = () => Promise.reject(new Error()) }")
    follow(page, "#souvenirs-trend-part a")
    assert "open=trend" in page.url
    assert page.locator("#souvenirs-trend-part tbody tr").first.is_visible()


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


def numbers(page):
    """What the table of the chart says, by period."""
    page.click("#souvenirs-trend-part a")
    page.wait_for_selector("#souvenirs-trend-part tbody tr")
    rows = page.locator("#souvenirs-trend-part tbody tr")
    cells = [row.locator("th, td").all_inner_texts() for row in rows.all()]
    return {period: values for period, *values in cells}


def test_chart_says_what_is_under_the_pointer(visit):
    page = visit().open(f"{PAGES['overview']}&interval=day&compare=previous")
    known = numbers(page)
    tip = page.locator(".souvenirs-tip").first

    def said():
        period, value, before, *_ = tip.inner_text().split("\n")
        assert value == f"Active users {known[period][0]}"
        assert before.startswith("Previous period ")
        return period

    assert not tip.is_visible()
    page.locator(".souvenirs-drawing svg").first.hover()
    assert "2025-03-20" < said() < "2025-03-30"
    page.mouse.move(0, 0)
    assert not tip.is_visible()


def test_chart_can_be_read_with_the_keyboard(visit):
    page = visit().open(f"{PAGES['overview']}&interval=month")
    known = list(numbers(page).items())[::-1]
    page.locator(".souvenirs-drawing").first.focus()
    tip = page.locator(".souvenirs-tip").first
    for key, place in (("ArrowLeft", -1), ("ArrowLeft", -2), ("Home", 0), ("ArrowRight", 1)):
        page.keyboard.press(key)
        period, [value] = known[place]
        assert tip.inner_text().split("\n") == [period, f"Active users {value}"]
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator(".souvenirs-table tbody tr").count() == int(known[1][1][0])


def test_bars_can_be_read_with_the_keyboard(visit):
    page = visit().open(f"{PAGES['overview']}&interval=month")
    periods = growth(START, END).periods
    drawing = page.locator(".souvenirs-drawing.is-bars")
    tip = drawing.locator(".souvenirs-tip")
    drawing.focus()
    for key, place in (("Home", 0), ("End", -1), ("ArrowLeft", -2), ("ArrowLeft", -3)):
        page.keyboard.press(key)
        found = periods[place]
        label = found.period.label + (" cut off" if found.period.incomplete else "")
        parts = ["Active", "Retained", "Resurrected", "New"]
        # In an incomplete period, nobody has churned yet.
        parts += [] if found.period.incomplete else ["Churned"]
        said = [f"{part} {getattr(found, part.lower())}" for part in parts]
        assert tip.inner_text().split("\n") == [label, *said]
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator(".souvenirs-table tbody tr").count() == periods[-3].active


def test_bars_say_what_is_under_the_pointer(visit):
    page = visit().open(f"{PAGES['overview']}&interval=month")
    page.wait_for_load_state("networkidle")
    drawing = page.locator(".souvenirs-drawing.is-bars")
    drawing.scroll_into_view_if_needed()
    tip = drawing.locator(".souvenirs-tip")
    # Six months: the pointer is in the first half of the third one, then in the second half.
    for share in (0.35, 0.48):
        page.mouse.move(*at_share(page, share, drawing))
        assert tip.inner_text().startswith("2025-03\n")
    page.mouse.down()
    page.mouse.move(*at_share(page, 0.6, drawing), steps=3)
    with page.expect_navigation():
        page.mouse.up()
    assert "from=2025-03-01&to=2025-05-01" in page.url


def test_retention_curve_can_be_read_with_the_keyboard(visit):
    page = visit().open(f"{PAGES['overview']}&interval=month")
    mean = retention(START, END).mean()
    drawing = page.locator(".souvenirs-chart.is-small .souvenirs-drawing")
    tip = drawing.locator(".souvenirs-tip")
    drawing.focus()
    for key, offset in (("Home", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        label, said = tip.inner_text().split("\n")
        assert label == str(offset)
        assert said.startswith("Mean of all cohorts ")
        assert float(said.split()[-1].rstrip("%")) == pytest.approx(100 * mean[offset], abs=0.06)
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_two_annotations_of_a_period_are_both_named(visit):
    annotate(at(2025, 3, 3).date(), "Release 2.0")
    annotate(at(2025, 3, 20).date(), "Price change")
    page = visit(390).open(f"{PAGES['overview']}&interval=month")
    for kind in ("is-lines", "is-bars"):
        drawing = page.locator(f".souvenirs-drawing.{kind}").first
        assert drawing.locator(".note").get_attribute("d").count("M") == 1
        drawing.focus()
        for key in ("Home", "ArrowRight", "ArrowRight"):
            page.keyboard.press(key)
        tip = drawing.locator(".souvenirs-tip")
        said = tip.inner_text().split("\n")[-2:]
        assert [each.strip() for each in said] == [
            "March 3, 2025: Release 2.0",
            "March 20, 2025: Price change",
        ]
        box = tip.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        page.keyboard.press("Escape")


def at_share(page, share, drawing=None):
    """A point of a chart, from its left edge to its right one."""
    drawing = drawing or page.locator(".souvenirs-drawing").first
    box = drawing.locator("svg").bounding_box()
    return box["x"] + share * box["width"], box["y"] + box["height"] / 2


def test_click_on_the_chart_opens_the_people_of_the_period(visit):
    page = visit().open(f"{PAGES['overview']}&interval=month")
    expected = count_active_users(at(2025, 3, 1), at(2025, 4, 1))
    with page.expect_navigation():
        page.mouse.click(*at_share(page, 0.4))
    assert page.locator(".souvenirs-table tbody tr").count() == expected


def test_drag_across_the_chart_zooms_in(visit):
    page = visit().open(f"{PAGES['overview']}&interval=month&figure=new")
    page.mouse.move(*at_share(page, 0.2))
    page.mouse.down()
    page.mouse.move(*at_share(page, 0.4), steps=3)
    with page.expect_navigation():
        page.mouse.up()
    assert "from=2025-02-01&to=2025-04-01" in page.url
    assert "figure=new" in page.url


def test_figure_drives_the_chart(visit):
    page = visit().open(PAGES["overview"])
    follow(page, page.locator(".souvenirs-choose", has_text="Stickiness"))
    title = page.locator("#souvenirs-trend-title").inner_text()
    assert title == "Stickiness up to the end of each month"
    assert page.locator(".souvenirs-figure.is-chosen").inner_text().startswith("Stickiness")


def test_first_three_parts_are_above_the_fold(visit):
    page = visit(1440).open(PAGES["overview"])
    page.wait_for_load_state("networkidle")
    drawing = page.locator(".souvenirs-drawing").first.bounding_box()
    assert drawing["y"] + drawing["height"] <= 900
    page = visit(390).open(PAGES["overview"])
    drawing = page.locator(".souvenirs-drawing").first.bounding_box()
    assert drawing["y"] + drawing["height"] <= 2 * 900
    assert not page.locator("select[name=interval]").is_visible()
    page.click(".souvenirs-bar > summary")
    assert page.locator("select[name=interval]").is_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_from_right_to_left(visit, settings, tmp_path, width):
    """With a catalogue of the project: without one, the pages are in English."""
    settings.LOCALE_PATHS = [hebrew(tmp_path)]
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
        if page.evaluate("document.activeElement.matches('.souvenirs-pop > summary')"):
            page.keyboard.press("Enter")
        reached.add(
            page.evaluate("document.activeElement.name || document.activeElement.className")
        )
    assert {"from", "to", "interval", "cohort", "mode", "tz", "souvenirs-scroll"} <= reached


def test_mistake_is_said_at_its_field(visit):
    visitor = visit()
    page = visitor.open(f"{USAGE}?{RANGE}")
    page.click(".souvenirs-pop.is-menu > summary")
    page.fill("#souvenirs-tz", "Atlantis")
    with page.expect_navigation():
        page.press("#souvenirs-tz", "Enter")
    wrong = page.locator("#souvenirs-tz")
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
