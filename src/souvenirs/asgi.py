"""Write what a process remembers when an ASGI server shuts it down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from asgiref.sync import sync_to_async

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[..., Awaitable[None]]


def with_shutdown(application: Application) -> Application:
    """Return an ASGI application that writes, at shutdown, souvenirs that could not be written.

    It needs a server with the lifespan protocol, and passes everything on to ``application``. Where
    that does not know the protocol, as Django does not, it answers itself.
    """

    async def wrapper(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        has_begun = False

        async def receive_and_write() -> Message:
            nonlocal has_begun
            has_begun = True
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                # Not at import: asgi.py of a project imports this before Django has been set up.
                from .recording import catch_up_at_exit

                await sync_to_async(catch_up_at_exit)()
            return message

        try:
            await application(scope, receive_and_write, send)
        except Exception:
            if has_begun:
                raise
            done = ""
            while done != "lifespan.shutdown":
                done = (await receive_and_write())["type"]
                await send({"type": f"{done}.complete"})

    return wrapper
