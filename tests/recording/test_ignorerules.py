"""What does not count, and that all the rest does."""

import asyncio
import re

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.views import View

from souvenirs.decorators import souvenirs_exempt
from souvenirs.middleware import SouvenirsMiddleware
from souvenirs.models import Souvenir
from tests.recording.test_middleware import force_login, seen

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

PAGES = ["/plain/", "/user/"]


@pytest.fixture
def signed_in(make_user, client):
    client.force_login(make_user())
    return client


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("name", "ignored", "counted"),
    [
        ("PATHS", [r"^/(plain|user)/$"], [r"^/plain$", r"^user"]),
        ("PATHS", [re.compile("PLAIN|USER", re.IGNORECASE)], ["PLAIN"]),
        ("METHODS", ["GET"], ["POST", "HEAD"]),
        ("STATUS_CODES", range(200, 300), [404]),
        ("USER_AGENTS", ["(?i)uptime"], ["Uptime$", "monitor"]),
    ],
)
def test_requests_of_a_kind_do_not_count(signed_in, settings, path, name, ignored, counted):
    setattr(settings, f"SOUVENIRS_IGNORE_{name}", ignored)
    signed_in.get(path, headers={"user-agent": "UptimeRobot/2.0"})
    assert seen() == []
    setattr(settings, f"SOUVENIRS_IGNORE_{name}", counted)
    signed_in.get(path, headers={"user-agent": "UptimeRobot/2.0"})
    assert len(seen()) == 1


def test_request_without_a_user_agent_counts(signed_in, settings):
    settings.SOUVENIRS_IGNORE_USER_AGENTS = ["bot"]
    signed_in.get("/plain/")
    assert len(seen()) == 1


@pytest.mark.parametrize("path", PAGES)
def test_ignored_request_costs_a_page_no_query(signed_in, settings, path):
    settings.SOUVENIRS_IGNORE_METHODS = ["GET"]
    with CaptureQueriesContext(connection) as queries:
        signed_in.get(path)
    assert len(queries) == {"/plain/": 0, "/user/": 2}[path]


def test_ignored_request_does_not_keep_the_next_from_counting(signed_in, settings):
    settings.SOUVENIRS_IGNORE_PATHS = ["^/plain/"]
    signed_in.get("/plain/")
    signed_in.get("/user/")
    assert len(seen()) == 1


@pytest.mark.parametrize("path", ["/missing/", "/fails/"])
def test_failed_responses_do_not_count_where_the_site_says_so(signed_in, settings, path):
    settings.SOUVENIRS_IGNORE_STATUS_CODES = [404, *range(500, 600)]
    signed_in.raise_request_exception = False
    signed_in.get(path)
    assert seen() == []


async def test_request_that_was_given_up_has_no_status(make_user, settings):
    settings.SOUVENIRS_IGNORE_STATUS_CODES = range(100, 600)
    user = await sync_to_async(make_user)()

    async def view(request):
        request.user = user
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await SouvenirsMiddleware(view)(RequestFactory().get("/"))
    assert await sync_to_async(seen)() == [user.pk]


BROWSERS_OWN = [
    "/favicon.ico",
    "/robots.txt",
    "/apple-touch-icon.png",
    "/apple-touch-icon-precomposed.png",
    "/apple-touch-icon-120x120.png",
    "/.well-known/change-password",
]
LOOK_ALIKES = [
    "/favicon/",
    "/faviconXico",
    "/files/favicon.ico",
    "/robots.txt/",
    "/apple-touch-icon/",
    "/well-known/",
]


@pytest.mark.parametrize(
    ("path", "counts"),
    [*((path, False) for path in BROWSERS_OWN), *((path, True) for path in LOOK_ALIKES)],
)
def test_what_a_browser_asks_for_by_itself_does_not_count(signed_in, path, counts):
    signed_in.get(path)
    assert len(seen()) == counts


def test_paths_of_the_site_replace_those_of_browsers(signed_in, settings):
    settings.SOUVENIRS_IGNORE_PATHS = []
    signed_in.get("/favicon.ico")
    assert len(seen()) == 1


class Staff:
    is_authenticated = is_staff = True

    def __init__(self, pk):
        self.pk = pk


def test_staff_does_not_count_where_the_site_says_so(settings, make_user):
    user = Staff(make_user().pk)

    def view(request):
        request.user = user
        return HttpResponse()

    settings.SOUVENIRS_IGNORE_STAFF = True
    SouvenirsMiddleware(view)(RequestFactory().get("/"))
    assert seen() == []
    settings.SOUVENIRS_IGNORE_STAFF = False
    SouvenirsMiddleware(view)(RequestFactory().get("/"))
    assert seen() == [user.pk]


