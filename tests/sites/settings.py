"""The settings of the site that ``SITE`` names, on the database at the URL ``SITE_DATABASE``."""

import os

import dj_database_url

from tests.sites.shapes import SHAPES

SHAPE = SHAPES[os.environ["SITE"]]
DATABASE = os.environ["SITE_DATABASE"]
if DATABASE.startswith("mysql:"):
    import pymysql

    # Django asks the driver for the version of mysqlclient, whose interface this one has.
    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()
DATABASES = SHAPE.databases(dj_database_url.parse(DATABASE))

AUTH_USER_MODEL = SHAPE.user_model
SECRET_KEY = "a secret of the tests"
ALLOWED_HOSTS = ["127.0.0.1", ".localhost"]
ROOT_URLCONF = "tests.sites.parts"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
#: A window that began long ago and ends in years: no test runs over its edge.
SOUVENIRS_RATELIMIT_SECONDS = 1_000_000_000
SOUVENIRS_TIMEOUT = 5
SILENCED_SYSTEM_CHECKS = [
    "souvenirs.W001",  # a window of years contains midnight
]
globals().update(SHAPE.settings)

TENANT_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "tests.sites",
    "souvenirs",
]
SHARED_APPS = SHAPE.settings.get("SHARED_APPS", [])
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]
MIDDLEWARE = [
    *(["django_tenants.middleware.TenantMainMiddleware"] if SHARED_APPS else []),
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "souvenirs.middleware.SouvenirsMiddleware",
    *SHAPE.middleware_inside,
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
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"souvenirs": {"handlers": ["stderr"], "level": "INFO"}},
}
