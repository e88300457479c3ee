"""What is asked, out of the parameters of a URL: checked once, before anything is looked up.

Each :class:`Form` is the parameters of one kind of question, and reads them into a
:class:`Question`. The same declarations say in OpenAPI what may be asked.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from functools import cache
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from dateutil.relativedelta import relativedelta
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.http import QueryDict
from django.utils import timezone

from ..accounts import date_joined_field
from ..calendars import INTERVALS
from ..conf import conf
from ..insights.retention import CohortBy, Mode, Reference
from ..insights.series import WINDOWS
from ..instants import checked, local, utc
from ..periods import Grid, calendar_start
from ..segments import SETTING, segment_names
from ..values import Rank

#: No value has more characters.
MAX_LENGTH = 200

#: As many periods as one question to the database answers.
MAX_PERIODS = Rank.LIMIT

#: As many rows, or cells of retention, as there are in an answer, for all groups: a second's work.
MAX_CELLS = 30_000

#: Local days that windows which trail behind are made of, more than a quarter of a century.
MAX_DAYS = 10_000

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)

#: How to get from today to the first day of each preset; all of them end with today.
PRESETS = {
    "7d": relativedelta(days=-6),
    "28d": relativedelta(days=-27),
    "90d": relativedelta(days=-89),
    "month": relativedelta(day=1),
    "12mo": relativedelta(months=-11, day=1),
}

#: Intervals of a subscription, which has no weeks.
OF_SUBSCRIPTION = ("day", "month", "quarter", "year")

#: Other fields of users would give away who they are, as the names of segments.
BY_GROUP = "groups__name"

T = TypeVar("T")


class BadQuestion(ValueError):
    """A parameter, or the range that they make, cannot be answered: which one, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

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
        """Return what was written. Raises BadQuestion."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of what may be written."""

    def _bad(self, text: str, wanted: str) -> BadQuestion:
        return BadQuestion(self.name, f"{self.name} must be {wanted}, not {shown(text)}.")


@dataclass(frozen=True)
class Choice(Parameter[str]):
    """One of a few words."""

    choices: tuple[str, ...] = ()

    def read(self, text: str) -> str:
        if text not in self.choices:
            raise self._bad(text, f"one of {', '.join(self.choices)}")
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
            raise self._bad(text, f"a whole number from {self.least:,} to {self.most:,}")
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
        except BadQuestion:
            wanted = f"{', '.join(WINDOWS)} or a number of days up to {self.most:,}"
            raise self._bad(text, wanted) from None

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "enum": list(WINDOWS)}, super().schema()]}


@dataclass(frozen=True)
class Flag(Parameter[bool]):
    """Yes or no."""

    def read(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise self._bad(text, "true or false")
        return text == "true"

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Zone(Parameter[tzinfo]):
    """A name in the time zone database."""

    def read(self, text: str) -> tzinfo:
        # The file system has other names, and reading one of these fails in ways of its own.
        if text not in zone_names():
            raise self._bad(text, "a name like Europe/Paris or UTC")
        return ZoneInfo(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "examples": ["Europe/Paris", "UTC"]}


@dataclass(frozen=True)
class Segment(Parameter[str]):
    """A name in ``SOUVENIRS_SEGMENTS``."""

    def read(self, text: str) -> str:
        names = segment_names()
        if text not in names:
            known = f"one of {', '.join(names)}" if names else "named in SOUVENIRS_SEGMENTS"
            raise self._bad(text, known)
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}


@dataclass(frozen=True)
class Words(Parameter[str]):
    """Anything."""

    def read(self, text: str) -> str:
        if "\0" in text:
            raise self._bad(text, "words")
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
            raise self._bad(text, "like 2016-01-31 or 2016-01-31T12:00:00Z")
        return text.replace(" ", "+")

    def moment(self, text: str, zone: tzinfo) -> datetime:
        """Return the moment that was read, in the zone. Raises BadQuestion."""
        try:
            moment = datetime.fromisoformat(text)
            return moment.astimezone(zone) if moment.tzinfo else _on_clock(moment, zone)
        except ValueError:
            raise self._bad(text, "a day of the calendar and a time of the clock") from None
        except OverflowError:
            raise BadQuestion(
                self.name, f"{self.name} is out of range in {zone}: {shown(text)}."
            ) from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self.PATTERN}$"}


