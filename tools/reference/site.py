"""The settings of the site that the examples of the reference are about."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.db.models import Q

SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "of an example",
    "ALLOWED_HOSTS": ["*"],
    "USE_TZ": True,
    "TIME_ZONE": "UTC",
    "ROOT_URLCONF": "tools.reference.example",
    "INSTALLED_APPS": [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "souvenirs",
    ],
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "souvenirs.middleware.SouvenirsMiddleware",
    ],
    "DATABASES": {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": ":memory:",
            "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        }
    },
    # Shared by processes, as the checks ask for; none of the examples records anything.
    "CACHES": {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache",
        }
    },
    "SOUVENIRS_API_AUTH": "tools.reference.example.user_of_token",
    "SOUVENIRS_GROUP_BY": ["groups__name"],
    "SOUVENIRS_SEGMENTS": {
        "Acme": Q(email__endswith="@acme.example"),
        "Globex": Q(email__endswith="@globex.example"),
    },
}


def set_up() -> None:
    settings.configure(**SETTINGS)
    django.setup()
