"""For views whose requests are no activity."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest

#: Set on a request that does not count.
EXEMPT = "_souvenirs_exempt"

View = TypeVar("View", bound=Callable[..., Any])


def souvenirs_exempt(view: View) -> View:
    """Return the view, sync or async, as one whose requests do not count.

    For what a browser asks for by itself: polling, health checks. It also goes on the method of a
    class-based view, of Django or Django REST framework.
    """
    if iscoroutinefunction(view):

        @wraps(view)
        async def exempt(*args: Any, **kwargs: Any) -> Any:
            _mark(args)
            return await view(*args, **kwargs)

    else:

        @wraps(view)
        def exempt(*args: Any, **kwargs: Any) -> Any:
            _mark(args)
            return view(*args, **kwargs)

    return cast(View, exempt)


def _mark(args: tuple[Any, ...]) -> None:
    """Mark the request, also one of Django REST framework, and behind the ``self`` of a method."""
    for candidate in args[:2]:
        request = getattr(candidate, "_request", candidate)
        if isinstance(request, HttpRequest):
            setattr(request, EXEMPT, True)
            return
