"""What some of the sites are made of: views, a middleware, routers of databases."""

from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path
from django.utils.deprecation import MiddlewareMixin


def home(request):
    return HttpResponse(f"user {request.user.pk}")


def ready(request):
    return HttpResponse("ready")


urlpatterns = [
    path("", home),
    path("ready/", ready),
    path("admin/", admin.site.urls),
    path("souvenirs/", include("souvenirs.dashboard.urls")),
]


def sync_only(get_response):
    """A middleware for which Django runs everything inside it on a thread."""

    def middleware(request):
        return get_response(request)

    return middleware


class OldMiddleware(MiddlewareMixin):
    def process_response(self, request, response):
        return response


class ReadsFromReplica:
    """Every read goes to the replica, as in Django's documentation."""

    def db_for_read(self, model, **hints):
        return "replica"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, *objects, **hints):
        return True

    def allow_migrate(self, alias, *args, **hints):
        return alias == "default"


class KeepsSouvenirsApart:
    """Souvenirs have a database of their own."""

    def db_for_read(self, model, **hints):
        return "activity" if model._meta.app_label == "souvenirs" else None

    db_for_write = db_for_read

    def allow_migrate(self, alias, app_label, **hints):
        return (alias == "activity") == (app_label == "souvenirs")
