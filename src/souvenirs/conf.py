"""Every setting of the app: name, type, default and one line of help.

A setting is read from Django's settings at its first access and kept until Django announces a
change (``override_settings``, the ``settings`` fixture of pytest-django), because asking Django for
a setting that is not there costs more than all the rest of a rate-limited request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeAlias, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

T = TypeVar("T")

#: A function, or the dotted path of one.
Dotted: TypeAlias = str | Callable[..., Any] | None

#: Regular expressions, searched for.
Patterns: TypeAlias = Collection[str | re.Pattern[str]]

PREFIX = "SOUVENIRS_"


class Setting(Generic[T]):
    """One setting, read as an attribute of :data:`conf`."""

    def __init__(self, default: T, help: str) -> None:
        self.default = default
        self.help = help

    def __set_name__(self, owner: type[Conf], name: str) -> None:
        self.attribute = name
        self.name = PREFIX + name

    def __get__(self, instance: Conf, owner: type[Conf]) -> T:
        # There is no __set__, so the value kept on the instance answers the next access.
        value: T = getattr(settings, self.name, self.default)
        instance.__dict__[self.attribute] = value
        return value


class Conf:
    """The settings of the app, as attributes without their prefix."""

    ENABLED = Setting(True, "Record souvenirs; `False` switches recording off everywhere.")
    RATELIMIT_SECONDS = Setting[float](
        3600, "Length of a window: at most one souvenir per user and window."
    )
    CACHE_NAME = Setting("default", "The cache that keeps processes to one souvenir per window.")
    CACHE_PREFIX = Setting("souvenir.", "What the keys in that cache begin with.")
    GATE_SIZE = Setting(50_000, "How many users a process remembers before it asks the cache.")
    TIMEOUT = Setting(
        0.1, "Longest wait, in seconds, for a cache or a database that leaves us waiting."
    )
    BREAKER_SECONDS = Setting[float](
        30, "How long what made a request wait is then left alone, and a failure not logged again."
    )
    USER_FUNCTION = Setting[Dotted](
        None, "Function that takes a request and returns its user, a primary key or `None`."
    )
    BYPASS = Setting[Dotted](
        None, "Function that takes a request and its user and returns whether not to count it."
    )
    COUNT_IMPERSONATED = Setting(False, "Count users whom somebody else acts for.")
    IGNORE_PATHS = Setting[Patterns]((), "Regular expressions for paths that do not count.")
    IGNORE_METHODS = Setting[Collection[str]]((), 'Methods that do not count, like `["HEAD"]`.')
    IGNORE_STATUS_CODES = Setting[Collection[int]](
        (), "Status codes of responses that do not count, like `range(400, 600)`."
    )
    IGNORE_USER_AGENTS = Setting[Patterns](
        (), "Regular expressions for the user agents that do not count."
    )
    IGNORE_STAFF = Setting(False, "Leave out users whose `is_staff` is true.")
    BUCKET_SECONDS = Setting(3600, "Length of a bucket, the grain of digests: 3600, 1800 or 900.")
    KEEP_DAYS = Setting[float | None](
        None,
        "Days after which `prune_souvenirs` deletes digested souvenirs; `None`: never.",
    )
    ON_USER_DELETE = Setting(
        "keep", 'What happens to the history of a deleted user: `"keep"` or `"erase"`.'
    )
    SEGMENTS = Setting[Mapping[str, Any]](
        {}, "Groups of users by name: a `Q`, a queryset, or a function that returns one."
    )
    API_AUTH = Setting[Dotted](
        None, "Function that takes a request to the API and returns its user, or `None`."
    )
    USAGE_REPORTS_FUNCTION = Setting[Dotted](
        None, "Function that replaces or wraps `souvenirs.reports.base_usage_for_periods`."
    )
    DATE_JOINED_FIELD = Setting(
        "date_joined", "Field of the user model for when a user registered."
    )
    IS_ACTIVE_FIELD = Setting("is_active", "Field of the user model for who is activated.")
    WEEK_START = Setting(1, "First day of a calendar week, from 1 (Monday) to 7 (Sunday).")

    @cached_property
    def session_cookie(self) -> str:
        """Django's own ``SESSION_COOKIE_NAME``, kept like ours: every page asks for it."""
        return settings.SESSION_COOKIE_NAME


conf = Conf()

SETTINGS: dict[str, Setting[Any]] = {
    setting.name: setting for setting in vars(Conf).values() if isinstance(setting, Setting)
}


def function_in(name: str) -> Callable[..., Any] | None:
    """Return the function that a setting, named without its prefix, is or names; None where empty.

    Raises ImproperlyConfigured where it names nothing that can be called.
    """
    value = getattr(conf, name)
    return _function(name, value) if value else None


@lru_cache
def _function(name: str, value: Any) -> Callable[..., Any]:
    function = value
    if not callable(value):
        try:
            function = import_string(value)
        except (ImportError, ValueError, AttributeError, TypeError) as error:
            raise ImproperlyConfigured(
                f"{PREFIX}{name} is {value!r}, which cannot be imported: {error}"
            ) from error
    if not callable(function):
        raise ImproperlyConfigured(f"{PREFIX}{name} is {value!r}, which cannot be called.")
    return function  # type: ignore[no-any-return]


def forget_settings(**kwargs: Any) -> None:
    """Read every setting anew from now on."""
    conf.__dict__.clear()
    _function.cache_clear()


setting_changed.connect(forget_settings, dispatch_uid="souvenirs.conf.forget_settings")
