"""The pages under other themes of the admin, each on the demo site."""

import subprocess
import sys

import pytest

from tests.browser.conftest import POLICY, RANGE, Visit, overflow, serious
from tests.processes import HOST, ROOT, Server

pytestmark = pytest.mark.browser

USAGE = "/admin/souvenirs/usage/"
#: Whether an element and all that it is in are opaque.
OPAQUE = """element => {
    for (; element; element = element.parentElement)
        if (getComputedStyle(element).opacity != 1) return false;
    return true;
}"""

OURS = {
    "Overview": f"{USAGE}?{RANGE}",
    "Retention": f"{USAGE}retention/?{RANGE}",
    "People": f"{USAGE}people/?{RANGE}",
    "Billing": f"{USAGE}billing/?subscription_start=2025-01-15",
    "Health": f"{USAGE}health/",
}
#: Both have scripts and styles in the page, and django-unfold makes functions of texts.
LOOSE = POLICY.replace("'self'; style", "'self' 'unsafe-inline' 'unsafe-eval'; style")
LOOSE = LOOSE.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
LOOSE = LOOSE.replace("img-src 'self'", "img-src 'self' data:; font-src 'self'")
#: The first line of a chart.
COLOURS = {"light": "rgb(0, 114, 178)", "dark": "rgb(86, 180, 233)"}
LINE = "getComputedStyle(document.querySelector('.souvenirs-legend .line')).stroke"


class Site(Server):
    """The demo under a theme, with few users."""

    def __init__(self, theme):
        super().__init__()
        self.theme = theme

    def environment(self):
        return {
            **super().environment(),
            "DJANGO_SETTINGS_MODULE": f"tests.browser.themes.{self.theme}_settings",
            "DEMO_DATABASE": str(self.directory / "demo.sqlite3"),
            "DEMO_SECRET_KEY": "themes",
        }

    def working_directory(self):
        return ROOT

    def prepare(self):
        subprocess.run(
            [sys.executable, "-m", "tests.browser.themes.seed"],
            cwd=ROOT,
            env=self.environment(),
            check=True,
        )

    def command(self):
        address = f"{HOST}:{self.port}"
        return [sys.executable, "-m", "django", "runserver", "--noreload", address]


@pytest.fixture(scope="module", params=["unfold", "jazzmin"])
def site(request, chromium):
    with Site(request.param) as site:
        yield site


@pytest.fixture
def enter(chromium, site):
    """Open a window: ``enter(color_scheme="dark")``."""
    contexts = []

    def enter(**options):
        size = {"width": 390, "height": 900}
        contexts.append(chromium.new_context(viewport=size, **options))
        visit = Visit(contexts[-1], f"http://{HOST}:{site.port}", LOOSE)
        visit.sign_in()
        return visit

    yield enter
    for context in contexts:
        context.unroute_all(behavior="ignoreErrors")
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_look_as_if_they_belonged_there(enter, scheme):
    visitor = enter(color_scheme=scheme)
    for name, path in OURS.items():
        page = visitor.open(path)
        page.wait_for_load_state("networkidle")
        heading = page.locator("h1, h2, h3", has_text=f"Usage: {name}")
        assert heading.first.is_visible(), name
        assert page.locator(".souvenirs-table:visible").count() >= 1, name
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            assert overflow(page) <= 0, (name, width)
            assert serious(page, ".souvenirs") == [], (name, width)
        if name == "Overview":
            assert page.evaluate(LINE) == COLOURS[scheme]
            assert page.locator(".souvenirs-drawing.is-lines svg").count() == 2
    assert visitor.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lists_and_a_user_look_as_if_they_belonged_there(enter, scheme):
    visitor = enter(color_scheme=scheme)
    page = visitor.open("/admin/souvenirs/souvenir/")
    assert page.locator("a", has_text="Usage of this site").is_visible()
    assert overflow(page) <= 0
    page = visitor.open("/admin/auth/user/?last-seen=30")
    assert page.locator("td.field-last_seen").count() == 8
    assert serious(page, ".field-last_seen") == []
    assert overflow(page) <= 0
    page = visitor.open("/admin/auth/user/8/change/")
    tab = page.locator("a[role=tab]", has_text="Activity")
    if tab.count():
        tab.click()
    year = page.locator(".souvenirs-year")
    year.wait_for(state="visible")
    # A theme may let the tab fade in: until then, its text has less contrast.
    page.wait_for_function(OPAQUE, arg=year.element_handle())
    assert serious(page, ".souvenirs-year") == []
    assert overflow(page) <= 0
    assert visitor.wrong == []


def test_what_somebody_chose_counts_for_more_than_their_system(enter, site):
    visitor = enter(color_scheme="dark")
    page = visitor.open(OURS["Overview"])
    page.wait_for_load_state("networkidle")
    assert page.evaluate(LINE) == COLOURS["dark"]
    if site.theme == "unfold":
        page.evaluate("localStorage.setItem('adminTheme', '\"light\"')")
    else:
        page.evaluate("localStorage.setItem('jazzmin-theme-mode', 'light')")
    page.reload()
    page.wait_for_load_state("networkidle")
    assert page.evaluate(LINE) == COLOURS["light"]
    assert serious(page, ".souvenirs") == []
    assert visitor.wrong == []
