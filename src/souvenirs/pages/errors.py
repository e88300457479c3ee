"""Errors of the store as messages to show."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..sets import CorruptDigest
from ..stores import PrunedSpan


def error_context(error: PrunedSpan | CorruptDigest) -> dict[str, str]:
    """Return the template context of an error; the detail is in English."""
    if isinstance(error, PrunedSpan):
        problem = _("The range starts or ends inside a bucket whose souvenirs have been pruned.")
    else:
        problem = _("A digest is corrupt, and its souvenirs have been pruned.")
    return {"problem": problem, "detail": str(error)}


def error_message(error: PrunedSpan | CorruptDigest) -> SafeString:
    """Return an error as a message in the admin."""
    said = error_context(error)
    return format_html('{} <span lang="en" dir="ltr">{}</span>', said["problem"], said["detail"])
