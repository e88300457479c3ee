"""What is asked, out of the parameters of a URL: checked once, before anything is looked up.

Each :class:`Form` is the parameters of one kind of parameters, and reads them into a
:class:`Parameters`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_noop

from ..calendar import INTERVALS, MICROSECOND, Boundaries, calendar_start, checked, local, utc
from ..conf import conf
from ..counting import SETTING, date_joined_field, segment_names
from ..insights import CohortBy, Mode, Reference
from ..reports import takes_users
from ..sql import Rank
from .fields import (
    BY_GROUP,
    FROM,
    IDLE,
    MAX_LENGTH,
    PRESETS,
    RANGE,
    SUBSCRIPTION_START,
    TO,
    InvalidParameter,
    Parameter,
    on_clock,
    shown,
)
from .responses import timestamp

#: As many periods as one parameters to the database answers.
MAX_PERIODS = Rank.LIMIT

#: As many rows, or cells of retention, as there are in an answer, for all groups: a second's work.
MAX_CELLS = 30_000

#: Local days that windows which trail behind are made of, more than a quarter of a century.
MAX_DAYS = 10_000

#: Intervals of a subscription, which has no weeks.
OF_SUBSCRIPTION = ("day", "month", "quarter", "year")


@dataclass(frozen=True)
class Parameters:
    """A parameters that can be answered; what its form does not ask for is of no meaning."""

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
    table: str = "digests"
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


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    return str(value) if isinstance(value, tzinfo) else value


@dataclass(frozen=True)
class Form:
    """The parameters of one kind of parameters; ``preset`` is its range where none is given."""

    name: str
    parameters: tuple[Parameter[Any], ...]
    preset: str | None = None

    def read(self, query: QueryDict) -> Parameters:
        """Return the parameters that the parameters of a URL ask. Raises InvalidParameter."""
        values = self._values(query)
        zone = values.pop("tz") or timezone.get_current_timezone()
        ends = self._range(values, zone)
        if values.get("subscription_start"):
            subscription = SUBSCRIPTION_START.moment(values["subscription_start"], zone)
            values["subscription_start"] = subscription
        names = self._names(query, values)
        parameters = Parameters(zone=zone, names=names, **ends, **values)
        _check_users(parameters)
        if "interval" not in names:
            return parameters
        count = _periods_in(parameters)
        cells = count * (count + 1) // 2 if "reference" in names else count
        parameters = replace(parameters, periods=count, cells=cells)
        _check_size(parameters)
        return parameters

    def _values(self, query: QueryDict) -> dict[str, Any]:
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, texts in query.lists():
            if name not in known:
                raise InvalidParameter(
                    name[:MAX_LENGTH],
                    gettext_noop("There is no parameter %(value)s: there are %(choices)s."),
                    value=shown(name),
                    choices=", ".join(known),
                )
            if len(texts) > 1:
                raise InvalidParameter(
                    name, gettext_noop("%(name)s is given %(times)s times."), times=len(texts)
                )
            if len(texts[0]) > MAX_LENGTH:
                raise InvalidParameter(
                    name,
                    gettext_noop("%(name)s is longer than %(most)s characters."),
                    most=MAX_LENGTH,
                )
        return {
            name: parameter.read(str(query[name])) if name in query else parameter.default
            for name, parameter in known.items()
        }

    def _names(self, query: QueryDict, values: dict[str, Any]) -> tuple[str, ...]:
        """The names of the parameters, without those that say nothing about the list."""
        idle = IDLE.get(values.get("list"), ())
        for name in idle:
            if name in query:
                raise InvalidParameter(
                    name,
                    gettext_noop("%(name)s says nothing about the list %(list)s."),
                    list=values["list"],
                )
        return tuple(each.name for each in self.parameters if each.name not in idle)

    def _range(self, values: dict[str, Any], zone: tzinfo) -> dict[str, Any]:
        """Take the range out of the values."""
        if self.preset is None:
            return {}
        first, last, preset = (values.pop(parameter.name) for parameter in RANGE)
        if preset and (first or last):
            raise InvalidParameter(
                "preset",
                gettext_noop("%(name)s is a range of its own: leave out from and to."),
            )
        if last and not first:
            raise InvalidParameter(
                "from", gettext_noop("%(name)s is missing: a range cannot have only an end.")
            )
        if not first:
            preset = preset or self.preset
            start, end = preset_range(preset, zone)
            return {"start": start, "end": end, "preset": preset}
        start = FROM.moment(first, zone)
        end = TO.moment(last, zone) if last else local(checked(timezone.now(), "now"), zone)
        if utc(start) > utc(end):
            raise InvalidParameter(
                "from",
                gettext_noop("%(name)s %(start)s is later than to %(end)s."),
                start=start.isoformat(),
                end=end.isoformat(),
            )
        return {"start": start, "end": end}


def preset_range(preset: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the range ``[start, end)`` of a preset: whole local days, the last of which is today.

    A preset of months begins with the first day of one.
    """
    now = local(checked(timezone.now(), "now"), zone)
    today = datetime(now.year, now.month, now.day)  # noqa: DTZ001
    first, following = today + PRESETS[preset], today + timedelta(days=1)
    return on_clock(first, zone), on_clock(following, zone)


