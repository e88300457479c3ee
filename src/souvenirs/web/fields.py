"""What may be in a URL: each parameter with what it says, and how it is read.

The same declarations say in OpenAPI what may be asked.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from dateutil.relativedelta import relativedelta
from django.utils.translation import gettext_noop

from ..calendar import INTERVALS, utc
from ..counting import SETTING, segment_names
from ..insights import WINDOWS

#: No value has more characters.
MAX_LENGTH = 200

#: How to get from today to the first day of each preset; all of them end with today.
PRESETS = {
    "7d": relativedelta(days=-6),
    "28d": relativedelta(days=-27),
    "90d": relativedelta(days=-89),
    "month": relativedelta(day=1),
    "12mo": relativedelta(months=-11, day=1),
}

#: Other fields of users would give away who they are, as the names of segments.
BY_GROUP = "groups__name"

T = TypeVar("T")


class InvalidParameter(ValueError):
    """A parameter, or the range that they make, cannot be answered: which one, and why.

    Why is a sentence that is marked for translation, with places for its values, and for the
    parameter's ``name``: the API says it in English, a page in the language of its reader.
    """

    def __init__(self, field: str, sentence: str, **values: object) -> None:
        super().__init__(field, sentence, values)
        self.field = field
        self.sentence = sentence
        self.values = values

    @property
    def message(self) -> str:
        """The sentence in English."""
        return self.filled_in(self.sentence, self.field, "{:,}".format)

    def filled_in(self, sentence: str, name: str, number: Callable[[int], str]) -> str:
        """Return the sentence, or its translation, with the values in their places."""
        texts = {
            key: number(value) if isinstance(value, int) else value
            for key, value in self.values.items()
        }
        return sentence % {"name": name, **texts}

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


@dataclass(frozen=True)
class Parameter(ABC, Generic[T]):
    """One parameter: its name, what it says, and its value where it is left out."""

    name: str
    help: str
    default: T | None = None

    @abstractmethod
    def read(self, text: str) -> T:
        """Return what was written. Raises InvalidParameter."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of what may be written."""


@dataclass(frozen=True)
class Choice(Parameter[str]):
    """One of a few words."""

    choices: tuple[str, ...] = ()

    def read(self, text: str) -> str:
        if text not in self.choices:
            raise InvalidParameter(
                self.name,
                gettext_noop("%(name)s must be one of %(choices)s, not %(value)s."),
                choices=", ".join(self.choices),
                value=shown(text),
            )
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)}


@dataclass(frozen=True)
class Whole(Parameter[int]):
    """A whole number, in the digits of ASCII."""

    least: int = 1
    most: int = 1

    def read(self, text: str) -> int:
        number = int(text) if re.fullmatch("[0-9]{1,9}", text) else None
        if number is None or not self.least <= number <= self.most:
            raise InvalidParameter(
                self.name,
                gettext_noop(
                    "%(name)s must be a whole number from %(least)s to %(most)s, not %(value)s."
                ),
                least=self.least,
                most=self.most,
                value=shown(text),
            )
        return number

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Window(Whole):
    """A number of days, or the name of one."""

    def read(self, text: str) -> int:
        if text in WINDOWS:
            return WINDOWS[text]
        try:
            return super().read(text)
        except InvalidParameter:
            raise InvalidParameter(
                self.name,
                gettext_noop(
                    "%(name)s must be %(choices)s or a number of days up to %(most)s, "
                    "not %(value)s."
                ),
                choices=", ".join(WINDOWS),
                most=self.most,
                value=shown(text),
            ) from None

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "enum": list(WINDOWS)}, super().schema()]}


