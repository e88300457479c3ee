"""Numbers, sizes and moments in the format of the reader's language."""

from __future__ import annotations

from datetime import date, datetime
from unicodedata import bidirectional

from django.utils.formats import date_format, number_format
from django.utils.translation import get_language_bidi, pgettext
from django.utils.translation import gettext as _

from ..calendar import Incomplete

#: The classes of the letters that are written from right to left, and of what makes others so.
RIGHT_TO_LEFT = {"R", "AL", "RLE", "RLO", "RLI"}

#: Stands for an unknown number.
DASH = "–"  # noqa: RUF001


def number(value: float | None, digits: int = 0) -> str:
    """Return a localized number."""
    if value is None:
        return DASH
    # number_format() truncates. Zero has no decimals.
    rounded = f"{value:.{digits if value else 0}f}"
    return number_format(rounded, use_l10n=True, force_grouping=True)


def percent(share: float | None, digits: int = 0) -> str:
    """Return a fraction as a percentage."""
    if share is None:
        return DASH
    return pgettext("a share", "%(number)s%%") % {"number": number(share * 100, digits)}


def signed(value: float, text: str) -> str:
    """Return the text of an absolute value with the sign of the value."""
    sign = "+" if value > 0 else "−" if value < 0 else "±"  # noqa: RUF001
    return f"{sign}{text}"


def incomplete_word(incomplete: Incomplete | None) -> str:
    """Return what is said of an incomplete period; nothing of a complete one."""
    if incomplete is None:
        return ""
    return _("so far") if incomplete == "running" else _("cut off")


def day(moment: date) -> str:
    """Return a localized date."""
    return date_format(moment, "DATE_FORMAT")


def minute(moment: datetime) -> str:
    """Return a localized date and time."""
    return date_format(moment, "DATETIME_FORMAT")


def stretched(size: float) -> str:
    """Return a number of bytes in kB, MB, GB or TB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{number(size, 0 if unit == 'B' else 1)} {unit}"
        size /= 1000
    return f"{number(size, 1)} TB"


def isolated(text: str) -> str:
    """Return a text of the site, such as a name, that does not reorder the text around it.

    Unicode's isolates also work where there are no elements, as in options and attributes.
    """
    if get_language_bidi() or any(bidirectional(each) in RIGHT_TO_LEFT for each in text):
        return f"\u2068{text}\u2069"
    return text
