import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import registry as check_registry
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import ConnectionHandler, connection, connections
from django.db.models import Q
from django.utils import timezone

import souvenirs
from souvenirs.checks.migrations import FIRST, unapplied
from souvenirs.checks.settings import check_settings
from souvenirs.checks.site import check_database, check_deployment, check_segments, check_site
from souvenirs.conf import SETTINGS
from souvenirs.middleware import SouvenirsMiddleware
from souvenirs.models import Digest, Souvenir
from tests.conftest import at, vendor_is

pytestmark = pytest.mark.django_db


#: Some of the user models that the suite runs with lack these fields.
ABOUT_THE_USER_MODEL = {"souvenirs.W013", "souvenirs.W014"}


def ids(check=check_settings):
    return [message.id for message in check() if message.id not in ABOUT_THE_USER_MODEL]


@pytest.fixture
def tenant_package(settings, tmp_path, monkeypatch):
    """A package of that name is installed, but the database connection is not its own."""
    (tmp_path / "tenant_schemas").mkdir()
    (tmp_path / "tenant_schemas/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "tenant_schemas"]


def test_tenants_that_nothing_keeps_apart(tenant_package, settings):
    assert ids(check_site) == ["souvenirs.W015"]
    settings.SOUVENIRS_SCOPE = lambda: "acme"
    assert ids(check_site) == []


def test_tenants_that_the_connection_keeps_apart(tenant_package, monkeypatch):
    monkeypatch.setattr(connections["default"], "schema_name", "acme", raising=False)
    assert ids(check_site) == []


def test_defaults_are_fine(settings):
    settings.SOUVENIRS_DATE_JOINED_FIELD = "date_joined"
    assert ids() == []


@pytest.mark.parametrize(
    ("id", "name", "value"),
    [
        ("E001", "SOUVENIRS_RATELIMIT_SECONDS", "3600"),
        ("E001", "SOUVENIRS_RATELIMIT_SECONDS", -1),
        ("E001", "SOUVENIRS_RATELIMIT_SECONDS", float("nan")),
        ("E001", "SOUVENIRS_RATELIMIT_SECONDS", float("inf")),
        ("E002", "SOUVENIRS_CACHE_NAME", "nowhere"),
        ("E002", "SOUVENIRS_CACHE_NAME", []),
        ("E003", "SOUVENIRS_USAGE_REPORTS_FUNCTION", 5),
        ("E005", "SOUVENIRS_IS_ACTIVE_FIELD", "password"),
        ("E008", "SOUVENIRS_ENABLED", "False"),
        ("E003", "SOUVENIRS_USAGE_REPORTS_FUNCTION", "no.such.function"),
        ("E004", "SOUVENIRS_DATE_JOINED_FIELD", "no_such_field"),
        ("E004", "SOUVENIRS_DATE_JOINED_FIELD", "password"),
        ("E005", "SOUVENIRS_IS_ACTIVE_FIELD", "no_such_field"),
        ("E006", "SOUVENIRS_WEEK_START", 0),
        ("E006", "SOUVENIRS_WEEK_START", 8),
        ("E006", "SOUVENIRS_WEEK_START", "monday"),
        ("E007", "SOUVENIRS_GATE_SIZE", 0),
        ("E007", "SOUVENIRS_GATE_SIZE", "many"),
        ("W002", "SOUVENIRS_RATELIMIT_SECOND", 60),
        ("E009", "SOUVENIRS_USER_FUNCTION", "no.such.function"),
        ("E009", "SOUVENIRS_USER_FUNCTION", "souvenirs.conf.PREFIX"),
        ("E010", "SOUVENIRS_BYPASS", "no.such.function"),
        ("E011", "SOUVENIRS_IGNORE_PATHS", "^/health/"),
        ("E011", "SOUVENIRS_IGNORE_PATHS", ["("]),
        ("E011", "SOUVENIRS_IGNORE_PATHS", [5]),
        ("E012", "SOUVENIRS_IGNORE_USER_AGENTS", [b"bytes"]),
        ("E012", "SOUVENIRS_IGNORE_USER_AGENTS", ["("]),
        ("E013", "SOUVENIRS_IGNORE_METHODS", "HEAD"),
        ("E013", "SOUVENIRS_IGNORE_METHODS", ["head"]),
        ("E014", "SOUVENIRS_IGNORE_STATUS_CODES", 404),
        ("E014", "SOUVENIRS_IGNORE_STATUS_CODES", ["404"]),
        ("E015", "SOUVENIRS_IGNORE_STAFF", "yes"),
        ("E016", "SOUVENIRS_COUNT_IMPERSONATED", 1),
        ("E017", "SOUVENIRS_TIMEOUT", 0),
        ("E017", "SOUVENIRS_TIMEOUT", True),
        ("E017", "SOUVENIRS_TIMEOUT", "0.1"),
        ("E018", "SOUVENIRS_BREAKER_SECONDS", -1),
        ("E018", "SOUVENIRS_BREAKER_SECONDS", float("nan")),
        ("E019", "SOUVENIRS_BUCKET_SECONDS", 7200),
        ("E019", "SOUVENIRS_BUCKET_SECONDS", 1800.0),
        ("E019", "SOUVENIRS_BUCKET_SECONDS", "3600"),
        ("E020", "SOUVENIRS_KEEP_DAYS", -1),
        ("E020", "SOUVENIRS_KEEP_DAYS", "30"),
        ("E020", "SOUVENIRS_KEEP_DAYS", True),
        ("E020", "SOUVENIRS_KEEP_DAYS", float("nan")),
        ("E020", "SOUVENIRS_KEEP_DAYS", float("inf")),
        ("E021", "SOUVENIRS_ON_USER_DELETE", "delete"),
        ("E021", "SOUVENIRS_ON_USER_DELETE", None),
        ("E022", "SOUVENIRS_SEGMENTS", ["staff"]),
        ("E022", "SOUVENIRS_SEGMENTS", None),
        ("E022", "SOUVENIRS_SEGMENTS", ""),
        ("E022", "SOUVENIRS_SEGMENTS", "no.such.function"),
        ("E022", "SOUVENIRS_SEGMENTS", lambda request: {}),
        ("E022", "SOUVENIRS_SEGMENTS", {"": Q()}),
        ("E022", "SOUVENIRS_SEGMENTS", {5: Q()}),
        ("E022", "SOUVENIRS_SEGMENTS", {"pro": 5}),
        ("E022", "SOUVENIRS_SEGMENTS", {"pro": None}),
        ("E022", "SOUVENIRS_SEGMENTS", {"pro": [1, 2]}),
        ("E022", "SOUVENIRS_SEGMENTS", {"pro": ""}),
        ("E022", "SOUVENIRS_SEGMENTS", {"pro": "no.such.function"}),
        ("E022", "SOUVENIRS_SEGMENTS", {"pro": "souvenirs.conf.PREFIX"}),
        ("E022", "SOUVENIRS_SEGMENTS", {"pro": Souvenir.objects.all()}),
        ("E023", "SOUVENIRS_API_AUTH", "no.such.function"),
        ("E023", "SOUVENIRS_API_AUTH", "souvenirs.conf.PREFIX"),
        ("E026", "SOUVENIRS_API_AUTH_PARAMETERS", "token"),
        ("E026", "SOUVENIRS_API_AUTH_PARAMETERS", [""]),
        ("E026", "SOUVENIRS_API_AUTH_PARAMETERS", ["a token"]),
        ("E026", "SOUVENIRS_API_AUTH_PARAMETERS", ["t\u00f6ken"]),
        ("E026", "SOUVENIRS_API_AUTH_PARAMETERS", ["token", "tz"]),
        ("E029", "SOUVENIRS_VISIBLE_TO", "no.such.function"),
        ("E029", "SOUVENIRS_VISIBLE_TO", dict),
        ("E029", "SOUVENIRS_VISIBLE_TO", lambda: None),
        ("E030", "SOUVENIRS_GROUP_BY", "password"),
        ("E030", "SOUVENIRS_GROUP_BY", [""]),
        ("E030", "SOUVENIRS_GROUP_BY", ["password"]),
        ("E028", "SOUVENIRS_METRICS_TOKEN", ""),
        ("E028", "SOUVENIRS_METRICS_TOKEN", "a token"),
        ("E028", "SOUVENIRS_METRICS_TOKEN", b"token"),
        ("E028", "SOUVENIRS_METRICS_TOKEN", "t\u00f6ken"),
    ],
)
def test_bad_value_is_found(settings, id, name, value):
    setattr(settings, name, value)
    assert ids() == [f"souvenirs.{id}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOUVENIRS_USER_FUNCTION", "souvenirs.userfunctions.request_auth"),
        ("SOUVENIRS_API_AUTH", lambda request: None),
        ("SOUVENIRS_API_AUTH_PARAMETERS", ["token", "api_key", "X-Api.Key2", "TZ"]),
        ("SOUVENIRS_BYPASS", lambda request, user: False),
        ("SOUVENIRS_IGNORE_PATHS", [r"^/health/$", re.compile("^/poll/")]),
        ("SOUVENIRS_IGNORE_USER_AGENTS", {"(?i)uptime"}),
        ("SOUVENIRS_IGNORE_METHODS", ("HEAD", "OPTIONS")),
        ("SOUVENIRS_IGNORE_STATUS_CODES", range(400, 600)),
        ("SOUVENIRS_TIMEOUT", 1),
        ("SOUVENIRS_BUCKET_SECONDS", 1800),
        ("SOUVENIRS_BUCKET_SECONDS", 900),
        ("SOUVENIRS_KEEP_DAYS", 0),
        ("SOUVENIRS_KEEP_DAYS", 0.5),
        ("SOUVENIRS_ON_USER_DELETE", "erase"),
        ("SOUVENIRS_SEGMENTS", {"all": Q(), "staff": Q(is_staff=True)}),
        ("SOUVENIRS_SEGMENTS", {"pro": "tests.conftest.pk_of", "free": lambda: Q()}),
    ],
)
def test_good_value_is_fine(settings, name, value):
    setattr(settings, name, value)
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SOUVENIRS_IGNORE_PATH", "Did you mean SOUVENIRS_IGNORE_PATHS?"),
        ("SOUVENIRS_QQQQ", "Remove it."),
    ],
)
def test_unknown_setting_has_its_remedy(settings, name, hint):
    setattr(settings, name, 1)
    assert [message.hint for message in check_settings()] == [hint]


