"""Sites of every kind, in windows of every kind: nothing breaks, is cut off or misleads."""

import random
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Q

from souvenirs.digests.pruning import Pruner
from souvenirs.models import Digest, Souvenir
from tests.browser.conftest import AXE, POLICY, hebrew, overflow
from tests.conftest import at
from tests.digesting import digest

pytestmark = pytest.mark.browser

NOW = at(2025, 6, 18, 10, 30)
SCRIPT = Path(__file__).parent / "matrix.js"
USAGE = "/admin/souvenirs/usage/"
WIDTHS = (1440, 1280, 768, 390)


def come(*sightings):
    Souvenir.objects.bulk_create(
        Souvenir(user_id=number, when=when) for number, when in sightings if when <= NOW
    )


def busy(settings):
    """Two hundred days of people who come more or less often, and some of whom stay away."""
    draw = random.Random(1)
    come(
        *(
            (number, NOW - timedelta(days=day, minutes=draw.randrange(600)))
            for number, day in product(range(1, 41), range(200))
            if draw.random() < 3 / (number + 3) and (number % 5 or day > 40)
        )
    )


def steady(settings):
    """A hundred people every day, spread over its hours: nothing grows or shrinks."""
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__lte=20), "others": Q(pk__gt=20)}
    midnight = NOW.replace(hour=0, minute=0)
    come(
        *(
            (number, midnight - timedelta(days=day, minutes=-14 * number))
            for number, day in product(range(1, 101), range(70))
        )
    )


def empty(settings):
    """Nobody has been seen yet."""


def one_day(settings):
    """The first day of a site."""
    come(*((number, NOW - timedelta(minutes=40 * number)) for number in range(1, 9)))


def pruned(settings):
    """All but the last month is known from digests only."""
    busy(settings)
    digest()
    list(Pruner(at(2025, 5, 18)).run())


def corrupt(settings):
    """The digests of March are damaged, and its souvenirs have been pruned."""
    busy(settings)
    digest()
    march = (at(2025, 3, 1), at(2025, 4, 1))
    Souvenir.objects.filter(when__gte=march[0], when__lt=march[1]).delete()
    first, last = (int(moment.timestamp()) for moment in march)
    digests = Digest.objects.filter(start__gte=first, start__lt=last)
    digests.filter(level__lte=3600).update(body=b"damaged", is_pruned=True)
    digests.filter(level__gt=3600).delete()


def broken():
    raise RuntimeError("boom")


def broken_segment(settings):
    busy(settings)
    settings.SOUVENIRS_SEGMENTS = {"bad": broken, "few": Q(pk__lte=3)}


def many_groups(settings):
    busy(settings)
    for number in range(1, 41):
        group = Group.objects.create(name=f"Team {number} of a customer with a rather long name")
        group.user_set.add(*range(1, number + 1))


#: Each site, and what is asked of its overview.
SITES = {
    busy: "compare=year",
    steady: "preset=28d&compare=previous",
    empty: "",
    one_day: "",
    pruned: "",
    corrupt: "",
    broken_segment: "compare=segment",
    many_groups: "compare=groups&open=trend",
}
BILLING = "billing/?subscription_start=2025-01-15"
#: Pages that cannot be shown at all, with their status.
FAULTS = {(corrupt, "retention/"): 503, (corrupt, BILLING): 503}


def with_policy(get_response):
    def serve(request):
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response

    return serve


def asked(name):
    return f"({SCRIPT.read_text()}).{name}()"


class Window:
    """A window with what went wrong in it; it opens pages without waiting longer than they take."""

    def __init__(self, context, site):
        self.site, self.wrong = site, []
        self.page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("response", self._answered)
        self.expected = 200

    def _heard(self, message):
        if message.type in ("error", "warning") and "Failed to load" not in message.text:
            self.wrong.append(message.text)

    def _answered(self, response):
        if response.status >= 400 and response.status != self.expected:
            self.wrong.append((response.url, response.status))

    def open(self, path, expected=200):
        self.expected = expected
        response = self.page.goto(f"{self.site}{path}")
        assert response.status == expected
        # All that is loaded into place has been.
        self.page.wait_for_function(
            "!document.querySelector('.has-script a[data-at-once]:not([data-tried])')"
        )
        return self.page

    def fits(self, widths):
        for width in widths:
            self.page.set_viewport_size({"width": width, "height": 900})
            assert overflow(self.page) <= 0, width
            assert self.page.evaluate(asked("layout")) == [], width

    def look(self, widths):
        """The layout at each width, and what axe-core finds at the last one."""
        self.fits(widths)
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run('.souvenirs', { preload: false })")
        assert [(e["id"], e["nodes"][0]["html"]) for e in found["violations"]] == []