@dataclass(frozen=True)
class Question:
    """A question that can be answered; what its form does not ask for is of no meaning."""

    zone: tzinfo
    start: datetime | None = None
    end: datetime | None = None
    preset: str | None = None
    interval: str = "day"
    segment: str | None = None
    by: str | None = None
    exclusive: bool = False
    window: int | None = None
    cohort: CohortBy = "first_seen"
    mode: Mode = "in"
    reference: Reference = "first"
    subscription_start: datetime | None = None
    list: str = "active"
    days: int = 30
    page: int = 1
    per_page: int = 100
    format: str = "json"
    #: Of pages only: the last periods, a period by its label, a column of a triangle, and words.
    recent: int = 24
    of: str | None = None
    offset: int | None = None
    q: str | None = None
    order: str = "name"
    #: The names of the parameters that its form has.
    names: tuple[str, ...] = ()
    #: How many periods it is about, and how many numbers about them are to be found for each group.
    periods: int = 0
    cells: int = 0

    def echo(self) -> dict[str, Any]:
        """Return what was asked, with its defaults, by the names of the parameters."""
        own = {"from": "start", "to": "end", "tz": "zone"}
        values = {name: getattr(self, own.get(name, name)) for name in self.names}
        return {name: _written(value) for name, value in values.items() if value is not None}


def iso(moment: datetime) -> str:
    """Return an aware moment as in RFC 3339; in UTC where its offset has seconds, as long ago."""
    offset = moment.utcoffset() or timedelta()
    return (utc(moment) if offset % MINUTE else moment).isoformat()


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    return str(value) if isinstance(value, tzinfo) else value


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
    "exclusive", "Whether a user is only in the first of the segments that have them.", False
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
DAYS = Whole("days", "How many last days the lists recent and inactive are about.", 30, 1, 36_600)
PAGE = Whole("page", "Which page of the list.", 1, 1, 1_000_000)
PER_PAGE = Whole("per_page", "How many users are on a page.", 100, 1, 1_000)
FORMAT = Choice("format", "What the answer is written in.", "json", choices=("json", "csv"))


def _interval(default: str) -> Choice:
    return Choice("interval", "The length of a period.", default, choices=tuple(INTERVALS))


RANGE = (FROM, TO, PRESET)

#: The parameters that say nothing about a list of people.
IDLE: dict[str | None, tuple[str, ...]] = {
    "active": ("days",),
    "recent": ("from", "to", "preset"),
    "inactive": ("from", "to", "preset"),
    "never": ("from", "to", "preset", "days"),
}


@dataclass(frozen=True)
class Form:
    """The parameters of one kind of question; ``preset`` is its range where none is given."""

    name: str
    parameters: tuple[Parameter[Any], ...]
    preset: str | None = None

    def read(self, query: QueryDict) -> Question:
        """Return the question that the parameters of a URL ask. Raises BadQuestion."""
        values = self._values(query)
        zone = values.pop("tz") or timezone.get_current_timezone()
        ends = self._range(values, zone)
        if values.get("subscription_start"):
            subscription = SUBSCRIPTION_START.moment(values["subscription_start"], zone)
            values["subscription_start"] = subscription
        names = self._names(query, values)
        question = Question(zone=zone, names=names, **ends, **values)
        _check_users(question)
        if "interval" not in names:
            return question
        count = _periods_in(question)
        cells = count * (count + 1) // 2 if "reference" in names else count
        question = replace(question, periods=count, cells=cells)
        _check_size(question)
        return question

    def _values(self, query: QueryDict) -> dict[str, Any]:
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, texts in query.lists():
            if name not in known:
                raise BadQuestion(
                    name[:MAX_LENGTH],
                    f"There is no parameter {shown(name)}: there are {', '.join(known)}.",
                )
            if len(texts) > 1:
                raise BadQuestion(name, f"{name} is given {len(texts):,} times.")
            if len(texts[0]) > MAX_LENGTH:
                raise BadQuestion(name, f"{name} is longer than {MAX_LENGTH} characters.")
        return {
            name: parameter.read(str(query[name])) if name in query else parameter.default
            for name, parameter in known.items()
        }

    def _names(self, query: QueryDict, values: dict[str, Any]) -> tuple[str, ...]:
        """The names of the parameters, without those that say nothing about the list."""
        idle = IDLE.get(values.get("list"), ())
        for name in idle:
            if name in query:
                raise BadQuestion(name, f"{name} says nothing about the list {values['list']}.")
        return tuple(each.name for each in self.parameters if each.name not in idle)

    def _range(self, values: dict[str, Any], zone: tzinfo) -> dict[str, Any]:
        """Take the range out of the values."""
        if self.preset is None:
            return {}
        first, last, preset = (values.pop(parameter.name) for parameter in RANGE)
        if preset and (first or last):
            raise BadQuestion("preset", "preset is a range of its own: leave out from and to.")
        if last and not first:
            raise BadQuestion("from", "from is missing: a range cannot have only an end.")
        if not first:
            preset = preset or self.preset
            start, end = preset_range(preset, zone)
            return {"start": start, "end": end, "preset": preset}
        start = FROM.moment(first, zone)
        end = TO.moment(last, zone) if last else local(checked(timezone.now(), "now"), zone)
        if utc(start) > utc(end):
            raise BadQuestion(
                "from", f"from {start.isoformat()} is later than to {end.isoformat()}."
            )
        return {"start": start, "end": end}