def test_segments_are_not_asked_for(settings, django_assert_num_queries):
    def pro():
        raise AssertionError("A check asked for a segment.")

    settings.SOUVENIRS_SEGMENTS = {"pro": pro, "all": get_user_model().objects.all()}
    with django_assert_num_queries(0):
        assert ids() == []


def test_every_segment_that_is_wrong_is_found(settings):
    settings.SOUVENIRS_SEGMENTS = {"pro": 5, "staff": Q(), "free": "no.such.function"}
    assert [message.msg for message in check_settings()] == [
        "SOUVENIRS_SEGMENTS['pro'] should be a Q, a queryset, a function or its dotted path, "
        "not 5.",
        "SOUVENIRS_SEGMENTS['free']: Segment 'free' is 'no.such.function', which cannot be "
        "imported.",
    ]


def test_another_apps_setting_is_not_ours(settings):
    settings.SOUVENIR_SHOP = 1
    assert ids() == []


def test_site_of_the_suite_is_fine():
    assert ids(check_site) == []


AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
OURS = "souvenirs.middleware.SouvenirsMiddleware"


class OwnMiddleware(SouvenirsMiddleware):
    pass


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([AUTH, OURS], []),
        ([AUTH, "tests.test_checks.OwnMiddleware"], []),
        ([OURS], []),
        ([AUTH], ["souvenirs.W003"]),
        ([OURS, AUTH], ["souvenirs.W004"]),
        ([AUTH, OURS, "no.such.Middleware"], []),
    ],
)
def test_place_of_the_middleware(settings, middleware, expected):
    settings.MIDDLEWARE = middleware
    assert ids(check_site) == expected


