"""Options shared by several commands: their declarations and their parsers.

A parser takes a value from the command line or from ``call_command()``, and raises CommandError
with one sentence if it is invalid.
"""

from __future__ import annotations

import re
import warnings
from argparse import ArgumentTypeError
from collections.abc import Hashable
from datetime import datetime, tzinfo
from typing import Any

import dateutil.parser
from dateutil.parser import UnknownTimezoneWarning
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import router
from django.utils import timezone

from souvenirs.calendar import INTERVALS, checked, outward, utc, zone_named
from souvenirs.sets import primary_key

from ._errors import command_errors

#: The interval of each unit in a length such as ``12w``.
UNITS = {name[0]: name for name in INTERVALS}
UNITS_HELP = "days (d), weeks (w), months (m), quarters (q) or years (y)"

#: How many users a table lists.
USERS = 50

#: How many values of a field a table has.
VALUES = 20

#: Each option, as ``add_argument()`` takes it.
OPTIONS: dict[str, dict[str, Any]] = {
    "--after": {"metavar": "DATE", "help": "start of the range, inclusive"},
    "--before": {"metavar": "DATE", "help": "end of the range, exclusive"},
    "--tz": {
        "metavar": "ZONE",
        "help": "time zone of periods and of times without a UTC offset, such as Europe/Paris "
        "(default: TIME_ZONE)",
    },
    "--subscription-start": {
        "metavar": "DATE",
        "help": "periods of a subscription that started on this date",
    },
    "--last": {
        "metavar": "12w",
        "help": f"number of calendar {UNITS_HELP} to show, up to and including the current one",
    },
    "--interval": {"metavar": "UNIT", "help": f"length of a period: {', '.join(INTERVALS)}"},
    "--segment": {"metavar": "NAME", "help": "only users in this segment of SOUVENIRS_SEGMENTS"},
    "--by-segment": {
        "action": "store_true",
        "help": "report everyone, then each segment of SOUVENIRS_SEGMENTS; segments can overlap",
    },
    "--exclusive": {
        "action": "store_true",
        "help": "with --by-segment or --by: count each user only in the first segment they belong "
        "to",
    },
    "--by": {
        "metavar": "FIELD",
        "help": "report everyone, then each value of a field in SOUVENIRS_GROUP_BY, from the one "
        "with the most active users",
    },
    "--top": {
        "metavar": "NUM",
        "help": f"with --by: number of values to report (default: {VALUES} in a table, all in CSV "
        "and JSON)",
    },
    "--of": {
        "metavar": "FIELD",
        "help": "count groups of users by a field of the user model, such as organization; a group "
        "is active when one of its users is",
    },
    "--csv": {"action": "store_true", "help": "output CSV instead of a table"},
    "--json": {"action": "store_true", "help": "output JSON instead of a table"},
    "--dry-run": {"action": "store_true", "help": "change nothing, only report what would be done"},
    "--strict": {"action": "store_true", "help": "tolerate less: "},
    "--limit": {
        "metavar": "NUM",
        "help": f"number of users to list (default: {USERS} in a table, all in CSV and JSON)",
    },
    "--lookup": {"metavar": "FIELD", "help": "field that identifies users, such as email"},
}


def add_options(parser: Any, *names: str, **notes: str) -> None:
    """Add shared options to a parser or a group; a note is appended to the help of its option."""
    for name in names:
        note = notes.get(name[2:], "")
        parser.add_argument(name, **{**OPTIONS[name], "help": OPTIONS[name]["help"] + note})


def add_format_options(parser: Any) -> None:
    """Add the formats to choose from instead of a table."""
    add_options(parser.add_mutually_exclusive_group(), "--csv", "--json")


def parse_zone(name: str | None) -> tzinfo:
    """Return the time zone of that name, or the current one for None."""
    if name is None:
        return timezone.get_current_timezone()
    with command_errors():
        return zone_named(name)


