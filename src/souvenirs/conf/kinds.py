"""The kinds of values that settings can have."""

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

#: The parameters of the API. A credential of one of these names would be taken away from it.
API_PARAMETERS = frozenset(
    [
        "by",
        "cohort",
        "days",
        "exclusive",
        "format",
        "from",
        "interval",
        "list",
        "mode",
        "of",
        "order",
        "page",
        "per_page",
        "preset",
        "q",
        "reference",
        "segment",
        "statement",
        "subscription_start",
        "table",
        "to",
        "top",
        "tz",
        "window",
    ]
)

#: Regular expressions, searched for.
Patterns: TypeAlias = Collection[str | re.Pattern[str]]


#: The lists in ``SOUVENIRS_PUBLISH``.
PUBLISHED_LISTS = ("intervals", "time_zones", "segments")


def shown(value: Any) -> str:
    """Return the repr of a value; only its type if the repr fails or would query the database."""
    try:
        if not issubclass(type(value), QuerySet):
            return repr(value)
    except Exception:  # noqa: BLE001, S110 - whatever a value's own repr raises
        pass
    return f"a {type(value).__name__}"


def counted(value: Any) -> str:
    """Return what may be said of a secret: its type, and how many characters it has."""
    if not _is(value, str):
        return f"a {type(value).__name__}"
    return f"a {type(value).__name__} of {len(value)} characters"


class Kind(NamedTuple):
    """A kind of value that settings can have.

    ``clean`` returns a value in the form in which it is used. It raises ValueError for a value of
    another kind; its text, if any, follows the value in the message, which ``show`` writes.
    """

    expected: str
    hint: str
    clean: Callable[[Any], Any]
    show: Callable[[Any], str] = shown