@dataclass(frozen=True)
class Flag(Parameter[bool]):
    """Yes or no."""

    def read(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise InvalidParameter(
                self.name,
                gettext_noop("%(name)s must be true or false, not %(value)s."),
                value=shown(text),
            )
        return text == "true"

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Zone(Parameter[tzinfo]):
    """A name in the time zone database."""

    def read(self, text: str) -> tzinfo:
        # The file system has other names, and reading one of these fails in ways of its own.
        if text not in zone_names():
            raise InvalidParameter(
                self.name,
                gettext_noop("%(name)s must be a name like Europe/Paris or UTC, not %(value)s."),
                value=shown(text),
            )
        return ZoneInfo(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "examples": ["Europe/Paris", "UTC"]}


@dataclass(frozen=True)
class Segment(Parameter[str]):
    """A name in ``SOUVENIRS_SEGMENTS``."""

    def read(self, text: str) -> str:
        names = segment_names()
        if not names:
            raise InvalidParameter(
                self.name,
                gettext_noop("%(name)s must be named in SOUVENIRS_SEGMENTS, not %(value)s."),
                value=shown(text),
            )
        return Choice(self.name, "", choices=tuple(names)).read(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}


@dataclass(frozen=True)
class Words(Parameter[str]):
    """Anything."""

    def read(self, text: str) -> str:
        if "\0" in text:
            raise InvalidParameter(
                self.name,
                gettext_noop("%(name)s must be words, not %(value)s."),
                value=shown(text),
            )
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": MAX_LENGTH}


@dataclass(frozen=True)
class Moment(Parameter[str]):
    """A day, or a moment of it; without an offset on the wall clock of the time zone.

    Which one that is only the other parameters say, so that it is read in two steps.
    """

    #: A sign that was not escaped in a URL arrives as a space.
    PATTERN = (
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[-+ ][0-9]{2}:[0-9]{2})?)?"
    )

    def read(self, text: str) -> str:
        if not re.fullmatch(self.PATTERN, text):
            raise InvalidParameter(
                self.name,
                gettext_noop(
                    "%(name)s must be like 2016-01-31 or 2016-01-31T12:00:00Z, not %(value)s."
                ),
                value=shown(text),
            )
        return text.replace(" ", "+")

    def moment(self, text: str, zone: tzinfo) -> datetime:
        """Return the moment that was read, in the zone. Raises InvalidParameter."""
        try:
            moment = datetime.fromisoformat(text)
            return moment.astimezone(zone) if moment.tzinfo else on_clock(moment, zone)
        except ValueError:
            raise InvalidParameter(
                self.name,
                gettext_noop(
                    "%(name)s must be a day of the calendar and a time of the clock, not %(value)s."
                ),
                value=shown(text),
            ) from None
        except OverflowError:
            raise InvalidParameter(
                self.name,
                gettext_noop("%(name)s is out of range in %(zone)s: %(value)s."),
                zone=str(zone),
                value=shown(text),
            ) from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self.PATTERN}$"}


FROM = Moment("from", "Start of the range: a day, or a moment; it belongs to the range.")
TO = Moment("to", "End of the range, which does not belong to it; now, where only it is left out.")
SUBSCRIPTION_START = Moment(
    "subscription_start",
    "Start of a subscription, whose periods these are instead of those of the calendar.",
)
TZ = Zone("tz", "The time zone on whose wall clock days begin; that of the site by default.")
PRESET = Choice(
    "preset",
    "A range up to the end of today, instead of from and to.",
    choices=tuple(PRESETS),
)
SEGMENT = Segment("segment", "Only the users of this segment.")
BY = Choice(
    "by",
    "Rows for each segment, or for each group of users, as well as for everyone.",
    choices=(SETTING, BY_GROUP),
)
EXCLUSIVE = Flag(
    "exclusive",
    "With by: whether a user is only in the first of the segments that have them.",
    False,
)
WINDOW = Window(
    "window", "Count who was active in so many days up to the end of each period.", most=366
)
COHORT = Choice(
    "cohort", "What makes a cohort of users.", "first_seen", choices=("first_seen", "joined")
)
MODE = Choice(
    "mode",
    "Whether a cell is who was active in its period, or who was in it or later.",
    "in",
    choices=("in", "in_or_later"),
)
REFERENCE = Choice(
    "reference",
    "Whether a share is of the whole cohort or of the cell before.",
    "first",
    choices=("first", "previous"),
)
LIST = Choice(
    "list",
    "Who was active in the range; who was seen in the last days; who was seen, but not in the last "
    "days; who was never seen.",
    "active",
    choices=("active", "recent", "inactive", "never"),
)
DAYS_OF_LIST = Whole(
    "days", "How many last days the lists recent and inactive are about.", 30, 1, 36_600
)
PAGE = Whole("page", "Which page of the list.", 1, 1, 1_000_000)
PER_PAGE = Whole("per_page", "How many users are on a page.", 100, 1, 1_000)
TABLE = Choice(
    "table",
    "Which table a CSV is: what digests take up, how far digesting has come, or the checks that "
    "fail. JSON has all of them.",
    "digests",
    choices=("digests", "state", "checks"),
)
FORMAT = Choice("format", "What the answer is written in.", "json", choices=("json", "csv"))


def interval(default: str) -> Choice:
    return Choice("interval", "The length of a period.", default, choices=tuple(INTERVALS))


RANGE = (FROM, TO, PRESET)

#: The parameters that say nothing about a list of people.
IDLE: dict[str | None, tuple[str, ...]] = {
    "active": ("days",),
    "recent": ("from", "to", "preset"),
    "inactive": ("from", "to", "preset"),
    "never": ("from", "to", "preset", "days"),
}


def on_clock(reading: datetime, zone: tzinfo) -> datetime:
    """The moment at which the wall clock reads so, or next to it where it never does."""
    # By way of UTC, a time that the clock jumps over becomes one that it shows.
    return utc(reading.replace(tzinfo=zone)).astimezone(zone)


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all time zones, which are looked for on the disk."""
    return frozenset(available_timezones())


def shown(text: str) -> str:
    """Return what somebody wrote as it can be shown to them: its beginning, quoted."""
    return repr(text if len(text) <= 50 else f"{text[:50]}...")
