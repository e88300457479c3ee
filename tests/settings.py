"""Settings of the suite: one run is on one database and with one user model."""

import os

from tests import servers

DATABASE = os.environ.get("SOUVENIRS_TEST_DATABASE", "sqlite")
DATABASES = {"default": servers.database(DATABASE), "elsewhere": servers.database(DATABASE)}
DATABASES["elsewhere"]["TEST"] = {
    **DATABASES["elsewhere"].get("TEST", {}),
    "NAME": servers.name_of_another(DATABASE),
}

AUTH_USER_MODEL = servers.USER_MODEL

SECRET_KEY = "tests"
USE_TZ = True
TIME_ZONE = "UTC"
ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "hijack",
    "impersonate",
    "loginas",
    "tests.users",
    "souvenirs",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "souvenirs.middleware.SouvenirsMiddleware",
]
TEMPLATES = [
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
]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
#: Most tests digest without asking for a figure; those of ``publishing`` publish.
SOUVENIRS_PUBLISH = None
#: Of Django 6.1; others ignore it.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
