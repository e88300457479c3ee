"""A small site: its settings, from the environment, its views and its URLs.

``SITE_DATABASE`` and ``SITE_CACHE`` are URLs, ``SITE_CACHE_BACKEND`` is a class, ``SITE_SESSIONS``
is one of Django's session engines; ``SITE_SETTINGS`` is JSON of any other settings.
``SITE_KEEPS_CONNECTIONS=1`` keeps connections to the database open from request to request, and
``SITE_WITHOUT_SOUVENIRS=1`` leaves the middleware out; ``SITE_MIDDLEWARE_INSIDE`` is JSON of what
comes after it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time

import dj_database_url
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path

DATABASE = os.environ.get("SITE_DATABASE", "sqlite:///:memory:")
if DATABASE.startswith("mysql:"):
    import pymysql

    # Django asks the driver for the version of mysqlclient, whose interface this one has.
    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()
DATABASES = {"default": {**dj_database_url.parse(DATABASE), "ATOMIC_REQUESTS": True}}
if os.environ.get("SITE_KEEPS_CONNECTIONS") == "1":
    DATABASES["default"]["CONN_MAX_AGE"] = None
CACHES = {
    "default": {
        "BACKEND": os.environ.get(
            "SITE_CACHE_BACKEND", "django.core.cache.backends.redis.RedisCache"
        ),
        "LOCATION": os.environ.get("SITE_CACHE", ""),
    }
}

SECRET_KEY = "a secret of the tests"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
TIME_ZONE = "UTC"
ROOT_URLCONF = "tests.faults.site"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "souvenirs",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
if os.environ.get("SITE_WITHOUT_SOUVENIRS") != "1":
    MIDDLEWARE += ["souvenirs.middleware.SouvenirsMiddleware"]
# What stands inside the middleware of the app.
MIDDLEWARE += json.loads(os.environ.get("SITE_MIDDLEWARE_INSIDE", "[]"))
SESSION_ENGINE = "django.contrib.sessions.backends." + os.environ.get("SITE_SESSIONS", "db")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"names": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "names"}},
    "loggers": {"souvenirs": {"handlers": ["stderr"], "level": "INFO"}},
}
globals().update(json.loads(os.environ.get("SITE_SETTINGS", "{}")))


def sync_only(get_response):
    """A middleware for which Django runs everything inside it on a thread."""

    def middleware(request):
        return get_response(request)

    return middleware


#: Only these views, without a transaction around them, can do without a database.
without_database = transaction.non_atomic_requests


@without_database
def plain(request):
    return HttpResponse("plain")


def asks(request):
    return HttpResponse(f"user {request.user.pk}")


def api(request):
    return JsonResponse({"user": request.user.pk, "method": request.method})


@without_database
def stream(request):
    return StreamingHttpResponse(f"part {number}\n" for number in range(5))


@without_database
async def async_stream(request):
    async def parts():
        for number in range(5):
            yield f"part {number}\n"
            await asyncio.sleep(0)

    return StreamingHttpResponse(parts())


@without_database
def missing(request):
    raise Http404


@without_database
def fails(request):
    raise RuntimeError("the view fails")


@without_database
def redirect(request):
    return HttpResponseRedirect("/plain/")


@without_database
def login(request):
    get_token(request)
    return HttpResponse("login")


@without_database
def session(request):
    request.session["changed"] = True
    return HttpResponse("changed")


def delete(request):
    deleted, _ = get_user_model().objects.filter(pk=request.user.pk).delete()
    return HttpResponse(f"deleted {deleted}")


@without_database
def slow(request):
    time.sleep(float(request.GET.get("seconds", 0.3)))
    return HttpResponse("slow")


@without_database
async def async_slow(request):
    await asyncio.sleep(float(request.GET.get("seconds", 0.3)))
    return HttpResponse("slow")


@without_database
async def async_fails_in_mid_stream(request):
    async def parts():
        yield "part 0\n"
        raise RuntimeError("the stream fails")

    return StreamingHttpResponse(parts())


@without_database
async def async_endless_stream(request):
    async def parts():
        while True:
            yield "part\n"
            await asyncio.sleep(0.01)

    return StreamingHttpResponse(parts())


@without_database
async def async_hangs(request):
    print("A view has begun.", flush=True)
    await asyncio.sleep(60)


@without_database
def ready(request):
    return HttpResponse("ready")


VIEWS = [
    plain,
    asks,
    api,
    stream,
    async_stream,
    missing,
    fails,
    redirect,
    login,
    session,
    delete,
    slow,
    async_slow,
    async_fails_in_mid_stream,
    async_endless_stream,
    async_hangs,
    ready,
]
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]
