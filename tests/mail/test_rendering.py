"""What a mail looks like: in Chromium, on a phone and beside it, light and dark."""

import re

import pytest
from django.db.models import Q

from tests.browser.conftest import AXE, chromium  # noqa: F401
from tests.conftest import pk_of
from tests.mail.conftest import DAY, MONDAY
from tests.terminals import run

pytestmark = pytest.mark.django_db


@pytest.fixture
def html(history, leave, make_user, settings):
    settings.SOUVENIRS_SEGMENTS = {"W" * 60: Q(pk=pk_of(3)), "x": Q(pk=pk_of(4))}
    leave(*((20, MONDAY + 7 * DAY - days * DAY) for days in (16, 23, 30, 37)))
    names = [f"--with-segment={name}" for name in settings.SOUVENIRS_SEGMENTS]
    return run("email_usage", "--print-html", *names)[0]


def test_nothing_is_fetched_and_nothing_runs(html):
    assert re.findall(r"<(?:img|script|link|svg|iframe|form)\b|url\(|@import|https?:", html) == []


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 680])
def test_it_fits_and_can_be_read(chromium, html, scheme, width):  # noqa: F811
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    try:
        page.set_content(html)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate(AXE.read_text())
        # Landmarks are those of the program that shows the mail.
        found = page.evaluate(
            "axe.run(document, { preload: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa'] })"
        )
        assert [(each["id"], len(each["nodes"])) for each in found["violations"]] == []
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") == (scheme == "light")
        lengths = page.evaluate(
            "[...document.querySelectorAll('.bar')].map(each => each.offsetWidth)"
        )
        assert lengths[-2] / lengths[-1] == pytest.approx(4 / 6, abs=0.05)
    finally:
        context.close()
