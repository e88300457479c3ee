"""What the admin of users shows of their activity, in a browser."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.browser.conftest import follow, overflow, serious

pytestmark = pytest.mark.browser

USERS = "/admin/auth/user/"
#: What is ours on the pages of somebody else.
REGIONS = {
    USERS: [".column-last_seen", ".field-last_seen", "#changelist-filter"],
    f"{USERS}1/change/": [".field-active_year"],
}


@pytest.fixture(autouse=True)
def _members(settings, people, leave):
    settings.ROOT_URLCONF = "tests.browser.members"
    settings.SOUVENIRS_ENABLED = False
    now = timezone.now()
    leave(
        (1, now - timedelta(days=40)), (1, now - timedelta(days=3)), (2, now - timedelta(days=60))
    )


def shown(page):
    return page.locator("#result_list .field-username").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_and_everybody_can_use_them(visit, width, scheme):
    visitor = visit(width, color_scheme=scheme, bypass_csp=False)
    for path, regions in REGIONS.items():
        page = visitor.open(path)
        page.wait_for_load_state("networkidle")
        assert overflow(page) <= 0, path
        for region in regions:
            assert page.locator(region).first.is_visible(), region
            assert serious(page, region) == [], region
    assert visitor.wrong == []


def test_filter_leaves_who_was_there(visit):
    visitor = visit()
    page = visitor.open(USERS)
    assert len(shown(page)) == 9
    follow(page, "#changelist-filter >> text=seen within 7 days")
    assert shown(page) == ["user1@example.com"]
    follow(page, "#changelist-filter >> text=inactive for 30 days")
    assert "user2@example.com" in shown(page)
    assert "user1@example.com" not in shown(page)
    follow(page, "#changelist-filter >> text=never seen")
    assert shown(page) == ["ann"]
    assert visitor.wrong == []


def test_column_sorts_the_list(visit):
    visitor = visit()
    page = visitor.open(USERS)
    follow(page, ".column-last_seen .text a")
    upwards = shown(page)
    assert upwards[0] == "ann"
    assert upwards[-2:] == ["user2@example.com", "user1@example.com"]
    follow(page, ".column-last_seen .text a")
    assert shown(page) == upwards[::-1]
    assert visitor.wrong == []


def test_year_is_above_what_can_be_changed(visit):
    visitor = visit()
    page = visitor.open(f"{USERS}1/change/")
    year = page.locator(".souvenirs-year")
    assert year.locator("rect").count() == 2
    assert "Active on 2 days since" in year.inner_text()
    names = page.locator("fieldset h2").all_inner_texts()
    assert names[0] == "Activity"
    assert visitor.wrong == []
