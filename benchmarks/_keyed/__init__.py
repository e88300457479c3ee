"""Sites whose users have keys of different kinds."""

from __future__ import annotations

from typing import Any

#: A site with the pages of the app, and little else.
SITE: dict[str, Any] = {
    "ROOT_URLCONF": "_keyed.urls",
    "ALLOWED_HOSTS": ["testserver"],
    "STATIC_URL": "static/",
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
}
