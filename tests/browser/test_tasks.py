"""How many clicks the tasks take for which people come here; a choice from a list counts as one."""

import csv
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import Q
from django.utils import timezone

from souvenirs.insights import retention
from tests.browser.conftest import RANGE
from tests.conftest import at

pytestmark = pytest.mark.browser

USAGE = "/admin/souvenirs/usage/"


class Hand:
    """A person's hand, which counts what it does."""

    def __init__(self, page):
        self.page = page
        self.clicks = 0

    def click(self, where):
        self.clicks += 1
        with self.page.expect_navigation():
            self.page.locator(where).first.click()

    def choose(self, name, value):
        self.clicks += 1
        with self.page.expect_navigation():
            self.page.select_option(f"select[name={name}]", value)

    def download(self, where):
        self.clicks += 1
        with self.page.expect_download() as waiting:
            self.page.locator(where).first.click()
        with Path(waiting.value.path()).open(newline="") as lines:
            return list(csv.DictReader(lines))


@pytest.fixture
def start(visit, settings):
    """Open a page and return the hand on it: ``start("?preset=28d")``."""
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__lte=3), "others": Q(pk__gt=3)}

    def start(path, site=USAGE):
        return Hand(visit().open(f"{site}{path}"))

    return start


def names(page):
    return page.locator("#souvenirs-trend-title + figure .souvenirs-legend bdi").all_inner_texts()


def test_trend_of_a_year(start):
    hand = start("", "/admin/")
    hand.click("#content-main a[href$='/souvenirs/usage/']")
    assert hand.page.locator("#souvenirs-trend-title").inner_text() == "Active users by month"
    assert hand.page.locator(".souvenirs-presets [aria-current]").inner_text() == "12 months"
    hand.page.locator(".souvenirs-drawing.is-lines").first.focus()
    hand.page.keyboard.press("Home")
    first = hand.page.locator(".souvenirs-tip").first.inner_text().split("\n")[0]
    today = timezone.now()
    assert first == f"{today.year - (today.month < 12)}-{today.month % 12 + 1:02d}"
    assert hand.clicks <= 1


def test_two_segments_side_by_side(start):
    hand = start(f"?{RANGE}")
    hand.choose("compare", "segment")
    assert names(hand.page) == ["All users", "few", "others"]
    assert hand.clicks <= 2


def test_previous_year(start):
    hand = start(f"?{RANGE}")
    hand.choose("compare", "year")
    legend = hand.page.locator(".souvenirs-legend").first.inner_text()
    assert "Same period last year" in legend
    assert hand.page.locator(".line.is-before").count() > 1
    assert hand.clicks <= 1


def test_people_behind_a_cell(start):
    hand = start(f"retention/?{RANGE}&interval=month")
    expected = retention(at(2025, 1, 1), at(2025, 6, 18)).users("2025-01", 1)
    hand.click("tr:has-text('2025-01') td.share:nth-of-type(3) a")
    found = hand.page.locator(".souvenirs-table tbody th").all_inner_texts()
    assert set(found) == {user.get_username() for user in expected.users()}
    assert hand.clicks == 1


def test_inactive_for_90_days_as_csv(start, leave):
    now = timezone.now()
    leave((1, now - timedelta(days=89)), (2, now - timedelta(days=91)))
    hand = start("")
    hand.click("#souvenirs-slipping-part a:has-text('90')")
    rows = hand.download(".souvenirs-downloads a[href*='format=csv']")
    assert rows[0]["username"] == "user2@example.com"
    assert {row["username"] for row in rows} == {f"user{n}@example.com" for n in range(2, 9)}
    assert hand.clicks <= 3


def test_everything_by_week(start):
    hand = start(f"?{RANGE}&interval=month")
    hand.choose("interval", "week")
    page = hand.page
    assert hand.clicks <= 1
    assert page.locator("#souvenirs-trend-title").inner_text() == "Active users by week"
    assert page.locator("#souvenirs-retention-title").inner_text().startswith("Retention, by weeks")
    axes = [axis.locator("span").first for axis in page.locator(".souvenirs-axis").all()]
    assert [axis.inner_text() for axis in axes] == ["2025-W01", "2025-W01", "1"]
    downloads = page.locator(".souvenirs-menu a[href*='format=']")
    links = [*downloads.all(), *page.locator("a[href*='/retention/?'], .souvenirs-choose").all()]
    # The files of the chart, the tab and the link to cohorts, and five figures.
    assert len(links) == 2 + 2 + 5
    tab = ".souvenirs-pages a"
    urls = [
        link.get_attribute("href")
        for link in links
        if not link.evaluate(f"e => e.matches('{tab}')")
    ]
    assert all("interval=week" in url for url in urls)
    for name, rows in (("trend", 25), ("growth", 25)):
        page.click(f"#souvenirs-{name}-part a")
        page.wait_for_selector(f"#souvenirs-{name}-part tbody tr")
        table = page.locator(f"#souvenirs-{name}-part tbody tr")
        assert table.count() == rows
        assert table.last.locator("th").inner_text() == "2025-W01"
