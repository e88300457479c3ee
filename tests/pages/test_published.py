"""Neither a page nor the API shows whether its numbers were read from published figures."""

from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Q

from souvenirs.models import Figure
from souvenirs.publishing import reading
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE
from tests.digesting import digest
from tests.publishing.published import publish
from tests.web.test_access import Person

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.through_the_store,
    pytest.mark.usefixtures("stopped"),
    pytest.mark.skipif(
        get_user_model()._meta.label != "auth.User",
        reason="figures do not depend on the user model",
    ),
]

NEVER = 10**9

API, PAGES = "/souvenirs/api/", "/souvenirs/"

#: The site's time zone, the default of pages and API.
ZONE = "Europe/Paris"

RANGE = {"from": "2025-01-01", "interval": "day"}

QUESTIONS = [
    *(f"{API}{name}?{urlencode(RANGE)}" for name in ("series", "growth")),
    *(f"{API}series?{urlencode(RANGE)}&window={window}" for window in ("wau", 28)),
    f"{API}growth?from=2025-01-01&interval=week&format=csv",
    f"{API}series?from=2025-01-01&to=2025-05-01&interval=day&format=excel",
    *(f"{PAGES}?{urlencode(RANGE)}&figure={figure}" for figure in ("active", "7d", "28d", "new")),
    f"{PAGES}?{urlencode(RANGE)}&figure=stickiness",
    f"{PAGES}?{urlencode(RANGE)}&only=trend",
    f"{PAGES}?{urlencode(RANGE)}&open=growth",
    f"{PAGES}?from=2025-04-01&interval=day&compare=previous",
    f"{PAGES}?{urlencode(RANGE)}&format=csv",
    f"{PAGES}?from=2025-01-01&interval=week",
]


@pytest.fixture
def ask(boss, settings):
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE, VIEW_PEOPLE)
    settings.TIME_ZONE = ZONE
    settings.SOUVENIRS_PUBLISH = {"time_zones": [ZONE]}
    digest()
    publish("day", "week", zone=ZONE)

    def content(url):
        response = boss.get(url)
        assert response.status_code == 200, response.content
        return response.getvalue()

    return content


def both(ask, url):
    """The answer with figures, and without."""
    with patch.object(reading, "FEWEST", 1):
        read = ask(url)
    with patch.object(reading, "FEWEST", NEVER):
        return read, ask(url)


@pytest.mark.parametrize("url", QUESTIONS)
def test_no_byte_differs(ask, url):
    read, computed = both(ask, url)
    assert read == computed
    Figure.objects.update(value=7_777)
    wrong, _ = both(ask, url)
    assert wrong != read


@pytest.mark.parametrize("url", [QUESTIONS[0], QUESTIONS[1], QUESTIONS[6], QUESTIONS[12]])
def test_segment_is_computed(ask, settings, url):
    settings.SOUVENIRS_SEGMENTS = {"some": Q(is_active=True)}
    url += "&segment=some"
    expected = ask(url)
    Figure.objects.update(value=7_777)
    read, computed = both(ask, url)
    assert read == computed == expected


@pytest.mark.parametrize("compare", ["segment", "groups"])
def test_segments_beside_everyone_are_computed(ask, settings, compare):
    settings.SOUVENIRS_SEGMENTS = {"some": Q(is_active=True)}
    url = f"{PAGES}?{urlencode(RANGE)}&compare={compare}"
    read, computed = both(ask, url)
    assert read == computed
    Figure.objects.update(value=7_777)
    assert both(ask, f"{url}&only=trend") == (ask(f"{url}&only=trend"),) * 2
