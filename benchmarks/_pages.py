"""The site whose pages pages.py asks for: the admin, with everything that the app adds to it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.urls import path

from souvenirs.admin import LastSeenAdminMixin

#: What the settings of the site are, beside those of its database and its segments.
SITE: dict[str, Any] = {
    "ROOT_URLCONF": "_pages",
    "ALLOWED_HOSTS": ["127.0.0.1", "testserver"],
    "STATIC_URL": "static/",
    "MIDDLEWARE": [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "souvenirs.middleware.SouvenirsMiddleware",
    ],
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    "SOUVENIRS_SEGMENTS": {"most": "_pages.most", "few": "_pages.few"},
}


def most() -> Q:
    """Nine users of ten."""
    return Q(is_active=True)


def few() -> QuerySet[User]:
    """One user of a hundred."""
    return User.objects.filter(username__endswith="77")


class Users(LastSeenAdminMixin, UserAdmin):
    pass


admin.site.unregister(User)
admin.site.register(User, Users)

urlpatterns = [path("admin/", admin.site.urls)]