def staff_user(make_user):
    user = make_user()
    if not hasattr(user, "is_staff"):
        pytest.skip("this user model has no is_staff")
    user.is_staff = True
    user.save()
    return user


@pytest.mark.parametrize("path", PAGES)
def test_staff_of_the_site(client, make_user, settings, path):
    settings.SOUVENIRS_IGNORE_STAFF = True
    client.force_login(staff_user(make_user))
    client.get(path)
    assert seen() == []


def test_session_of_staff_is_looked_up_once(client, make_user, settings, django_assert_num_queries):
    settings.SOUVENIRS_IGNORE_STAFF = True
    client.force_login(staff_user(make_user))
    client.get("/plain/")
    with django_assert_num_queries(0):
        client.get("/plain/")


def test_others_count_where_staff_does_not(signed_in, settings):
    settings.SOUVENIRS_IGNORE_STAFF = True
    signed_in.get("/plain/")
    assert len(seen()) == 1


def is_get_of_plain(request, user):
    return request.path == "/plain/" and bool(user.pk)


@pytest.mark.parametrize("bypass", [is_get_of_plain, f"{__name__}.is_get_of_plain"])
def test_bypass_of_the_site(signed_in, settings, bypass):
    settings.SOUVENIRS_BYPASS = bypass
    signed_in.get("/plain/")
    signed_in.get("/plain/")
    assert seen() == []
    signed_in.get("/user/")
    assert len(seen()) == 1


def test_bypass_sees_the_response_unchanged(signed_in, settings):
    """It may look at the session, and the page still does not vary."""

    def bypass(request, user):
        return bool(request.session.get("basket")) or not request.user.is_authenticated

    settings.SOUVENIRS_BYPASS = bypass
    assert "Vary" not in signed_in.get("/plain/").headers
    assert len(seen()) == 1


def test_bypass_that_changes_the_session_is_the_sites_own(signed_in, settings):
    def bypass(request, user):
        request.session["seen"] = True
        return False

    settings.SOUVENIRS_BYPASS = bypass
    assert signed_in.get("/plain/").headers["Vary"] == "Cookie"
    assert signed_in.session["seen"] is True


@pytest.mark.parametrize("path", PAGES)
def test_bypass_that_fails_harms_nothing_and_counts_nobody(signed_in, settings, caplog, path):
    def bypass(request, user):
        raise RuntimeError("the bypass fails")

    settings.SOUVENIRS_BYPASS = bypass
    assert signed_in.get(path).status_code == 200
    assert (seen(), len(caplog.records)) == ([], 1)
    settings.SOUVENIRS_BYPASS = None
    signed_in.get(path)
    assert len(seen()) == 1


@pytest.mark.parametrize("path", ["/exempt/", "/exempt/class/"])
def test_exempt_view_does_not_count(signed_in, path):
    assert signed_in.get(path).content == b"exempt"
    assert seen() == []


async def test_exempt_async_view_does_not_count(make_user):
    client = await force_login(await sync_to_async(make_user)())
    assert (await client.get("/exempt/async/")).content == b"exempt"
    assert not await Souvenir.objects.aexists()


def test_exempt_method_of_a_view_does_not_count(make_user):
    user = make_user()

    class Page(View):
        @souvenirs_exempt
        def get(self, request):
            return HttpResponse()

        def post(self, request):
            return HttpResponse()

    def view(request):
        request.user = user
        return Page.as_view()(request)

    SouvenirsMiddleware(view)(RequestFactory().get("/"))
    assert seen() == []
    SouvenirsMiddleware(view)(RequestFactory().post("/"))
    assert seen() == [user.pk]


def test_exempt_view_that_the_site_calls_without_a_request():
    assert souvenirs_exempt(sum)([1, 2]) == 3


def test_view_itself_still_counts(make_user):
    """The same function may be exempt at one URL and not at another."""
    user = make_user()

    def view(request):
        request.user = user
        return HttpResponse()

    assert souvenirs_exempt(view).__name__ == "view"
    SouvenirsMiddleware(souvenirs_exempt(view))(RequestFactory().get("/"))
    assert seen() == []
    SouvenirsMiddleware(view)(RequestFactory().get("/"))
    assert seen() == [user.pk]


def test_anonymous_visitor_is_not_asked_about(settings):
    def bypass(request, user):
        raise AssertionError("asked")

    settings.SOUVENIRS_BYPASS = bypass
    Client().get("/user/")


async def test_async_bypass_may_use_the_database(make_user, settings):
    def bypass(request, user):
        return Souvenir.objects.exists()

    settings.SOUVENIRS_BYPASS = bypass
    client = await force_login(await sync_to_async(make_user)())
    await client.get("/async/user/")
    assert await Souvenir.objects.acount() == 1
    await AsyncClient().get("/async/user/")