def preset_range(preset: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the range ``[start, end)`` of a preset: whole local days, the last of which is today.

    A preset of months begins with the first day of one.
    """
    now = local(checked(timezone.now(), "now"), zone)
    today = datetime(now.year, now.month, now.day)  # noqa: DTZ001
    first, following = today + PRESETS[preset], today + timedelta(days=1)
    return _on_clock(first, zone), _on_clock(following, zone)


def _on_clock(reading: datetime, zone: tzinfo) -> datetime:
    """The moment at which the wall clock reads so, or next to it where it never does."""
    # By way of UTC, a time that the clock jumps over becomes one that it shows.
    return utc(reading.replace(tzinfo=zone)).astimezone(zone)


USAGE = Form("usage", (*RANGE, _interval("month"), TZ, SUBSCRIPTION_START, FORMAT), preset="12mo")
SERIES = Form(
    "series", (*RANGE, _interval("day"), TZ, WINDOW, SEGMENT, BY, EXCLUSIVE, FORMAT), preset="28d"
)
RETENTION = Form(
    "retention",
    (*RANGE, _interval("month"), TZ, COHORT, MODE, REFERENCE, SEGMENT, BY, EXCLUSIVE, FORMAT),
    preset="12mo",
)
GROWTH = Form(
    "growth", (*RANGE, _interval("month"), TZ, SEGMENT, BY, EXCLUSIVE, FORMAT), preset="12mo"
)
PEOPLE = Form("people", (*RANGE, TZ, SEGMENT, LIST, DAYS, PAGE, PER_PAGE, FORMAT), preset="28d")
STICKINESS = Form(
    "stickiness", (*RANGE, _interval("month"), TZ, SEGMENT, BY, EXCLUSIVE, FORMAT), preset="12mo"
)
BUSY = Form("busy", (*RANGE, TZ, SEGMENT, FORMAT), preset="28d")
HEALTH = Form("health", (TZ, FORMAT))

FORMS = (USAGE, SERIES, RETENTION, GROWTH, STICKINESS, BUSY, PEOPLE, HEALTH)


def check_groups(question: Question, groups: int) -> None:
    """Refuse a question whose answer for so many groups has too many rows. Raises BadQuestion."""
    cells = question.cells * (groups + 1)
    if cells > MAX_CELLS:
        raise BadQuestion(
            "by",
            f"The answer for {groups:,} groups has {cells:,} rows, more than {MAX_CELLS:,}: "
            "choose a shorter range or a longer interval.",
        )


def _periods_in(question: Question) -> int:
    start, end, subscription = question.start, question.end, question.subscription_start
    if start is None or end is None or utc(start) == utc(end):
        return 0
    step = INTERVALS[question.interval].step
    try:
        anchor = subscription or calendar_start(start, step, question.zone, conf.WEEK_START)
    except ValueError:
        raise BadQuestion("from", "from is out of range: its period starts before it.") from None
    grid = Grid(checked(anchor, "from"), step, question.zone)
    first, last = grid.number(start), grid.number(utc(end) - MICROSECOND)
    return max(0, last + 1 - max(0, first))


def _check_size(question: Question) -> None:
    count = question.periods
    if question.subscription_start and question.interval not in OF_SUBSCRIPTION:
        raise BadQuestion(
            "interval",
            f"interval of a subscription must be one of {', '.join(OF_SUBSCRIPTION)}, "
            f"not {question.interval!r}.",
        )
    if count > MAX_PERIODS:
        raise BadQuestion(
            "from",
            f"The range has {count:,} periods, more than {MAX_PERIODS:,}: "
            "choose a shorter range or a longer interval.",
        )
    if question.cells > MAX_CELLS:
        raise BadQuestion(
            "from",
            f"The range has {question.cells:,} cells of retention, more than {MAX_CELLS:,}: "
            "choose a shorter range or a longer interval.",
        )
    if question.window is not None and question.start and question.end:
        days = (utc(question.end) - utc(question.start)).days + question.window
        if days > MAX_DAYS:
            raise BadQuestion(
                "from",
                f"The windows have {days:,} days, more than {MAX_DAYS:,}: choose a shorter range.",
            )


def _check_users(question: Question) -> None:
    if question.cohort == "joined" and date_joined_field() is None:
        raise BadQuestion("cohort", "The users of this site do not say when they registered.")
    if question.by == SETTING and not segment_names():
        raise BadQuestion("by", "There are no segments: name some in SOUVENIRS_SEGMENTS.")
    if question.by == BY_GROUP:
        try:
            get_user_model()._meta.get_field("groups")
        except FieldDoesNotExist:
            raise BadQuestion("by", "The users of this site have no groups.") from None


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all time zones, which are looked for on the disk."""
    return frozenset(available_timezones())


def shown(text: str) -> str:
    """Return what somebody wrote as it can be shown to them: its beginning, quoted."""
    return repr(text if len(text) <= 50 else f"{text[:50]}...")
