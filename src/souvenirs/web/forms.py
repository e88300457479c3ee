"""The parameters of a URL, validated before any query."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from functools import cached_property
from types import SimpleNamespace
from typing import Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_noop

from ..calendar import (
    INTERVALS,
    Boundaries,
    TooManyPeriods,
    calendar_boundaries,
    checked,
    local,
    utc,
)
from ..counting import (
    BY_SETTING,
    ActiveUsers,
    Group,
    active_users_each,
    common_users,
    date_joined_field,
    first_match,
    groups_among,
    groups_by,
    has_groups,
    listed_fields,
    most_active,
    restricted,
)
from ..reports import takes_users
from ..sql import Rank
from .fields import (
    FIELDS,
    MAX_LENGTH,
    InstantField,
    InvalidParameter,
    ParameterField,
    SegmentField,
    on_clock,
    shortened,
)
from .readers import Reader
from .responses import timestamp
from .shared import (
    BY_GROUP,
    END,
    MOST_ACTIVE,
    OF_SUBSCRIPTION,
    PRESET,
    PRESETS,
    START,
    UNUSED,
)

#: The maximum number of periods: as many as one database query counts.
MAX_PERIODS = Rank.LIMIT

#: The maximum number of rows, or cells of retention, of all segments: about a second of work.
MAX_CELLS = 30_000

#: The maximum number of local days in trailing windows: 27 years.
MAX_DAYS = 10_000


class Parameters(SimpleNamespace):
    """The valid parameters of a form, by the names of its fields.

    ``reader`` is who asks. ``fields`` are the fields in use, ``periods`` is the number of periods,
    and ``cells`` the number of rows for each segment.
    """

    #: The values in forms without these fields.
    start = end = preset = segment = by = top = None
    of: Any = None
    exclusive = False
    interval = "day"
    fields: tuple[str, ...] = ()
    periods = cells = 0
    reader: Reader

    @cached_property
    def users(self) -> Group:
        """The users whom the question is about: of the segment, those whom the reader may see.

        None for everyone. Whatever is computed from the parameters is computed over these users.
        Raises InvalidSegment, InvalidVisibility and Refused.
        """
        return common_users(self.reader.visible, restricted(None, self.segment))

    @cached_property
    def groups(self) -> dict[str, ActiveUsers] | None:
        """The users of each segment of ``by``, as many as there are rows for; None without ``by``.

        Raises InvalidParameter if there are none, or too many.
        """
        groups = self.chosen_groups
        if groups is None:
            return None
        if not groups:
            raise InvalidParameter("by", gettext_noop("No user is in a group."))
        check_groups(self, len(groups))
        return groups

    @cached_property
    def chosen_groups(self) -> dict[str, ActiveUsers] | None:
        """The same, without an error: of a listed field those with the most active users."""
        groups = self._every_group
        if self.top is None or not groups:
            return groups
        # Whoever is active is in the range, also where its ends have been pruned.
        [active] = active_users_each([(self.start, self.end)], self.users, rounded=True)
        return most_active(groups, active, self.top)

    @cached_property
    def others(self) -> int | None:
        """The number of values of a listed field without rows; None if ``by`` is no such field."""
        if self.top is None:
            return None
        return len(self._every_group or ()) - len(self.chosen_groups or ())

    @cached_property
    def _every_group(self) -> dict[str, ActiveUsers] | None:
        if self.by is None:
            return None
        visible = self.reader.visible
        groups = groups_by(self.by) if visible is None else groups_among(visible, self.by)
        # Before some of them are chosen: a user is in the first of all.
        return first_match(groups) if self.top is not None and self.exclusive else groups

    def echo(self) -> dict[str, Any]:
        """Return the parameters by name, with defaults, as JSON values."""
        values = {_name(field): getattr(self, field) for field in self.fields}
        return {name: _json(value) for name, value in values.items() if value is not None}


def _name(field: str) -> str:
    """Return the name of the parameter of a field."""
    return next((name for name, other in FIELDS.items() if other == field), field)


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    return str(value) if isinstance(value, tzinfo) else value


class QueryForm(forms.Form):
    """The parameters of a page or an endpoint, each of which is a field of a subclass."""

    #: The default range, if the form has one.
    default_preset: ClassVar[str | None] = None

    #: The parameters that each list does not use, if the form has lists.
    unused: ClassVar[Mapping[str, tuple[str, ...]]] = UNUSED

    def __init__(self, query: QueryDict, reader: Reader) -> None:
        super().__init__(query, auto_id="souvenirs-%s", label_suffix="")
        self.reader = reader
        for field in self.fields.values():
            if isinstance(field, SegmentField):
                field.for_reader(reader)

    @classmethod
    def parameters(cls) -> dict[str, ParameterField]:
        """Return the fields by the names of their parameters."""
        fields = cast("Mapping[str, ParameterField]", cls.base_fields)
        return {_name(name): field for name, field in fields.items()}

    @classmethod
    def read(cls, query: QueryDict, reader: Reader) -> Parameters:
        """Return the parameters in a query string. Raises InvalidParameter for the first error."""
        return cls(query, reader).parse()

    def add_prefix(self, field_name: str) -> str:
        return _name(field_name)

    def parse(self) -> Parameters:
        """See :meth:`read`."""
        self._check_names()
        for name in self.errors:
            raise self.error(name)
        return Parameters(**self.cleaned_data, reader=self.reader)

    def error(self, name: str) -> InvalidParameter:
        """Return the error of a field."""
        error: Any = self.errors.as_data()[name][0]
        return InvalidParameter(self.add_prefix(name), error.message, **(error.params or {}))

    def _check_names(self) -> None:
        known = self.parameters()
        for name, texts in cast(QueryDict, self.data).lists():
            if name not in known:
                raise InvalidParameter(
                    name[:MAX_LENGTH],
                    gettext_noop("Unknown parameter %(value)s: the parameters are %(choices)s."),
                    value=shortened(name),
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

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if self.errors:
            return data
        data["zone"] = data["zone"] or timezone.get_current_timezone()
        for name in ("start", "end", "subscription_start"):
            if data.get(name):
                try:
                    data[name] = InstantField.in_zone(data[name], data["zone"])
                except ValidationError as error:
                    raise ValidationError({name: error}) from None
        if self.default_preset:
            self._clean_range()
        unused = self._unused()
        self._check_users()
        data["fields"] = tuple(name for name in self.fields if self.add_prefix(name) not in unused)
        if "interval" in data and "interval" in data["fields"]:
            self._count_periods()
        return data

    def _unused(self) -> tuple[str, ...]:
        """Return the parameters that the list does not use; raises InvalidParameter if given."""
        unused = self.unused.get(self.cleaned_data.get("list", ""), ())
        for name in unused:
            if name in self.data:
                raise InvalidParameter(
                    name,
                    gettext_noop("%(name)s does not apply to the list %(list)s."),
                    list=self.cleaned_data["list"],
                )
        return unused

    def _clean_range(self) -> None:
        data = self.cleaned_data
        start, end, preset = data["start"], data["end"], data["preset"]
        if preset and (start or end):
            raise InvalidParameter(
                "preset", gettext_noop("%(name)s cannot be combined with from or to.")
            )
        if end and not start:
            raise InvalidParameter(
                "from", gettext_noop("%(name)s is missing: a range cannot have only an end.")
            )
        if not start:
            data["preset"] = preset or self.default_preset
            data["start"], data["end"] = preset_range(data["preset"], data["zone"])
            return
        data["end"] = end = end or local(checked(timezone.now(), "now"), data["zone"])
        if utc(start) > utc(end):
            raise InvalidParameter(
                "from",
                gettext_noop("%(name)s %(start)s is later than the end, %(end)s."),
                start=self["start"].data,
                end=self["end"].data or end.isoformat(timespec="seconds"),
            )

    def _check_users(self) -> None:
        data = self.cleaned_data
        by = data.get("by")
        if data.get("exclusive") and by is None:
            raise InvalidParameter("exclusive", gettext_noop("%(name)s needs by."))
        if data.get("cohort") == "joined" and date_joined_field() is None:
            raise InvalidParameter(
                "cohort", gettext_noop("The user model of this site has no date of registration.")
            )
        self._check_top()
        if by == BY_SETTING and not self.reader.segments:
            raise InvalidParameter("by", gettext_noop("SOUVENIRS_SEGMENTS is empty."))
        if by == BY_GROUP and not has_groups():
            raise InvalidParameter("by", gettext_noop("The user model of this site has no groups."))

    def _check_top(self) -> None:
        data = self.cleaned_data
        by, top = data.get("by"), data.get("top")
        is_listed = by is not None and by in listed_fields()
        if is_listed:
            data["top"] = top or MOST_ACTIVE
        elif top is not None:
            raise InvalidParameter(
                "top", gettext_noop("%(name)s needs by with a field in SOUVENIRS_GROUP_BY.")
            )

    def _count_periods(self) -> None:
        data = self.cleaned_data
        count = data["periods"] = _periods_in(data)
        is_triangle = "reference" in data
        cells = data["cells"] = count * (count + 1) // 2 if is_triangle else count
        if data.get("subscription_start") and data["interval"] not in OF_SUBSCRIPTION:
            raise InvalidParameter(
                "interval",
                gettext_noop(
                    "%(name)s of a subscription must be one of %(choices)s, not %(value)s."
                ),
                choices=", ".join(OF_SUBSCRIPTION),
                value=shortened(data["interval"]),
            )
        check_periods(count, MAX_PERIODS, "from")
        if cells > MAX_CELLS:
            raise InvalidParameter(
                "from",
                gettext_noop(
                    "The range has %(cells)s cells of retention, more than %(most)s: "
                    "choose a shorter range or a longer interval."
                ),
                cells=cells,
                most=MAX_CELLS,
            )
        if data.get("window") and data["start"] and data["end"]:
            days = (utc(data["end"]) - utc(data["start"])).days + data["window"]
            if days > MAX_DAYS:
                raise InvalidParameter(
                    "from",
                    gettext_noop(
                        "The windows have %(days)s days, more than %(most)s: "
                        "choose a shorter range."
                    ),
                    days=days,
                    most=MAX_DAYS,
                )


class RangeForm(QueryForm):
    """A form with a range, by default that of a preset."""

    start = START
    end = END
    preset = PRESET


def preset_range(preset: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the range ``[start, end)`` of a preset: whole local days up to and including today.

    A preset of months begins on the first day of a month.
    """
    now = local(checked(timezone.now(), "now"), zone)
    today = datetime(now.year, now.month, now.day)  # noqa: DTZ001
    first, following = today + PRESETS[preset], today + timedelta(days=1)
    return on_clock(first, zone), on_clock(following, zone)


