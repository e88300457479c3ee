"""A small Django project that shows the app on real data. Not for production."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from django.db.models import Q

DEMO = Path(__file__).parent

DEBUG = True
SECRET_KEY = os.environ.get("DEMO_SECRET_KEY") or get_random_secret_key()
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "demo.urls"
USE_TZ = True
TIME_ZONE = "UTC"

INSTALLED_APPS = [
    "demo",  # before the admin, whose index it extends
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "souvenirs",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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


def database(name: str) -> dict[str, object]:
    """Return the database that a URL of PostgreSQL or a path of SQLite names."""
    url = urlsplit(name)
    if url.scheme in ("postgres", "postgresql"):
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(url.path.removeprefix("/")),
            "USER": unquote(url.username or ""),
            "PASSWORD": unquote(url.password or ""),
            "HOST": url.hostname or "",
            "PORT": url.port or "",
        }
    if "://" in name:
        raise ImproperlyConfigured(
            "DEMO_DATABASE should be a path, or a URL such as "
            f"postgresql://postgres@127.0.0.1/demo, not {name!r}."
        )
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=wal;"},
    }


DATABASES = {"default": database(os.environ.get("DEMO_DATABASE") or str(DEMO / "demo.sqlite3"))}
if cache := os.environ.get("DEMO_CACHE"):
    CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": cache}
    }
STATIC_URL = "static/"
LOGIN_URL = "admin:login"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The history has users in all time zones: windows of a quarter of an hour suit them all, because
# every UTC offset is a multiple of it.
SOUVENIRS_RATELIMIT_SECONDS = 900

# Groups of authors by what they have done; the command demo assigns them.
SOUVENIRS_SEGMENTS = {
    "mergers": Q(groups__name="mergers"),
    "regulars": Q(groups__name="regulars"),
    "casual": Q(groups__name="casual"),
}

# With a token, Prometheus reads /metrics; without one, only those who are signed in.
SOUVENIRS_METRICS_TOKEN = os.environ.get("DEMO_METRICS_TOKEN")
