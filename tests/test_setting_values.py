"""Whatever a site sets, ``manage.py check`` says what is wrong with it and no request fails."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from souvenirs.calendar import BUCKETS
from souvenirs.checks.settings import check_settings
from souvenirs.checks.site import check_site
from souvenirs.conf import SETTINGS, Conf, conf
from souvenirs.conf.kinds import counted, shown
from tests.conftest import mostly_thorough

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]


class Class:
    """Nothing in particular."""


class Unshowable:
    def __repr__(self):
        raise RuntimeError("this value has no repr")


def fails():
    raise RuntimeError("this value cannot be computed")


def of_nothing():
    return None


VALUES = {
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "one": 1,
    "int": 5_000_000_000_000,
    "negative int": -1,
    "float": 1.5,
    "nan": float("nan"),
    "infinity": float("inf"),
    "negative float": -0.5,
    "text": "text",
    "empty text": "",
    "dotted path of text": "souvenirs.conf.PREFIX",
    "dotted path of nothing": "no.such.thing",
    "relative path": ".relative",
    "bytes": b"bytes",
    "list": ["a"],
    "empty list": [],
    "list of lists": [["a"]],
    "list of bytes": [b"a"],
    "list of bytes expressions": [re.compile(b"a")],
    "list of bool": [True],
    "list of no expression": ["("],
    "tuple": ("a", 1),
    "dict": {"a": 1},
    "empty dict": {},
    "dict by number": {1: "a"},
    "set": {"a"},
    "range": range(3),
    "class": Class,
    "builtin class": int,
    "object": Class(),
    "object without a repr": Unshowable(),
    "function of nothing": of_nothing,
    "function of many": lambda a, b, c: None,
    "lazy text": gettext_lazy("text"),
    "lazy int": SimpleLazyObject(lambda: 5),
    "lazy function": SimpleLazyObject(lambda: of_nothing),
    "lazy failure": SimpleLazyObject(fails),
    "list of lazy text": [gettext_lazy("text")],
}

LISTS = {"empty list"}
NUMBERS = {"one", "float"}
FUNCTIONS = {"none", "empty text"}

#: The values that are documented as valid, by the name of the setting.
VALID = {
    "ENABLED": {"true", "false"},
    "RATELIMIT_SECONDS": {"zero", *NUMBERS},
    "CACHE_NAME": set(),
    "CACHE_PREFIX": {"text", "empty text", "dotted path of text", "dotted path of nothing"}
    | {"relative path"},
    "SCOPE": FUNCTIONS | {"function of nothing"},
    "GATE_SIZE": {"one", "int"},
    "TIMEOUT": NUMBERS,
    "BREAKER_SECONDS": NUMBERS,
    "USER_FUNCTION": FUNCTIONS,
    "BYPASS": FUNCTIONS,
    "COUNT_IMPERSONATED": {"true", "false"},
    "IGNORE_PATHS": LISTS | {"list", "set"},
    "IGNORE_METHODS": LISTS,
    "IGNORE_STATUS_CODES": LISTS | {"range"},
    "IGNORE_USER_AGENTS": LISTS | {"list", "set"},
    "IGNORE_STAFF": {"true", "false"},
    "BUCKET_SECONDS": set(),
    "KEEP_DAYS": {"none", "zero", "int", *NUMBERS},
    "ON_USER_DELETE": set(),
    "SEGMENTS": {"empty dict", "function of nothing"},
    "GROUP_BY": LISTS,
    "PUBLISH": {"none", "empty dict"},
    "STATEMENT_GRACE_DAYS": {"zero", "one"},
    "VISIBLE_TO": FUNCTIONS,
    "API_AUTH": FUNCTIONS,
    "API_AUTH_PARAMETERS": LISTS | {"list", "set"},
    "METRICS_TOKEN": {
        "none",
        "text",
        "dotted path of text",
        "dotted path of nothing",
        "relative path",
    },
    "USAGE_REPORTS_FUNCTION": FUNCTIONS,
    "DATE_JOINED_FIELD": set(),
    "IS_ACTIVE_FIELD": set(),
    "WEEK_START": {"one"},
}


def test_every_setting_is_given_every_value():
    assert list(SETTINGS) == [f"SOUVENIRS_{name}" for name in VALID]


@pytest.mark.parametrize("name", VALID)
def test_check_says_what_is_wrong(name):
    for kind, value in VALUES.items():
        with override_settings(**{f"SOUVENIRS_{name}": value}):
            found = [message for message in [*check_settings(), *check_site()] if is_error(message)]
        assert len(found) == (kind not in VALID[name]), kind
        for message in found:
            assert message.id == Conf.__dict__[name].id
            assert message.msg.startswith(f"SOUVENIRS_{name}")
            assert mentions(message.msg, value), kind


def is_error(message):
    return (message.id or "").startswith("souvenirs.E")


def mentions(message, value):
    """Whether a message shows a value, or of segments or listed fields the one that is wrong."""
    if type(value) is SimpleLazyObject:
        return "SimpleLazyObject" in message or "this value cannot be computed" in message
    if message.startswith("SOUVENIRS_METRICS_TOKEN"):
        return message.endswith(f", not {counted(value)}.")
    values = [value, *(value.values() if type(value) is dict else ())]
    if message.startswith("SOUVENIRS_GROUP_BY: "):
        values = value
    return any(shown(each) in message for each in values)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("my secret", "a str of 9 characters"),
        ("", "a str of 0 characters"),
        (b"secret", "a bytes"),
        (["secret"], "a list"),
    ],
)
def test_message_about_a_secret_does_not_tell_it(settings, token, shown):
    settings.SOUVENIRS_METRICS_TOKEN = token
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.METRICS_TOKEN  # noqa: B018
    assert str(caught.value) == (
        "SOUVENIRS_METRICS_TOKEN should be a string of visible ASCII characters, or None, "
        f"not {shown}."
    )


@pytest.mark.parametrize(
    "name", mostly_thorough(VALID, kept=["CACHE_NAME", "USER_FUNCTION", "IGNORE_PATHS"])
)
def test_no_request_fails(client, make_user, name):
    client.force_login(make_user())
    for kind, value in VALUES.items():
        with override_settings(**{f"SOUVENIRS_{name}": value}):
            assert request_pages(client) == [200, 200, 200], kind


def request_pages(client):
    return [client.get(path).status_code for path in ("/plain/", "/user/", "/async/user/")]


@pytest.mark.parametrize("kind", VALUES)
def test_nothing_fails_where_everything_is_wrong(client, make_user, kind):
    """Also while the cache is down, and that failure is handled."""
    client.force_login(make_user())
    caches = {"default": {"BACKEND": "tests.caches.FailingCache"}}
    with override_settings(CACHES=caches, **dict.fromkeys(SETTINGS, VALUES[kind])):
        assert request_pages(client) == [200, 200, 200]
        errors = [message.id for message in run_checks() if is_error(message)]
    assert len(errors) == len(set(errors)) == sum(kind not in valid for valid in VALID.values())


def test_settings_that_are_read_where_nothing_may_fail_fall_back(settings):
    settings.SOUVENIRS_BREAKER_SECONDS = settings.SOUVENIRS_ON_USER_DELETE = ["a"]
    assert (conf.BREAKER_SECONDS, conf.ON_USER_DELETE) == (30, "keep")


def test_every_default_is_valid(settings):
    del settings.SOUVENIRS_PUBLISH
    assert [setting.name for setting in SETTINGS.values() if setting.cleaned() is None] == [
        "SOUVENIRS_SCOPE",
        "SOUVENIRS_USER_FUNCTION",
        "SOUVENIRS_BYPASS",
        "SOUVENIRS_KEEP_DAYS",
        "SOUVENIRS_VISIBLE_TO",
        "SOUVENIRS_API_AUTH",
        "SOUVENIRS_METRICS_TOKEN",
        "SOUVENIRS_USAGE_REPORTS_FUNCTION",
    ]


def test_queryset_is_not_evaluated_for_a_message(settings, django_assert_num_queries):
    settings.SOUVENIRS_SEGMENTS = settings.SOUVENIRS_KEEP_DAYS = get_user_model().objects.all()
    with django_assert_num_queries(0):
        found = [message.msg for message in run_checks() if is_error(message)]
    assert [message.rsplit(",", 1)[1] for message in found] == [
        f" not a {type(get_user_model().objects.all()).__name__}."
    ] * 2


def test_buckets_are_those_of_the_calendar(settings):
    for seconds in BUCKETS:
        settings.SOUVENIRS_BUCKET_SECONDS = seconds
        assert seconds == conf.BUCKET_SECONDS
    settings.SOUVENIRS_BUCKET_SECONDS = seconds + 1
    with pytest.raises(ImproperlyConfigured, match=" or ".join(map(str, BUCKETS[1:]))):
        conf.BUCKET_SECONDS  # noqa: B018


def test_function_that_does_not_tell_its_arguments_is_trusted(settings):
    settings.SOUVENIRS_USER_FUNCTION = max
    assert conf.USER_FUNCTION is max
