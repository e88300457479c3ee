"""What is said where the store has no answer: a sentence for everybody, and the error itself."""

from __future__ import annotations

from typing import TypedDict

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..sets import CorruptDigest
from ..stores import PrunedSpan


class Problem(TypedDict):
    """What the templates show."""

    problem: str
    #: In English, for whoever looks after the site.
    detail: str


def error_context(error: PrunedSpan | CorruptDigest) -> Problem:
    """Return what to say about an error."""
    if isinstance(error, PrunedSpan):
        problem = _("The range starts or ends inside a bucket whose souvenirs have been pruned.")
    else:
        problem = _("A digest is corrupt, and its souvenirs have been pruned.")
    return {"problem": problem, "detail": str(error)}


def error_message(error: PrunedSpan | CorruptDigest) -> SafeString:
    """Return the same as a message of the admin."""
    said = error_context(error)
    return format_html('{} <span lang="en" dir="ltr">{}</span>', said["problem"], said["detail"])