@pytest.mark.parametrize(
    ("backend", "always", "deployed"),
    [
        ("django.core.cache.backends.dummy.DummyCache", ["souvenirs.W005"], []),
        ("django.core.cache.backends.locmem.LocMemCache", [], ["souvenirs.W006"]),
        ("django.core.cache.backends.filebased.FileBasedCache", [], ["souvenirs.W006"]),
        ("django.core.cache.backends.db.DatabaseCache", [], []),
        ("django.core.cache.backends.redis.RedisCache", [], []),
    ],
)
def test_cache_that_does_not_limit(settings, backend, always, deployed):
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "somewhere"}}
    assert ids(check_site) == always
    assert [id for id in ids(check_deployment) if id != "souvenirs.W007"] == deployed


def test_missing_cache_is_told_once(settings):
    settings.SOUVENIRS_CACHE_NAME = "nowhere"
    assert ids(check_site) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"transaction_mode": None}, True),
        ({"transaction_mode": "DEFERRED"}, True),
        ({"transaction_mode": "immediate"}, False),
        ({"transaction_mode": "EXCLUSIVE"}, False),
    ],
)
def test_sqlite_that_locks_too_late(monkeypatch, options, expected):
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    assert ("souvenirs.W007" in ids(check_deployment)) is (expected and vendor_is("sqlite"))


def test_migrated_table_is_fine():
    assert check_database(databases=["default"]) == []