def check_groups(parameters: Parameters, groups: int) -> None:
    """Raise InvalidParameter if the answer for that many groups has too many rows."""
    cells = parameters.cells * (groups + 1)
    if cells > MAX_CELLS:
        raise InvalidParameter(
            "by",
            gettext_noop(
                "The answer for %(groups)s groups has %(cells)s rows, more than %(most)s: "
                "choose a shorter range or a longer interval."
            ),
            groups=groups,
            cells=cells,
            most=MAX_CELLS,
        )


def check_report(parameters: Parameters) -> None:
    """Refuse a report on some of the users where a site's own function can only make others.

    Raises InvalidParameter.
    """
    if (parameters.segment is not None or parameters.by is not None) and not takes_users():
        raise InvalidParameter(
            "by" if parameters.segment is None else "segment",
            gettext_noop(
                "Reports of this site are about everybody: the function in "
                "SOUVENIRS_USAGE_REPORTS_FUNCTION takes no users=."
            ),
        )


def _periods_in(parameters: Parameters) -> int:
    start, end, subscription = parameters.start, parameters.end, parameters.subscription_start
    if start is None or end is None or utc(start) == utc(end):
        return 0
    step = INTERVALS[parameters.interval].step
    try:
        anchor = subscription or calendar_start(start, step, parameters.zone, conf.WEEK_START)
    except ValueError:
        raise InvalidParameter(
            "from", gettext_noop("%(name)s is out of range: its period starts before it.")
        ) from None
    grid = Boundaries(checked(anchor, "from"), step, parameters.zone)
    first, last = grid.number(start), grid.number(utc(end) - MICROSECOND)
    return max(0, last + 1 - max(0, first))


def _check_size(parameters: Parameters) -> None:
    count = parameters.periods
    if parameters.subscription_start and parameters.interval not in OF_SUBSCRIPTION:
        raise InvalidParameter(
            "interval",
            gettext_noop("%(name)s of a subscription must be one of %(choices)s, not %(value)s."),
            choices=", ".join(OF_SUBSCRIPTION),
            value=shown(parameters.interval),
        )
    if count > MAX_PERIODS:
        raise InvalidParameter(
            "from",
            gettext_noop(
                "The range has %(periods)s periods, more than %(most)s: "
                "choose a shorter range or a longer interval."
            ),
            periods=count,
            most=MAX_PERIODS,
        )
    if parameters.cells > MAX_CELLS:
        raise InvalidParameter(
            "from",
            gettext_noop(
                "The range has %(cells)s cells of retention, more than %(most)s: "
                "choose a shorter range or a longer interval."
            ),
            cells=parameters.cells,
            most=MAX_CELLS,
        )
    if parameters.window is not None and parameters.start and parameters.end:
        days = (utc(parameters.end) - utc(parameters.start)).days + parameters.window
        if days > MAX_DAYS:
            raise InvalidParameter(
                "from",
                gettext_noop(
                    "The windows have %(days)s days, more than %(most)s: choose a shorter range."
                ),
                days=days,
                most=MAX_DAYS,
            )


def _check_users(parameters: Parameters) -> None:
    if parameters.exclusive and parameters.by is None:
        raise InvalidParameter(
            "exclusive", gettext_noop("%(name)s is about segments: say which ones with by.")
        )
    if parameters.cohort == "joined" and date_joined_field() is None:
        raise InvalidParameter(
            "cohort", gettext_noop("The users of this site do not say when they registered.")
        )
    if parameters.by == SETTING and not segment_names():
        raise InvalidParameter(
            "by", gettext_noop("There are no segments: name some in SOUVENIRS_SEGMENTS.")
        )
    if parameters.by == BY_GROUP:
        try:
            get_user_model()._meta.get_field("groups")
        except FieldDoesNotExist:
            raise InvalidParameter(
                "by", gettext_noop("The users of this site have no groups.")
            ) from None