def parse_date(value: str | datetime | None, option: str, zone: tzinfo) -> datetime | None:
    """Return the instant of a date, on the wall clock of ``zone`` unless it has a UTC offset.

    Omitted parts are the first possible: ``2016`` is 2016-01-01 00:00. The result is aware, or
    naive in the default time zone if ``USE_TZ`` is False; a datetime is returned as it is.
    """
    if value is None or isinstance(value, datetime):
        return value
    try:
        moment = _parsed(str(value))
        moment = moment if moment.tzinfo else timezone.make_aware(moment, zone)
        return outward(checked(moment, option))
    except (ValueError, OverflowError, TypeError, UnknownTimezoneWarning):
        raise CommandError(
            f"{option} {str(value)[:100]!r} is not a date: use a format such as 2016-01-31."
        ) from None


def _parsed(text: str) -> datetime:
    """Return the date in a text; ValueError if it depends on the default, as without a year."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnknownTimezoneWarning)
        one, other = (
            dateutil.parser.parse(text, default=datetime(year, 1, 1))  # noqa: DTZ001
            for year in (2000, 2004)
        )
    if one != other:
        raise ValueError
    return one


def parse_range(
    options: dict[str, Any], zone: tzinfo, first: str = "after", last: str = "before"
) -> tuple[datetime | None, datetime | None]:
    """Return the aware start and end given by the options of these names; None if left out."""
    start, end = (parse_date(options[name], f"--{name}", zone) for name in (first, last))
    with command_errors():
        start = None if start is None else checked(start, f"--{first}")
        end = None if end is None else checked(end, f"--{last}")
    if start is not None and end is not None and utc(start) > utc(end):
        raise CommandError(f"--{first} {start} is later than --{last} {end}.")
    return start, end


def parse_length(text: str, option: str) -> tuple[int, str]:
    """Return the number and the interval of a length: ``12w`` is ``(12, "week")``."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([a-z])", str(text).strip())
    if match is None or match[2] not in UNITS:
        raise CommandError(
            f"{option} {str(text)[:100]!r} is not a length of time: "
            "use a format such as 30d, 12w, 12m, 8q or 5y."
        )
    return int(match[1]), UNITS[match[2]]


def parse_positive(text: object, option: str, default: Any) -> Any:
    """Return the number given for an option; CommandError unless it is a positive integer."""
    if text is None:
        return default
    if not re.fullmatch(r"[1-9][0-9]{0,8}", str(text).strip()):
        raise CommandError(f"{option} must be a positive whole number, not {str(text)[:100]!r}.")
    return int(str(text))


def parse_limit(options: dict[str, Any]) -> int | None:
    """Return how many users to list; None for all."""
    is_data = options["csv"] or options["json"]
    limit: int | None = parse_positive(options["limit"], "--limit", None if is_data else USERS)
    return limit


def add_user(parser: Any) -> None:
    """Add the argument and the option that name a user."""
    parser.add_argument("user", metavar="USER", help="primary key of the user")
    add_options(
        parser,
        "--lookup",
        lookup=" (default: the primary key, also of a user who has been deleted)",
    )


def parse_user(options: dict[str, Any]) -> Hashable:
    """Return the primary key of the user; the user need not exist, unless there is a lookup."""
    text, lookup = options["user"], options["lookup"]
    if lookup in (None, "pk"):
        try:
            return primary_key(text)
        except ValueError:
            raise CommandError(
                f"{text!r} is not a primary key of {get_user_model()._meta.label}: add --lookup "
                "with the field that it is a value of, such as --lookup email."
            ) from None
    model = get_user_model()
    if lookup not in {field.name for field in model._meta.concrete_fields}:
        raise CommandError(f"{model._meta.label} has no field {lookup!r}.")
    # Users whom the default manager hides are users too, and a replica may lag behind.
    users = model._base_manager.using(router.db_for_write(model)).order_by()
    try:
        keys = list(users.filter(**{lookup: text}).values_list("pk", flat=True)[:2])
    except (ValueError, ValidationError):  # the field cannot have this value
        keys = []
    if len(keys) != 1:
        many = "Several users have" if keys else "No user has"
        raise CommandError(f"{many} the {lookup} {text!r}: give a primary key.")
    key: Hashable = keys[0]
    return key


def positive(text: str) -> float:
    """Return a number above 0; an argparse type."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"must be a number greater than 0, not {text!r}")
    return number
