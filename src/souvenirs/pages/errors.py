"""Errors of the store as messages to show."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..stores import PrunedSpan
from ..web import part_of, sentence_of

FAULTY = {
    "database": gettext_lazy("The database has not been migrated."),
    "digests": gettext_lazy("A digest is corrupt, and its souvenirs have been pruned."),
    "segment": gettext_lazy("A segment cannot be evaluated."),
    "segments": gettext_lazy("The segments of this site cannot be read."),
}


def error_context(error: Exception) -> dict[str, str]:
    """Return the template context of a PrunedSpan or a fault; the detail is in English."""
    if isinstance(error, PrunedSpan):
        problem = _("The range starts or ends inside a bucket whose souvenirs have been pruned.")
    else:
        problem = str(FAULTY[part_of(error)])
    return {"problem": problem, "detail": sentence_of(error)}


def error_message(error: Exception) -> SafeString:
    """Return an error as a message in the admin."""
    said = error_context(error)
    return format_html('{} <span lang="en" dir="ltr">{}</span>', said["problem"], said["detail"])
