"""Logs in the W3C Extended Log Format, as IIS and CloudFront write them."""

from __future__ import annotations

import csv
from datetime import UTC

from .lines import BadLine, Record
from .mapping import missing
from .times import parse_time


class Section:
    """The lines after a ``#Fields`` directive, which names their fields.

    The user is in ``cs-username`` and the time in ``date`` and ``time``, or only in ``time`` after
    a ``#Date`` directive, or in ``date-time``, unless ``names`` has other fields for ``user`` and
    ``when``. Times without a UTC offset are in UTC. Without ``needs_user``, none has to be there.
    """

    def __init__(self, fields: str, date: str, names: dict[str, str], needs_user: bool) -> None:
        self._separator = "," if "," in fields else None
        self._fields = [field.strip() for field in fields.split(self._separator)]
        self._user = names.get("user", "cs-username") if needs_user else None
        self._date = ""
        if "when" in names or "time" not in self._fields:
            self._when = [names.get("when", "date-time")]
        elif date and "date" not in self._fields:
            self._when, self._date = ["time"], f"{date} "
        else:
            self._when = ["date", "time"]
        wanted = self._when if self._user is None else [self._user, *self._when]
        self._missing = missing(wanted, self._fields, "field")

    def record(self, line: str, user: str | None = None) -> Record:
        """Return the record of a line, of that user if none is needed; raises BadLine."""
        if self._missing:
            raise BadLine(f"#Fields has {self._missing}; use --map user=FIELD,when=FIELD")
        values = dict(zip(self._fields, self._values(line), strict=True))
        name = user if self._user is None else values[self._user].strip()
        when = self._date + " ".join(values[field].strip() for field in self._when)
        return Record(None if name == "-" else name or None, parse_time(when, UTC))

    def _values(self, line: str) -> list[str]:
        values = line.split(self._separator)
        if len(values) != len(self._fields) and '"' in line:
            separator = self._separator or ("\t" if "\t" in line else " ")
            try:
                [values] = csv.reader([line], delimiter=separator)
            except csv.Error as error:
                raise BadLine(f"not separated values: {error}") from None
        if len(values) != len(self._fields):
            raise BadLine(f"the number of values is {len(values)}, not {len(self._fields)}")
        return values
