"""Every setting of the app: name, type, default and one line of help.

A setting is read and checked at its first access and kept until Django announces a change of
settings (``override_settings``, the ``settings`` fixture of pytest-django), because asking Django
for a setting that is not set costs more than the rest of a rate-limited request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from . import kinds
from .kinds import Function, Kind, Patterns, is_window, segments_by_name, shown

__all__ = [
    "PREFIX",
    "SETTINGS",
    "Conf",
    "Function",
    "Patterns",
    "Setting",
    "conf",
    "is_window",
    "segments_by_name",
    "shown",
]

T = TypeVar("T")

PREFIX = "SOUVENIRS_"

#: Paths that browsers and devices request by themselves.
BROWSER_PATHS = (
    r"^/(favicon\.ico|robots\.txt|apple-touch-icon[\w-]*\.png)$",
    r"^/\.well-known/",
)


class Setting(Generic[T]):
    """One setting, read as an attribute of :data:`conf`.

    The attribute raises ImproperlyConfigured for a value of the wrong kind. With ``fall_back`` it
    is the default instead, for a setting read in code that must not fail. ``id`` is that of the
    system check, which finds a wrong value in either case.
    """

    def __init__(
        self, default: T, help: str, kind: Kind, id: str, *, fall_back: bool = False
    ) -> None:
        self.default = default
        self.help = help
        self.kind = kind
        self.id = id
        self.fall_back = fall_back

    def __set_name__(self, owner: type[Conf], name: str) -> None:
        self.attribute = name
        self.name = PREFIX + name

    def __get__(self, instance: Conf, owner: type[Conf]) -> T:
        try:
            value = self.cleaned()
        except ImproperlyConfigured:
            if not self.fall_back:
                raise
            value = self.default
        # There is no __set__, so the value kept on the instance answers the next access.
        instance.__dict__[self.attribute] = value
        return value

    def cleaned(self) -> T:
        """Return the value set by the site, or the default.

        Raises ImproperlyConfigured for a value of the wrong kind.
        """
        try:
            value = getattr(settings, self.name, self.default)
        except Exception as error:  # of a lazy object: Django evaluates it
            raise ImproperlyConfigured(f"{self.name} cannot be read: {error}") from error
        try:
            cleaned: T = self.kind.clean(value)
        except ValueError as reason:
            raise ImproperlyConfigured(
                f"{self.name} should be {self.kind.expected}, not {self.kind.show(value)}{reason}."
            ) from reason
        return cleaned


class Conf:
    """The settings of the app, as attributes without their prefix."""

    ENABLED = Setting(
        True,
        "Record souvenirs; `False` switches recording off everywhere.",
        kinds.BOOLEAN,
        "souvenirs.E008",
    )
    RATELIMIT_SECONDS = Setting[float](
        3600,
        "Length of a window: at most one souvenir per user and window.",
        kinds.WINDOW,
        "souvenirs.E001",
    )
    CACHE_NAME = Setting(
        "default",
        "The cache in which processes agree on one souvenir per user and window.",
        kinds.CACHE,
        "souvenirs.E002",
    )
    CACHE_PREFIX = Setting(
        "souvenir.", "Prefix of the keys in that cache.", kinds.TEXT, "souvenirs.E024"
    )
    SCOPE = Setting[Function](
        None,
        "Function that returns what keeps tenants apart; `None`: the database and its schema.",
        kinds.SCOPE,
        "souvenirs.E025",
    )
    GATE_SIZE = Setting(
        50_000,
        "Largest number of users that a process remembers: recorded, or still to be recorded.",
        kinds.USERS,
        "souvenirs.E007",
    )
    TIMEOUT = Setting(
        0.1,
        "Longest wait for a slow cache or database, in seconds.",
        kinds.SECONDS,
        "souvenirs.E017",
    )
    BREAKER_SECONDS = Setting[float](
        30,
        "Longest pause in seconds while a cache or database keeps failing, and between log lines.",
        kinds.SECONDS,
        "souvenirs.E018",
        fall_back=True,
    )
    USER_FUNCTION = Setting[Function](
        None,
        "Function that takes a request and returns its user, a primary key or `None`.",
        kinds.USER_OF_REQUEST,
        "souvenirs.E009",
    )
    BYPASS = Setting[Function](
        None,
        "Function that takes a request and its user and returns true if it does not count.",
        kinds.CONDITION_ON_REQUEST,
        "souvenirs.E010",
    )
    COUNT_IMPERSONATED = Setting(
        False, "Count impersonated users.", kinds.BOOLEAN, "souvenirs.E016"
    )
    IGNORE_PATHS = Setting[Patterns](
        BROWSER_PATHS,
        "Regular expressions for paths whose requests do not count.",
        kinds.PATTERNS,
        "souvenirs.E011",
    )
    IGNORE_METHODS = Setting[Collection[str]](
        (), 'Methods whose requests do not count, like `["HEAD"]`.', kinds.METHODS, "souvenirs.E013"
    )
    IGNORE_STATUS_CODES = Setting[Collection[int]](
        (),
        "Status codes whose requests do not count, like `range(400, 600)`.",
        kinds.STATUS_CODES,
        "souvenirs.E014",
    )
    IGNORE_USER_AGENTS = Setting[Patterns](
        (),
        "Regular expressions for user agents whose requests do not count.",
        kinds.PATTERNS,
        "souvenirs.E012",
    )
    IGNORE_STAFF = Setting(
        False, "Do not count users whose `is_staff` is true.", kinds.BOOLEAN, "souvenirs.E015"
    )
    BUCKET_SECONDS = Setting(
        3600,
        "Length of a bucket, the unit of time of digests: 3600, 1800 or 900.",
        kinds.BUCKET,
        "souvenirs.E019",
    )
    KEEP_DAYS = Setting[float | None](
        None,
        "Age in days at which `prune_souvenirs` deletes digested souvenirs; `None`: never.",
        kinds.DAYS,
        "souvenirs.E020",
    )
    ON_USER_DELETE = Setting(
        "keep",
        'What happens to the history of a deleted user: `"keep"` or `"erase"`.',
        kinds.ON_DELETE,
        "souvenirs.E021",
        fall_back=True,
    )
    SEGMENTS = Setting[Mapping[str, Any] | Callable[[], Any]](
        {},
        "Groups of users by name: a `Q`, a queryset, or a function that returns one. Or a function "
        "that returns the whole dict, which is called whenever it is needed.",
        kinds.SEGMENTS,
        "souvenirs.E022",
    )
    GROUP_BY = Setting[Collection[str]](
        (),
        "Fields of users, also of related models, by which readers of the pages, the API and the "
        "commands may group and filter.",
        kinds.FIELDS,
        "souvenirs.E030",
    )
    PUBLISH = Setting[Mapping[str, Any] | None](
        {},
        "What is published as rows: `intervals`, `time_zones` and `segments`; `None`: nothing.",
        kinds.PUBLISHED,
        "souvenirs.E027",
    )
    STATEMENT_GRACE_DAYS = Setting(
        3,
        "Days after a period from which its statement can be issued: the time for late imports.",
        kinds.WHOLE_DAYS,
        "souvenirs.E031",
    )
    VISIBLE_TO = Setting[Function](
        None,
        "Function that takes a user and returns a queryset of the users whose activity that user "
        "may see, or `None` for everyone.",
        kinds.USERS_FOR_USER,
        "souvenirs.E029",
    )
    API_AUTH = Setting[Function](
        None,
        "Function that takes a request to the API and returns its user, or `None`.",
        kinds.USER_OF_REQUEST,
        "souvenirs.E023",
    )
    API_AUTH_PARAMETERS = Setting[Collection[str]](
        (),
        "Query parameters for that function, such as tokens. They are removed from the request.",
        kinds.PARAMETERS,
        "souvenirs.E026",
    )
    METRICS_TOKEN = Setting[str | None](
        None,
        "Token that Prometheus sends to read metrics; `None`: only users may, as in the API.",
        kinds.SECRET,
        "souvenirs.E028",
    )
    USAGE_REPORTS_FUNCTION = Setting[Function](
        None,
        "Function that replaces or wraps `souvenirs.reports.base_usage_for_periods`.",
        kinds.REPORT,
        "souvenirs.E003",
    )
    DATE_JOINED_FIELD = Setting(
        "date_joined",
        "Field of the user model with the time of registration.",
        kinds.FIELD,
        "souvenirs.E004",
    )
    IS_ACTIVE_FIELD = Setting(
        "is_active",
        "Field of the user model that is true for activated users.",
        kinds.FIELD,
        "souvenirs.E005",
    )
    WEEK_START = Setting(
        1,
        "First day of a calendar week, from 1 (Monday) to 7 (Sunday).",
        kinds.WEEKDAY,
        "souvenirs.E006",
    )

    @cached_property
    def user_model(self) -> str:
        """Django's own ``AUTH_USER_MODEL``, cached because every call reads it."""
        return settings.AUTH_USER_MODEL

    @cached_property
    def session_cookie(self) -> str:
        """Django's own ``SESSION_COOKIE_NAME``, cached because every request reads it."""
        return settings.SESSION_COOKIE_NAME


conf = Conf()

SETTINGS: dict[str, Setting[Any]] = {
    setting.name: setting for setting in vars(Conf).values() if isinstance(setting, Setting)
}


def forget_settings(**kwargs: Any) -> None:
    """Read every setting again at its next access."""
    conf.__dict__.clear()


setting_changed.connect(forget_settings, dispatch_uid="souvenirs.conf.forget_settings")
