"""A vendor whose customers are organizations: ``DEMO=b2b make demo``. Not for production."""

import os

from demo.settings import *  # noqa: F403
from demo.settings import DEMO, INSTALLED_APPS, TEMPLATES, database

ROOT_URLCONF = "demo.b2b.urls"
INSTALLED_APPS = ["demo.b2b" if app == "demo" else app for app in INSTALLED_APPS]
TEMPLATES = [{**TEMPLATES[0], "DIRS": [DEMO / "templates"]}]
DATABASES = {"default": database(os.environ.get("DEMO_DATABASE") or str(DEMO / "b2b.sqlite3"))}

AUTH_USER_MODEL = "b2b.User"

SOUVENIRS_RATELIMIT_SECONDS = 3600
SOUVENIRS_SEGMENTS = {}
SOUVENIRS_GROUP_BY = ["organization__name", "organization__plan"]
