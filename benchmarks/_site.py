"""The site that serve.py serves: its settings come as JSON, in SOUVENIRS_BENCH_SITE."""

from __future__ import annotations

import json
import os
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.decorators import sync_and_async_middleware

settings.configure(**json.loads(os.environ["SOUVENIRS_BENCH_SITE"]))

ITEMS = [f"item {number}" for number in range(20)]


@sync_and_async_middleware
def do_nothing(get_response: Any) -> Any:
    if iscoroutinefunction(get_response):

        async def pass_on(request: HttpRequest) -> HttpResponse:
            return await get_response(request)

    else:

        def pass_on(request: HttpRequest) -> HttpResponse:
            return get_response(request)

    return pass_on


def never_asks(request: HttpRequest) -> HttpResponse:
    return render(request, "page.html", {"items": ITEMS})


def asks(request: HttpRequest) -> HttpResponse:
    return render(request, "page.html", {"items": ITEMS, "name": request.user.get_username()})


async def never_asks_async(request: HttpRequest) -> HttpResponse:
    return render(request, "page.html", {"items": ITEMS})


async def asks_async(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return render(request, "page.html", {"items": ITEMS, "name": user.get_username()})


if settings.SERVED_AS == "asgi":
    application = get_asgi_application()
    never_asks, asks = never_asks_async, asks_async
else:
    application = get_wsgi_application()

urlpatterns = [path("never/", never_asks), path("asks/", asks)]
