"""The kinds of values that settings have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

from django.db.models import QuerySet
from django.utils.functional import LazyObject, Promise
from django.utils.module_loading import import_string

#: A function that a setting names.
Function: TypeAlias = Callable[..., Any] | None

#: Regular expressions, searched for.
Patterns: TypeAlias = Collection[str | re.Pattern[str]]


class Kind(NamedTuple):
    """What the value of a setting may be.

    ``clean`` returns the value in the form in which it is used. It raises ValueError for a value of
    another kind, with a reason if there is more to say than that it is not ``expected``.
    """

    expected: str
    hint: str
    clean: Callable[[Any], Any]


def shown(value: Any) -> str:
    """Return a value for a message; only the type of one that cannot be shown, or by a query."""
    try:
        if not issubclass(type(value), QuerySet):
            return repr(value)
    except Exception:  # noqa: BLE001, S110 - whatever a value's own repr raises
        pass
    return f"a {type(value).__name__}"


def _where(accepts: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """Return what cleans a value by refusing those that ``accepts`` is false of."""

    def clean(value: Any) -> Any:
        if not accepts(value):
            raise ValueError
        return value

    return clean


def _is(value: Any, *types: type) -> bool:
    """Like isinstance(), but a bool is no number, and a lazy object not what it would become."""
    return issubclass(type(value), types) and type(value) is not bool


def _is_collection(value: Any, *types: type) -> bool:
    return (
        _is(value, Collection)
        and not _is(value, str, bytes, bytearray, Mapping, LazyObject, Promise, QuerySet)
        and all(_is(item, *types) for item in value)
    )


def is_window(seconds: float) -> bool:
    """Whether a window can be of this length: from a microsecond to a thousand years."""
    return 1e-6 <= seconds <= 1000 * 365 * 86400


def _patterns(value: Any) -> Any:
    if not _is_collection(value, str, re.Pattern):
        raise ValueError
    for pattern in value:
        try:
            if not _is(re.compile(pattern).pattern, str):
                raise ValueError(": bytes do not match text")
        except re.error as error:
            raise ValueError(f": {error}") from error
    return value


def _function_of(count: int) -> Callable[[Any], Function]:
    """Return what turns a dotted path into its function, which takes ``count`` arguments."""

    def clean(value: Any) -> Function:
        if value is None or (_is(value, str) and not value):
            return None
        function = _imported(value) if _is(value, str) else value
        if _is(function, type) or not callable(function):
            raise ValueError(", which cannot be called" if _is(value, str) else "")
        try:
            inspect.signature(function).bind(*[None] * count)
        except TypeError as error:
            raise ValueError(f", which cannot be called so: {error}") from error
        except ValueError:
            pass  # a function in C that does not tell its arguments
        return function  # type: ignore[no-any-return]

    return clean


def _segments(value: Any) -> Any:
    if not _is(value, Mapping):
        raise ValueError
    for name in value:
        if not _is(name, str) or not name:
            raise ValueError(f": {shown(name)} is not a name")
    return value


def _imported(path: str) -> Any:
    try:
        return import_string(path)
    except (ImportError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f", which cannot be imported: {error}") from error


BOOLEAN = Kind(
    "True or False",
    "A word from the environment is true, whatever it says: compare it first.",
    _where(lambda value: type(value) is bool),
)
TEXT = Kind("a string", "Every key in the cache starts with it.", _where(lambda v: _is(v, str)))
CACHE = Kind("a name in CACHES", "Name one of the site's CACHES.", _where(lambda v: _is(v, str)))
WINDOW = Kind(
    "a number of seconds",
    "An hour is 3600; 0 records every request.",
    _where(lambda value: _is(value, int, float) and (value == 0 or is_window(value))),
)
SECONDS = Kind(
    "a number of seconds",
    "More than 0, at most a day.",
    _where(lambda value: _is(value, int, float) and 0 < value <= 86400),
)
BUCKET = Kind(
    "3600, 1800 or 900",
    "An hour suits zones at whole hours from UTC, 1800 and 900 the others.",
    _where(lambda value: _is(value, int) and value in (3600, 1800, 900)),
)
DAYS = Kind(
    "a number of days or None",
    "prune_souvenirs deletes what is older; None keeps all souvenirs.",
    _where(lambda value: value is None or (_is(value, int, float) and 0 <= value < float("inf"))),
)
USERS = Kind(
    "a number of users",
    "The default remembers 50,000 users in a few megabytes.",
    _where(lambda value: _is(value, int) and value >= 1),
)
WEEKDAY = Kind(
    "a number from 1 to 7",
    "1 is Monday and 7 is Sunday, as in ISO 8601.",
    _where(lambda value: _is(value, int) and 1 <= value <= 7),
)
USER_OF_REQUEST = Kind(
    "a function of a request or its dotted path",
    "It takes a request and returns its user.",
    _function_of(1),
)
ANSWER_ABOUT_VISIT = Kind(
    "a function of a request and a user or its dotted path",
    "It takes a request and its user and returns whether to leave them out.",
    _function_of(2),
)
REPORT = Kind(
    "a function of periods or its dotted path",
    "Give the dotted path of a function that takes periods, like 'app.module.function'.",
    _function_of(1),
)
PATHS = Kind("a list of regular expressions", r"Like ['^/health/$'].", _patterns)
USER_AGENTS = Kind("a list of regular expressions", "Like ['(?i)uptime'].", _patterns)
METHODS = Kind(
    "a list of methods in capitals",
    'Like ["HEAD", "OPTIONS"].',
    _where(
        lambda v: _is_collection(v, str) and all(re.fullmatch("[A-Z-]+", method) for method in v)
    ),
)
STATUS_CODES = Kind(
    "a list of numbers",
    "Write [404, *range(500, 600)] for missing pages and every failure of the site.",
    _where(lambda value: _is_collection(value, int)),
)
ON_DELETE = Kind(
    "'keep' or 'erase'",
    "'keep' leaves a number without a person, 'erase' changes counts of the past.",
    _where(lambda value: _is(value, str) and value in ("keep", "erase")),
)
SEGMENTS_BY_NAME = Kind(
    "a dict of segments by name",
    "Give a Q, or the dotted path of a function that returns a Q or a queryset.",
    _segments,
)
JOINED_FIELD = Kind(
    "the name of a field",
    "Name the DateTimeField that says when a user registered.",
    _where(lambda value: _is(value, str)),
)
ACTIVE_FIELD = Kind(
    "the name of a field",
    "Name the BooleanField that says whether a user is activated.",
    _where(lambda value: _is(value, str)),
)