@pytest.fixture
def enter(chromium, live_server, transactional_db, settings, monkeypatch):
    """Open a window as Ann, who may see everything: ``enter(390, color_scheme="dark")``."""
    settings.MIDDLEWARE = [f"{__name__}.with_policy", *settings.MIDDLEWARE]
    user = get_user_model().objects.create_superuser("ann", password="a password", pk=1000)
    get_user_model().objects.bulk_create(
        get_user_model()(pk=number, username=f"user{number}", date_joined=at(2024, 11, 1))
        for number in range(1, 101)
    )
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.save()
    contexts = []

    def enter(width, **options):
        size = {"width": width, "height": 900}
        contexts.append(chromium.new_context(viewport=size, **options))
        cookie = {"name": "sessionid", "value": session.session_key, "url": live_server.url}
        contexts[-1].add_cookies([cookie])
        return Window(contexts[-1], live_server.url)

    yield enter
    for context in contexts:
        for page in context.pages:
            page.goto("about:blank")
        context.close()


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.__name__)
def test_site(enter, settings, tmp_path, site):
    site(settings)
    overview = f"{USAGE}?{SITES[site]}"
    window = enter(1440)
    page = window.open(overview)
    if site is not empty:
        *ends, chart = page.evaluate(asked("fold"))
        assert max(ends) <= 900
        assert chart < 900
    reach_everything(page)
    window.look(WIDTHS)
    for name in ("retention/", "people/", BILLING, "health/"):
        window.open(f"{USAGE}{name}", FAULTS.get((site, name), 200))
        window.fits(WIDTHS)
    assert window.wrong == []

    settings.LANGUAGE_CODE = "de"
    zoomed = enter(640, device_scale_factor=2, color_scheme="dark")
    page = zoomed.open(overview)
    assert page.evaluate("[document.documentElement.lang, devicePixelRatio]") == ["de", 2]
    zoomed.look([640, 390])
    assert zoomed.wrong == []

    settings.LOCALE_PATHS = [hebrew(tmp_path)]
    settings.LANGUAGE_CODE = "he"
    mirrored = enter(390, color_scheme="dark")
    page = mirrored.open(overview)
    assert page.evaluate("document.documentElement.dir") == "rtl"
    mirrored.look(reversed(WIDTHS))
    assert mirrored.wrong == []

    settings.LANGUAGE_CODE = "en"
    plain = enter(1280, java_script_enabled=False)
    page = plain.open(overview)
    if site is not empty:
        assert page.locator("select[name=interval]").is_visible()
        assert page.locator(".souvenirs-show").is_visible()
    plain.fits([1280])
    assert plain.wrong == []


def reach_everything(page):
    """Press Tab until everything was reached, each of it with a frame."""
    count = page.evaluate(asked("watch"))
    assert count
    # Before the page itself are the links of the admin.
    for _ in range(count + 30):
        page.keyboard.press("Tab")
    assert page.evaluate(asked("missed")) == []


@pytest.mark.parametrize(
    "query", ["preset=28d&compare=previous", "compare=year", "interval=week&compare=segment"]
)
def test_steady_site_has_no_cliff(enter, settings, query):
    steady(settings)
    window = enter(1280)
    page = window.open(f"{USAGE}?{query}")
    assert page.locator(".souvenirs-spark").count() == 2
    assert page.evaluate(asked("cliffs")) == []
    for box in (
        ".souvenirs-legend .souvenirs-at",
        ".is-bars + .souvenirs-axis",
        ".is-segments thead",
    ):
        assert "so far" in page.locator(box).first.inner_text()
    assert window.wrong == []
