"""Whose activity a reader of the pages and the API may see: ``SOUVENIRS_VISIBLE_TO``.

A reader who may not see everyone is limited: whatever they are told is computed over the users whom
they may see, and what is about the whole site is refused.
"""

from __future__ import annotations

import logging
import sys
from functools import cached_property
from typing import Any

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import QuerySet
from django.utils.translation import gettext_noop

from ..conf import conf
from ..counting import group_names, group_of, is_group, segment_names, segments_among_users
from ..resilience import ThrottledLogger

logger = ThrottledLogger(__name__)

#: What a limited reader is told of what is about the whole site.
WHOLE_SITE = gettext_noop("This is about the whole site, and you may only see some of its users.")

#: What a reader is told if the site's function refuses them.
NOBODY = gettext_noop("You may not see the activity of any user of this site.")


class Refused(Exception):
    """A reader may not see this: status 403. The message is marked for translation."""


class InvalidVisibility(ImproperlyConfigured):
    """``SOUVENIRS_VISIBLE_TO`` does not tell whose activity a reader may see.

    The message is for the reader: it does not quote what the site's function raised or returned.
    """


class Reader:
    """A user who reads, and whose activity they may see. The site's function is called once."""

    def __init__(self, user: Any) -> None:
        self.user = user

    @cached_property
    def visible(self) -> QuerySet[Any] | None:
        """The users whose activity the reader may see; None for everyone.

        Raises InvalidVisibility if the site does not tell, and Refused if it refuses the reader.
        """
        return visible_to(self.user)

    @property
    def is_limited(self) -> bool:
        return self.visible is not None

    @cached_property
    def segments(self) -> list[str]:
        """The names in ``SOUVENIRS_SEGMENTS``; for a limited reader, those of visible users."""
        return segment_names() if self.visible is None else list(segments_among_users(self.visible))

    def groups(self, limit: int) -> list[str]:
        """Return the names of up to ``limit`` groups, of visible users if the reader is limited."""
        return group_names(limit, self.visible)

    def has_group(self, name: str) -> bool:
        """Whether ``name``, as a segment, is a group or a value of a listed field.

        It has visible users if the reader is limited.
        """
        return is_group(name, self.visible)

    def check_unlimited(self, sentence: str = WHOLE_SITE) -> None:
        """Raise Refused, with a sentence, if the reader is limited."""
        if self.is_limited:
            raise Refused(sentence)


def visible_to(user: Any) -> QuerySet[Any] | None:
    """Return what the function in ``SOUVENIRS_VISIBLE_TO`` returns for a user; None without one.

    Raises what :attr:`Reader.visible` raises.
    """
    try:
        function = conf.VISIBLE_TO
    except ImproperlyConfigured as error:
        raise _logged(
            "SOUVENIRS_VISIBLE_TO is not a function of a user: manage.py check explains why."
        ) from error
    if function is None:
        return None
    try:
        found = function(user)
    except PermissionDenied:
        raise Refused(NOBODY) from None
    except Exception as error:
        raise _logged(
            "The function in SOUVENIRS_VISIBLE_TO raised an error: the log of the site has it."
        ) from error
    if found is None:
        return None
    try:
        group: Any = group_of(found) if isinstance(found, QuerySet) else None
    except ValueError as error:
        raise _logged(f"The function in SOUVENIRS_VISIBLE_TO is wrong: {error}") from error
    if group is None:
        kind = type(found).__name__
        raise _logged(
            "The function in SOUVENIRS_VISIBLE_TO should return a queryset of users, or None for "
            f"everyone, not an object of type {kind}."
        )
    users: QuerySet[Any] = group
    return users


def _logged(sentence: str) -> InvalidVisibility:
    """Log what is wrong, with the exception being handled if there is one; return an error."""
    logger.log(logging.ERROR, sentence, exc_info=sys.exc_info()[0] is not None)
    return InvalidVisibility(sentence)
