"""Fields of Django forms for the parameters of a URL.

A field is the only declaration of a parameter: the forms of the pages, the API and its OpenAPI
document are generated from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_noop

from ..calendar import utc
from ..counting import listed_fields
from ..insights import TRAILING_WINDOWS
from .readers import Reader

#: The maximum length of a parameter.
MAX_LENGTH = 200

#: The names of fields by those of their parameters, if they differ.
FIELDS = {"from": "start", "to": "end", "tz": "zone"}


#: When time zones are compared.
HALF_YEARS = [datetime(n, month, 1, tzinfo=UTC) for n in range(1970, 2038) for month in (1, 7)]


class InvalidParameter(ValidationError):
    """A parameter is invalid, or cannot be used on this site.

    The message is marked for translation and has placeholders for its values and for the ``name``
    of the parameter. The API returns it in English, a page shows it in the reader's language.
    """

    def __init__(self, parameter: str, message: str, **values: Any) -> None:
        super().__init__(
            {FIELDS.get(parameter, parameter): ValidationError(message, params=values)}
        )
        self.field = parameter
        self.sentence = message
        self.values = values

    @property
    def english(self) -> str:
        """The message in English."""
        return self.filled_in(self.sentence, self.field, "{:,}".format)

    def filled_in(self, sentence: str, name: str, number: Callable[[int], str]) -> str:
        """Return the message, or its translation, with its placeholders filled in."""
        texts = {
            key: number(value) if isinstance(value, int) else value
            for key, value in self.values.items()
        }
        return sentence % {"name": name, **texts}

    def __str__(self) -> str:
        return f"{self.field}: {self.english}"


class ParameterField(forms.Field):
    """A parameter: missing, it has its initial value; empty, it is invalid."""

    empty_values = (None,)

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def clean(self, value: Any) -> Any:
        return self.initial if value is None else super().clean(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        return initial if data is None else data

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the parameter."""
        return {"type": "string", "maxLength": MAX_LENGTH}


class ChoiceField(ParameterField, forms.ChoiceField):
    def validate(self, value: Any) -> None:
        if not self.valid_value(value):
            raise invalid(
                gettext_noop("%(name)s must be one of %(choices)s, not %(value)s."),
                value,
                choices=", ".join(self.labels()),
            )

    def labels(self) -> dict[str, Any]:
        """Return the choices, each with its label."""
        choices: Any = self.choices
        return dict(choices)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.labels())}