def _where(accepts: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """Return a ``clean`` that raises ValueError unless ``accepts`` is true of the value."""

    def clean(value: Any) -> Any:
        if not accepts(value):
            raise ValueError
        return value

    return clean


def _is(value: Any, *types: type) -> bool:
    """Like isinstance(), but false for a bool and for a lazy object, which is not evaluated."""
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


def _secret(value: Any) -> Any:
    if value is None or (_is(value, str) and re.fullmatch(r"[!-~]+", value)):
        return value
    raise ValueError


def _parameters(value: Any) -> Any:
    if not _is_collection(value, str) or not all(
        re.fullmatch(r"[\w.-]+", name, re.ASCII) for name in value
    ):
        raise ValueError
    for name in sorted(API_PARAMETERS.intersection(value)):
        raise ValueError(f": {name} is a parameter of the API itself")
    return value


def _function_of(count: int) -> Callable[[Any], Function]:
    """Return a ``clean`` for functions of ``count`` arguments and their dotted paths."""

    def clean(value: Any) -> Function:
        if value is None or (_is(value, str) and not value):
            return None
        function = _imported(value) if _is(value, str) else value
        if _is(function, type) or not callable(function):
            raise ValueError(", which cannot be called" if _is(value, str) else "")
        try:
            inspect.signature(function).bind(*[None] * count)
        except TypeError as error:
            raise ValueError(f", which cannot be called with {count} arguments: {error}") from error
        except ValueError:
            pass  # a C function without a signature
        return function  # type: ignore[no-any-return]

    return clean


def segments_by_name(value: Any) -> Mapping[str, Any]:
    """Return a dict of segments. Raises ValueError for anything else, and for a wrong name."""
    if not _is(value, Mapping):
        raise ValueError
    for name in value:
        if not _is(name, str) or not name:
            raise ValueError(f": {shown(name)} is not a name")
    return value  # type: ignore[no-any-return]


def _segments(value: Any) -> Any:
    """Return a dict of segments, or the function that returns one."""
    if _is(value, Mapping):
        return segments_by_name(value)
    function = _function_of(0)(value)
    if function is None:
        raise ValueError
    return function


def _published(value: Any) -> Any:
    """Return the lists of a dict by name; None for one that is missing."""
    if value is None:
        return None
    if not _is(value, Mapping):
        raise ValueError
    unknown = [name for name in value if name not in PUBLISHED_LISTS]
    if unknown:
        raise ValueError(f": {shown(unknown[0])} is not one of {', '.join(PUBLISHED_LISTS)}")
    for name, items in value.items():
        if not _is_collection(items, str):
            raise ValueError(f": {name} is not a list of names")
    return {name: tuple(value[name]) if name in value else None for name in PUBLISHED_LISTS}


def _imported(path: str) -> Any:
    try:
        return import_string(path)
    except (ImportError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f", which cannot be imported: {error}") from error


_text = _where(lambda value: _is(value, str))

BOOLEAN = Kind(
    "True or False",
    "Convert text from the environment: any non-empty string is true.",
    _where(lambda value: type(value) is bool),
)
TEXT = Kind("a string", "Every key in the cache starts with it.", _text)
SECRET = Kind(
    "a string of visible ASCII characters, or None",
    "For example the result of secrets.token_urlsafe().",
    _secret,
    counted,
)
CACHE = Kind("a name in CACHES", "Name one of the site's CACHES.", _text)
FIELD = Kind("the name of a field", "Name a field of the user model.", _text)
ON_DELETE = Kind(
    "'keep' or 'erase'",
    "'keep' keeps the primary key in the history, 'erase' changes counts of the past.",
    _where(lambda value: _is(value, str) and value in ("keep", "erase")),
)
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
DAYS = Kind(
    "a number of days or None",
    "prune_souvenirs deletes older souvenirs; None keeps all.",
    _where(lambda value: value is None or (_is(value, int, float) and 0 <= value < float("inf"))),
)
WHOLE_DAYS = Kind(
    "a whole number of days",
    "From 0 to 366; 3 days leave time for the import of the last ones.",
    _where(lambda value: _is(value, int) and 0 <= value <= 366),
)
BUCKET = Kind(
    "3600, 1800 or 900",
    "Use 3600 if the UTC offset of the time zone is a whole number of hours.",
    _where(lambda value: _is(value, int) and value in (3600, 1800, 900)),
)
USERS = Kind(
    "a number of users",
    "The default, 50,000 users, takes a few megabytes.",
    _where(lambda value: _is(value, int) and value >= 1),
)
WEEKDAY = Kind(
    "a number from 1 to 7",
    "1 is Monday and 7 is Sunday, as in ISO 8601.",
    _where(lambda value: _is(value, int) and 1 <= value <= 7),
)
PATTERNS = Kind("a list of regular expressions", "For example ['^/health/$'].", _patterns)
METHODS = Kind(
    "a list of methods in upper case",
    'For example ["HEAD", "OPTIONS"].',
    _where(lambda v: _is_collection(v, str) and all(re.fullmatch("[A-Z-]+", name) for name in v)),
)
STATUS_CODES = Kind(
    "a list of integers",
    "For example [404, *range(500, 600)] for missing pages and server errors.",
    _where(lambda value: _is_collection(value, int)),
)
PARAMETERS = Kind(
    "a list of names of parameters",
    'For example ["token"]; a name has letters, digits, ".", "_" and "-".',
    _parameters,
)
SEGMENTS = Kind(
    "a dict of segments by name, or a function that returns one or its dotted path",
    "A segment is a Q, a queryset, or the dotted path of a function that returns one.",
    _segments,
)
FIELDS = Kind(
    "a list of fields",
    'For example ["organization__name", "plan"].',
    _where(lambda value: _is_collection(value, str) and all(value)),
)
PUBLISHED = Kind(
    "a dict of lists, or None",
    'For example {"intervals": ["day", "month"], "segments": ["pro"]}.',
    _published,
)
USER_OF_REQUEST = Kind(
    "a function of a request or its dotted path",
    "It takes a request and returns its user.",
    _function_of(1),
)
USERS_FOR_USER = Kind(
    "a function of a user or its dotted path",
    "It takes a user and returns a queryset of the users whose activity that user may see, or None "
    "for everyone.",
    _function_of(1),
)
CONDITION_ON_REQUEST = Kind(
    "a function of a request and a user or its dotted path",
    "It takes a request and its user and returns true if the request does not count.",
    _function_of(2),
)
SCOPE = Kind(
    "a function without arguments or its dotted path",
    "It returns a string that differs between tenants whose users may have the same keys.",
    _function_of(0),
)
REPORT = Kind(
    "a function of periods or its dotted path",
    "Its dotted path looks like 'app.module.function'.",
    _function_of(1),
)
