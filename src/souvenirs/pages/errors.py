"""Errors of the store as messages for readers."""

from __future__ import annotations

from typing import TypedDict

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..sets import CorruptDigest
from ..stores import PrunedSpan


class Problem(TypedDict):
    """The context of an error."""

    problem: str
    #: The message of the exception, in English.
    detail: str


def error_context(error: PrunedSpan | CorruptDigest) -> Problem:
    """Return the template context of an error."""
    if isinstance(error, PrunedSpan):
        problem = _("The range starts or ends inside a bucket whose souvenirs have been pruned.")
    else:
        problem = _("A digest is corrupt, and its souvenirs have been pruned.")
    return {"problem": problem, "detail": str(error)}


def error_message(error: PrunedSpan | CorruptDigest) -> SafeString:
    """Return an error as a message in the admin."""
    said = error_context(error)
    return format_html('{} <span lang="en" dir="ltr">{}</span>', said["problem"], said["detail"])