def check_periods(periods: int, most: int, field: str) -> None:
    """Raise InvalidParameter if there are more than ``most`` periods."""
    if periods > most:
        raise InvalidParameter(field, TooManyPeriods.sentence(), periods=periods, most=most)


def check_groups(parameters: Parameters, groups: int) -> None:
    """Raise InvalidParameter if that many groups have too many rows."""
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
    """Raise InvalidParameter if the site's report function cannot report on these users.

    Raises Refused if it cannot report on those whom a limited reader may see.
    """
    if takes_users():
        return
    segment, by = parameters.segment, parameters.by
    error = InvalidParameter(
        "by" if segment is None else "segment",
        gettext_noop(
            "Reports of this site are about all users: the function in "
            "SOUVENIRS_USAGE_REPORTS_FUNCTION has no parameter users."
        ),
    )
    parameters.reader.check_unlimited(error.sentence)
    if segment is not None or by is not None:
        raise error


def _periods_in(data: Mapping[str, Any]) -> int:
    start, end = data.get("start"), data.get("end")
    if start is None or end is None:
        return 0
    step, zone = INTERVALS[data["interval"]].step, data["zone"]
    subscription = data.get("subscription_start")
    try:
        boundaries = (
            Boundaries(subscription, step, zone)
            if subscription
            else calendar_boundaries(start, step, zone)
        )
    except ValueError:
        raise InvalidParameter(
            "from", gettext_noop("%(name)s is out of range: its period starts before the year 1.")
        ) from None
    return len(boundaries.numbers(start, end))