@pytest.mark.django_db(transaction=True)
def test_table_that_is_not_migrated():
    call_command("migrate", "souvenirs", "0002", verbosity=0)
    try:
        [message] = check_database(databases=["default"])
    finally:
        call_command("migrate", "souvenirs", verbosity=0)
    assert message.id == "souvenirs.W008"
    assert message.hint == "Run manage.py migrate souvenirs --database default."


@pytest.mark.django_db(transaction=True)
def test_first_migrate_does_not_warn_of_what_it_does(settings):
    settings.SOUVENIRS_SEGMENTS = {"pro": Q(no_such_field=1)}
    call_command("migrate", "souvenirs", "zero", verbosity=0)
    try:
        assert check_database(databases=["default"]) == []
    finally:
        call_command("migrate", "souvenirs", verbosity=0)


def test_database_without_any_table_lacks_every_migration(tmp_path):
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "fresh.sqlite3"}
    with closing(ConnectionHandler({"default": engine})["default"]) as fresh:
        assert {FIRST, "0002_indexes"} < set(unapplied(fresh))
    assert unapplied(connection) == []


def fails():
    raise KeyError("acme")


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (Q(no_such_field=1), "Segment 'pro' is not a valid query: Cannot resolve keyword "),
        (fails, "KeyError: 'acme'"),
        ("tests.test_checks.fails", "KeyError: 'acme'"),
        (lambda: None, "users must be a queryset"),
        (lambda: Souvenir.objects.all(), "users is a queryset of souvenirs.Souvenir"),
        (lambda: get_user_model().objects.extra(where=["no_such_column = 1"]), ""),
    ],
)
def test_segment_that_cannot_be_evaluated(settings, segment, message):
    settings.SOUVENIRS_SEGMENTS = {"all": Q(), "pro": segment}
    assert ids() == []
    [found] = check_database(databases=["default"])
    assert found.id == "souvenirs.W012"
    assert found.msg.startswith(f"SOUVENIRS_SEGMENTS['pro']: {message}")


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (fails, "The function in SOUVENIRS_SEGMENTS raised KeyError: 'acme'"),
        (
            lambda: None,
            "The function in SOUVENIRS_SEGMENTS should return a dict of segments by name, not "
            "None.",
        ),
        (
            lambda: {5: Q()},
            "The function in SOUVENIRS_SEGMENTS should return a dict of segments by name, not "
            "{5: <Q: (AND: )>}: 5 is not a name.",
        ),
        (
            lambda: {"all": Q(), "pro": 5},
            "SOUVENIRS_SEGMENTS['pro'] should be a Q, a queryset, a function or its dotted path, "
            "not 5.",
        ),
        (lambda: {"all": Q(), "pro": fails}, "SOUVENIRS_SEGMENTS['pro']: KeyError: 'acme'"),
    ],
)
def test_function_of_segments_is_only_called_where_the_database_is_checked(
    settings, segments, message
):
    settings.SOUVENIRS_SEGMENTS = segments
    assert ids() == []
    [found] = check_database(databases=["default"])
    assert (found.id, found.msg) == ("souvenirs.W012", message)


def test_segments_are_checked_by_one_user_each(settings, make_user, django_assert_num_queries):
    for _ in range(3):
        make_user()
    settings.SOUVENIRS_SEGMENTS = {"all": Q(), "more": get_user_model().objects.all}
    with django_assert_num_queries(2):
        assert list(check_segments()) == []


@pytest.mark.parametrize("segments", [{"pro": 5}, ["pro"]])
def test_segment_that_is_wrong_at_first_sight_is_told_once(settings, segments):
    settings.SOUVENIRS_SEGMENTS = segments
    assert (ids(), check_database(databases=["default"])) == (["souvenirs.E022"], [])


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        ("auth.User", {}, []),
        ("users.BareUser", {}, ["souvenirs.W013", "souvenirs.W014"]),
        ("users.CharUser", {}, ["souvenirs.W014"]),
        (
            "users.UUIDUser",
            {"DATE_JOINED_FIELD": "signed_up", "IS_ACTIVE_FIELD": "enabled"},
            [],
        ),
        # Another check reports these.
        ("users.BareUser", {"DATE_JOINED_FIELD": "signed", "IS_ACTIVE_FIELD": "email"}, []),
    ],
)
def test_user_model_without_dates(settings, model, fields, expected):
    settings.AUTH_USER_MODEL = model
    for name, value in fields.items():
        setattr(settings, f"SOUVENIRS_{name}", value)
    assert [message.id for message in check_site()] == expected


