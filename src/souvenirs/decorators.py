"""Views whose requests do not count as activity."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest

#: The attribute of a request that does not count.
EXEMPT = "_souvenirs_exempt"

View = TypeVar("View", bound=Callable[..., Any])


def souvenirs_exempt(view: View) -> View:
    """Decorate a sync or async view so that its requests do not count as activity.

    Use it for requests that do not come from a user's action, such as polling and health checks. It
    also decorates methods of class-based views, in Django and Django REST framework.
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
    """Mark the request, which REST framework may have wrapped and which may follow ``self``."""
    for candidate in args[:2]:
        request = getattr(candidate, "_request", candidate)
        if isinstance(request, HttpRequest):
            setattr(request, EXEMPT, True)
            return