class BooleanField(ChoiceField):
    def __init__(self, **options: Any) -> None:
        super().__init__(choices=plain("true", "false"), **options)

    def clean(self, value: Any) -> Any:
        return super().clean(value) in (True, "true")

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class ListedField(ChoiceField):
    """A field of users in ``SOUVENIRS_GROUP_BY``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=lambda: plain(*listed_fields()), **options)

    def validate(self, value: Any) -> None:
        if not self.labels():
            raise invalid(
                gettext_noop("%(name)s must be a field in SOUVENIRS_GROUP_BY, not %(value)s."),
                value,
            )
        super().validate(value)

    def schema(self) -> dict[str, Any]:
        names = list(self.labels())
        # A schema with an empty enum allows no value, and is not valid everywhere.
        return {"type": "string", "enum": names} if names else ParameterField.schema(self)


class IntegerField(ParameterField, forms.IntegerField):
    """An integer in ASCII digits."""

    message = gettext_noop(
        "%(name)s must be a whole number from %(least)s to %(most)s, not %(value)s."
    )

    def __init__(self, *, min_value: int, max_value: int, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)
        self.least, self.most = min_value, max_value

    def to_python(self, value: Any) -> int:
        number = int(value) if re.fullmatch("[0-9]{1,9}", value) else None
        if number is None or not self.least <= number <= self.most:
            raise invalid(self.message, value, least=self.least, most=self.most)
        return number

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class TrailingDaysField(IntegerField):
    """A number of days, or a name for it: ``dau``, ``wau`` or ``mau``."""

    message = gettext_noop(
        "%(name)s must be dau, wau, mau or a number of days up to %(most)s, not %(value)s."
    )

    def to_python(self, value: Any) -> int:
        return TRAILING_WINDOWS[value] if value in TRAILING_WINDOWS else super().to_python(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "enum": list(TRAILING_WINDOWS)}, super().schema()]}


class TimeZoneField(ParameterField):
    """A name in the time zone database."""

    def to_python(self, value: Any) -> tzinfo:
        # ZoneInfo looks up other names in the file system, and raises various errors.
        if value not in zone_names():
            raise invalid(
                gettext_noop("%(name)s must be a name like Europe/Paris or UTC, not %(value)s."),
                value,
            )
        return ZoneInfo(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "examples": ["Europe/Paris", "UTC"]}


class SegmentField(ChoiceField):
    """A segment of :func:`souvenirs.counting.restricted`.

    A form tells it who reads: to a limited reader, there are only the segments of visible users.
    """

    reader: Reader

    def for_reader(self, reader: Reader) -> None:
        self.reader = reader
        self.choices = lambda: plain(*reader.segments)

    def validate(self, value: Any) -> None:
        if value not in self.reader.segments and self.reader.has_group(value):
            return
        if not self.reader.segments:
            raise invalid(
                gettext_noop("%(name)s must be named in SOUVENIRS_SEGMENTS, not %(value)s."), value
            )
        super().validate(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}


class TextField(ParameterField, forms.CharField):
    """Any text."""


class InstantField(ParameterField):
    """A day, or a time of day; without an offset, on the wall clock of the zone of the form.

    Its value is naive if there is no offset: :meth:`in_zone` makes it aware.
    """

    #: An unescaped plus sign in a URL is a space.
    PATTERN = (
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[-+ ][0-9]{2}:[0-9]{2})?)?"
    )

    def to_python(self, value: Any) -> datetime:
        if not re.fullmatch(self.PATTERN, value):
            raise invalid(
                gettext_noop(
                    "%(name)s must be like 2016-01-31 or 2016-01-31T12:00:00Z, not %(value)s."
                ),
                value,
            )
        text = value.replace(" ", "+")
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise invalid(
                gettext_noop("%(name)s must be a valid date and time, not %(value)s."),
                text,
            ) from None

    @staticmethod
    def in_zone(moment: datetime, zone: tzinfo) -> datetime:
        """Return the value of such a field as an aware datetime in a time zone.

        Raises ValidationError if the time zone has no such moment.
        """
        try:
            return moment.astimezone(zone) if moment.tzinfo else on_clock(moment, zone)
        except (OverflowError, ValueError):
            raise invalid(
                gettext_noop("%(name)s is out of range in %(zone)s: %(value)s."),
                moment.isoformat().removesuffix("T00:00:00"),
                zone=str(zone),
            ) from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self.PATTERN}$"}


def invalid(message: str, value: str, **values: object) -> ValidationError:
    """Return the error of a field with a message that quotes the value."""
    return ValidationError(message, params={**values, "value": shortened(value)})


def shortened(text: str) -> str:
    """Return the beginning of a parameter in quotes, for error messages."""
    return repr(text if len(text) <= 50 else f"{text[:50]}...")


def plain(*values: str) -> list[tuple[str, str]]:
    """Return choices whose labels are their values."""
    return [(value, value) for value in values]


def on_clock(reading: datetime, zone: tzinfo) -> datetime:
    """Return the moment at which the wall clock shows a naive datetime.

    If the clock skips it, it is read with the offset before the change.
    """
    return utc(reading.replace(tzinfo=zone)).astimezone(zone)


def zone_named(text: str) -> str | None:
    """Return the one time zone with that name, or whose place has it, in any case; else None.

    ``paris`` is ``Europe/Paris``. Of several names for the same time zone it is the shortest.
    """
    if text in zone_names():
        return text
    found = _zones_by_place().get(text.strip().replace(" ", "_").lower(), [])
    clocks = {
        tuple(moment.astimezone(ZoneInfo(name)).utcoffset() for moment in HALF_YEARS)
        for name in found
    }
    return min(found, key=lambda name: (len(name), name)) if len(clocks) == 1 else None


@cache
def _zones_by_place() -> dict[str, list[str]]:
    """Return the names of time zones by themselves and by their last parts, in lower case."""
    found: dict[str, list[str]] = {}
    for name in zone_names():
        area, _, place = name.rpartition("/")
        # Etc/GMT+3 is three hours behind UTC, so that GMT+3 would not be what it says.
        for key in {name.lower(), place.lower() if area != "Etc" else name.lower()}:
            found.setdefault(key, []).append(name)
    return found


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all time zones; they are read from disk once."""
    return frozenset(available_timezones())