@pytest.mark.parametrize("databases", [None, [], ["other"]])
def test_database_that_may_not_be_asked_is_not(databases, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert check_database(databases=databases) == []


@pytest.mark.parametrize(
    ("zone", "seconds", "expected"),
    [
        ("Europe/Paris", 3600, []),
        ("Asia/Kolkata", 3600, ["souvenirs.W001"]),
        ("Asia/Kolkata", 1800, []),
        ("Asia/Kathmandu", 1800, ["souvenirs.W001"]),
        ("Asia/Kathmandu", 900, []),
        ("Australia/Lord_Howe", 3600, ["souvenirs.W001"]),
        ("Australia/Lord_Howe", 1800, []),
        ("Asia/Kolkata", 0, []),
    ],
)
def test_window_has_to_divide_the_time_zone(settings, zone, seconds, expected):
    settings.TIME_ZONE = zone
    settings.SOUVENIRS_RATELIMIT_SECONDS = seconds
    settings.SOUVENIRS_BUCKET_SECONDS = 900
    assert ids(check_site) == expected


@pytest.mark.parametrize(
    ("zone", "seconds", "expected"),
    [
        ("Europe/Paris", 3600, []),
        ("Asia/Kolkata", 3600, ["souvenirs.W009"]),
        ("Asia/Kolkata", 1800, []),
        ("Asia/Kathmandu", 1800, ["souvenirs.W009"]),
        ("Asia/Kathmandu", 900, []),
        ("Australia/Lord_Howe", 3600, ["souvenirs.W009"]),
        ("Australia/Lord_Howe", 1800, []),
    ],
)
def test_bucket_has_to_divide_the_time_zone(settings, zone, seconds, expected):
    settings.TIME_ZONE = zone
    settings.SOUVENIRS_RATELIMIT_SECONDS = 900
    settings.SOUVENIRS_BUCKET_SECONDS = seconds
    assert ids(check_site) == expected


def test_bucket_that_is_no_bucket_is_told_once(settings):
    settings.SOUVENIRS_BUCKET_SECONDS = 0
    assert (ids(), ids(check_site)) == (["souvenirs.E019"], [])


@pytest.mark.parametrize(
    ("is_digested", "age", "expected"),
    [
        (True, timedelta(days=2, minutes=1), ["souvenirs.W010"]),
        (True, timedelta(days=1, hours=23), []),
        (False, timedelta(days=9), []),
    ],
)
def test_digesting_that_has_fallen_behind(leave, is_digested, age, expected):
    if is_digested:
        Digest.objects.create(level=3600, start=0)
    leave((1, timezone.now() - age))
    assert ids(lambda: check_database(databases=["default"])) == expected


def test_digesting_that_has_nothing_to_do_is_not_behind():
    Digest.objects.create(level=3600, start=0)
    assert check_database(databases=["default"]) == []


def test_digesting_that_is_behind_has_its_remedy(leave):
    Digest.objects.create(level=3600, start=0)
    leave((1, at(2025, 3, 31, 9)))
    [message] = check_database(databases=["default"])
    assert "is from 2025-03-31 09:00 UTC" in message.msg
    assert "Run manage.py digest_souvenirs regularly." in message.hint


def test_window_that_is_no_window_is_told_once(settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = "an hour"
    assert (ids(), ids(check_site)) == (["souvenirs.E001"], [])


def test_window_of_seven_hours(settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 7 * 3600
    assert ids(check_site) == ["souvenirs.W001"]


def test_every_message_has_a_hint(settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = "3600"
    assert all(message.hint for message in check_settings())


def test_ids_are_unique():
    sources = [path.read_text() for path in Path(souvenirs.__file__).parent.rglob("*.py")]
    used = re.findall(r'"(souvenirs\.[EW]\d{3})"', "".join(sources))
    assert len(used) == len(set(used)) == len(SETTINGS) + 16


def test_checks_are_registered(settings):
    settings.SOUVENIRS_WEEK_START = 0
    settings.MIDDLEWARE = []
    found = [message.id for message in run_checks()]
    assert {"souvenirs.E006", "souvenirs.W003"} <= set(found)
    assert "souvenirs.W006" not in found


def test_deployment_checks_are_registered():
    found = [message.id for message in run_checks(include_deployment_checks=True)]
    assert "souvenirs.W006" in found


def test_database_checks_are_registered(settings):
    assert check_database in check_registry.registry.get_checks()


def test_wrong_path_stops_manage_py_check(settings):
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = "no.such.function"
    with pytest.raises(CommandError, match=r"souvenirs\.E003.*cannot be imported"):
        call_command("check")
