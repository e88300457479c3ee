"""The language of the pages: that of the request if they are translated into it, else English."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from django.utils.translation import get_language, override, pgettext

ENGLISH = "en"


def page_language() -> str | None:
    """Return the active language, or English if the pages are not translated into it.

    Django's own words, as in dates, would else stand among English ones, and from right to left. A
    catalogue names its language, because Django looks up what is missing from it in another one.
    """
    active = get_language()
    if active is None:
        return None
    named = pgettext("the code of the language of this catalogue", "en")
    return active if _base(named) == _base(active) else ENGLISH


def in_page_language() -> AbstractContextManager[None]:
    """Return a block in which :func:`page_language` is active."""
    language = page_language()
    return nullcontext() if language == get_language() else override(language)


def _base(code: str) -> str:
    return code.lower().partition("-")[0]
