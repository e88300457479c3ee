"""A person's browser: Debian's Chromium, on pages that a site serves with a strict policy."""

import gzip
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Q

from tests.conftest import FIRST_RUN, at
from tests.missing import leave_out

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "connect-src 'self'"
)
AXE = Path(__file__).parent / "vendor/axe-core/axe.min.js"
RANGE = "from=2025-01-01&to=2025-06-18"


@pytest.fixture(scope="module")
def chromium(django_db_setup):
    if not FIRST_RUN:
        pytest.skip("what a browser shows does not depend on the database")
    if CHROMIUM is None:
        leave_out("chromium, which is not installed")
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright runs a loop of its own on this thread, which Django takes for async code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


def sightings():
    """When each of eight users was there, who come more or less often."""
    for number in range(1, 9):
        for day in range(10 * number, 168 - 5 * number, number):
            yield number, at(2025, 1, 1) + timedelta(days=day, hours=(7 * number + day) % 24)


class Visit:
    """One person with one window, and everything that went wrong in it.

    ``policy`` is for a theme that needs more than the strict one.
    """

    def __init__(self, context, site, policy=POLICY):
        self.site = site
        self.policy = policy
        self.wrong = []
        self.loaded = {}
        self.page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        context.route("**/*", self._guard)

    def _heard(self, message):
        if message.type in ("error", "warning"):
            self.wrong.append(message.text)

    def _guard(self, route):
        """Serve under a policy, and nothing from anywhere else."""
        url = route.request.url
        if not url.startswith(self.site):
            self.wrong.append(url)
            route.abort()
        elif url.endswith("/favicon.ico"):
            route.fulfill(status=204)
        else:
            response = route.fetch(max_redirects=0)
            body = response.body()
            self.loaded[url] = len(gzip.compress(body))
            headers = {**response.headers, "content-security-policy": self.policy}
            route.fulfill(status=response.status, headers=headers, body=body)

    def open(self, path):
        self.loaded.clear()
        self.page.goto(f"{self.site}{path}", wait_until="networkidle")
        return self.page

    def sign_in(self):
        page = self.open("/admin/login/")
        page.fill("[name=username]", "ann")
        page.fill("[name=password]", "a password")
        page.click("[type=submit]")
        page.wait_for_url("**/admin/")
        return page


@pytest.fixture
def visit(chromium, live_server, people):
    """Open a window: ``visit(width=390, color_scheme="dark")``."""
    contexts = []

    def enter(width=1280, **options):
        size = {"width": width, "height": 900}
        contexts.append(chromium.new_context(viewport=size, accept_downloads=True, **options))
        visit = Visit(contexts[-1], live_server.url)
        visit.sign_in()
        return visit

    yield enter
    for context in contexts:
        for page in context.pages:
            # What is still loading would keep the tables from being emptied.
            page.wait_for_load_state("networkidle")
        context.unroute_all(behavior="ignoreErrors")
        context.close()


@pytest.fixture
def people(transactional_db, settings, make_user, leave):
    """Ann, who may see everything, and eight who come more or less often."""
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__lte=3)}
    get_user_model().objects.create_superuser("ann", password="a password", pk=100)
    for number in range(1, 9):
        make_user(number, joined=at(2025, 1, 1))
    leave(*sightings())


def serious(page, region):
    """What axe-core finds in a region that keeps somebody from using it."""
    page.evaluate(AXE.read_text())
    # It would fetch stylesheets once more, which the policy does not allow.
    found = page.evaluate("region => axe.run(region, { preload: false })", region)
    return [
        (each["id"], each["nodes"][0]["html"])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def hebrew(directory):
    """Write a catalogue of a project that makes pages Hebrew, without its words."""
    folder = directory / "he/LC_MESSAGES"
    folder.mkdir(parents=True)
    source = 'msgctxt "the code of the language of this catalogue"\nmsgid "en"\nmsgstr "he"\n'
    (folder / "django.po").write_text(
        f'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n\n{source}'
    )
    subprocess.run(["msgfmt", "-o", folder / "django.mo", folder / "django.po"], check=True)
    return directory


def overflow(page):
    """How far the page can be scrolled sideways."""
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


def follow(page, where):
    """Click, and wait for the page that it leads to."""
    with page.expect_navigation():
        page.click(where) if isinstance(where, str) else where.click()
